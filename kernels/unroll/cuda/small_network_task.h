// SPDX-License-Identifier: Apache-2.0
//
// One warp's batch of tasks: T steps forward, the outer loss, T steps back (see kernels/unroll/unroll.h), and what
// becomes of the results. The passes over the network are a class of the kernel's own:
//     step(lane, memory, arguments, tape)     theta -= rate g, with the tape
//     outer(lane, memory, arguments)          V = dL_out/dtheta_T; returns the lane's share of twice the loss
//     adjoint(lane, memory, arguments, tape)  V -= rate H V, at the theta that start_copy is bringing
// All end with a barrier.
#pragma once
#include "kernels/unroll/cuda/small_network_state.h"

namespace bilevel {
namespace small_network {

constexpr int larger(int a, int b) { return a > b ? a : b; }

// Shared memory of a block. The outer products' operands need room: in V's while V is not alive, or in W's when theta is
// no longer needed.
template <class S>
struct alignas(16) Memory {
  static constexpr int sums = 8 * S::stride;
  float W[larger(S::state, 4 * S::matrix + sums)];  // theta_t
  float V[larger(S::state, 2 * S::matrix + sums)];  // the gradient with respect to it
  float spare[S::matrix];                           // for what would occupy registers while W is still needed
  float x[2][16], y[2][16];                         // inner, outer; zeros beyond the rows
  int64_t first, end, task;                         // tasks of the batch, and the one at hand
  float *slab;                                      // of the batch
  float rate, loss, squares;                        // |dL_out/dtheta_T|^2
  int32_t theta_finite;                             // theta_T is
  int32_t started, poisoned;                        // something is in the batch's sum; a failed task is to be
};

// 1 / n for the rows that there are, else 0: what lacks in a task has no part in any sum.
struct RowWeights {
  float of[2];
  BLV_DEVICE RowWeights(Lane lane, const Arguments &a, int side) {
    of[0] = lane.g < a.rows[side] ? a.inverse_rows[side] : 0.f;
    of[1] = lane.g + 8 < a.rows[side] ? a.inverse_rows[side] : 0.f;
  }
};

// What lives as long as a task is not held in registers: the passes need them all.
template <class S, class Passes>
struct Batch {
  const Arguments &a;
  Memory<S> &m;
  Lane lane = this_lane();

  BLV_DEVICE Batch(const Arguments &arguments, Memory<S> &memory) : a(arguments), m(memory) {}

  BLV_DEVICE void run() {
    if (lane.id == 0) {
      m.task = m.first = static_cast<int64_t>(blockIdx.x) * a.tasks / a.batches;
      m.end = (static_cast<int64_t>(blockIdx.x) + 1) * a.tasks / a.batches;
      m.slab = a.slabs + static_cast<int64_t>(blockIdx.x) * a.steps * S::step;
      m.started = m.poisoned = 0;
    }
    __syncwarp();
    while (m.task < m.end) {
      run_task();
      __syncwarp();
      if (lane.id == 0) m.task++;
      __syncwarp();
    }
    if (a.gradient.task_stride != 0) return;
    if (m.poisoned != 0 || m.started == 0) {
      const float v = m.poisoned != 0 ? __int_as_float(0x7fffffff) : 0.f;
      each_quad<S>(lane, [&](int i) { *reinterpret_cast<float4 *>(partial() + i) = {v, v, v, v}; });
    }
    if (lane.id < S::partial - S::state) partial()[S::state + lane.id] = 0;
  }

 private:
  BLV_DEVICE float *partial() const { return a.partials + static_cast<int64_t>(blockIdx.x) * S::partial; }
  BLV_DEVICE float *step_slab(int t) const { return m.slab + static_cast<int64_t>(t) * S::step; }
  // Whether theta_0 comes from the caller; else the batch has it in its slab already.
  BLV_DEVICE bool is_fresh() const { return a.theta.task_stride != 0 || m.task == m.first; }

