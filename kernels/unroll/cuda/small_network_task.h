// SPDX-License-Identifier: Apache-2.0
//
// One warp's batch of tasks: T steps forward, the outer loss, T steps back (see kernels/unroll/unroll.h), and what
// becomes of the results. The passes over the network are a class of the kernel's own:
//     step(lane, memory, rate, tape)       theta -= rate g, with the tape
//     outer(lane, memory)                  V = dL_out/dtheta in memory.V; returns twice the loss, the lane's share
//     adjoint(lane, memory, rate, tape)    V -= rate H V, at the theta that start_copy is bringing
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
  float W[larger(S::state, 4 * S::matrix)];         // theta_t
  float V[larger(S::state, 2 * S::matrix + sums)];  // the gradient with respect to it
  float x[2][16], y[2][16];                         // inner, outer; zeros beyond the rows
};

// 1 / n for the rows that there are, else 0: what lacks in a task has no part in any sum.
struct RowWeights {
  float of[2];
  BLV_DEVICE RowWeights(Lane lane, int rows) {
    const float w = 1.f / static_cast<float>(rows);
    of[0] = lane.g < rows ? w : 0.f, of[1] = lane.g + 8 < rows ? w : 0.f;
  }
};

template <class S, class Passes>
struct Batch {
  const Arguments &a;
  Memory<S> &m;
  Lane lane;
  int64_t first, end;
  float *slab, *partial;
  bool started = false, poisoned = false;  // something is in the partial sum; a failed task is to be

  BLV_DEVICE Batch(const Arguments &arguments, Memory<S> &memory) : a(arguments), m(memory) {
    const int64_t b = blockIdx.x;
    first = b * a.tasks / a.batches, end = (b + 1) * a.tasks / a.batches;
    slab = a.slabs + b * a.steps * S::step;
    partial = a.partials + b * S::partial;
  }

  BLV_DEVICE void run() {
    for (int64_t task = first; task < end; task++) run_task(task);
    if (a.gradient.task_stride == 0 && (poisoned || !started)) {
      const float v = poisoned ? __int_as_float(0x7fffffff) : 0.f;
      each_quad<S>(lane, [&](int i) { *reinterpret_cast<float4 *>(partial + i) = {v, v, v, v}; });
    }
    if (a.gradient.task_stride == 0 && lane.id < S::partial - S::state) partial[S::state + lane.id] = 0;
  }

 private:
  BLV_DEVICE float *step_slab(int t) const { return slab + static_cast<int64_t>(t) * S::step; }

  BLV_DEVICE void run_task(int64_t task) {
    load(task);
    const float rate = a.rate.data[task * a.rate.task_stride];
    for (int t = 0; t < a.steps; t++) {
      float *kept = step_slab(t);
      if (t > 0 || task == first || a.theta.task_stride != 0) copy_state<S>(lane, kept, m.W);
      Passes::step(lane, m, a, rate, kept + S::state);
    }
    const bool theta_finite = check_state<S>(lane, m.W).is_finite();
    if (a.theta_result.data != nullptr)
      store_theta<S>(lane, a.theta_result.data + task * a.theta_result.task_stride, m.W, false);
    __syncwarp();  // W is read
    const float loss = 0.5f * sum_over_warp(Passes::outer(lane, m, a));
    clear_padding<S>(lane, m.V);
    __syncwarp();
    float squares = 0;
    if (a.info != nullptr) squares = sum_over_warp(check_state<S>(lane, m.V).squares);
    for (int t = a.steps - 1; t >= 0; t--) {
      start_copy<S>(lane, m.W, step_slab(t));
      Passes::adjoint(lane, m, a, rate, step_slab(t) + S::state);
    }
    finish(task, theta_finite, loss, squares);
    __syncwarp();
  }

  BLV_DEVICE void load(int64_t task) {
    for (int i = lane.id; i < 64; i += 32) {
      const int side = i >> 5, target = i >> 4 & 1, row = i & 15;
      const Array<const float> &from = target != 0 ? a.y[side] : a.x[side];
      float v = 0;
      if (row < a.rows[side]) v = from.data[task * from.task_stride + row * from.row_stride];
      (target != 0 ? m.y : m.x)[side][row] = v;
    }
    if (task == first || a.theta.task_stride != 0)
      load_theta<S>(lane, m.W, a.theta.data + task * a.theta.task_stride);
    else
      copy_state<S>(lane, m.W, step_slab(0));
    __syncwarp();
  }

  // Entries that are not finite stay so through all steps in both directions: the last states tell of all.
  BLV_DEVICE void finish(int64_t task, bool theta_finite, float loss, float squares) {
    const bool finite = theta_finite && loss - loss == 0 && check_state<S>(lane, m.V).is_finite();
    if (a.gradient.task_stride != 0)
      store_theta<S>(lane, a.gradient.data + task * a.gradient.task_stride, m.V, !finite);
    else if (finite)
      add_to_partial();
    else if (a.skip_failed == 0)
      poisoned = true;
    if (!finite && a.theta_result.data != nullptr)
      store_theta<S>(lane, a.theta_result.data + task * a.theta_result.task_stride, m.V, true);
    if (a.loss.data != nullptr && lane.id == 0)
      a.loss.data[task * a.loss.task_stride] = finite ? loss : __int_as_float(0x7fffffff);
    if (a.info != nullptr) report(a.info[task], finite, theta_finite, loss, squares);
  }

  BLV_DEVICE void add_to_partial() {
    each_quad<S>(lane, [&](int i) {
      const float4 x = *reinterpret_cast<const float4 *>(m.V + i);
      auto *to = reinterpret_cast<float4 *>(partial + i);
      const float4 y = started ? *to : float4{};
      *to = {x.x + y.x, x.y + y.y, x.z + y.z, x.w + y.w};
    });
    started = true;
  }

  BLV_DEVICE void report(blv_task_info &info, bool finite, bool theta_finite, float loss, float squares) const {
    const double nan = __longlong_as_double(0x7fffffffffffffffll);
    const int64_t step = theta_finite ? -1 : first_not_finite();
    if (lane.id != 0) return;
    info.status = finite ? BLV_TASK_OK : BLV_TASK_NOT_FINITE;
    info.side = 0, info.step = step, info.row = -1, info.iterations = a.steps;
    info.loss = finite ? static_cast<double>(loss) : nan;
    info.gradient_norm = finite ? static_cast<double>(sqrtf(squares)) : nan;
  }

  // The step after which theta was first not finite, given that theta_T is not.
  BLV_DEVICE int first_not_finite() const {
    int t = 1;
    while (t < a.steps && check_state<S>(lane, step_slab(t)).is_finite()) t++;
    return t;
  }
};

}  // namespace small_network
}  // namespace bilevel
