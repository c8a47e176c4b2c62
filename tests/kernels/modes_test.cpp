// SPDX-License-Identifier: Apache-2.0
//
// HVP with several vectors; what is stored for the reverse sweep (tape, theta, checkpoints) changes the result by
// rounding at most; a workspace limit is honoured and met by storing less.
#include "cases.h"

namespace {

using namespace harness;

class Vectors : public testing::TestWithParam<std::tuple<int, int64_t>> {};  // dtype, K

TEST_P(Vectors, HvpAndCrossProducts) {
  const auto [dtype, vectors] = GetParam();
  for (int loss : {BLV_SQUARED, BLV_LOGISTIC, BLV_CROSS_ENTROPY}) {
    for (const std::vector<int64_t> &widths :
         {std::vector<int64_t>{5, 1}, std::vector<int64_t>{9, 3}, std::vector<int64_t>{3, 5, 2}}) {
      Case c = hvp_case(loss, BLV_TANH, vectors, dtype);
      c.widths = widths;
      c.rows = 37;
      c.tasks = 2;
      check_everywhere(c);
      for (Leaf &leaf : c.leaves) leaf.gradient = leaf.leaf == BLV_THETA;  // H v alone
      check_everywhere(c);
      c.leaves.back().shared = true;
      check_everywhere(c);
    }
  }
}

INSTANTIATE_TEST_SUITE_P(All, Vectors,
                         testing::Combine(testing::Values(BLV_F64, BLV_F32), testing::Values(1, 2, 3, 4, 5, 7, 8)));

// Rows that are longer than any tile, more of them than one partial sum takes.
TEST(Hvp, LongRows) {
  for (int dtype : {BLV_F64, BLV_F32}) {
    Case c = hvp_case(BLV_LOGISTIC, BLV_TANH, 4, dtype);
    for (Leaf &leaf : c.leaves) leaf.gradient = leaf.leaf == BLV_THETA;
    c.widths = {401, 1};
    c.rows = 530;
    c.tasks = 1;
    check_everywhere(c);
  }
}

// The Hessian is symmetric: u . H v = v . H u.
TEST(Hvp, Symmetric) {
  for (int executor : executors()) {
    Case c = hvp_case(BLV_CROSS_ENTROPY, BLV_TANH, 2);
    c.executor = executor;
    Problem p(c);
    const Outcome out = run(p);
    ASSERT_EQ(out.status, BLV_OK) << out.error;
    const Array &v = *p.find(BLV_METHOD, BLV_VECTOR, BLV_VALUE);
    const Array *h = p.find(BLV_METHOD, BLV_THETA, BLV_GRADIENT);
    const int64_t n = c.parameters();
    for (int64_t t = 0; t < c.tasks; t++) {
      double uhv = 0, vhu = 0;
      for (int64_t j = 0; j < n; j++) {
        uhv += v.get(v.offset(t, 0, 0, j)) * h->get(h->offset(t, 1, 0, j));
        vhu += v.get(v.offset(t, 1, 0, j)) * h->get(h->offset(t, 0, 0, j));
      }
      EXPECT_NEAR(uhv, vhu, 1e-14 * static_cast<double>(n)) << "executor " << executor;
    }
  }
}

class Stores : public testing::TestWithParam<std::tuple<int, int>> {};  // dtype, optimiser

Case long_unroll(int dtype, int optimiser, int64_t steps) {
  Case c = unroll_case(BLV_CROSS_ENTROPY, BLV_TANH, optimiser, dtype);
  c.steps = steps;
  leaf_in(c, BLV_METHOD, BLV_RATE).per_step = true;
  return c;
}

TEST_P(Stores, AllAgree) {
  const auto [dtype, optimiser] = GetParam();
  for (int64_t steps : {1, 2, 3, 4, 5, 9, 10, 17}) {
    Problem p(long_unroll(dtype, optimiser, steps));
    const Expected want = reference(p);
    for (int store : {BLV_STORE_TAPE, BLV_STORE_THETA, BLV_STORE_CHECKPOINTS}) {
      for (int executor : executors()) {
        p.c.store = store;
        p.c.executor = executor;
        ASSERT_NO_FATAL_FAILURE(check(p, {}, want));
      }
    }
  }
}

TEST_P(Stores, AllAgreeWithMinibatches) {
  const auto [dtype, optimiser] = GetParam();
  for (int64_t steps : {2, 7, 12}) {
    Case c = long_unroll(dtype, optimiser, steps);
    c.batch_rows = 3;
    c.leaves.push_back({.side = BLV_INNER, .leaf = BLV_BATCH, .per_step = true});
    Problem p(c);
    const Expected want = reference(p);
    for (int store : {BLV_STORE_TAPE, BLV_STORE_THETA, BLV_STORE_CHECKPOINTS}) {
      for (int executor : executors()) {
        p.c.store = store;
        p.c.executor = executor;
        ASSERT_NO_FATAL_FAILURE(check(p, {}, want));
      }
    }
  }
}

// Storing less takes less room (on a device, where the first of it is in shared memory, never more), and a limit of exactly that room is
// met.
TEST_P(Stores, WorkspaceLimit) {
  const auto [dtype, optimiser] = GetParam();
  for (int executor : executors()) {
    Problem p(long_unroll(dtype, optimiser, 30));
    p.c.executor = executor;
    const Expected want = reference(p);
    const Context context;
    std::vector<int64_t> bytes;
    for (int store : {BLV_STORE_TAPE, BLV_STORE_THETA, BLV_STORE_CHECKPOINTS}) {
      p.c.store = store;
      const Plan plan(context.handle, p.spec());
      ASSERT_EQ(plan.status, BLV_OK) << blv_context_error(context.handle);
      bytes.push_back(plan.sizes().workspace_bytes);
    }
    EXPECT_GE(bytes[0], bytes[1]) << "executor " << executor;
    EXPECT_GE(bytes[1], bytes[2]) << "executor " << executor;
    EXPECT_TRUE(machine() || (bytes[0] > bytes[1] && bytes[1] > bytes[2])) << "executor " << executor;
    p.c.store = BLV_STORE_AUTO;
    std::vector<int64_t> limits = bytes;
    for (size_t i : {0u, 1u}) limits.push_back(std::max(bytes[i] - 1, bytes[i + 1]));
    for (int64_t limit : limits) {
      if (limit == 0) continue;  // no limit
      p.c.workspace_limit = limit;
      SCOPED_TRACE("limit " + std::to_string(limit));
      const Plan plan(context.handle, p.spec());
      ASSERT_EQ(plan.status, BLV_OK) << blv_context_error(context.handle);
      EXPECT_LE(plan.sizes().workspace_bytes, limit);
      const Outcome out = execute(context.handle, plan, p);
      ASSERT_EQ(out.status, BLV_OK) << out.error;
      ASSERT_EQ(difference(p, out.values, want.values), "");
    }
    if (machine() && bytes[2] <= 64) continue;  // all in shared memory
    p.c.store = BLV_STORE_TAPE;
    p.c.workspace_limit = bytes[0] - 1;
    EXPECT_EQ(Plan(context.handle, p.spec()).status, BLV_TOO_SMALL);
    p.c.store = BLV_STORE_AUTO;
    p.c.workspace_limit = 64;
    EXPECT_EQ(Plan(context.handle, p.spec()).status, BLV_TOO_SMALL);
    EXPECT_NE(std::string(blv_context_error(context.handle)).find("64"), std::string::npos)
        << blv_context_error(context.handle);
  }
}

INSTANTIATE_TEST_SUITE_P(All, Stores,
                         testing::Combine(testing::Values(BLV_F64, BLV_F32), testing::Values(BLV_SGD, BLV_HEAVY_BALL)));

// The workspace is exactly as announced: it works with an inaccessible page right behind it and right before it, and
// its content on entry does not matter (the harness fills it with a pattern).
TEST(Workspace, BothEnds) {
  for (const Case &c : {long_unroll(BLV_F32, BLV_HEAVY_BALL, 5), long_unroll(BLV_F64, BLV_SGD, 5),
                        evaluate_case(BLV_LOGISTIC, BLV_TANH), hvp_case(BLV_SQUARED, BLV_TANH, 3)}) {
    Problem p(c);
    const Expected want = reference(p);
    for (int executor : executors()) {
      for (int isa : levels()) {
        for (int threads : {1, 2, 5}) {
          p.c.executor = executor;
          check(p, {.isa = isa, .threads = threads, .workspace_side = Side::kLow}, want);
          check(p, {.isa = isa, .threads = threads, .workspace_side = Side::kHigh}, want);
        }
      }
    }
  }
}

TEST(Workspace, AlignmentIsAPowerOfTwo) {
  Problem p(long_unroll(BLV_F32, BLV_SGD, 2));
  const Context context;
  const Plan plan(context.handle, p.spec());
  const blv_sizes s = plan.sizes();
  EXPECT_GT(s.workspace_align, 0);
  EXPECT_LE(s.workspace_align, 4096);
  EXPECT_EQ(s.workspace_align & (s.workspace_align - 1), 0);
  EXPECT_EQ(s.state_bytes, 0);
  EXPECT_GT(s.flops, 0);
  EXPECT_GT(s.bytes, 0);
}

}  // namespace
