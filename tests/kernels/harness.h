// SPDX-License-Identifier: Apache-2.0
//
// From a compact description of a plan (Case) to its spec and to random data in guarded memory (Problem). Every array of a
// call is a logical tensor [task][step][row][column] placed in memory by strides; what lies between its elements is NaN or an
// impossible index where the array is read, and a pattern where it is written.
#pragma once
#include <bilevel/bilevel.h>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <memory>
#include <random>
#include <string>
#include <utility>
#include <vector>

#include "guard.h"

namespace harness {

// What the `size` of a struct of the C ABI is set to. A program that stands in for one built with an older bilevel.h (same_bits)
// makes it smaller.
template <class T>
inline int64_t abi_size = sizeof(T);

struct Leaf {
  int side = BLV_METHOD, leaf = 0;
  bool gradient = false;  // also a GRADIENT slot
  int link = BLV_NO_LINK, extent = BLV_NATURAL;
  bool shared = false;          // the value has task stride 0
  bool sum = false;             // the gradient has task stride 0
  bool per_step = false;        // RATE, MOMENTUM, BATCH: one for every step
  int64_t pad = 0;              // gap between rows, steps and tasks, in elements
  int dtype = 0;                // of indices; 0: the plan's
  bool tangent = false;         // also a TANGENT slot: Case::vectors planes, each laid out as one task's value
  bool tangent_shared = false;  // the tangents have task stride 0
};

struct Case {
  std::vector<int64_t> widths = {3, 4, 2};
  int loss = BLV_SQUARED, outer_loss = 0;  // outer_loss 0: no outer objective
  int activation = BLV_TANH, flags = 0;
  int64_t rows = 5, outer_rows = 4, tasks = 3;
  std::vector<int64_t> counts = {}, outer_counts = {};  // of the BLV_ROWS slots
  int dtype = BLV_F64, kind = BLV_EVALUATE;
  int64_t vectors = 1;  // of an HVP; tangents of forward mode
  int optimiser = BLV_SGD, store = BLV_STORE_AUTO;
  int64_t steps = 3, batch_rows = 0;
  std::vector<Leaf> leaves = {};
  bool loss_result = true, theta_result = false;
  bool loss_tangent_result = false, theta_tangent_result = false;  // forward
  bool residual_result = false, solution_result = false;           // implicit
  bool stop_result = false, curvature_result = false, contraction_result = false, stationarity_result = false;
  int64_t result_pad = 0;     // gap between planes and tasks of RESULT slots
  int64_t iterations = 1000;  // of the solver
  int solver = BLV_CG;
  double solver_step = 0;
  int warm_start = 0;
  double tolerance = 0, damping = 0;
  int executor = BLV_EXECUTOR_AUTO, plan_flags = 0, max_threads = 0;
  int64_t workspace_limit = 0;
  unsigned seed = 1;

  int64_t inputs() const { return widths.front(); }
  int64_t outputs() const { return widths.back(); }
  int64_t parameters() const { return blv_parameter_count(static_cast<int64_t>(widths.size()), widths.data(), flags); }
  bool trains() const { return kind == BLV_UNROLL || kind == BLV_FORWARD || kind == BLV_IMPLICIT; }
  int64_t rows_of(int side) const { return side == BLV_OUTER ? outer_rows : rows; }
  int loss_of(int side) const { return side == BLV_OUTER ? outer_loss : loss; }
  // Rows of one task: ragged tasks have their own.
  int64_t count_of(int side, int64_t task) const {
    const auto &list = side == BLV_OUTER ? outer_counts : counts;
    return list.empty() ? rows_of(side) : list[task];
  }
};

inline int64_t size_of(int dtype) { return dtype == BLV_F64 || dtype == BLV_I64 ? 8 : 4; }

// One slot and its memory.
struct Array {
  Leaf leaf;
  blv_slot slot = {};
  // Distinct ones: 1 where the stride is 0. The steps of a VECTOR, of tangents and of what has K planes are the planes; the tangents
  // of a leaf with a value per step have those as their rows.
  int64_t tasks = 1, steps = 1, rows = 1, columns = 1;
  int64_t task_stride = 0, step_stride = 0, row_stride = 0;
  std::unique_ptr<Guarded> memory;

