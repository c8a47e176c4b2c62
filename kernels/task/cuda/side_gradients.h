// SPDX-License-Identifier: Apache-2.0
//
// What happens to the gradients of one loss outside of its rows, on the device; as kernels/task/cpu/side_gradients.h.
#pragma once
#include "kernels/machine/cuda/map.h"
#include "kernels/task/cuda/side_data.h"
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
  if (!side.penalty) return;
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
struct SideGradients {
  using Values = SideData<T, L>;
  const Values &side;
  Index planes, parameter_packs;

  BLV_INLINE void clear() const {
    each_accumulator([&](T *x, Index n, int, const T *, const T *) { strided_for(n, [&](Index i) { x[i] = T(0); }); });
    if (side.penalty_gradient) strided_for(parameter_packs * planes, [&](Index i) { side.penalty_gradient[i] = T(0); });
    TaskThreads::sync();
  }

  // After the last pass: gradients with respect to the leaves become gradients with respect to the caller's arrays.
  BLV_INLINE void finish(FiniteCheck<T> &check) const {
    each_accumulator([&](T *x, Index n, int link, const T *leaf, const T *slopes) {
      const Index plane = n / planes;
      for (Index k = 0; link && k < planes; k++) slope(link, leaf, slopes, x + k * plane, plane);
      check.see(x, n);
    });
    if (side.penalty_gradient) finish_penalty(check);
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

  // Leaves of both losses: what the other side's loss gives, after both have been finished.
  BLV_INLINE void add_leaves_of_both(const Values &other, FiniteCheck<T> &check) const {
    const Side &spec = *side.spec;
    if (spec.x.both) add(side.x_gradient, other.x_gradient, check);
    if (spec.y.both) add(side.y_gradient, other.y_gradient, check);
    if (spec.weight.both) add(side.weight_gradient, other.weight_gradient, check);
    if (spec.penalty.both && side.penalty_result)
      add_arrays(side.penalty_result, other.penalty_result, side.penalty_stride * planes, check);
  }

 private:
  // Rows that the task lacks, and padding, have gradient zero whatever the leaf's memory holds there.
  static BLV_INLINE void slope(int link, const T *leaf, const T *slopes, T *gradient, Index n) {
    strided_for_then_sync(n, [&](Index i) {
      if (gradient[i] != T(0)) gradient[i] *= slopes ? slopes[i] : link_slope<T>(link, leaf[i]);
    });
  }
  template <class Mat>
  BLV_INLINE void add(const Mat &to, const Mat &from, FiniteCheck<T> &check) const {
    if (to) add_arrays(to.v, from.v, to.plane * planes, check);
  }
  static BLV_INLINE void add_arrays(T *to, const T *from, Index n, FiniteCheck<T> &check) {
    strided_for_then_sync(n, [&](Index i) { check.see(to[i] += from[i]); });
  }

  template <class F>
  BLV_INLINE void each_accumulator(F f) const {
    one_accumulator(side.spec->x, side.x, side.x_slope, side.x_gradient, f);
    one_accumulator(side.spec->y, side.y, side.y_slope, side.y_gradient, f);
    one_accumulator(side.spec->weight, side.weight, side.weight_slope, side.weight_gradient, f);
  }
  template <class F, class Mat>
  BLV_INLINE void one_accumulator(const Leaf &leaf, const Mat &values, const T *slopes, const Mat &m, F f) const {
    if (m) f(m.v, m.plane * planes, leaf.value.link, values.v, slopes);
  }

  BLV_INLINE void finish_penalty(FiniteCheck<T> &check) const {
    for (Index k = 0; k < planes; k++) {
      T *from = side.penalty_gradient + k * parameter_packs, *to = side.penalty_result + k * side.penalty_stride;
      reduce_penalty(from, to);
      const int link = side.spec->penalty.value.link;
      if (link) slope(link, side.penalty_leaf, side.penalty_slope, to, side.penalty_stride);
      check.see(to, side.penalty_stride);
    }
  }

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
