// SPDX-License-Identifier: Apache-2.0
//
// The CPU against the device on problems of the size that people run, which the plain reference would take too long for: the same
// results to a tolerance from eps and size, and the same infos, failures included.
#include "../kernels/same_bits.h"
#include "device_machine.h"

namespace {

using namespace harness;

void expect_same_info(const Problem &p, const Outcome &device, const Outcome &host) {
  const double tolerance = epsilon_of(p.c) * growth(p.c);
  // A solve stops where the residual falls below its tolerance, and residuals are sums, of another order on each machine.
  const int64_t iterations_apart = p.c.kind == BLV_IMPLICIT ? 1 : 0;
  ASSERT_EQ(device.info.size(), host.info.size());
  for (size_t t = 0; t < host.info.size(); t++) {
    const blv_task_info &a = device.info[t], &b = host.info[t];
    ASSERT_EQ(a.status, b.status) << "task " << t;
    ASSERT_EQ(a.side, b.side) << "task " << t;
    ASSERT_EQ(a.step, b.step) << "task " << t;
    ASSERT_EQ(a.row, b.row) << "task " << t;
    ASSERT_LE(std::abs(a.iterations - b.iterations), iterations_apart) << "task " << t;
    for (const auto &[x, y] : {std::pair{a.loss, b.loss}, {a.gradient_norm, b.gradient_norm}}) {
      ASSERT_EQ(std::isnan(x), std::isnan(y)) << "task " << t << ": " << x << " and " << y;
      ASSERT_TRUE(std::isnan(y) || std::fabs(x - y) <= tolerance * std::fmax(1, std::fabs(y)))
          << "task " << t << ": " << x << " and " << y;
    }
  }
}

Outcome on_host(Problem &p) {
  const OnHost host;
  const int executor = p.c.executor;
  p.c.executor = BLV_EXECUTOR_AUTO;
  Outcome out = run(p);
  p.c.executor = executor;
  return out;
}

// `spoil` is applied to the inputs first.
void expect_agreement(const Case &c, std::vector<int> named, void (*spoil)(Problem &) = nullptr) {
  Problem p(c);
  if (spoil) spoil(p);
  const Outcome host = on_host(p);
  ASSERT_EQ(host.status, BLV_OK) << host.error;
  for (int executor : named) {
    p.c.executor = executor;
    SCOPED_TRACE(name_of(p.c, {}));
    const Outcome device = run(p);
    ASSERT_EQ(device.status, BLV_OK) << device.error;
    ASSERT_NO_FATAL_FAILURE(expect_same_info(p, device, host));
    std::vector<std::vector<double>> got = device.values, want = host.values;
    for (size_t i = 0; i < want.size(); i++) {  // NaN in the same places
      ASSERT_EQ(got[i].size(), want[i].size());
      for (size_t j = 0; j < want[i].size(); j++) {
        ASSERT_EQ(std::isnan(got[i][j]), std::isnan(want[i][j])) << "slot " << i << " element " << j;
        if (std::isnan(want[i][j])) got[i][j] = want[i][j] = 0;
      }
    }
    ASSERT_EQ(difference(p, got, want), "") << device.description;
  }
}

std::vector<int> everything() {
  std::vector<int> all = executors();
  all.push_back(BLV_EXECUTOR_AUTO);
  return all;
}

// Sine regression: 1-40-40-1 tanh, ten points inside and out, theta_0 and a rate learned by all tasks.
TEST(Agreement, MetaLearning) {
  for (int dtype : {BLV_F32, BLV_F64}) {
    Case c = plain_unroll(BLV_SQUARED, BLV_TANH, BLV_SGD, dtype);
    for (int side : {BLV_INNER, BLV_OUTER}) {
      remove_leaf(c, side, BLV_WEIGHT);
      remove_leaf(c, side, BLV_PENALTY);
    }
    c.widths = {1, 40, 40, 1};
    c.rows = c.outer_rows = 10;
    c.steps = 5;
    c.tasks = 6;
    for (int leaf : {BLV_THETA0, BLV_RATE}) {
      Leaf &l = leaf_in(c, BLV_METHOD, leaf);
      l.gradient = l.shared = l.sum = true;
    }
    expect_agreement(c, everything());
  }
}

// One penalty per parameter of a logistic regression, and a rate per step.
TEST(Agreement, LogisticPenalties) {
  for (int dtype : {BLV_F32, BLV_F64}) {
    Case c = plain_unroll(BLV_LOGISTIC, 0, BLV_HEAVY_BALL, dtype);
    for (int side : {BLV_INNER, BLV_OUTER}) remove_leaf(c, side, BLV_WEIGHT);
    remove_leaf(c, BLV_OUTER, BLV_PENALTY);
    c.flags = BLV_NO_BIAS;
    c.widths = {20, 1};
    c.rows = c.outer_rows = 500;
    c.steps = 12;
    c.tasks = 3;
    leaf_in(c, BLV_INNER, BLV_PENALTY).gradient = true;
    leaf_in(c, BLV_INNER, BLV_PENALTY).link = BLV_EXP;
    leaf_in(c, BLV_METHOD, BLV_RATE).gradient = leaf_in(c, BLV_METHOD, BLV_RATE).per_step = true;
    expect_agreement(c, everything());
  }
}

// Softmax regression with a weight per row behind a sigmoid: data cleaning.
TEST(Agreement, DataCleaning) {
  Case c = plain_unroll(BLV_CROSS_ENTROPY, 0, BLV_SGD, BLV_F32);
  remove_leaf(c, BLV_OUTER, BLV_WEIGHT);
  remove_leaf(c, BLV_OUTER, BLV_PENALTY);
  for (int side : {BLV_INNER, BLV_OUTER}) leaf_in(c, side, BLV_Y).dtype = BLV_I32;
  leaf_in(c, BLV_INNER, BLV_PENALTY).extent = BLV_SCALAR;
  leaf_in(c, BLV_INNER, BLV_WEIGHT).gradient = true;
  leaf_in(c, BLV_INNER, BLV_WEIGHT).link = BLV_SIGMOID_LINK;
  c.widths = {784, 10};
  c.rows = 300;
  c.outer_rows = 120;
  c.steps = 3;
  c.tasks = 1;
  expect_agreement(c, {BLV_GRID, BLV_EXECUTOR_AUTO, BLV_BLOCK_PER_TASK});
}

// H v of one large logistic regression, K at a time.
TEST(Agreement, LargeHvp) {
  for (int dtype : {BLV_F32, BLV_F64}) {
    for (int64_t vectors : {1, 4}) {
      for (int64_t inputs : {100, 257, 1000}) {
        Case c = hvp_case(BLV_LOGISTIC, 0, vectors, dtype);
        for (Leaf &leaf : c.leaves) leaf.gradient = leaf.leaf == BLV_THETA;
        c.flags = BLV_NO_BIAS;
        c.widths = {inputs, 1};
        c.rows = 1000;
        c.tasks = 1;
        expect_agreement(c, {BLV_GRID, BLV_EXECUTOR_AUTO});
      }
    }
  }
}

// Minibatches of ragged tasks of a network that is too large for one warp's registers.
TEST(Agreement, Minibatches) {
  Case c = unroll_case(BLV_CROSS_ENTROPY, BLV_RELU, BLV_HEAVY_BALL, BLV_F32, {.labels = BLV_I64}, {.labels = BLV_I32});
  c.widths = {30, 64, 5};
  c.rows = 90;
  c.outer_rows = 40;
  c.batch_rows = 32;
  c.steps = 4;
  c.tasks = 5;
  c.counts = {90, 1, 33, 64, 32};
  c.leaves.push_back({.side = BLV_INNER, .leaf = BLV_ROWS});
  c.leaves.push_back({.side = BLV_INNER, .leaf = BLV_BATCH, .per_step = true});
  leaf_in(c, BLV_METHOD, BLV_RATE).link = BLV_EXP;  // small rates
  expect_agreement(c, everything());
}

// Every way to divide the work, in both precisions.
TEST(Agreement, DividingCases) {
  for (const Case &c : dividing_cases()) ASSERT_NO_FATAL_FAILURE(expect_agreement(c, everything()));
}

void set(Problem &p, int side, int leaf, int64_t task, int64_t step, int64_t row, int64_t column, double value) {
  Array &a = *p.find(side, leaf, BLV_VALUE);
  a.set(a.offset(task, step, row, column), value);
}

// Several tasks fail, each in its own way: the infos are the CPU's, and so is what is left.
TEST(Agreement, FailedTasks) {
  for (int flags : {0, int(BLV_SKIP_FAILED)}) {
    for (bool sum : {false, true}) {
      Case c = unroll_case(BLV_CROSS_ENTROPY, BLV_TANH, BLV_SGD, BLV_F64, {.labels = BLV_I32});
      c.tasks = 9;
      c.batch_rows = 4;
      c.counts.assign(9, 5);
      c.plan_flags = flags;
      c.leaves.push_back({.side = BLV_INNER, .leaf = BLV_ROWS});
      c.leaves.push_back({.side = BLV_INNER, .leaf = BLV_BATCH, .per_step = true});
      for (Leaf &leaf : c.leaves) leaf.sum = sum;
      ASSERT_NO_FATAL_FAILURE(expect_agreement(c, everything(), [](Problem &p) {
        set(p, BLV_INNER, BLV_Y, 0, 0, 4, 0, 2);
        set(p, BLV_INNER, BLV_ROWS, 2, 0, 0, 0, 6);
        set(p, BLV_INNER, BLV_BATCH, 3, 2, 0, 1, 5);
        set(p, BLV_OUTER, BLV_X, 5, 0, 1, 2, std::nan(""));
        set(p, BLV_METHOD, BLV_RATE, 7, 0, 0, 0, 1e300);
        set(p, BLV_METHOD, BLV_THETA0, 8, 0, 0, 1, HUGE_VAL);
        set(p, BLV_INNER, BLV_ROWS, 8, 0, 0, 0, -3);
      }));
    }
  }
}

// Two faults in one task: the one that is told is the one that the CPU tells.
TEST(Agreement, SeveralFaultsInOneTask) {
  for (int labels : {0, int(BLV_I32)}) {
    Case c = labels ? unroll_case(BLV_CROSS_ENTROPY, BLV_TANH, BLV_SGD, BLV_F32, {.labels = labels}, {.labels = labels})
                    : unroll_case(BLV_LOGISTIC, BLV_TANH, BLV_SGD, BLV_F32);
    c.rows = c.outer_rows = 70;  // more rows than a warp has threads
    c.tasks = 3;
    ASSERT_NO_FATAL_FAILURE(expect_agreement(c, everything(), [](Problem &p) {
      for (int64_t row : {69, 33, 40}) set(p, BLV_INNER, BLV_Y, 0, 0, row, 0, 9);
      for (int64_t row : {65, 3}) set(p, BLV_OUTER, BLV_Y, 0, 0, row, 0, -4);
      for (int64_t row : {66, 31, 32}) set(p, BLV_OUTER, BLV_Y, 1, 0, row, 0, 7);
      set(p, BLV_METHOD, BLV_THETA0, 1, 0, 0, 0, std::nan(""));
      set(p, BLV_INNER, BLV_X, 2, 0, 69, 0, std::nan(""));
    }));
  }
}

}  // namespace
