// SPDX-License-Identifier: Apache-2.0
//
// The leaves of one loss: which arrays they need and how large, the same on every machine. How they are loaded is the machine's
// (kernels/task/cpu/side_data.h, kernels/task/cuda/side_data.h).
#pragma once
#include "kernels/contract/problem.h"
#include "kernels/machine/links.h"
#include "kernels/task/rows.h"

namespace bilevel {
namespace BLV_ISA_NAMESPACE {

template <class Rows>
struct SideLeaves : Rows {
  using typename Rows::Element, typename Rows::P;
  using Mat = Matrix<Element>;

  const Side *spec = nullptr;
  int32_t name = 0;  // BLV_INNER, BLV_OUTER
  const NetworkView *net = nullptr;
  Index tangent_planes = 0;
  bool x_resident = false;          // else x refers to the caller's rows, which have no padding
  Element *penalty_leaf = nullptr;  // natural shape
  Index penalty_count = 0;
  P *penalty = nullptr;               // one per parameter
  P *penalty_tangent = nullptr;       // planes of one per parameter
  Element *penalty_seed = nullptr;    // natural shape: a tangent on its way
  P *penalty_gradient = nullptr;      // K planes of one per parameter
  Element *penalty_result = nullptr;  // K planes in the natural shape, penalty_stride apart
  Index penalty_stride = 0;
  Element *x_slope = nullptr, *y_slope = nullptr, *weight_slope = nullptr, *penalty_slope = nullptr;  // see links.h

  // A link, the padding of a gradient or tangents ask for a copy of the rows.
  static BLV_HOST_DEVICE bool must_copy_x(const Side &side, bool diagonal) {
    return side.x.value.link || side.x.gradient || side.x.tangent || diagonal;
  }

 protected:
  BLV_HOST_DEVICE void bind(const Side &side, int32_t side_name, const NetworkView &network, Index tangents) {
    spec = &side, name = side_name, net = &network, tangent_planes = tangents;
    this->loss = side.loss, this->index_targets = side.index_targets != 0;
  }

  // All but x and y themselves, whose values may stay where they are. `planes`: of the gradients.
  template <class Arena>
  BLV_HOST_DEVICE void layout_leaves(Arena &arena, Index x_ld, Index y_ld, Index planes) {
    const long long rows = this->rows, x_size = rows * x_ld, y_size = rows * y_ld;
    if (spec->weight.value) this->weight = {arena.template take<Element>(rows), nullptr, 0, 1};
    take_tangents(arena, spec->x, x_size, &this->x);
    take_tangents(arena, spec->y, y_size, &this->y);
    take_tangents(arena, spec->weight, rows, &this->weight);
    this->x_gradient = accumulator(arena, spec->x, x_size, x_ld, planes);
    this->y_gradient = accumulator(arena, spec->y, y_size, y_ld, planes);
    this->weight_gradient = accumulator(arena, spec->weight, rows, 1, planes);
    x_slope = slopes(arena, spec->x, x_size), y_slope = slopes(arena, spec->y, y_size);
    weight_slope = slopes(arena, spec->weight, rows);
  }

  // `padded`: the elements that an array of `count` takes. Arrays of one per parameter are `parameter_packs` packs.
  template <class Arena, class Padded>
  BLV_HOST_DEVICE void layout_penalty(Arena &arena, Index planes, Index parameter_packs, Padded padded) {
    const Slot &slot = spec->penalty.value;
    if (!slot) return;
    penalty_count = slot.extent == BLV_SCALAR ? 1 : slot.extent == BLV_PER_FEATURE ? net->layers[0].inputs : net->size;
    penalty_stride = padded(penalty_count);
    penalty_leaf = arena.template take<Element>(penalty_stride);
    penalty = arena.template take<P>(parameter_packs);
    penalty_slope = slopes(arena, spec->penalty, penalty_stride);
    if (spec->penalty.tangent) {
      penalty_seed = arena.template take<Element>(penalty_stride);
      penalty_tangent = arena.template take<P>((long long)(parameter_packs)*tangent_planes);
    }
    if (!accumulates(spec->penalty)) return;
    penalty_gradient = arena.template take<P>((long long)(parameter_packs)*planes);
    penalty_result = arena.template take<Element>((long long)(penalty_stride)*planes);
  }

 private:
  // Derivatives along a leaf's tangents need the outer side's gradients, too.
  BLV_HOST_DEVICE bool accumulates(const Leaf &leaf) const {
    return leaf.gradient || (leaf.tangent && name == BLV_OUTER);
  }
  template <class Arena>
  BLV_HOST_DEVICE Mat accumulator(Arena &arena, const Leaf &leaf, long long size, Index ld, Index planes) const {
    if (!accumulates(leaf)) return {};
    return {arena.template take<Element>(size * planes), nullptr, Index(size), ld};
  }
  template <class Arena>
  BLV_HOST_DEVICE void take_tangents(Arena &arena, const Leaf &leaf, long long size, Mat *m) const {
    if (leaf.tangent) m->d = arena.template take<Element>(size * tangent_planes), m->plane = Index(size);
  }
  template <class Arena>
  static BLV_HOST_DEVICE Element *slopes(Arena &arena, const Leaf &leaf, long long size) {
    const bool kept = (leaf.gradient || leaf.tangent) && link_keeps_slope(leaf.value.link);
    return kept ? arena.template take<Element>(size) : nullptr;
  }
};

}  // namespace BLV_ISA_NAMESPACE
}  // namespace bilevel
