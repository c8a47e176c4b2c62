// SPDX-License-Identifier: Apache-2.0
//
// The gradients of a side's leaves, from the accumulators that the passes add to, to the caller's arrays: the chain rule through links, the
// other side's part of leaves of both, the check that all is finite. The loops over elements are the machine's: `Machine`, which derives
// from this, is its SideGradients (kernels/task/cpu/side_gradients.h, kernels/task/cuda/side_gradients.h).
#pragma once
#include "kernels/contract/problem.h"
#include "kernels/machine/matrix.h"

namespace bilevel {
namespace BLV_ISA_NAMESPACE {

template <class T, class Values_, class Check, class Machine>
struct LeafGradients {
  using Values = Values_;
  using P = Pack<T>;
  using Element = typename Values::Element;
  using Mat = typename Values::Mat;
  Values &side;
  Index planes, parameter_packs;

  // After the last pass: gradients with respect to the leaves become gradients with respect to the caller's arrays.
  BLV_FUNCTION void finish(Check &check) const {
    machine().clear_missing_rows();
    each_accumulator([&](P *x, Index packs, int link, const P *leaf, const P *slopes) {
      const Index plane = packs / planes;
      for (Index k = 0; link && k < planes; k++) Machine::multiply_by_slope(link, leaf, slopes, x + k * plane, plane);
      check.see(x, packs);
    });
    if (side.penalty_gradient) finish_penalty(check);
  }

  // Leaves of both losses: what the other side's loss gives, after both have been finished.
  BLV_FUNCTION void add_leaves_of_both(const Values &other, Check &check) const {
    const Side &spec = *side.spec;
    if (spec.x.both) add(side.x_gradient, other.x_gradient, check);
    if (spec.y.both) add(side.y_gradient, other.y_gradient, check);
    if (spec.weight.both) add(side.weight_gradient, other.weight_gradient, check);
    if (spec.penalty.both && side.penalty_result)
      Machine::add_packs(reinterpret_cast<P *>(side.penalty_result), reinterpret_cast<const P *>(other.penalty_result),
                         packs_of(side.penalty_stride) * planes, check);
  }

 protected:
  static BLV_INLINE Index packs_of(Index elements) { return elements / Values::elements_of_a_pack; }

  // f(accumulator, its packs over all planes, link, leaf, its kept slopes or null) for the leaves of the rows.
  template <class F>
  BLV_INLINE void each_accumulator(F f) const {
    one_accumulator(side.spec->x, side.x, side.x_slope, side.x_gradient, f);
    one_accumulator(side.spec->y, side.y, side.y_slope, side.y_gradient, f);
    one_accumulator(side.spec->weight, side.weight, side.weight_slope, side.weight_gradient, f);
  }

 private:
  BLV_INLINE const Machine &machine() const { return static_cast<const Machine &>(*this); }

  template <class F>
  BLV_INLINE void one_accumulator(const Leaf &leaf, const Mat &values, const Element *slopes, const Mat &m, F f) const {
    if (m)
      f(reinterpret_cast<P *>(m.v), packs_of(m.plane) * planes, leaf.value.link, reinterpret_cast<const P *>(values.v),
        reinterpret_cast<const P *>(slopes));
  }

  BLV_INLINE void add(const Mat &to, const Mat &from, Check &check) const {
    if (to)
      Machine::add_packs(reinterpret_cast<P *>(to.v), reinterpret_cast<const P *>(from.v), packs_of(to.plane) * planes,
                         check);
  }

  BLV_INLINE void finish_penalty(Check &check) const {
    const int link = side.spec->penalty.value.link;
    const Index packs = packs_of(side.penalty_stride);
    for (Index k = 0; k < planes; k++) {
      Element *to = side.penalty_result + k * side.penalty_stride;
      machine().reduce_penalty(reinterpret_cast<const Element *>(side.penalty_gradient + k * parameter_packs), to);
      P *result = reinterpret_cast<P *>(to);
      if (link)
        Machine::multiply_by_slope(link, reinterpret_cast<const P *>(side.penalty_leaf),
                                   reinterpret_cast<const P *>(side.penalty_slope), result, packs);
      check.see(result, packs);
    }
  }
};

}  // namespace BLV_ISA_NAMESPACE
}  // namespace bilevel
