// SPDX-License-Identifier: Apache-2.0
//
// What happens to the gradients of one loss outside of its rows: the penalty's part of the loss, clearing the
// accumulators before a group of tasks, and afterwards the chain rule through the links and the check that all is
// finite.
#pragma once
#include "kernels/task/cpu/side_data.h"
#include "kernels/task/leaf_gradients.h"
#include "kernels/task/penalty_request.h"

namespace bilevel {
namespace BLV_ISA_NAMESPACE {

// Which lanes have met a NaN or an infinity.
template <class T>
struct FiniteCheck {
  Integers<T> bits = {};
  BLV_INLINE void see(Pack<T> x) { bits |= is_not_finite_bits(x); }
  void see(const Pack<T> *x, long packs) {
    Integers<T> all = {};
    for (long i = 0; i < packs; i++) all |= is_not_finite_bits(x[i]);
    bits |= all;
  }
  template <Lanes L>
  void report(TaskStatus *status, long count, long step) {
    if (!any(bits)) return;
    for (long lane = 0; lane < count; lane++)
      if (L == Lanes::TASKS ? bits[lane] != 0 : true) status[lane].fail(BLV_TASK_NOT_FINITE, 0, step, -1);
    bits = Integers<T>{};
  }
};

// The sum over parameters of a pack per position: per task, or over all lanes.
template <class T, Lanes L>
BLV_INLINE Pack<T> total_over_parameters(Pack<T> x) {
  return L == Lanes::TASKS ? x : broadcast<T>(sum(x));
}

// |x| over parameters, per task.
template <class T, Lanes L>
Pack<T> norm_over_parameters(const Pack<T> *x, long packs) {
  return norm_of<L != Lanes::TASKS>(x, packs);
}

// 1/2 sum p theta^2: its gradients with respect to theta and p are added, in mode M as the data's part.
template <Mode M, class T, Lanes L>
__attribute__((noinline)) void add_penalty(const SideData<T, L> &side, const PenaltyRequest<Pack<T>> &r) {
  const long packs = r.packs;
  using X = Map<T, M, Lanes::TASKS>;  // elementwise over packs, whatever their lanes are
  const Matrix<Pack<T>> penalty{side.penalty, r.tangents ? side.penalty_tangent : nullptr, packs, packs};
  Matrix<Pack<T>> penalty_gradient;
  if (r.leaf_gradients && side.penalty_gradient)
    penalty_gradient = M == Mode::VALUE ? Matrix<Pack<T>>{side.penalty_gradient, nullptr, packs, packs}
                                        : Matrix<Pack<T>>{nullptr, side.penalty_gradient, packs, packs};
  const Pack<T> factor = r.scale ? *r.scale : broadcast<T>(1), half = factor * T(0.5);
  X x(r.planes);
  x.for_tile(
      0, 1, 0, packs, packs, [&](long i, long j) __attribute__((always_inline)) {
        const auto p = x.get(penalty, i, j), t = x.get(r.theta, i, j);
        if (r.gradient) x.add(r.gradient, i, j, p * factor * t);
        const auto half_square = t * t * half;
        if (penalty_gradient) x.add(penalty_gradient, i, j, half_square);
      });
  if (!r.total) return;
  *r.total += total_over_parameters<T, L>(thread_sum<Pack<T>>(packs, [&](long j) BLV_LAMBDA {
    const Pack<T> t = r.theta.v[j];
    return side.penalty[j] * (t * t * half);
  }));
}

template <class T, Lanes L>
struct SideGradients : LeafGradients<T, SideData<T, L>, FiniteCheck<T>, SideGradients<T, L>> {
  using Base = LeafGradients<T, SideData<T, L>, FiniteCheck<T>, SideGradients<T, L>>;
  using Base::side, Base::planes, Base::parameter_packs;
  using typename Base::Mat, typename Base::P, typename Base::Values;
  friend Base;

  void clear() const {
    this->each_accumulator([&](P *x, long packs, int, const P *, const P *) {
      for (long i = 0; i < packs; i++) x[i] = P{};
    });
    if (side.penalty_gradient)
      for (long i = 0; i < parameter_packs * planes; i++) side.penalty_gradient[i] = P{};
  }

  // The sum over the leaves of <gradient, tangent k>, before `finish`.
  P dot_tangents(long k) const {
    P total = {};
    const auto add = [&](const P *gradient, const P *tangent, long packs) {
      if (gradient) total += thread_sum<P>(packs, [&](long i) BLV_LAMBDA { return gradient[i] * tangent[i]; });
    };
    clear_missing_rows();
    const auto add_leaf = [&](const Mat &values, const Mat &gradient) {
      if (values.d)
        add(reinterpret_cast<const P *>(gradient.v), reinterpret_cast<const P *>(values.tangent(k)),
            packs_of(values.plane));
    };
    add_leaf(side.x, side.x_gradient), add_leaf(side.y, side.y_gradient), add_leaf(side.weight, side.weight_gradient);
    if (side.penalty_tangent) add(side.penalty_gradient, side.penalty_tangent + k * parameter_packs, parameter_packs);
    return total_over_parameters<T, L>(total);
  }

 private:
  static void multiply_by_slope(int link, const P *leaf, const P *slopes, P *gradient, long packs) {
    multiply_by_link_slope<T>(link, leaf, slopes, gradient, packs);
  }
  static void add_packs(P *to, const P *from, long packs, FiniteCheck<T> &check) {
    for (long i = 0; i < packs; i++) check.see(to[i] += from[i]);
  }
  static long packs_of(long elements) { return Base::packs_of(elements); }

  // The gradient of x is a product and not written by a map: a row that a task lacks holds 0 times its parameters, NaN if
  // one of them is infinite.
  void clear_missing_rows() const {
    if (L != Lanes::TASKS || !side.ragged || !side.x_gradient) return;
    T *scalars = reinterpret_cast<T *>(side.x_gradient.v);
    const long ld = side.x_gradient.ld;
    for (long k = 0; k < planes; k++)
      for (long lane = 0; lane < Values::width; lane++)
        for (long i = side.row_counts[lane] * ld; i < side.rows * ld; i++)
          scalars[(k * side.x_gradient.plane + i) * Values::width + lane] = T(0);
  }

  // From one per parameter to the natural shape, the transpose of SideData::expand_penalty. Padding is zero.
  template <class Element>
  void reduce_penalty(const Element *from, Element *to) const {
    const NetworkView &net = *side.net;
    const P *packs = reinterpret_cast<const P *>(from);
    P *result = reinterpret_cast<P *>(to);
    switch (side.spec->penalty.value.extent) {
      case BLV_PER_PARAMETER:
        for (long i = 0; i < side.penalty_stride; i++) to[i] = from[i];
        return;
      case BLV_PER_FEATURE: {
        const LayerView &layer = net.layers[0];
        const long row = packs_of(layer.ld), first = packs_of(layer.weight);
        for (long i = 0; i < row; i++)
          result[i] = thread_sum<P>(layer.outputs, [&](long o) BLV_LAMBDA { return packs[first + o * row + i]; });
        return;
      }
    }
    const P total = thread_sum<P>(net.n_layers, [&](long l) {
      const LayerView &layer = net.layers[l];
      const P *weights = packs + packs_of(layer.weight);
      return thread_sum<P>(packs_of(layer.outputs * layer.ld), [&](long i) BLV_LAMBDA { return weights[i]; });
    });
    *result = select(first_lanes<T>(L == Lanes::TASKS ? lanes<T> : 1), total_over_parameters<T, L>(total), P{});
  }
};

}  // namespace BLV_ISA_NAMESPACE
}  // namespace bilevel