  BLV_DEVICE void run_task() {
    load();
    for (int t = 0; t < a.steps; t++) {
      float *kept = step_slab(t);
      if (t > 0 || is_fresh()) copy_state<S>(lane, kept, m.W);
      Passes::step(lane, m, a, kept + S::state);
    }
    const bool theta_finite = check_state<S>(lane, m.W).is_finite();
    if (a.theta_result.data != nullptr)
      store_theta<S>(lane, a.theta_result.data + m.task * a.theta_result.task_stride, m.W, false);
    __syncwarp();  // W is read
    const float loss = 0.5f * sum_over_warp(Passes::outer(lane, m, a));
    clear_padding<S>(lane, m.V);
    __syncwarp();
    float squares = 0;
    if (a.info != nullptr) squares = sum_over_warp(check_state<S>(lane, m.V).squares);
    if (lane.id == 0) m.loss = loss, m.squares = squares, m.theta_finite = theta_finite;
    for (int t = a.steps - 1; t >= 0; t--) {
      start_copy<S>(lane, m.W, step_slab(t));
      Passes::adjoint(lane, m, a, step_slab(t) + S::state);
    }
    finish();
  }

  BLV_DEVICE void load() {
    share<64>(lane, [&](int i) {
      const int side = i >> 5, target = i >> 4 & 1, row = i & 15;
      const Array<const float> &from = target != 0 ? a.y[side] : a.x[side];
      float v = 0;
      if (row < a.rows[side]) v = from.data[m.task * from.task_stride + row * from.row_stride];
      (target != 0 ? m.y : m.x)[side][row] = v;
    });
    if (lane.id == 0) m.rate = a.rate.data[m.task * a.rate.task_stride];
    if (is_fresh())
      load_theta<S>(lane, m.W, a.theta.data + m.task * a.theta.task_stride);
    else
      copy_state<S>(lane, m.W, step_slab(0));
    __syncwarp();
  }

  // Entries that are not finite stay so through all steps in both directions: the last states tell of all.
  BLV_DEVICE void finish() {
    const float loss = m.loss;
    const bool finite = m.theta_finite != 0 && loss - loss == 0 && check_state<S>(lane, m.V).is_finite();
    if (a.gradient.task_stride != 0)
      store_theta<S>(lane, a.gradient.data + m.task * a.gradient.task_stride, m.V, !finite);
    else if (finite)
      add_to_partial();
    else if (a.skip_failed == 0 && lane.id == 0)
      m.poisoned = 1;
    if (!finite && a.theta_result.data != nullptr)
      store_theta<S>(lane, a.theta_result.data + m.task * a.theta_result.task_stride, m.V, true);
    if (a.loss.data != nullptr && lane.id == 0)
      a.loss.data[m.task * a.loss.task_stride] = finite ? loss : __int_as_float(0x7fffffff);
    if (a.info != nullptr) report(a.info[m.task], finite);
  }

  BLV_DEVICE void add_to_partial() {
    const bool started = m.started != 0;
    each_quad<S>(lane, [&](int i) {
      const float4 x = *reinterpret_cast<const float4 *>(m.V + i);
      auto *to = reinterpret_cast<float4 *>(partial() + i);
      const float4 y = started ? *to : float4{};
      *to = {x.x + y.x, x.y + y.y, x.z + y.z, x.w + y.w};
    });
    __syncwarp();
    if (lane.id == 0) m.started = 1;
  }

  BLV_DEVICE void report(blv_task_info &info, bool finite) const {
    const double nan = __longlong_as_double(0x7fffffffffffffffll);
    const int64_t step = m.theta_finite != 0 ? -1 : first_not_finite();
    if (lane.id != 0) return;
    info.status = finite ? BLV_TASK_OK : BLV_TASK_NOT_FINITE;
    info.side = 0, info.step = step, info.row = -1, info.iterations = a.steps;
    info.loss = finite ? static_cast<double>(m.loss) : nan;
    info.gradient_norm = finite ? static_cast<double>(sqrtf(m.squares)) : nan;
  }

  // The step after which theta was first not finite, given that theta_T is not.
  BLV_DEVICE int first_not_finite() const {
    int t = 1;
    while (t < a.steps && check_state<S>(lane, step_slab(t)).is_finite()) t++;
    return t;
  }
};

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
