// SPDX-License-Identifier: Apache-2.0
//
// Minibatches as lists of row indices: with duplicates, shared by tasks or not, one for all steps or one per step, in both
// index types. A row that occurs twice counts twice, and its gradients add up.
#include "cases.h"

namespace {

using namespace harness;

class Batches : public testing::TestWithParam<std::tuple<int, int>> {};  // dtype, optimiser

TEST_P(Batches, IndexLists) {
  const auto [dtype, optimiser] = GetParam();
  for (int index : {BLV_I32, BLV_I64}) {
    for (bool shared : {false, true}) {
      for (bool per_step : {false, true}) {
        for (int64_t pad : {0, 2}) {
          Case c = unroll_case(BLV_CROSS_ENTROPY, BLV_TANH, optimiser, dtype);
          c.batch_rows = 4;  // of 5 rows with replacement: duplicates are certain over the seeds
          c.tasks = 5;
          c.leaves.push_back({.side = BLV_INNER,
                              .leaf = BLV_BATCH,
                              .shared = shared,
                              .per_step = per_step,
                              .pad = pad,
                              .dtype = index});
          check_everywhere(c);
        }
      }
    }
  }
}

TEST_P(Batches, SizesOfBatches) {
  const auto [dtype, optimiser] = GetParam();
  for (int64_t rows : {1, 3, 8, 17, 32, 33, 65, 130}) {
    Case c = unroll_case(BLV_SQUARED, BLV_TANH, optimiser, dtype);
    c.batch_rows = rows;
    c.rows = 20;
    c.tasks = 2;
    c.leaves.push_back({.side = BLV_INNER, .leaf = BLV_BATCH, .per_step = true});
    check_everywhere(c);
  }
}

TEST_P(Batches, OneRowManyTimes) {
  const auto [dtype, optimiser] = GetParam();
  Case c = unroll_case(BLV_LOGISTIC, BLV_TANH, optimiser, dtype);
  c.batch_rows = 40;
  c.rows = 1;
  c.leaves.push_back({.side = BLV_INNER, .leaf = BLV_BATCH, .per_step = true});
  check_everywhere(c);
}

TEST_P(Batches, SharedDataAndClassIndices) {
  const auto [dtype, optimiser] = GetParam();
  Case c = unroll_case(BLV_CROSS_ENTROPY, BLV_RELU, optimiser, dtype, {.labels = BLV_I32, .shared = true, .sum = true},
                       {.labels = BLV_I64, .shared = true, .sum = true});
  c.batch_rows = 3;
  c.tasks = 18;
  c.leaves.push_back({.side = BLV_INNER, .leaf = BLV_BATCH, .per_step = true});
  check_everywhere(c);
}

TEST_P(Batches, RaggedTasks) {
  const auto [dtype, optimiser] = GetParam();
  Case c = unroll_case(BLV_SQUARED, BLV_TANH, optimiser, dtype);
  c.batch_rows = 3;
  c.rows = 8;
  c.tasks = 5;
  c.counts = {8, 1, 3, 7, 2};
  c.leaves.push_back({.side = BLV_INNER, .leaf = BLV_ROWS});
  c.leaves.push_back({.side = BLV_INNER, .leaf = BLV_BATCH, .per_step = true, .dtype = BLV_I64});
  check_everywhere(c);
}

// The array that both losses read is read by rows of the minibatch in one and as a whole in the other.
TEST_P(Batches, BothLosses) {
  const auto [dtype, optimiser] = GetParam();
  Case c = unroll_case(BLV_SQUARED, BLV_TANH, optimiser, dtype);
  for (int leaf : {BLV_X, BLV_Y, BLV_WEIGHT, BLV_PENALTY}) {
    remove_leaf(c, BLV_OUTER, leaf);
    leaf_in(c, BLV_INNER, leaf).side = BLV_BOTH;
  }
  c.outer_rows = c.rows = 6;
  c.batch_rows = 4;
  c.leaves.push_back({.side = BLV_INNER, .leaf = BLV_BATCH, .per_step = true});
  check_everywhere(c);
}

// All rows in order, by index, give the bits of the full batch or nearly: the same sums.
TEST_P(Batches, TheWholeSet) {
  const auto [dtype, optimiser] = GetParam();
  Case c = unroll_case(BLV_SQUARED, BLV_TANH, optimiser, dtype);
  c.rows = c.batch_rows = 11;
  c.leaves.push_back({.side = BLV_INNER, .leaf = BLV_BATCH});
  Problem p(c);
  Array *batch = p.find(BLV_INNER, BLV_BATCH, BLV_VALUE);
  for (int64_t t = 0; t < c.tasks; t++) {
    for (int64_t i = 0; i < 11; i++) batch->set(batch->offset(t, 0, 0, i), static_cast<double>(i));
  }
  const Expected want = reference(p);
  for (int executor : executors()) {
    p.c.executor = executor;
    ASSERT_NO_FATAL_FAILURE(check(p, {}, want));
  }
}

// The row weights and features of ragged tasks are also those of the outer loss.
TEST_P(Batches, RaggedBothLosses) {
  const auto [dtype, optimiser] = GetParam();
  Case c = unroll_case(BLV_SQUARED, BLV_TANH, optimiser, dtype, {.link = BLV_EXP}, {.link = BLV_EXP});
  for (int leaf : {BLV_X, BLV_WEIGHT}) {
    remove_leaf(c, BLV_OUTER, leaf);
    leaf_in(c, BLV_INNER, leaf).side = BLV_BOTH;
  }
  c.outer_rows = c.rows = 6;
  c.batch_rows = 4;
  c.tasks = 5;
  c.counts = {6, 1, 4, 2, 5};
  c.outer_counts = {0, 6, 2, 5, 3};
  for (int side : {BLV_INNER, BLV_OUTER}) c.leaves.push_back({.side = side, .leaf = BLV_ROWS});
  c.leaves.push_back({.side = BLV_INNER, .leaf = BLV_BATCH, .per_step = true});
  check_everywhere(c);
}

INSTANTIATE_TEST_SUITE_P(All, Batches,
                         testing::Combine(testing::Values(BLV_F64, BLV_F32), testing::Values(BLV_SGD, BLV_HEAVY_BALL)));

}  // namespace
