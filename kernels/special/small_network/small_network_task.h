// SPDX-License-Identifier: Apache-2.0
//
// One warp's batch of tasks: T steps forward, the outer loss, T steps back (the program of csrc/methods/unroll.cpp), then the results. A
// kernel's own class Passes has the states, theta and the gradient with respect to it, and the passes over the network:
//     load_theta(from)            theta of the caller's
//     keep_theta(to)              into the slab
//     bring_theta(from)           back; begun only, until adjoint or wait
//     step(tape)                  theta -= rate g
//     outer()                     gradient = dL_out/dtheta; returns the lane's share of twice the loss
//     adjoint(tape)               gradient -= rate H gradient
//     check_theta, check_gradient, check_kept(slab), store_theta, store_gradient(to, failed), add_gradient(to, first)
// and Shape, with the sizes of a state, a step and a partial sum. All are called by all lanes, and end with a barrier
// where they wrote what other lanes read.
#pragma once
#include "kernels/special/small_network/small_network_device.h"

namespace bilevel {
namespace small_network {

// What all lanes share for the length of a task. In shared memory: the passes need all registers.
struct TaskMemory {
  float x[2][16], y[2][16];  // inner, outer; zeros beyond the rows
  int64_t first, end, task;  // tasks of the batch, and the current one
  double squares;            // |dL_out/dtheta_T|^2
  float rate, loss;
  int32_t theta_finite;       // theta_T is
  int32_t started, poisoned;  // something is in the batch's sum; a failed task is to be
};

template <class Passes>
struct Batch {
  using S = typename Passes::Shape;
  const Arguments &a;
  TaskMemory &m;
  Passes passes;

  BLV_DEVICE void run() {
    if (is_first_lane()) {
      m.task = m.first = static_cast<int64_t>(blockIdx.x) * a.tasks / a.batches;
      m.end = (static_cast<int64_t>(blockIdx.x) + 1) * a.tasks / a.batches;
      m.started = m.poisoned = 0;
    }
    __syncwarp();
    while (m.task < m.end) {
      run_task();
      __syncwarp();
      if (is_first_lane()) m.task++;
      __syncwarp();
    }
    if (a.gradient.task_stride == 0 && (m.poisoned != 0 || m.started == 0)) {
      const float v = m.poisoned != 0 ? quiet_nan() : 0.f;
      for (int i = static_cast<int>(threadIdx.x); i < S::partial; i += 32) partial()[i] = v;
    }
  }

 private:
  static BLV_DEVICE bool is_first_lane() { return threadIdx.x == 0; }
  BLV_DEVICE float *partial() const { return a.partials + static_cast<int64_t>(blockIdx.x) * S::partial; }
  BLV_DEVICE float *step_slab(int t) const {
    return a.slabs + (static_cast<int64_t>(opaque(static_cast<int>(blockIdx.x))) * a.steps + t) * S::step;
  }
  // Whether theta_0 comes from the caller; else the batch has it in its slab already.
  BLV_DEVICE bool is_fresh() const { return a.theta.task_stride != 0 || m.task == m.first; }

  BLV_DEVICE void run_task() {
    load();
    for (int t = 0; t < a.steps; t++) {
      float *kept = step_slab(t);
      if (t > 0 || is_fresh()) passes.keep_theta(kept);
      passes.step(kept + S::state);
    }
    const bool theta_finite = passes.check_theta().is_finite();
    if (a.theta_result.data != nullptr)
      passes.store_theta(a.theta_result.data + m.task * a.theta_result.task_stride, false);
    __syncwarp();
    const float loss = 0.5f * sum_over_warp(passes.outer());
    double squares = 0;
    if (a.info != nullptr) squares = sum_over_warp(passes.check_gradient().squares);
    if (is_first_lane()) m.loss = loss, m.squares = squares, m.theta_finite = theta_finite;
    for (int t = a.steps - 1; t >= 0; t--) {
      passes.bring_theta(step_slab(t));
      passes.adjoint(step_slab(t) + S::state);
    }
    finish();
  }

