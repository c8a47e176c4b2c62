// SPDX-License-Identifier: Apache-2.0
//
// A leaf of the inner steps, such as the rate: one number or one per parameter, the same at every step or one per step; its tangents; and
// its gradient, kept per step or summed over steps, already with respect to the caller's array.
#pragma once
#include "kernels/task/parts.h"

namespace bilevel {
namespace BLV_ISA_NAMESPACE {

template <class T, Lanes L>
struct StepLeaf {
  using Element = typename Transfer<T, L>::Element;
  using P = Pack<T>;

  const Leaf *spec = nullptr;
  const NetworkView *net = nullptr;
  Index packs = 0;                      // of one step: 1, or the parameter vector's
  Index steps = 0, gradient_steps = 0;  // 1 or T; 0 if T is
  Index planes = 0;                     // of tangents
  P *leaf = nullptr, *slope = nullptr, *tangent = nullptr, *gradient = nullptr;  // slope: see links.h

  BLV_HOST_DEVICE void layout(Arena &arena, const Leaf &leaf_spec, const NetworkView &network, Index T_steps,
                              Index tangent_planes) {
    spec = &leaf_spec, net = &network;
    if (!spec->value) return;
    packs = spec->value.extent == BLV_SCALAR ? 1 : parameter_packs<T, L>(network);
    steps = spec->value.step_stride ? T_steps : T_steps > 0;  // without a step the array has no elements
    leaf = arena.template take<P>(steps * packs);
    const bool keeps_slope = (spec->gradient || spec->tangent) && link_keeps_slope(spec->value.link);
    if (keeps_slope) slope = arena.template take<P>(steps * packs);
    planes = spec->tangent ? tangent_planes : 0;
    if (planes) tangent = arena.template take<P>(planes * steps * packs);
    if (!spec->gradient) return;
    gradient_steps = spec->gradient.step_stride ? T_steps : 1;
    gradient = arena.template take<P>(gradient_steps * packs);
  }

  BLV_FUNCTION void load(const Transfer<T, L> &move) {
    if (!spec->value) return;
    load_steps(move, spec->value, 0, 1, leaf);
    const int link = spec->value.link;
    if (link) apply_link<T>(link, leaf, steps * packs, slope);
    // The arrays of one tangent are laid out as the value's, tangents step_stride apart.
    Slot seeds = spec->tangent;
    seeds.step_stride = 1;
    for (Index k = 0; k < planes; k++) {
      P *to = tangent + k * steps * packs;
      load_steps(move, seeds, k * spec->tangent.step_stride, spec->value.step_stride, to);
      if (link) multiply_by_link_slope<T>(link, leaf, slope, to, steps * packs);
    }
    strided_for_then_sync(gradient_steps * packs, [&](Index i) { gradient[i] = P{}; });
  }

  BLV_INLINE const P *at(Index t) const { return leaf + (steps > 1 ? t : 0) * packs; }
  BLV_INLINE const P *tangent_at(Index t, Index k) const { return tangent + (k * steps + (steps > 1 ? t : 0)) * packs; }
  BLV_INLINE Index stride() const { return spec->value.extent == BLV_PER_PARAMETER ? 1 : 0; }

  // gradient at step t += sign sum_i a_i b_i, or the products one by one, through the link.
  BLV_FUNCTION void add_product(Index t, T sign, const P *a, const P *b, Index parameters) {
    if (!gradient) return;
    P *to = gradient + (gradient_steps > 1 ? t : 0) * packs;
    if (stride()) {
      strided_for_then_sync(parameters, [&](Index i) { to[i] += through_link(t, i, sign * a[i] * b[i]); });
    } else {
      P total = thread_sum<P>(parameters, [&](Index i) BLV_LAMBDA { return a[i] * b[i]; });
      total = total_over_parameters<T, L>(total);
      one_thread_then_sync([&] { *to += through_link(t, 0, sign * total); });
    }
  }

  BLV_FUNCTION void check(FiniteCheck<T> &finite) const { finite.see(gradient, gradient_steps * packs); }

  template <class Visitor>
  BLV_HOST_DEVICE void visit(Visitor &visitor) const {
    if (!spec->gradient) return;
    const auto *from = reinterpret_cast<const Element *>(gradient);
    if (spec->value.extent == BLV_PER_PARAMETER)
      return visit_parameters(visitor, *net, spec->gradient, gradient_steps, from);
    constexpr Index elements = sizeof(P) / sizeof(Element);
    for (Index t = 0; t < gradient_steps; t++) visit_scalars(visitor, spec->gradient, t, 1, from + t * elements);
  }

 private:
  // to = the numbers or vectors of all steps; those of step t are array first + t apart of the slot.
  BLV_FUNCTION void load_steps(const Transfer<T, L> &move, const Slot &slot, long long first, long long apart, P *to) {
    for (Index t = 0; t < steps; t++, to += packs) {
      if (stride())
        load_parameters<T, L>(move, *net, slot, first + t * apart, reinterpret_cast<Element *>(to));
      else
        move.load_scalar(slot, first + t * apart, to);
    }
  }
  // From the derivative by entry i of the leaf at step t to that by the array's.
  BLV_INLINE P through_link(Index t, Index i, P gradient_of_leaf) const {
    const int link = spec->value.link;
    if (!link) return gradient_of_leaf;
    return gradient_of_leaf * (slope ? slope[at(t) - leaf + i] : link_slope<T>(link, at(t)[i]));
  }
};

}  // namespace BLV_ISA_NAMESPACE
}  // namespace bilevel
