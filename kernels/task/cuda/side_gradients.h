// SPDX-License-Identifier: Apache-2.0
//
// What happens to the gradients of one loss outside of its rows, on the device; as kernels/task/cpu/side_gradients.h.
#pragma once
#include "kernels/machine/cuda/map.h"
#include "kernels/task/cuda/side_data.h"
#include "kernels/task/leaf_gradients.h"
#include "kernels/task/penalty_request.h"

namespace bilevel {
namespace BLV_ISA_NAMESPACE {

// Whether this thread has met a NaN or an infinity; `report` asks all threads of the group.
template <class T>
struct FiniteCheck {
  int bits = 0;
  BLV_INLINE void see(T x) { bits |= is_not_finite_bits(x); }
  BLV_INLINE void see(const T *x, Index n) {
    int all = 0;
    strided_for(n, [&](Index i) { all |= is_not_finite_bits(x[i]); });
    bits |= all;
  }
  template <Lanes L>
  BLV_INLINE void report(TaskStatus *status, Index, long long step) {
    if (any_thread(bits)) status->fail(BLV_TASK_NOT_FINITE, 0, step, -1);
    bits = 0;
  }
};

// The sum over parameters of each thread's part.
template <class T, Lanes L>
BLV_INLINE T total_over_parameters(T x) {
  return sum_over_threads(x);
}

template <class T, Lanes L>
BLV_FUNCTION BLV_NOINLINE T norm_over_parameters(const T *x, Index n) {
  return norm_of(x, n);
}

// 1/2 sum p theta^2: its gradients with respect to theta and p are added, in mode M as the data's part.
template <Mode M, class T, Lanes L>
BLV_FUNCTION BLV_NOINLINE void add_penalty(const SideData<T, L> &side, const PenaltyRequest<T> &r) {
  const Index n = r.packs;
  using X = Map<T, M, L>;
  const Matrix<T> penalty{side.penalty, r.tangents ? side.penalty_tangent : nullptr, n, n};
  Matrix<T> penalty_gradient;
  if (r.leaf_gradients && side.penalty_gradient)
    penalty_gradient = M == Mode::VALUE ? Matrix<T>{side.penalty_gradient, nullptr, n, n}
                                        : Matrix<T>{nullptr, side.penalty_gradient, n, n};
  const T factor = r.scale ? *r.scale : T(1);
  CompensatedSum<T> loss;
  X x(r.planes);
  for (x.k = 0; x.k < (M == Mode::VALUE ? 1 : r.planes); x.k++)
    strided_for(n, [&](Index j) {
      const auto p = x.get(penalty, 0, j), t = x.get(r.theta, 0, j);
      if (r.gradient) x.add(r.gradient, 0, j, p * factor * t);
      const auto half_square = t * t * (factor * T(0.5));
      if (penalty_gradient) x.add(penalty_gradient, 0, j, half_square);
      if (r.total) x.add_to_total(&loss, 0, p * half_square);
    });
  TaskThreads::sync();
  if (r.total) *r.total += sum_over_threads(loss.value);
}

template <class T, Lanes L>
struct SideGradients : LeafGradients<T, const SideData<T, L>, FiniteCheck<T>, SideGradients<T, L>> {
  using Base = LeafGradients<T, const SideData<T, L>, FiniteCheck<T>, SideGradients<T, L>>;
  using Base::side, Base::planes, Base::parameter_packs;
  friend Base;

  BLV_INLINE void clear() const {
    this->each_accumulator(
        [&](T *x, Index n, int, const T *, const T *) { strided_for(n, [&](Index i) { x[i] = T(0); }); });
    if (side.penalty_gradient) strided_for(parameter_packs * planes, [&](Index i) { side.penalty_gradient[i] = T(0); });
    TaskThreads::sync();
  }

  // The sum over the leaves of <gradient, tangent k>, before `finish`.
  BLV_INLINE T dot_tangents(Index k) const {
    T total = 0;
    const auto add = [&](const T *gradient, const T *tangent, Index n) {
      if (gradient) total += thread_sum<T>(n, [&](Index i) { return gradient[i] * tangent[i]; });
    };
    // Rows that the task lacks hold nothing.
    const auto add_leaf = [&](const Matrix<T> &values, const Matrix<T> &gradient) {
      if (values.d) add(gradient.v, values.tangent(k), side.n * values.ld);
    };
    add_leaf(side.x, side.x_gradient), add_leaf(side.y, side.y_gradient), add_leaf(side.weight, side.weight_gradient);
    if (side.penalty_tangent)
      add(side.penalty_gradient, side.penalty_tangent + (long long)(k)*parameter_packs, parameter_packs);
    return sum_over_threads(total);
  }

 private:
  // Rows that the task lacks, and padding, have gradient zero whatever the leaf's memory holds there.
  static BLV_INLINE void multiply_by_slope(int link, const T *leaf, const T *slopes, T *gradient, Index n) {
    strided_for_then_sync(n, [&](Index i) {
      if (gradient[i] != T(0)) gradient[i] *= slopes ? slopes[i] : link_slope<T>(link, leaf[i]);
    });
  }
  static BLV_INLINE void add_packs(T *to, const T *from, Index n, FiniteCheck<T> &check) {
    strided_for_then_sync(n, [&](Index i) { check.see(to[i] += from[i]); });
  }
  // A task on the device has no rows beyond its own.
  BLV_INLINE void clear_missing_rows() const {}

  // From one per parameter to the natural shape, the transpose of SideData::expand_penalty.
  BLV_INLINE void reduce_penalty(const T *from, T *to) const {
    const NetworkView &net = *side.net;
    const int extent = side.spec->penalty.value.extent;
    if (extent == BLV_PER_PARAMETER)
      return strided_for_then_sync(side.penalty_stride, [&](Index i) { to[i] = from[i]; });
    if (extent == BLV_PER_FEATURE) {
      const LayerView &layer = net.layers[0];
      return strided_for_then_sync(layer.inputs, [&](Index j) {
        CompensatedSum<T> total;
        for (Index i = 0; i < layer.outputs; i++) total.add(from[layer.weight + i * layer.ld + j]);
        to[j] = total.value;
      });
    }
    CompensatedSum<T> own;
    for (Index l = 0; l < net.n_layers; l++) {
      const LayerView &layer = net.layers[l];
      strided_for_matrix(layer.outputs, layer.inputs,
                         [&](Index i, Index j) { own.add(from[layer.weight + i * layer.ld + j]); });
    }
    const T total = sum_over_threads(own.value);
    one_thread_then_sync([&] { to[0] = total; });
  }
};

}  // namespace BLV_ISA_NAMESPACE
}  // namespace bilevel
