// SPDX-License-Identifier: Apache-2.0
//
// Which kernel of a table runs a problem, with which storage. The kernels are made up.
#include "csrc/cuda/planner.h"

#include <gtest/gtest.h>

#include <cstdio>
#include <string>
#include <vector>

#include "csrc/spec/validate.h"
#include "tests/csrc/spec_builder.h"

namespace bilevel {
namespace {

// Runs nothing with a tape; 1000 bytes, or 400 with checkpoints.
bool measure_special(const Problem &problem, const DeviceFacts &, DevicePlan *plan, BackendMessage *message) {
  if (problem.flags & BLV_SPLIT_TF32) std::snprintf(message->text, sizeof message->text, "it has no tensor cores");
  if (problem.flags & BLV_SPLIT_TF32 || problem.storage.tape) return false;
  plan->threads = 32;
  plan->measure.workspace_bytes = problem.storage.segment_steps < problem.steps ? 400 : 1000;
  return true;
}
// Runs all but HVPs; 3000 bytes with a tape, 2000 without, 500 with checkpoints.
bool measure_general(const Problem &problem, const DeviceFacts &, DevicePlan *plan, BackendMessage *message) {
  const bool refused = problem.kind == BLV_HVP || problem.flags & BLV_SPLIT_TF32;
  if (refused) std::snprintf(message->text, sizeof message->text, "it runs no HVP, and no TF32");
  plan->threads = 256;
  plan->measure.workspace_bytes = problem.storage.segment_steps < problem.steps ? 500
                                  : problem.storage.tape                        ? 3000
                                                                                : 2000;
  std::snprintf(plan->reason, sizeof plan->reason, "it runs all");
  return !refused;
}
constexpr DeviceKernel special = {"special", BLV_WARP_PER_TASK, measure_special, nullptr};
constexpr DeviceKernel general = {"general", BLV_BLOCK_PER_TASK, measure_general, nullptr};
constexpr const DeviceKernel *both[] = {&special, &general};

class Planner : public testing::Test {
 protected:
  Planner() : builder_(BLV_UNROLL) {
    builder_.add_outer();
    facts_.ordinal = 3;
  }
  blv_status choose(int64_t limit = 0) {
    const ValidSpec valid = validate(builder_.get(), 1);
    plan_ = {};
    return plan_kernel({both, 2}, valid.problem, facts_, builder_.method.store, limit, &plan_, &message_);
  }

