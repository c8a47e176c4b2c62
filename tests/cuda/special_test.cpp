// SPDX-License-Identifier: Apache-2.0
//
// Kernels that are written for one shape of problem: small tanh networks, linear models with short rows, linear models with long
// ones. Each is held to the plain reference at the edges of its shape, and `describe` has to name it, so that a general kernel cannot
// pass in its place.
#include "../kernels/cases.h"
#include "device_machine.h"

namespace {

using namespace harness;

// As check(), and the kernel's name has `word` in it.
void check_kernel(const Case &c, const std::string &word, double factor = 1) {
  Problem p(c);
  SCOPED_TRACE(name_of(c, {}));
  const Expected want = reference(p);
  const Outcome out = run(p);
  ASSERT_EQ(out.status, BLV_OK) << out.error;
  const size_t at = out.description.find("\"kernel\"");
  ASSERT_NE(at, std::string::npos) << out.description;
  const std::string kernel = out.description.substr(at, out.description.find(',', at) - at);
  EXPECT_NE(kernel.find(word), std::string::npos) << kernel;
  ASSERT_EQ(difference(p, out.values, want.values, factor), "") << out.description;
  check_info(p, out, want);
}

// ---- Small tanh networks: 1-H-H-1, squared loss, SGD with one rate.

Case small_network(int64_t width, int64_t rows, int64_t outer_rows) {
  Case c = plain_unroll(BLV_SQUARED, BLV_TANH, BLV_SGD, BLV_F32);
  for (int side : {BLV_INNER, BLV_OUTER}) {
    remove_leaf(c, side, BLV_WEIGHT);
    remove_leaf(c, side, BLV_PENALTY);
  }
  c.widths = {1, width, width, 1};
  c.rows = rows;
  c.outer_rows = outer_rows;
  c.steps = 3;
  c.tasks = 3;
  c.executor = BLV_WARP_PER_TASK;
  leaf_in(c, BLV_METHOD, BLV_THETA0).gradient = true;
  return c;
}

class SmallNetwork : public testing::TestWithParam<int> {  // flags
 protected:
  void check(Case c) const {
    c.plan_flags = GetParam();
    // TF32 splits: 2^-21 instead of 2^-24 of the terms.
    check_kernel(c, GetParam() & BLV_SPLIT_TF32 ? "small_network_split_tf32" : "small_network_f32",
                 GetParam() & BLV_SPLIT_TF32 ? 8 : 1);
  }
};

TEST_P(SmallNetwork, Widths) {
  for (int64_t width : {32, 40}) check(small_network(width, 10, 7));
}

TEST_P(SmallNetwork, Rows) {
  for (int64_t rows : {1, 7, 8, 9, 10, 11, 15, 16}) {
    check(small_network(40, rows, 17 - rows));
    check(small_network(32, 17 - rows, rows));
  }
}

TEST_P(SmallNetwork, Steps) {
  for (int64_t steps : {1, 2, 5, 8}) {
    for (int store : {BLV_STORE_AUTO, BLV_STORE_TAPE}) {
      Case c = small_network(40, 10, 10);
      c.steps = steps;
      c.store = store;
      check(c);
    }
  }
}

// theta_0 of each task or of all, its gradient likewise; without a gradient; theta_T wanted or not.
TEST_P(SmallNetwork, SharedAndSummed) {
  for (bool shared : {false, true}) {
    for (bool sum : {false, true}) {
      for (bool theta : {false, true}) {
        Case c = small_network(40, 10, 10);
        c.tasks = 9;
        c.theta_result = theta;
        Leaf &leaf = leaf_in(c, BLV_METHOD, BLV_THETA0);
        leaf.shared = shared, leaf.sum = sum;
        leaf_in(c, BLV_METHOD, BLV_RATE).shared = shared;
        check(c);
      }
    }
  }
}

// More tasks than run at once.
TEST_P(SmallNetwork, ManyTasks) {
  Case c = small_network(40, 10, 10);
  c.tasks = 70;
  c.steps = 1;
  for (Leaf &leaf : c.leaves) leaf.sum = true;
  check(c);
}

TEST_P(SmallNetwork, FewerTasksThanPlanned) {
  for (bool sum : {false, true}) {
    Case c = small_network(40, 11, 9);
    c.tasks = 50;
    c.steps = 2;
    c.plan_flags = GetParam();
    leaf_in(c, BLV_METHOD, BLV_THETA0).sum = sum;
    Problem p(c);
    for (int64_t tasks : {0, 1, 2, 37}) {
      const Outcome out = run(p, {}, tasks);
      ASSERT_EQ(out.status, BLV_OK) << out.error;
      ASSERT_EQ(difference(p, out.values, reference(p, tasks).values, 8), "") << tasks << " tasks";
    }
  }
}

TEST_P(SmallNetwork, FailedTasks) {
  for (bool sum : {false, true}) {
    Case c = small_network(40, 10, 10);
    c.tasks = 5;
    c.plan_flags = GetParam() | (sum ? int(BLV_SKIP_FAILED) : 0);
    leaf_in(c, BLV_METHOD, BLV_THETA0).sum = sum;
    Problem p(c);
    Array &x = *p.find(BLV_INNER, BLV_X, BLV_VALUE), &rate = *p.find(BLV_METHOD, BLV_RATE, BLV_VALUE);
    const Outcome clean = run(p);
    ASSERT_EQ(clean.status, BLV_OK) << clean.error;
    const Expected without = reference(p, 3);
    x.set(x.offset(4, 0, 9, 0), std::nan(""));
    rate.set(rate.offset(3, 0, 0, 0), 1e30);
    const Outcome out = run(p);
    ASSERT_EQ(out.status, BLV_OK) << out.error;
    EXPECT_EQ(out.info[4].status, BLV_TASK_NOT_FINITE);
    EXPECT_EQ(out.info[4].step, 1);
    EXPECT_EQ(out.info[3].status, BLV_TASK_NOT_FINITE);
    const size_t at = size_t(p.find(BLV_METHOD, BLV_THETA0, BLV_GRADIENT) - p.arrays.data());
    const size_t n = size_t(c.parameters());
    for (size_t j = 0; j < out.values[at].size(); j++) {
      if (sum) {
        const double tolerance = 8 * epsilon_of(c) * growth(c) * largest(without.values[at]);
        ASSERT_TRUE(std::fabs(out.values[at][j] - without.values[at][j]) <= tolerance) << j;
      } else if (j < 3 * n) {
        ASSERT_TRUE(same(out.values[at][j], clean.values[at][j])) << j;
      } else {
        ASSERT_TRUE(std::isnan(out.values[at][j])) << j;
      }
    }
  }
}

INSTANTIATE_TEST_SUITE_P(All, SmallNetwork, testing::Values(0, int(BLV_SPLIT_TF32)));

// ---- Linear models

Case linear_unroll(int loss, int64_t inputs, int64_t outputs, int executor) {
  Case c = unroll_case(loss, 0, BLV_HEAVY_BALL, BLV_F32);
  c.widths = {inputs, outputs};
  c.tasks = 2;
  c.steps = 3;
  c.rows = 70;
  c.outer_rows = 33;
  c.executor = executor;
  leaf_in(c, BLV_METHOD, BLV_RATE).link = BLV_EXP;  // small rates
  return c;
}

// Rows of X begin at multiples of four elements, with less than a whole four of their own at the end.
Case with_aligned_rows(Case c) {
  for (int side : {BLV_INNER, BLV_OUTER}) {
    if (side == BLV_INNER || c.outer_loss) leaf_in(c, side, BLV_X).pad = (4 - c.inputs() % 4) % 4;
  }
  return c;
}

// A thread holds a row of up to 20 or 32 features.
TEST(ShortRows, Inputs) {
  for (int64_t inputs : {1, 3, 4, 5, 19, 20, 21, 24, 31, 32}) {
    for (int loss : {BLV_SQUARED, BLV_LOGISTIC}) {
      const Case c = linear_unroll(loss, inputs, 1, BLV_BLOCK_PER_TASK);
      check_kernel(c, "linear");
      check_kernel(with_aligned_rows(c), "linear");
    }
  }
}

TEST(ShortRows, RowsAndBias) {
  for (int64_t rows : {0, 1, 31, 32, 33, 127, 128, 129, 300}) {
    for (int flags : {0, int(BLV_NO_BIAS)}) {
      Case c = linear_unroll(BLV_LOGISTIC, 20, 1, BLV_BLOCK_PER_TASK);
      c.rows = rows;
      c.outer_rows = 300 - rows;
      c.flags = flags;
      check_kernel(c, "linear");
    }
  }
}

TEST(ShortRows, PlainHyperparameterProblem) {
  for (int64_t pad : {0, 1, 4}) {  // rows that are not where a vector load would like them
    Case c = plain_unroll(BLV_LOGISTIC, 0, BLV_SGD, BLV_F32);
    for (int side : {BLV_INNER, BLV_OUTER}) {
      remove_leaf(c, side, BLV_WEIGHT);
      leaf_in(c, side, BLV_X).pad = pad;
    }
    remove_leaf(c, BLV_OUTER, BLV_PENALTY);
    c.flags = BLV_NO_BIAS;
    c.widths = {20, 1};
    c.rows = c.outer_rows = 200;
    c.steps = 6;
    c.executor = BLV_BLOCK_PER_TASK;
    leaf_in(c, BLV_INNER, BLV_PENALTY).gradient = true;
    check_kernel(c, "linear");
    for (Leaf &leaf : c.leaves) leaf.shared = leaf.leaf != BLV_PENALTY;
    check_kernel(c, "linear");
  }
}

Case linear_hvp(int64_t inputs, int64_t outputs, int64_t vectors, int loss) {
  Case c = hvp_case(loss, 0, vectors, BLV_F32);
  c.widths = {inputs, outputs};
  c.rows = 90;
  c.tasks = 1;
  c.executor = BLV_GRID;
  return c;
}

// Warps share a row: one output and up to four vectors at a time, or up to 16 outputs. The eight warps of a block hold rows of 1,024
// inputs with eight vectors, or of 2,048 with four.
TEST(LongRows, InputsAndVectors) {
  for (int64_t inputs : {1, 4, 31, 32, 33, 127, 128, 129, 256, 500, 1024, 1027}) {
    for (int64_t vectors : {1, 2, 4, 7}) {
      if (inputs > 1024 && vectors > 4) continue;
      const Case c = linear_hvp(inputs, 1, vectors, BLV_LOGISTIC);
      check_kernel(c, "linear");
      check_kernel(with_aligned_rows(c), "linear");
    }
  }
}

TEST(LongRows, Outputs) {
  for (int64_t outputs : {2, 3, 5, 9, 10, 16}) {
    for (int loss : {BLV_SQUARED, BLV_LOGISTIC, BLV_CROSS_ENTROPY}) {
      check_kernel(linear_hvp(130, outputs, 1, loss), "linear");
      Case c = evaluate_case(loss, 0, BLV_F32);
      c.widths = {65, outputs};
      c.rows = 50;
      c.executor = BLV_GRID;
      check_kernel(c, "linear");
    }
  }
}

TEST(LongRows, HvpAlone) {
  for (int64_t rows : {1, 5, 64, 700}) {
    for (int64_t vectors : {1, 4}) {
      for (int64_t pad : {0, 3}) {
        Case c = linear_hvp(200, 1, vectors, BLV_LOGISTIC);
        for (Leaf &leaf : c.leaves) leaf.gradient = leaf.leaf == BLV_THETA;
        leaf_in(c, BLV_INNER, BLV_X).pad = pad;
        c.rows = rows;
        check_kernel(c, "linear");
      }
    }
  }
}

TEST(LongRows, Unroll) {
  for (int64_t outputs : {1, 10, 16}) {
    for (int64_t inputs : {33, 129, 300}) {
      Case c = linear_unroll(outputs == 1 ? BLV_LOGISTIC : BLV_CROSS_ENTROPY, inputs, outputs, BLV_GRID);
      c.tasks = 1;
      check_kernel(c, "linear");
      check_kernel(with_aligned_rows(c), "linear");
      c.leaves.push_back({.side = BLV_INNER, .leaf = BLV_BATCH, .per_step = true});
      c.batch_rows = 20;
      check_kernel(c, "linear");
    }
  }
}

// Targets as class indices, row weights behind a sigmoid: data cleaning.
TEST(LongRows, DataCleaning) {
  for (int store : {BLV_STORE_TAPE, BLV_STORE_THETA, BLV_STORE_CHECKPOINTS}) {
    Case c = linear_unroll(BLV_CROSS_ENTROPY, 784, 10, BLV_GRID);
    for (int side : {BLV_INNER, BLV_OUTER}) {
      for (int leaf : {BLV_X, BLV_Y, BLV_PENALTY}) leaf_in(c, side, leaf).gradient = false;
      leaf_in(c, side, BLV_Y).dtype = BLV_I32;
    }
    leaf_in(c, BLV_INNER, BLV_WEIGHT).link = BLV_SIGMOID_LINK;
    c.tasks = 1;
    c.steps = 4;
    c.store = store;
    check_kernel(c, "linear");
  }
}

}  // namespace
