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
bool size_special(const Problem &problem, const DeviceFacts &, DevicePlan *plan, BackendMessage *message) {
  if (problem.flags & BLV_SPLIT_TF32) std::snprintf(message->text, sizeof message->text, "it has no tensor cores");
  if (problem.flags & BLV_SPLIT_TF32 || problem.storage.tape) return false;
  plan->threads = 32;
  plan->sizes.workspace_bytes = problem.storage.segment_steps < problem.steps ? 400 : 1000;
  return true;
}
// Runs all but HVPs; 3000 bytes with a tape, 2000 without, 500 with checkpoints.
bool size_general(const Problem &problem, const DeviceFacts &, DevicePlan *plan, BackendMessage *message) {
  const bool refused = problem.kind == BLV_HVP || problem.flags & BLV_SPLIT_TF32;
  if (refused) std::snprintf(message->text, sizeof message->text, "it runs no HVP, and no TF32");
  plan->threads = 256;
  plan->sizes.workspace_bytes = problem.storage.segment_steps < problem.steps ? 500
                                : problem.storage.tape                        ? 3000
                                                                              : 2000;
  std::snprintf(plan->reason, sizeof plan->reason, "it runs all");
  return !refused;
}
constexpr DeviceKernel special = {"special", BLV_WARP_PER_TASK, size_special, nullptr};
constexpr DeviceKernel general = {"general", BLV_BLOCK_PER_TASK, size_general, nullptr};
constexpr const DeviceKernel *both[] = {&special, &general};

constexpr Storage tape{1, 5}, theta{0, 5};

class Planner : public testing::Test {
 protected:
  Planner() : builder_(BLV_UNROLL) {
    builder_.add_outer();
    facts_.ordinal = 3;
  }
  blv_status choose(const Storage &storage, int64_t limit = 0) {
    const ValidSpec valid = validate(builder_.get(), 1);
    Problem problem = valid.problem;
    problem.storage = storage;
    plan_ = {};
    return plan_kernel({both, 2}, problem, facts_, limit, &plan_, &message_);
  }

  SpecBuilder builder_;
  DeviceFacts facts_;
  DevicePlan plan_;
  BackendMessage message_;
};

TEST_F(Planner, WhatItSays) {
  ASSERT_EQ(choose(tape), BLV_OK) << message_.text;
  EXPECT_STREQ(plan_.name, "general");
  EXPECT_STREQ(plan_.reason, "it runs all");
  EXPECT_EQ(plan_.executor, BLV_BLOCK_PER_TASK);
  EXPECT_EQ(plan_.kernel, 1);
  EXPECT_EQ(plan_.threads, 256);
  EXPECT_EQ(plan_.device.ordinal, 3);
}

TEST_F(Planner, TheFirstKernelOfTheTableThatRunsIt) {
  ASSERT_EQ(choose(theta), BLV_OK) << message_.text;
  EXPECT_STREQ(plan_.name, "special");
  EXPECT_STREQ(plan_.reason, "the first kernel that runs it");
}

TEST_F(Planner, AnExecutorByName) {
  builder_.spec.executor = BLV_BLOCK_PER_TASK;
  ASSERT_EQ(choose(theta), BLV_OK) << message_.text;
  EXPECT_STREQ(plan_.name, "general");
  builder_.spec.executor = BLV_WARP_PER_TASK;
  ASSERT_EQ(choose(theta), BLV_OK) << message_.text;
  EXPECT_STREQ(plan_.name, "special");
  builder_.spec.executor = BLV_GRID;
  EXPECT_EQ(choose(theta), BLV_UNSUPPORTED);
  EXPECT_STREQ(message_.text,
               "spec.executor is 19, of which this build has no kernel; accepted: BLV_EXECUTOR_AUTO (0)");
}

TEST_F(Planner, BeyondTheLimitItSaysWhatItTakes) {
  ASSERT_EQ(choose(tape, 3000), BLV_OK) << message_.text;
  EXPECT_EQ(choose(tape, 2999), BLV_TOO_SMALL);
  EXPECT_EQ(plan_.sizes.workspace_bytes, 3000);
  ASSERT_EQ(choose(theta, 1000), BLV_OK) << message_.text;
  EXPECT_STREQ(plan_.name, "special");
  EXPECT_EQ(choose(theta, 999), BLV_TOO_SMALL);
  EXPECT_EQ(plan_.sizes.workspace_bytes, 1000) << "the least of all kernels";
}

TEST_F(Planner, TheReasonsOfAll) {
  builder_.spec.flags = BLV_SPLIT_TF32;
  EXPECT_EQ(choose(tape), BLV_UNSUPPORTED);
  EXPECT_STREQ(message_.text,
               "no CUDA kernel runs this plan; special: it has no tensor cores; general: it runs no HVP, and no TF32");
}

// Two kernels that leave a problem to one another.
TEST_F(Planner, WhatRunsByNameRunsByAuto) {
  const auto shy = [](const Problem &problem, const DeviceFacts &, DevicePlan *plan, BackendMessage *message) {
    std::snprintf(message->text, sizeof message->text, "another suits it better");
    plan->sizes.workspace_bytes = 10;
    return problem.executor != BLV_EXECUTOR_AUTO;
  };
  static constexpr DeviceKernel warp = {"warp", BLV_WARP_PER_TASK, shy, nullptr},
                                grid = {"grid", BLV_GRID, shy, nullptr};
  static constexpr const DeviceKernel *table[] = {&warp, &grid};
  const ValidSpec valid = validate(builder_.get(), 1);
  ASSERT_EQ(plan_kernel({table, 2}, valid.problem, facts_, 0, &plan_, &message_), BLV_OK);
  EXPECT_STREQ(plan_.name, "grid");
  EXPECT_EQ(plan_kernel({table, 2}, valid.problem, facts_, 9, &plan_, &message_), BLV_TOO_SMALL);
}

TEST_F(Planner, AReasonThatSeveralKernelsShareIsSaidOnce) {
  static constexpr DeviceKernel other = {"other", BLV_GRID, size_general, nullptr};
  static constexpr const DeviceKernel *table[] = {&general, &other};
  builder_.spec.flags = BLV_SPLIT_TF32;
  const ValidSpec valid = validate(builder_.get(), 1);
  EXPECT_EQ(plan_kernel({table, 2}, valid.problem, facts_, 0, &plan_, &message_), BLV_UNSUPPORTED);
  EXPECT_STREQ(message_.text, "no CUDA kernel runs this plan; general: it runs no HVP, and no TF32");
}

}  // namespace
}  // namespace bilevel
