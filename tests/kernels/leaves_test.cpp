// SPDX-License-Identifier: Apache-2.0
//
// Every leaf on its own, since a plan computes only what was asked for; every extent and link; arrays shared by tasks and
// gradients summed over them; one array as the leaf of both losses; padded strides.
#include "cases.h"

namespace {

using namespace harness;

class Leaves : public testing::TestWithParam<std::tuple<int, int>> {};  // dtype, optimiser

TEST_P(Leaves, OneGradientAtATime) {
  const auto [dtype, optimiser] = GetParam();
  const Case base = plain_unroll(BLV_CROSS_ENTROPY, BLV_TANH, optimiser, dtype);
  for (size_t i = 0; i < base.leaves.size(); i++) {
    Case c = base;
    c.leaves[i].gradient = true;
    SCOPED_TRACE("leaf " + std::to_string(c.leaves[i].leaf) + " side " + std::to_string(c.leaves[i].side));
    check_everywhere(c);
    c.loss_result = c.theta_result = false;
    check_everywhere(c);
  }
}

TEST_P(Leaves, ExtentsAndSteps) {
  const auto [dtype, optimiser] = GetParam();
  for (int extent : {BLV_SCALAR, BLV_PER_PARAMETER}) {
    for (bool per_step : {false, true}) {
      Case c = plain_unroll(BLV_SQUARED, BLV_TANH, optimiser, dtype);
      for (int leaf : {BLV_RATE, BLV_MOMENTUM}) {
        if (leaf == BLV_MOMENTUM && optimiser == BLV_SGD) continue;
        Leaf &l = leaf_in(c, BLV_METHOD, leaf);
        l.extent = extent;
        l.per_step = per_step;
        l.gradient = true;
      }
      check_everywhere(c);
    }
  }
  for (int extent : {BLV_SCALAR, BLV_PER_FEATURE, BLV_PER_PARAMETER}) {
    for (const std::vector<int64_t> &widths : {std::vector<int64_t>{3, 2}, std::vector<int64_t>{3, 4, 2}}) {
      for (int flags : {0, int(BLV_NO_BIAS)}) {
        Case c = unroll_case(BLV_SQUARED, BLV_TANH, optimiser, dtype, {.penalty_extent = extent},
                             {.penalty_extent = extent});
        c.widths = widths;
        c.flags = flags;
        check_everywhere(c);
      }
    }
  }
}

TEST_P(Leaves, Links) {
  const auto [dtype, optimiser] = GetParam();
  for (int link : {BLV_EXP, BLV_SOFTPLUS_LINK, BLV_SIGMOID_LINK}) {
    for (int loss : {BLV_SQUARED, BLV_LOGISTIC}) {
      Case c = unroll_case(loss, BLV_SOFTPLUS, optimiser, dtype, {.link = link}, {.link = link});
      leaf_in(c, BLV_METHOD, BLV_RATE).link = link;
      if (optimiser == BLV_HEAVY_BALL) leaf_in(c, BLV_METHOD, BLV_MOMENTUM).link = link;
      check_everywhere(c);
      check_everywhere(evaluate_case(loss, BLV_TANH, dtype, {.link = link}));
      check_everywhere(hvp_case(loss, BLV_TANH, 2, dtype, {.link = link}));
    }
  }
}

TEST_P(Leaves, SharedAndSummed) {
  const auto [dtype, optimiser] = GetParam();
  for (bool shared : {false, true}) {
    for (bool sum : {false, true}) {
      if (!shared && !sum) continue;
      for (Case c : {unroll_case(BLV_LOGISTIC, BLV_TANH, optimiser, dtype),
                     evaluate_case(BLV_LOGISTIC, BLV_TANH, dtype), hvp_case(BLV_LOGISTIC, BLV_TANH, 2, dtype)}) {
        c.tasks = 19;  // more than one group of tasks in lanes, and a group that is not full
        for (Leaf &leaf : c.leaves) leaf.shared = shared, leaf.sum = sum;
        check_everywhere(c);
      }
    }
  }
}

TEST_P(Leaves, OneArrayForBothLosses) {
  const auto [dtype, optimiser] = GetParam();
  for (bool shared : {false, true}) {
    for (int loss : {BLV_SQUARED, BLV_CROSS_ENTROPY}) {
      Case c = unroll_case(loss, BLV_TANH, optimiser, dtype);
      for (int leaf : {BLV_X, BLV_Y, BLV_WEIGHT, BLV_PENALTY}) {
        remove_leaf(c, BLV_OUTER, leaf);
        leaf_in(c, BLV_INNER, leaf).side = BLV_BOTH;
      }
      for (Leaf &leaf : c.leaves) leaf.shared = leaf.sum = shared;
      c.outer_rows = c.rows = 6;
      check_everywhere(c);
    }
  }
}

// Only some leaves of both losses: here the features and the penalty, each loss having targets and weights of its own.
TEST_P(Leaves, SomeArraysForBothLosses) {
  const auto [dtype, optimiser] = GetParam();
  Case c = unroll_case(BLV_SQUARED, BLV_TANH, optimiser, dtype, {.link = BLV_EXP}, {.link = BLV_EXP});
  for (int leaf : {BLV_X, BLV_PENALTY}) {
    remove_leaf(c, BLV_OUTER, leaf);
    leaf_in(c, BLV_INNER, leaf).side = BLV_BOTH;
  }
  c.outer_rows = c.rows = 6;
  check_everywhere(c);
}

TEST_P(Leaves, PaddedStrides) {
  const auto [dtype, optimiser] = GetParam();
  for (int64_t pad : {1, 3}) {
    for (Case c :
         {unroll_case(BLV_SQUARED, BLV_TANH, optimiser, dtype), evaluate_case(BLV_SQUARED, BLV_TANH, dtype),
          hvp_case(BLV_SQUARED, BLV_TANH, 3, dtype),
          unroll_case(BLV_CROSS_ENTROPY, BLV_TANH, optimiser, dtype, {.labels = BLV_I64}, {.labels = BLV_I32})}) {
      for (Leaf &leaf : c.leaves) leaf.pad = pad;
      if (c.kind == BLV_UNROLL) leaf_in(c, BLV_METHOD, BLV_RATE).per_step = true;
      check_everywhere(c);
    }
  }
}

// So few parameters that they fit one register.
TEST_P(Leaves, TinyNetworks) {
  const auto [dtype, optimiser] = GetParam();
  for (const std::vector<int64_t> &widths : {std::vector<int64_t>{1, 1}, std::vector<int64_t>{3, 1},
                                             std::vector<int64_t>{2, 2}, std::vector<int64_t>{7, 1}}) {
    for (int flags : {0, int(BLV_NO_BIAS)}) {
      for (int extent : {BLV_SCALAR, BLV_PER_PARAMETER}) {
        Case c = unroll_case(BLV_SQUARED, BLV_TANH, optimiser, dtype);
        c.widths = widths;
        c.flags = flags;
        leaf_in(c, BLV_METHOD, BLV_RATE).extent = extent;
        if (optimiser == BLV_HEAVY_BALL) leaf_in(c, BLV_METHOD, BLV_MOMENTUM).extent = extent;
        check_everywhere(c);
      }
    }
  }
}

INSTANTIATE_TEST_SUITE_P(All, Leaves,
                         testing::Combine(testing::Values(BLV_F64, BLV_F32), testing::Values(BLV_SGD, BLV_HEAVY_BALL)));

// Without row weights and penalty there is less to compute, and other code.
TEST(LeavesAbsent, NoWeightNoPenalty) {
  for (int optimiser : {BLV_SGD, BLV_HEAVY_BALL}) {
    Case c = unroll_case(BLV_SQUARED, BLV_TANH, optimiser);
    for (int side : {BLV_INNER, BLV_OUTER}) {
      remove_leaf(c, side, BLV_WEIGHT);
      remove_leaf(c, side, BLV_PENALTY);
    }
    check_everywhere(c);
  }
}

// A gradient per step of a rate that is the same at every step, and the other way round.
TEST(LeavesAbsent, StepStridesOfValueAndGradientDiffer) {
  Case c = plain_unroll(BLV_SQUARED, BLV_TANH, BLV_SGD);
  leaf_in(c, BLV_METHOD, BLV_RATE).gradient = true;
  leaf_in(c, BLV_METHOD, BLV_RATE).per_step = true;
  Problem per_step(c);
  Array *summed = per_step.find(BLV_METHOD, BLV_RATE, BLV_GRADIENT);
  const Outcome steps = run(per_step);
  ASSERT_EQ(steps.status, BLV_OK) << steps.error;
  summed->slot.step_stride = 0;
  summed->slot.task_stride = summed->task_stride = 1;
  summed->steps = 1;
  const size_t at = static_cast<size_t>(summed - per_step.arrays.data());
  for (int executor : executors()) {
    per_step.c.executor = executor;
    const Outcome sum = run(per_step);
    ASSERT_EQ(sum.status, BLV_OK) << sum.error;
    ASSERT_EQ(sum.values[at].size(), static_cast<size_t>(c.tasks));
    for (int64_t t = 0; t < c.tasks; t++) {
      double want = 0;
      for (int64_t s = 0; s < c.steps; s++) want += steps.values[at][t * c.steps + s];
      EXPECT_NEAR(sum.values[at][t], want, 1e-14) << "executor " << executor;
    }
  }
}

}  // namespace
