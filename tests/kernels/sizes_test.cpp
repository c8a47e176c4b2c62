// SPDX-License-Identifier: Apache-2.0
//
// Sizes that straddle one, the widths of SIMD registers and the edges of blocks; empty batches; ragged tasks.
#include "cases.h"

namespace {

using namespace harness;

class Sizes : public testing::TestWithParam<int> {};  // dtype

TEST_P(Sizes, TasksStraddleLanes) {
  for (int64_t tasks : {1, 2, 3, 4, 5, 7, 8, 9, 15, 16, 17, 31, 33}) {
    for (Case c :
         {unroll_case(BLV_SQUARED, BLV_TANH, BLV_SGD, GetParam()), evaluate_case(BLV_LOGISTIC, BLV_RELU, GetParam()),
          hvp_case(BLV_CROSS_ENTROPY, BLV_TANH, 1, GetParam())}) {
      c.tasks = tasks;
      c.steps = 2;
      check_everywhere(c);
    }
  }
}

TEST_P(Sizes, InputsStraddleLanes) {
  for (int64_t width : {1, 2, 3, 4, 5, 7, 8, 9, 15, 16, 17, 33}) {
    for (Case c : {unroll_case(BLV_CROSS_ENTROPY, BLV_TANH, BLV_SGD, GetParam()),
                   hvp_case(BLV_SQUARED, BLV_TANH, 2, GetParam())}) {
      c.tasks = 2;
      c.steps = 2;
      c.widths = {width, 3};
      check_everywhere(c);
    }
  }
}

TEST_P(Sizes, HiddenWidthsStraddleLanes) {
  for (int64_t width : {1, 3, 4, 5, 7, 8, 9, 15, 16, 17, 31, 33}) {
    for (Case c : {unroll_case(BLV_SQUARED, BLV_TANH, BLV_HEAVY_BALL, GetParam()),
                   hvp_case(BLV_SQUARED, BLV_SIGMOID, 1, GetParam())}) {
      c.tasks = 2;
      c.steps = 2;
      c.rows = 3;
      c.widths = {2, width, 1};
      check_everywhere(c);
      c.widths = {2, 3, width, 2};
      check_everywhere(c);
    }
  }
}

TEST_P(Sizes, OutputsStraddleLanes) {
  for (int64_t width : {1, 2, 4, 5, 7, 8, 9, 10, 15, 16, 17, 33}) {
    for (int loss : {BLV_SQUARED, BLV_LOGISTIC, BLV_CROSS_ENTROPY}) {
      Case c = unroll_case(loss, BLV_TANH, BLV_SGD, GetParam());
      c.tasks = 2;
      c.steps = 2;
      c.widths = {3, width};
      check_everywhere(c);
      c.widths = {2, 3, width};
      check_everywhere(c);
    }
  }
}

TEST_P(Sizes, RowsStraddleBlocks) {
  for (int64_t rows : {1, 2, 3, 4, 5, 7, 8, 9, 15, 16, 17, 31, 32, 33, 63, 64, 65}) {
    for (Case c : {unroll_case(BLV_CROSS_ENTROPY, BLV_TANH, BLV_SGD, GetParam()),
                   hvp_case(BLV_SQUARED, BLV_TANH, 2, GetParam())}) {
      c.tasks = 2;
      c.steps = 2;
      c.rows = rows;
      c.outer_rows = rows + 1;
      check_everywhere(c);
    }
  }
}

TEST_P(Sizes, ManyRows) {
  for (int64_t rows : {127, 128, 129, 255, 256, 257, 511, 513, 600}) {
    for (Case c : {unroll_case(BLV_LOGISTIC, BLV_TANH, BLV_SGD, GetParam()),
                   evaluate_case(BLV_CROSS_ENTROPY, BLV_TANH, GetParam())}) {
      c.widths = rows % 2 ? std::vector<int64_t>{3, 2} : std::vector<int64_t>{2, 4, 2};
      c.tasks = 1;
      c.steps = 2;
      c.rows = rows;
      c.outer_rows = 600 - rows + 1;
      check_everywhere(c);
    }
  }
}

TEST_P(Sizes, DeepNetworks) {
  for (size_t hidden : {1u, 3u, 6u}) {
    for (Case c : {unroll_case(BLV_SQUARED, BLV_TANH, BLV_SGD, GetParam()),
                   hvp_case(BLV_SQUARED, BLV_SOFTPLUS, 1, GetParam())}) {
      c.widths.assign(hidden + 2, 4);
      c.widths[1] = 5;
      check_everywhere(c);
    }
  }
}

// No rows: the data term is 0 and only the penalty acts; gradients of rows have no elements.
TEST_P(Sizes, NoRows) {
  for (const auto &[rows, outer_rows] : {std::pair<int64_t, int64_t>{0, 3}, {3, 0}, {0, 0}}) {
    for (Case c :
         {unroll_case(BLV_SQUARED, BLV_TANH, BLV_HEAVY_BALL, GetParam()),
          evaluate_case(BLV_LOGISTIC, BLV_TANH, GetParam()), hvp_case(BLV_CROSS_ENTROPY, BLV_TANH, 2, GetParam())}) {
      c.rows = rows;
      c.outer_rows = outer_rows;
      check_everywhere(c);
    }
  }
}

TEST_P(Sizes, NoSteps) {
  for (int optimiser : {BLV_SGD, BLV_HEAVY_BALL}) {
    for (bool sum : {false, true}) {
      Case c = unroll_case(BLV_SQUARED, BLV_TANH, optimiser, GetParam());
      c.steps = 0;
      for (Leaf &leaf : c.leaves) leaf.sum = sum;
      check_everywhere(c);
    }
  }
}

TEST_P(Sizes, OneStep) {
  for (int optimiser : {BLV_SGD, BLV_HEAVY_BALL}) {
    Case c = unroll_case(BLV_CROSS_ENTROPY, BLV_TANH, optimiser, GetParam());
    c.steps = 1;
    check_everywhere(c);
  }
}

// An execute of no tasks, and a plan for none: sums over tasks become 0, nothing else is touched.
TEST_P(Sizes, NoTasks) {
  for (int64_t planned : {0, 5}) {
    for (Case c :
         {unroll_case(BLV_SQUARED, BLV_TANH, BLV_SGD, GetParam()), evaluate_case(BLV_LOGISTIC, BLV_TANH, GetParam()),
          hvp_case(BLV_CROSS_ENTROPY, BLV_TANH, 2, GetParam())}) {
      c.tasks = planned;
      for (size_t i = 0; i < c.leaves.size(); i++) c.leaves[i].sum = i % 2;
      for (int executor : executors()) {
        c.executor = executor;
        Problem p(c);
        SCOPED_TRACE(name_of(c, {}));
        const Outcome out = run(p, {}, 0);
        ASSERT_EQ(out.status, BLV_OK) << out.error;
        ASSERT_EQ(difference(p, out.values, reference(p, 0).values), "");
      }
    }
  }
}

// Fewer tasks than planned.
TEST_P(Sizes, SomeOfTheTasks) {
  Case c = unroll_case(BLV_SQUARED, BLV_TANH, BLV_SGD, GetParam());
  c.tasks = 21;
  for (size_t i = 0; i < c.leaves.size(); i++) c.leaves[i].sum = i % 2;
  for (int executor : executors()) {
    c.executor = executor;
    Problem p(c);
    for (int64_t tasks : {1, 4, 17, 20}) {
      SCOPED_TRACE(name_of(c, {}) + " run " + std::to_string(tasks));
      const Outcome out = run(p, {}, tasks);
      ASSERT_EQ(out.status, BLV_OK) << out.error;
      ASSERT_EQ(difference(p, out.values, reference(p, tasks).values), "");
    }
  }
}

TEST_P(Sizes, RaggedTasks) {
  for (int labels : {BLV_I32, BLV_I64}) {
    for (bool shared : {false, true}) {
      for (Case c :
           {unroll_case(BLV_SQUARED, BLV_TANH, BLV_SGD, GetParam()),
            unroll_case(BLV_CROSS_ENTROPY, BLV_TANH, BLV_HEAVY_BALL, GetParam(), {.labels = labels},
                        {.labels = labels}),
            evaluate_case(BLV_LOGISTIC, BLV_TANH, GetParam()), hvp_case(BLV_SQUARED, BLV_TANH, 2, GetParam())}) {
        c.tasks = 19;
        c.rows = 9;
        c.outer_rows = 7;
        for (int64_t t = 0; t < c.tasks; t++) c.counts.push_back(t * 7 % 10), c.outer_counts.push_back(t * 3 % 8);
        c.leaves.push_back({.side = BLV_INNER, .leaf = BLV_ROWS, .dtype = labels});
        if (c.outer_loss) c.leaves.push_back({.side = BLV_OUTER, .leaf = BLV_ROWS, .dtype = labels});
        if (shared) {
          for (Leaf &leaf : c.leaves) leaf.shared = leaf.sum = leaf.leaf != BLV_ROWS;
        }
        check_everywhere(c);
      }
    }
  }
}

TEST_P(Sizes, RaggedLongTasks) {
  Case c = unroll_case(BLV_SQUARED, BLV_TANH, BLV_SGD, GetParam());
  c.tasks = 4;
  c.rows = 300;
  c.outer_rows = 70;
  c.steps = 2;
  c.counts = {300, 0, 65, 257};
  c.outer_counts = {0, 64, 70, 1};
  for (int side : {BLV_INNER, BLV_OUTER}) c.leaves.push_back({.side = side, .leaf = BLV_ROWS});
  check_everywhere(c);
}

// Arrays that both losses read, of which each has its own number of rows.
TEST_P(Sizes, RaggedTasksAndArraysForBothLosses) {
  for (bool shared : {false, true}) {
    Case c = unroll_case(BLV_LOGISTIC, BLV_TANH, BLV_SGD, GetParam());
    for (int leaf : {BLV_X, BLV_Y, BLV_WEIGHT, BLV_PENALTY}) {
      remove_leaf(c, BLV_OUTER, leaf);
      leaf_in(c, BLV_INNER, leaf).side = BLV_BOTH;
    }
    c.tasks = 9;
    c.outer_rows = c.rows = 6;
    for (int64_t t = 0; t < c.tasks; t++) c.counts.push_back(t * 5 % 7), c.outer_counts.push_back((t * 3 + 2) % 7);
    for (Leaf &leaf : c.leaves) leaf.shared = leaf.sum = shared;
    for (int side : {BLV_INNER, BLV_OUTER}) c.leaves.push_back({.side = side, .leaf = BLV_ROWS});
    check_everywhere(c);
  }
}

// One BLV_ROWS slot for both losses.
TEST_P(Sizes, RowCountsForBothLosses) {
  Case c = unroll_case(BLV_SQUARED, BLV_TANH, BLV_SGD, GetParam());
  c.tasks = 9;
  c.outer_rows = c.rows = 6;
  for (int64_t t = 0; t < c.tasks; t++) c.counts.push_back(t * 5 % 7);
  c.outer_counts = c.counts;
  c.leaves.push_back({.side = BLV_BOTH, .leaf = BLV_ROWS, .dtype = BLV_I64});
  check_everywhere(c);
}

// Networks whose layers are larger than one tile, and than a block of rows in the cache.
TEST_P(Sizes, LargeNetworks) {
  for (const std::vector<int64_t> &widths : {std::vector<int64_t>{1, 40, 40, 1}, std::vector<int64_t>{70, 65, 10},
                                             std::vector<int64_t>{784, 10}, std::vector<int64_t>{20, 130, 3}}) {
    Case c = unroll_case(BLV_CROSS_ENTROPY, BLV_TANH, BLV_SGD, GetParam());
    c.widths = widths;
    c.tasks = 2;
    c.steps = 2;
    c.rows = 35;
    c.outer_rows = 17;
    leaf_in(c, BLV_METHOD, BLV_RATE).link = BLV_EXP;  // small rates
    check_everywhere(c);
  }
}

INSTANTIATE_TEST_SUITE_P(All, Sizes, testing::Values(BLV_F64, BLV_F32));

}  // namespace