  bool written() const { return slot.use == BLV_GRADIENT || slot.use == BLV_RESULT; }
  int64_t logical() const { return tasks * steps * rows * columns; }
  int64_t extent() const {  // elements from the first to the last
    if (logical() == 0) return 0;
    return (tasks - 1) * task_stride + (steps - 1) * step_stride + (rows - 1) * row_stride + columns;
  }
  int64_t offset(int64_t task, int64_t step, int64_t row, int64_t column) const {
    return (tasks == 1 ? 0 : task) * task_stride + (steps == 1 ? 0 : step) * step_stride + row * row_stride + column;
  }
  void *at(int64_t offset) const { return static_cast<char *>(memory->data()) + offset * size_of(slot.dtype); }
  template <class T>
  T load(int64_t offset) const {
    T v;
    std::memcpy(&v, at(offset), sizeof v);
    return v;
  }
  double get(int64_t offset) const {
    switch (slot.dtype) {
      case BLV_F32:
        return load<float>(offset);
      case BLV_F64:
        return load<double>(offset);
      case BLV_I32:
        return load<int32_t>(offset);
      default:
        return static_cast<double>(load<int64_t>(offset));
    }
  }
  void set(int64_t offset, double v) {
    const float f = static_cast<float>(v);
    const bool whole = slot.dtype == BLV_I32 || slot.dtype == BLV_I64;
    const int32_t i = whole ? static_cast<int32_t>(v) : 0;
    const int64_t l = i;
    const void *from = slot.dtype == BLV_F32   ? (const void *)&f
                       : slot.dtype == BLV_F64 ? (const void *)&v
                       : slot.dtype == BLV_I32 ? (const void *)&i
                                               : (const void *)&l;
    std::memcpy(at(offset), from, size_of(slot.dtype));
  }
};

class Problem {
 public:
  explicit Problem(const Case &description) : c(description) {
    for (const Leaf &leaf : c.leaves) add(leaf, BLV_VALUE);
    for (const Leaf &leaf : c.leaves) {
      if (leaf.gradient) add(leaf, BLV_GRADIENT);
      if (leaf.tangent) add(leaf, BLV_TANGENT);
    }
    const std::pair<bool, int> results[] = {{c.loss_result, BLV_LOSS},
                                            {c.theta_result, BLV_THETA},
                                            {c.loss_tangent_result, BLV_LOSS_TANGENT},
                                            {c.theta_tangent_result, BLV_THETA_TANGENT},
                                            {c.residual_result, BLV_RESIDUAL},
                                            {c.solution_result, BLV_SOLUTION},
                                            {c.stop_result, BLV_STOP},
                                            {c.curvature_result, BLV_CURVATURE},
                                            {c.contraction_result, BLV_CONTRACTION},
                                            {c.stationarity_result, BLV_STATIONARITY}};
    for (const auto &[wanted, leaf] : results) {
      if (wanted) add({.leaf = leaf, .pad = c.result_pad}, BLV_RESULT);
    }
    std::mt19937_64 random(c.seed);
    for (Array &a : arrays) fill(a, random);
  }

  // The spec points into this object.
  const blv_spec *spec() {
    objectives_[0] = objective(BLV_INNER);
    objectives_[1] = objective(BLV_OUTER);
    evaluate_ = {abi_size<blv_method>, BLV_EVALUATE, 0};
    hvp_ = {{abi_size<blv_hvp>, BLV_HVP, 0}, c.vectors};
    unroll_ = {{abi_size<blv_unroll>, BLV_UNROLL, 0}, c.optimiser, c.store, c.steps, c.batch_rows};
    forward_ = {{abi_size<blv_forward>, BLV_FORWARD, 0}, c.optimiser, 0, c.steps, c.batch_rows, c.vectors};
    implicit_ = {{abi_size<blv_implicit>, BLV_IMPLICIT, 0},
                 c.optimiser,
                 c.solver,
                 c.steps,
                 c.batch_rows,
                 c.iterations,
                 c.tolerance,
                 c.damping,
                 c.warm_start,
                 0,
                 c.solver_step};
    slots_.clear();
    for (const Array &a : arrays) slots_.push_back(a.slot);
    spec_ = {};
    spec_.size = abi_size<blv_spec>;
    spec_.dtype = c.dtype;
    spec_.max_threads = c.max_threads;
    spec_.tasks = c.tasks;
    spec_.inner = &objectives_[0];
    spec_.outer = c.outer_loss ? &objectives_[1] : nullptr;
    spec_.method = method();
    spec_.n_slots = static_cast<int64_t>(slots_.size());
    spec_.slots = slots_.data();
    spec_.workspace_limit = c.workspace_limit;
    spec_.executor = c.executor;
    spec_.flags = c.plan_flags;
    return &spec_;
  }

  std::vector<void *> pointers() const {
    std::vector<void *> p;
    for (const Array &a : arrays) p.push_back(a.memory->data());
    return p;
  }
  // The array of a slot; nullptr if there is none.
  Array *find(int side, int leaf, int use) {
    for (Array &a : arrays) {
      if (a.slot.side == side && a.slot.leaf == leaf && a.slot.use == use) return &a;
    }
    return nullptr;
  }

  Case c;
  std::vector<Array> arrays;

 private:
  blv_objective objective(int side) const {
    blv_objective o = {};
    o.size = abi_size<blv_objective>;
    o.model = BLV_NETWORK;
    o.loss = c.loss_of(side);
    o.activation = c.activation;
    o.flags = c.flags;
    o.rows = c.rows_of(side);
    o.n_widths = static_cast<int64_t>(c.widths.size());
    o.widths = c.widths.data();
    return o;
  }
  const blv_method *method() const {
    switch (c.kind) {
      case BLV_EVALUATE:
        return &evaluate_;
      case BLV_HVP:
        return &hvp_.head;
      case BLV_FORWARD:
        return &forward_.head;
      case BLV_IMPLICIT:
        return &implicit_.head;
      default:
        return &unroll_.head;
    }
  }
  void add(Leaf leaf, int use);
  void shape(Array &a) const;
  void fill(Array &a, std::mt19937_64 &random) const;
  double draw(const Array &a, int64_t task, std::mt19937_64 &random) const;

  blv_objective objectives_[2];
  blv_method evaluate_;
  blv_hvp hvp_;
  blv_unroll unroll_;
  blv_forward forward_;
  blv_implicit implicit_;
  std::vector<blv_slot> slots_;
  blv_spec spec_;
};

}  // namespace harness

#include "harness_data.h"
