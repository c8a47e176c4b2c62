// SPDX-License-Identifier: Apache-2.0
//
// For tests of "the same bits": cases that divide their work in different ways, and comparisons bit for bit of whole
// outcomes and of one task of each.
#pragma once
#include "cases.h"

namespace harness {

inline std::vector<Case> dividing_cases() {
  std::vector<Case> all;
  for (int dtype : {BLV_F64, BLV_F32}) {
    Case maml = unroll_case(BLV_SQUARED, BLV_TANH, BLV_HEAVY_BALL, dtype);
    maml.tasks = 37;
    for (Leaf &leaf : maml.leaves) leaf.sum = leaf.leaf != BLV_X;
    all.push_back(maml);
    Case rows = unroll_case(BLV_CROSS_ENTROPY, BLV_TANH, BLV_SGD, dtype);
    rows.tasks = 2;
    rows.rows = 700;
    rows.outer_rows = 333;
    rows.widths = {7, 3};
    all.push_back(rows);
    Case batch = rows;
    batch.batch_rows = 150;
    batch.leaves.push_back({.side = BLV_INNER, .leaf = BLV_BATCH, .per_step = true});
    all.push_back(batch);
    Case hvp = hvp_case(BLV_LOGISTIC, BLV_SOFTPLUS, 3, dtype);
    hvp.rows = 400;
    hvp.tasks = 3;
    all.push_back(hvp);
    Case evaluate = evaluate_case(BLV_CROSS_ENTROPY, BLV_SIGMOID, dtype);
    evaluate.rows = 500;
    evaluate.tasks = 5;
    for (Leaf &leaf : evaluate.leaves) leaf.shared = leaf.sum = leaf.leaf == BLV_THETA;
    all.push_back(evaluate);
    all.push_back(as_forward(maml, 3));
    all.push_back(as_forward(batch, 2));
    all.push_back(as_implicit(maml, 1));
    all.push_back(as_implicit(rows, 0.1));
  }
  return all;
}

inline void expect_same(const Problem &p, const Outcome &a, const Outcome &b) {
  ASSERT_EQ(a.status, BLV_OK) << a.error;
  ASSERT_EQ(b.status, BLV_OK) << b.error;
  for (size_t i = 0; i < p.arrays.size(); i++)
    ASSERT_TRUE(same(a.values[i], b.values[i])) << "slot " << i << " leaf " << p.arrays[i].leaf.leaf;
  ASSERT_EQ(a.info.size(), b.info.size());
  for (size_t t = 0; t < a.info.size(); t++) {
    ASSERT_EQ(a.info[t].status, b.info[t].status);
    ASSERT_EQ(a.info[t].iterations, b.info[t].iterations) << "task " << t;
    ASSERT_TRUE(same(a.info[t].loss, b.info[t].loss)) << "task " << t;
    ASSERT_TRUE(same(a.info[t].gradient_norm, b.info[t].gradient_norm)) << "task " << t;
  }
}

// A case without anything shared, so that tasks can be moved.
inline Case independent(int dtype, int kind) {
  Case c = kind == BLV_UNROLL     ? unroll_case(BLV_CROSS_ENTROPY, BLV_TANH, BLV_HEAVY_BALL, dtype)
           : kind == BLV_FORWARD  ? forward_case(BLV_CROSS_ENTROPY, BLV_TANH, BLV_HEAVY_BALL, 3, dtype)
           : kind == BLV_IMPLICIT ? implicit_case(BLV_CROSS_ENTROPY, BLV_TANH, BLV_HEAVY_BALL, 1, dtype)
           : kind == BLV_HVP      ? hvp_case(BLV_SQUARED, BLV_TANH, 2, dtype)
                                  : evaluate_case(BLV_LOGISTIC, BLV_TANH, dtype);
  c.tasks = 35;
  c.rows = 6;
  return c;
}

// Copies the inputs of one task.
inline void move_task(const Problem &from, int64_t task, Problem &to, int64_t place) {
  for (size_t i = 0; i < from.arrays.size(); i++) {
    const Array &a = from.arrays[i];
    if (a.written()) continue;
    for (int64_t j = 0; j < a.task_stride; j++)
      to.arrays[i].set(place * a.task_stride + j, a.get(task * a.task_stride + j));
  }
}

inline void expect_same_task(const Problem &p, const Outcome &a, int64_t task, const Outcome &b, int64_t place) {
  ASSERT_EQ(a.status, BLV_OK) << a.error;
  ASSERT_EQ(b.status, BLV_OK) << b.error;
  for (size_t i = 0; i < p.arrays.size(); i++) {
    const int64_t per_task = p.arrays[i].steps * p.arrays[i].rows * p.arrays[i].columns;
    for (int64_t j = 0; p.arrays[i].written() && p.arrays[i].task_stride && j < per_task; j++) {
      ASSERT_TRUE(same(a.values[i][task * per_task + j], b.values[i][place * per_task + j]))
          << "slot " << i << " leaf " << p.arrays[i].leaf.leaf << " task " << task << " at " << place << " element "
          << j;
    }
  }
  ASSERT_EQ(a.info[task].iterations, b.info[place].iterations) << "task " << task;
  ASSERT_TRUE(same(a.info[task].loss, b.info[place].loss));
  ASSERT_TRUE(same(a.info[task].gradient_norm, b.info[place].gradient_norm));
}

}  // namespace harness
