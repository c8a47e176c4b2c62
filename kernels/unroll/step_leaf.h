// SPDX-License-Identifier: Apache-2.0
//
// A leaf of the optimiser, rate or momentum: one number or one per parameter, the same at every step or one per step;
// and its gradient, kept per step or summed over steps, already with respect to the caller's array.
#pragma once
#include "kernels/core/side_gradients.h"

namespace bilevel {
namespace BLV_ISA_NAMESPACE {

template <class T, Lanes L>
struct StepLeaf {
  using Element = typename Transfer<T, L>::Element;
  using P = Pack<T>;

  const Leaf *spec = nullptr;
  const NetworkView *net = nullptr;
  long packs = 0;                      // of one step: 1, or the parameter vector's
  long steps = 0, gradient_steps = 0;  // 1 or T
  P *leaf = nullptr, *gradient = nullptr;

  void layout(Arena &arena, const Leaf &leaf_spec, const NetworkView &network, long T_steps) {
    spec = &leaf_spec, net = &network;
    if (!spec->value) return;
    packs = spec->value.extent == BLV_SCALAR ? 1 : parameter_packs<T, L>(network);
    steps = spec->value.step_stride ? T_steps : 1;
    leaf = arena.take<P>(steps * packs);
    if (!spec->gradient) return;
    gradient_steps = spec->gradient.step_stride ? T_steps : 1;
    gradient = arena.take<P>(gradient_steps * packs);
  }

  void load(const Transfer<T, L> &move) {
    if (!leaf) return;
    for (long t = 0; t < steps; t++) {
      P *to = leaf + t * packs;
      if (stride()) {
        load_parameters<T, L>(move, *net, spec->value, t, reinterpret_cast<Element *>(to));
      } else {
        Element one;
        move.load(spec->value, t, 0, 1, 1, &one);
        *to = to_pack(one);
      }
    }
    if (spec->value.link) apply_link<T>(spec->value.link, leaf, steps * packs);
    for (long i = 0; i < gradient_steps * packs; i++) gradient[i] = P{};
  }

  BLV_INLINE const P *at(long t) const { return leaf + (steps > 1 ? t : 0) * packs; }
  BLV_INLINE long stride() const { return spec->value.extent == BLV_PER_PARAMETER ? 1 : 0; }

  // gradient at step t += sign sum_i a_i b_i, or the products one by one, through the link.
  void add_product(long t, T sign, const P *a, const P *b, long parameters) {
    if (!gradient) return;
    P *to = gradient + (gradient_steps > 1 ? t : 0) * packs;
    const int link = spec->value.link;
    if (stride()) {
      for (long i = 0; i < parameters; i++) to[i] += through(link, at(t)[i], sign * a[i] * b[i]);
    } else {
      P total = {};
      for (long i = 0; i < parameters; i++) total += a[i] * b[i];
      *to += through(link, *at(t), sign * total_over_parameters<T, L>(total));
    }
  }

  void check(FiniteCheck<T> &finite) const { finite.see(gradient, gradient_steps * packs); }

  template <class Visitor>
  void visit(Visitor &visitor) const {
    if (!spec->gradient) return;
    for (long t = 0; t < gradient_steps; t++) {
      const auto *from = reinterpret_cast<const Element *>(gradient + t * packs);
      if (spec->value.extent == BLV_SCALAR) {
        visitor.run(spec->gradient, t, 0, 1, 1, from);
      } else {
        for_parameter_runs(*net, [&](long offset, long at, long count) {
          visitor.run(spec->gradient, t, offset, 1, count, from + at);
        });
      }
    }
  }

 private:
  static BLV_INLINE P to_pack(Element x) {
    if constexpr (L == Lanes::TASKS)
      return x;
    else
      return broadcast<T>(x);
  }
  static BLV_INLINE P through(int link, P leaf_value, P gradient_of_leaf) {
    return link ? gradient_of_leaf * link_slope<T>(link, leaf_value) : gradient_of_leaf;
  }
};

}  // namespace BLV_ISA_NAMESPACE
}  // namespace bilevel
