// SPDX-License-Identifier: Apache-2.0
//
// A small spec that owns all it points to: a 3-4-2 network and any method, with the slots that the method requires.
#pragma once
#include <bilevel/bilevel.h>

#include <vector>

namespace bilevel {

struct SpecBuilder {
  explicit SpecBuilder(int32_t kind) {
    method = {{sizeof(blv_unroll), kind, 0}, BLV_SGD, BLV_STORE_AUTO, 5, 0};
    if (kind == BLV_EVALUATE) method.head.size = sizeof(blv_method);
    if (kind == BLV_HVP) hvp = {{sizeof(blv_hvp), kind, 0}, 2};
    if (kind == BLV_FORWARD) forward = {{sizeof(blv_forward), kind, 0}, BLV_SGD, 0, 5, 0, 3};
    if (kind == BLV_IMPLICIT)
      implicit = {{sizeof(blv_implicit), kind, 0}, BLV_SGD, BLV_CG, 5, 0, 20, 1e-6, 0.5, 0, 0, 0};
    inner = {sizeof(blv_objective), BLV_NETWORK, BLV_SQUARED, BLV_TANH, 0, 6, 3, nullptr};
    outer = inner;
    outer.rows = 5;
    spec.size = sizeof(blv_spec);
    spec.dtype = BLV_F32;
    spec.tasks = 7;
    const bool trains = kind != BLV_EVALUATE && kind != BLV_HVP;
    add(BLV_METHOD, trains ? BLV_THETA0 : BLV_THETA);
    add(BLV_INNER, BLV_X).task_stride = 18;
    add(BLV_INNER, BLV_Y).task_stride = 12;
    if (kind == BLV_HVP) add(BLV_METHOD, BLV_VECTOR);
    if (trains) add(BLV_METHOD, BLV_RATE).extent = BLV_SCALAR;
  }

  blv_slot &add(int32_t side, int32_t leaf, int32_t use = BLV_VALUE) {
    slots.push_back({side, leaf, use, spec.dtype, 0, 0, 0, 0, 0});
    return slots.back();
  }

  // An outer loss, one per task.
  void add_outer_loss() {
    with_outer = true;
    add(BLV_OUTER, BLV_X);
    add(BLV_OUTER, BLV_Y);
    add(BLV_METHOD, BLV_LOSS, BLV_RESULT).task_stride = 1;
  }
  // That of an unroll, with a gradient of the initial parameters, summed over tasks.
  void add_outer() {
    add_outer_loss();
    add(BLV_METHOD, BLV_THETA0, BLV_GRADIENT);
  }

  const blv_spec *get() {
    inner.n_widths = outer.n_widths = static_cast<int64_t>(widths.size());
    inner.widths = outer.widths = widths.data();
    spec.inner = &inner;
    spec.outer = with_outer ? &outer : nullptr;
    const int32_t kind = method.head.kind;
    spec.method = kind == BLV_HVP        ? &hvp.head
                  : kind == BLV_FORWARD  ? &forward.head
                  : kind == BLV_IMPLICIT ? &implicit.head
                                         : &method.head;
    spec.slots = slots.data();
    spec.n_slots = static_cast<int64_t>(slots.size());
    return &spec;
  }

  std::vector<int64_t> widths = {3, 4, 2};
  blv_objective inner{}, outer{};
  blv_unroll method{};
  blv_hvp hvp{};
  blv_forward forward{};
  blv_implicit implicit{};
  std::vector<blv_slot> slots;
  blv_spec spec{};
  bool with_outer = false;
};

constexpr int64_t parameters_of_builder = 4 * (3 + 1) + 2 * (4 + 1);

}  // namespace bilevel