  SpecBuilder builder_;
  DeviceFacts facts_;
  DevicePlan plan_;
  BackendMessage message_;
};

TEST_F(Planner, TheFastestStorageComesFirst) {
  ASSERT_EQ(choose(), BLV_OK) << message_.text;
  EXPECT_STREQ(plan_.name, "general");
  EXPECT_STREQ(plan_.reason, "it runs all");
  EXPECT_EQ(plan_.executor, BLV_BLOCK_PER_TASK);
  EXPECT_EQ(plan_.kernel, 1);
  EXPECT_EQ(plan_.threads, 256);
  EXPECT_EQ(plan_.device.ordinal, 3);
  EXPECT_EQ(plan_.storage.tape, 1);
  EXPECT_EQ(plan_.storage.segment_steps, 5);
}

TEST_F(Planner, TheFirstKernelOfTheTableThatRunsIt) {
  builder_.method.store = BLV_STORE_THETA;
  ASSERT_EQ(choose(), BLV_OK) << message_.text;
  EXPECT_STREQ(plan_.name, "special");
  EXPECT_STREQ(plan_.reason, "the first kernel that runs it");
  EXPECT_EQ(plan_.storage.tape, 0);
}

TEST_F(Planner, AnExecutorByName) {
  builder_.method.store = BLV_STORE_THETA;
  builder_.spec.executor = BLV_BLOCK_PER_TASK;
  ASSERT_EQ(choose(), BLV_OK) << message_.text;
  EXPECT_STREQ(plan_.name, "general");
  builder_.method.store = BLV_STORE_AUTO;
  builder_.spec.executor = BLV_WARP_PER_TASK;
  ASSERT_EQ(choose(), BLV_OK) << message_.text;
  EXPECT_STREQ(plan_.name, "special");
  builder_.spec.executor = BLV_GRID;
  EXPECT_EQ(choose(), BLV_UNSUPPORTED);
  EXPECT_STREQ(message_.text,
               "spec.executor is 19, of which this build has no kernel; accepted: BLV_EXECUTOR_AUTO (0)");
}

TEST_F(Planner, TheLimitMakesItStoreLess) {
  struct {
    int64_t limit;
    const char *kernel;
    int64_t bytes, segment;
    int32_t tape;
  } const table[] = {{3000, "general", 3000, 5, 1},
                     {2999, "special", 1000, 5, 0},
                     {999, "general", 500, 3, 1},
                     {499, "special", 400, 3, 0}};
  for (const auto &row : table) {
    ASSERT_EQ(choose(row.limit), BLV_OK) << row.limit << ": " << message_.text;
    EXPECT_STREQ(plan_.name, row.kernel) << row.limit;
    EXPECT_EQ(plan_.measure.workspace_bytes, row.bytes) << row.limit;
    EXPECT_EQ(plan_.storage.segment_steps, row.segment) << row.limit;
    EXPECT_EQ(plan_.storage.tape, row.tape) << row.limit;
  }
  EXPECT_EQ(choose(399), BLV_TOO_SMALL);
  EXPECT_STREQ(message_.text,
               "spec.workspace_limit is 399 bytes; accepted: 0, or >= 400, the least that this plan needs");
}

TEST_F(Planner, WithoutReverseSweepNothingIsKept) {
  builder_.with_outer = false;
  builder_.slots.resize(builder_.slots.size() - 4);
  ASSERT_EQ(choose(), BLV_OK) << message_.text;
  EXPECT_EQ(plan_.storage.tape, 0);
}

TEST_F(Planner, TheReasonsOfAll) {
  builder_.spec.flags = BLV_SPLIT_TF32;
  EXPECT_EQ(choose(), BLV_UNSUPPORTED);
  EXPECT_STREQ(message_.text,
               "no CUDA kernel runs this plan; special: it has no tensor cores; general: it runs no HVP, and no TF32");
}

// Two kernels that leave a problem to one another.
TEST_F(Planner, WhatRunsByNameRunsByAuto) {
  const auto shy = [](const Problem &problem, const DeviceFacts &, DevicePlan *plan, BackendMessage *message) {
    std::snprintf(message->text, sizeof message->text, "another suits it better");
    plan->measure.workspace_bytes = 10;
    return problem.executor != BLV_EXECUTOR_AUTO;
  };
  static constexpr DeviceKernel warp = {"warp", BLV_WARP_PER_TASK, shy, nullptr},
                                grid = {"grid", BLV_GRID, shy, nullptr};
  static constexpr const DeviceKernel *table[] = {&warp, &grid};
  const ValidSpec valid = validate(builder_.get(), 1);
  ASSERT_EQ(plan_kernel({table, 2}, valid.problem, facts_, BLV_STORE_AUTO, 0, &plan_, &message_), BLV_OK);
  EXPECT_STREQ(plan_.name, "grid");
  EXPECT_EQ(plan_.storage.tape, 1) << "the fastest storage is not given up for that";
  EXPECT_EQ(plan_kernel({table, 2}, valid.problem, facts_, BLV_STORE_AUTO, 9, &plan_, &message_), BLV_TOO_SMALL);
}

TEST_F(Planner, AReasonThatSeveralKernelsShareIsSaidOnce) {
  static constexpr DeviceKernel other = {"other", BLV_GRID, measure_general, nullptr};
  static constexpr const DeviceKernel *table[] = {&general, &other};
  builder_.spec.flags = BLV_SPLIT_TF32;
  const ValidSpec valid = validate(builder_.get(), 1);
  EXPECT_EQ(plan_kernel({table, 2}, valid.problem, facts_, BLV_STORE_AUTO, 0, &plan_, &message_), BLV_UNSUPPORTED);
  EXPECT_STREQ(message_.text, "no CUDA kernel runs this plan; general: it runs no HVP, and no TF32");
}

TEST_F(Planner, MoreBytesThanCanBeCounted) {
  builder_.spec.tasks = int64_t{1} << 40;
  builder_.method.steps = int64_t{1} << 40;
  builder_.inner.rows = builder_.outer.rows = 1;
  builder_.slots[1].task_stride = builder_.slots[2].task_stride = 0;
  EXPECT_EQ(choose(), BLV_INVALID);
  EXPECT_NE(std::string(message_.text).find("2^62"), std::string::npos) << message_.text;
}

}  // namespace
}  // namespace bilevel