  BLV_DEVICE void load() {
    for (int half = 0; half < 2; half++) {
      const int target = static_cast<int>(threadIdx.x) >> 4, row = static_cast<int>(threadIdx.x) & 15;
      const Array<const float> &from = target != 0 ? a.y[half] : a.x[half];
      float v = 0;
      if (row < a.rows[half]) v = from.data[m.task * from.task_stride + row * from.row_stride];
      (target != 0 ? m.y : m.x)[half][row] = v;
    }
    if (is_first_lane()) m.rate = a.rate.data[m.task * a.rate.task_stride];
    if (is_fresh()) {
      passes.load_theta(a.theta.data + m.task * a.theta.task_stride);
      __syncwarp();
    } else {
      passes.bring_theta(step_slab(0));
      passes.wait();
    }
  }

  // Entries that are not finite stay so through all steps in both directions: the last states tell of all.
  BLV_DEVICE void finish() {
    const float loss = m.loss;
    const bool finite = m.theta_finite != 0 && loss - loss == 0 && passes.check_gradient().is_finite();
    if (a.gradient.task_stride != 0)
      passes.store_gradient(a.gradient.data + m.task * a.gradient.task_stride, !finite);
    else if (finite)
      add_to_partial();
    else if (a.skip_failed == 0 && is_first_lane())
      m.poisoned = 1;
    if (!finite && a.theta_result.data != nullptr)
      passes.store_theta(a.theta_result.data + m.task * a.theta_result.task_stride, true);
    if (a.loss.data != nullptr && is_first_lane())
      a.loss.data[m.task * a.loss.task_stride] = finite ? loss : quiet_nan();
    if (a.info != nullptr) report(a.info[m.task], finite);
  }

  BLV_DEVICE void add_to_partial() {
    passes.add_gradient(partial(), m.started == 0);
    __syncwarp();
    if (is_first_lane()) m.started = 1;
  }

  BLV_DEVICE void report(blv_task_info &info, bool finite) const {
    const double nan = __longlong_as_double(0x7fffffffffffffffll);
    const int64_t step = m.theta_finite != 0 ? -1 : first_not_finite();
    if (!is_first_lane()) return;
    info.status = finite ? BLV_TASK_OK : BLV_TASK_NOT_FINITE;
    info.side = 0, info.step = step, info.row = -1, info.iterations = a.steps;
    info.loss = finite ? static_cast<double>(m.loss) : nan;
    info.gradient_norm = finite ? static_cast<double>(static_cast<float>(sqrt(m.squares))) : nan;
  }

  // The step after which theta was first not finite, given that theta_T is not.
  BLV_DEVICE int first_not_finite() const {
    int t = 1;
    while (t < a.steps && passes.check_kept(step_slab(t)).is_finite()) t++;
    return t;
  }
};

// The second stage: warp w of a block adds, for 32 entries of a state, the batches w, w + 32, ..; then the 32 sums are
// added in order. One thread per entry would wait for a thousand loads in turn, longer than the first stage takes.
template <class S>
BLV_DEVICE void sum_batches(const Arguments &a) {
  __shared__ float parts[32][32];
  const int column = static_cast<int>(threadIdx.x & 31), warp = static_cast<int>(threadIdx.x >> 5);
  const int i = static_cast<int>(blockIdx.x) * 32 + column;  // in a partial sum, which is a multiple of 32 long
  const int parameter = S::parameter(i);
  float sum = 0;
#pragma unroll 8
  for (int b = parameter < 0 ? a.batches : warp; b < a.batches; b += 32)
    sum += a.partials[static_cast<int64_t>(b) * S::partial + i];
  parts[warp][column] = sum;
  __syncthreads();
  if (warp != 0) return;
  for (int w = 1; w < 32; w++) sum += parts[w][column];
  if (parameter >= 0) a.gradient.data[parameter] = sum;
}

template <class S, class SharedMemory>
Instance make_instance(int warps, void (*unroll)(Arguments), void (*sum)(Arguments)) {
  return {S::width,
          S::points,
          warps,
          static_cast<int64_t>(sizeof(SharedMemory)),
          S::step,
          S::partial,
          reinterpret_cast<const void *>(unroll),
          reinterpret_cast<const void *>(sum)};
}

}  // namespace small_network
}  // namespace bilevel
