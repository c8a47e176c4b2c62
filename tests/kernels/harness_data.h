// SPDX-License-Identifier: Apache-2.0
//
// How the harness lays out and fills the arrays of a Problem: shapes and strides of every leaf, and random values in the range
// that the leaf allows, so that losses stay of order one and inner steps do not diverge.
#pragma once
#include "harness.h"

namespace harness {

inline bool has_rows(const Leaf &leaf) { return leaf.leaf == BLV_X || leaf.leaf == BLV_Y || leaf.leaf == BLV_WEIGHT; }

inline void Problem::shape(Array &a) const {
  const int side = a.leaf.side;
  const int64_t per_extent = a.leaf.extent == BLV_SCALAR        ? 1
                             : a.leaf.extent == BLV_PER_FEATURE ? c.inputs()
                                                                : c.parameters();
  const bool gradient = a.slot.use == BLV_GRADIENT, tangent = a.slot.use == BLV_TANGENT;
  switch (a.leaf.leaf) {
    case BLV_X:
      a.rows = c.rows_of(side), a.columns = c.inputs();
      break;
    case BLV_Y:
      a.rows = c.rows_of(side), a.columns = a.leaf.dtype ? 1 : c.outputs();
      break;
    case BLV_WEIGHT:
      a.rows = c.rows_of(side);
      break;
    case BLV_PENALTY:
      a.columns = per_extent;
      break;
    case BLV_RATE:
    case BLV_MOMENTUM:
      a.columns = per_extent, a.steps = a.leaf.per_step ? c.steps : 1;
      break;
    case BLV_BATCH:
      a.columns = c.batch_rows, a.steps = a.leaf.per_step ? c.steps : 1;
      break;
    case BLV_VECTOR:
    case BLV_THETA_TANGENT:
    case BLV_THETA0:
    case BLV_THETA:
    case BLV_SOLUTION:
    case BLV_PRECONDITIONER:
      a.columns = c.parameters();
      break;
    default:
      break;
  }
  if (tangent && a.leaf.per_step) a.rows = a.steps;
  const bool planes = tangent || (c.kind == BLV_HVP && gradient) || a.leaf.leaf == BLV_VECTOR ||
                      a.leaf.leaf == BLV_LOSS_TANGENT || a.leaf.leaf == BLV_THETA_TANGENT;
  if (planes) a.steps = c.vectors;
  const bool by_rows = has_rows(a.leaf) || (tangent && a.leaf.per_step);
  const bool by_steps = a.leaf.per_step || planes;
  a.row_stride = by_rows ? a.columns + a.leaf.pad : 0;
  const int64_t one = by_rows ? std::max<int64_t>(a.rows * a.row_stride, 1) : a.columns;
  a.step_stride = by_steps ? one + a.leaf.pad : 0;
  const bool shared = gradient ? a.leaf.sum : tangent ? a.leaf.tangent_shared : a.leaf.shared;
  a.tasks = shared ? 1 : c.tasks;
  a.task_stride = shared ? 0 : std::max<int64_t>(by_steps ? a.steps * a.step_stride : one, 1) + 2 * a.leaf.pad;
}

inline void Problem::add(Leaf leaf, int use) {
  Array a;
  a.leaf = leaf;
  const bool index = leaf.leaf == BLV_ROWS || leaf.leaf == BLV_BATCH || leaf.leaf == BLV_ITERATIONS ||
                     (leaf.leaf == BLV_Y && leaf.dtype);
  if (index && !leaf.dtype) a.leaf.dtype = BLV_I32;
  a.slot.side = leaf.side;
  a.slot.leaf = leaf.leaf;
  a.slot.use = use;
  a.slot.dtype = index ? a.leaf.dtype : c.dtype;
  a.slot.link = use == BLV_VALUE ? leaf.link : 0;
  a.slot.extent = leaf.extent;
  shape(a);
  // Without padding the zeros that stand for dense strides are used, so that they are tested too.
  const bool dense_rows = leaf.pad == 0 || !has_rows(leaf);
  const bool dense_steps = leaf.pad == 0 && (!leaf.per_step || use == BLV_TANGENT);
  a.slot.task_stride = a.task_stride;
  a.slot.step_stride = dense_steps ? 0 : a.step_stride;
  a.slot.row_stride = dense_rows ? 0 : a.row_stride;
  const Side side = (c.seed + arrays.size()) % 3 ? Side::kHigh : Side::kLow;
  a.memory = std::make_unique<Guarded>(a.extent() * size_of(a.slot.dtype), size_of(a.slot.dtype), side);
  arrays.push_back(std::move(a));
}

inline double Problem::draw(const Array &a, int64_t task, std::mt19937_64 &random) const {
  const auto uniform = [&](double low, double high) {
    return std::uniform_real_distribution<double>(low, high)(random);
  };
  const int side = a.leaf.side;
  const bool linked = a.leaf.link != BLV_NO_LINK;
  // Wide layers have small weights and small steps.
  const double wide = static_cast<double>(*std::max_element(c.widths.begin(), c.widths.end()));
  const double step = std::fmin(1, 8 / wide), weight = std::fmin(1, 3 / std::sqrt(wide));
  if (a.slot.use == BLV_TANGENT) return uniform(-1, 1);
  switch (a.leaf.leaf) {
    case BLV_X:
      return uniform(-1, 1);
    case BLV_Y:
      if (a.leaf.dtype) return static_cast<double>(random() % static_cast<uint64_t>(c.outputs()));
      if (c.loss_of(side) != BLV_LOGISTIC) return uniform(-0.5, 1);
      if (linked) return uniform(-2, -0.1);  // softplus(-0.1) < 1
      return random() % 3 == 0 ? static_cast<double>(random() % 2) : uniform(0, 1);
    case BLV_WEIGHT:
      return linked ? uniform(-1, 0.5) : uniform(0.1, 1.5);
    case BLV_PENALTY:
      return linked ? uniform(-3, -1) : uniform(0, 0.3);
    case BLV_RATE:
      return linked ? uniform(-3, -1) + std::log(step) : step * uniform(0.05, 0.3);
    case BLV_MOMENTUM:
      return linked ? uniform(-2, -0.3) : uniform(0.2, 0.9);
    case BLV_ROWS:
      return static_cast<double>(c.count_of(side, task));
    case BLV_BATCH: {
      int64_t n = c.count_of(BLV_INNER, task);
      for (int64_t t = 0; t < c.tasks && a.leaf.shared; t++) n = std::min(n, c.count_of(BLV_INNER, t));
      return static_cast<double>(random() % static_cast<uint64_t>(n));
    }
    case BLV_VECTOR:
      return uniform(-1, 1);
    case BLV_PRECONDITIONER:
      return uniform(0.5, 4);
    case BLV_TOLERANCE:
      return std::pow(10, uniform(-6, -1));
    case BLV_ITERATIONS:
      return static_cast<double>(random() % 8);
    default:
      return weight * uniform(-0.7, 0.7);
  }
}

inline void Problem::fill(Array &a, std::mt19937_64 &random) const {
  if (a.written()) return;  // stays poisoned
  const bool whole = a.slot.dtype == BLV_I32 || a.slot.dtype == BLV_I64;
  const double never_read = whole ? -12345678 : std::nan("");
  for (int64_t i = 0; i < a.extent(); i++) a.set(i, never_read);
  const bool by_rows = has_rows(a.leaf);
  for (int64_t task = 0; task < a.tasks; task++) {
    int64_t last = a.rows;
    if (by_rows) {
      last = 0;
      for (int64_t t = a.tasks == 1 ? 0 : task; t < (a.tasks == 1 ? c.tasks : task + 1); t++) {
        last = std::max(last, c.count_of(a.leaf.side == BLV_OUTER ? BLV_OUTER : BLV_INNER, t));
        if (a.leaf.side == BLV_BOTH) last = std::max(last, c.count_of(BLV_OUTER, t));
      }
      last = std::min(last, a.rows);
    }
    for (int64_t step = 0; step < a.steps; step++) {
      for (int64_t row = 0; row < last; row++) {
        for (int64_t column = 0; column < a.columns; column++)
          a.set(a.offset(task, step, row, column), draw(a, task, random));
      }
    }
  }
}

}  // namespace harness
