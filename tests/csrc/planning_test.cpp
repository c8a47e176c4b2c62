// SPDX-License-Identifier: Apache-2.0
//
// What the planner decides, as pure functions: executor, storage, costs.
#include <gtest/gtest.h>

#include <limits>
#include <string>

#include "csrc/plan/cost.h"
#include "csrc/plan/executor.h"
#include "csrc/plan/plan.h"
#include "csrc/plan/storage.h"
#include "csrc/spec/validate.h"
#include "csrc/support/refusal.h"
#include "tests/csrc/draft.h"

namespace bilevel {
namespace {

constexpr int64_t most = std::numeric_limits<int64_t>::max();

int32_t choose_executor(SpecBuilder *builder, int32_t threads, int64_t lanes) {
  return executors_by_speed(Draft(builder, threads, {1, 5}).problem, lanes)[0];
}

// ---- Executor -------------------------------------------------------------------------------------------------------

TEST(Executor, ANamedOneIsKept) {
  SpecBuilder builder(BLV_EVALUATE);
  for (const int32_t executor : {BLV_TASKS_IN_LANES, BLV_TASK_PER_CORE, BLV_ROWS_OVER_CORES}) {
    builder.spec.executor = executor;
    EXPECT_EQ(choose_executor(&builder, 1, 16), executor);
  }
}

TEST(Executor, ManySmallTasksGoInLanes) {
  SpecBuilder builder(BLV_UNROLL);
  builder.add_outer();
  builder.spec.tasks = 256;
  EXPECT_EQ(choose_executor(&builder, 2, 16), BLV_TASKS_IN_LANES);
  builder.spec.tasks = 8;
  EXPECT_EQ(choose_executor(&builder, 2, 16), BLV_TASKS_IN_LANES) << "half of them filled";
  builder.spec.tasks = 1;
  EXPECT_EQ(choose_executor(&builder, 2, 4), BLV_ROWS_OVER_CORES);
  builder.spec.tasks = 3;
  EXPECT_EQ(choose_executor(&builder, 2, 16), BLV_TASK_PER_CORE) << "lanes mostly empty";
}

// The measured crossing: two hidden layers of w units, 10 rows.
TEST(Executor, WiderTasksKeepTheirLanes) {
  const auto choose = [](int64_t width, int64_t n) {
    SpecBuilder builder(BLV_UNROLL);
    builder.add_outer();
    builder.widths = {1, width, width, 1};
    builder.inner.rows = builder.outer.rows = 10;
    builder.spec.tasks = n;
    builder.slots[1].task_stride = builder.slots[2].task_stride = 10;
    return choose_executor(&builder, 2, 16);
  };
  for (const int64_t width : {4, 20, 32, 40}) EXPECT_EQ(choose(width, 32), BLV_TASKS_IN_LANES) << width;
  for (const int64_t width : {64, 96, 128}) EXPECT_EQ(choose(width, 32), BLV_TASK_PER_CORE) << width;
  EXPECT_EQ(choose(40, 25), BLV_TASKS_IN_LANES);
  EXPECT_EQ(choose(40, 17), BLV_TASK_PER_CORE) << "half of the lanes empty";
}

TEST(Executor, LargeTasksKeepTheirLanes) {
  SpecBuilder builder(BLV_EVALUATE);
  builder.spec.tasks = 256;
  builder.widths = {784, 10};
  builder.inner.rows = 5000;
  EXPECT_EQ(choose_executor(&builder, 2, 16), BLV_TASK_PER_CORE);
  builder.spec.tasks = 2;
  EXPECT_EQ(choose_executor(&builder, 4, 16), BLV_ROWS_OVER_CORES);
}

// The number of threads must not move a task into or out of the lanes: that would change its bits.
TEST(Executor, ThreadsDoNotDecideTheLanes) {
  for (const int64_t rows : {1, 10, 100, 1000, 100000})
    for (const int64_t tasks : {1, 2, 8, 16, 1000})
      for (const int64_t lanes : {4, 8, 16}) {
        SpecBuilder builder(BLV_EVALUATE);
        builder.inner.rows = rows, builder.spec.tasks = tasks;
        const bool in_lanes = choose_executor(&builder, 1, lanes) == BLV_TASKS_IN_LANES;
        for (const int32_t threads : {2, 7, 64, 4096})
          EXPECT_EQ(choose_executor(&builder, threads, lanes) == BLV_TASKS_IN_LANES, in_lanes);
      }
}

// ---- Storage --------------------------------------------------------------------------------------------------------

// A kernel whose workspace is easily counted: per kept step 100 bytes with the tape, 10 without, and 10 per segment.
void set_sizes(const Problem &problem, Sizes *result) {
  const int64_t kept = problem.storage.segment_steps;
  const int64_t segments = (problem.steps + kept - 1) / kept;
  result->workspace_bytes = kept * (problem.storage.tape ? 100 : 10) + (segments > 1 ? segments * 10 : 0);
}
constexpr Kernel counted_kernel = {set_sizes, nullptr, nullptr};

struct Stored {
  std::string name;
  int64_t segment = 0, bytes = 0;
  int32_t tape = 0;
};

Stored store(int32_t wanted, int64_t steps, int64_t limit) {
  SpecBuilder builder(BLV_UNROLL);
  builder.add_outer();
  builder.method.steps = steps;
  Draft plan(&builder, 1, {1, 1});
  plan.kernel = &counted_kernel;
  int64_t least = 0;
  if (!choose_storage(wanted, limit, 16, &plan, &least)) return {"none", 0, least, 0};
  const Storage &storage = plan.problem.storage;
  return {store_of(plan.problem), storage.segment_steps, plan.sizes.workspace_bytes, storage.tape};
}

TEST(Storage, TheFastestThatFits) {
  const Stored tape = store(BLV_STORE_AUTO, 1000, 0);
  EXPECT_EQ(tape.name, "tape");
  EXPECT_EQ(tape.bytes, 100000);
  EXPECT_EQ(store(BLV_STORE_AUTO, 1000, 100000).name, "tape");
  const Stored theta = store(BLV_STORE_AUTO, 1000, 99999);
  EXPECT_EQ(theta.name, "theta");
  EXPECT_EQ(theta.segment, 1000);
  EXPECT_EQ(theta.bytes, 10000);
  const Stored checkpoints = store(BLV_STORE_AUTO, 1000, 9999);
  EXPECT_EQ(checkpoints.name, "checkpoints");
  EXPECT_EQ(checkpoints.segment, 32);
  EXPECT_TRUE(checkpoints.tape);
  EXPECT_EQ(checkpoints.bytes, 3200 + 320);
  const Stored least = store(BLV_STORE_AUTO, 1000, 3519);
  EXPECT_EQ(least.name, "checkpoints");
  EXPECT_FALSE(least.tape);
  EXPECT_EQ(least.bytes, 320 + 320);
}

TEST(Storage, NamedOnesAreKept) {
  EXPECT_EQ(store(BLV_STORE_THETA, 100, 0).name, "theta");
  EXPECT_EQ(store(BLV_STORE_CHECKPOINTS, 100, 0).segment, 10);
  EXPECT_EQ(store(BLV_STORE_CHECKPOINTS, 101, 0).segment, 11);
  EXPECT_EQ(store(BLV_STORE_TAPE, 1000, 99999).name, "none");
}

TEST(Storage, NothingFits) {
  const Stored stored = store(BLV_STORE_AUTO, 1000, 639);
  EXPECT_EQ(stored.name, "none");
  EXPECT_EQ(stored.bytes, 640) << "the least that is needed";
}

TEST(Storage, FewSteps) {
  for (const int64_t steps : {0, 1, 2, 3, 4}) {
    EXPECT_GE(store(BLV_STORE_TAPE, steps, 0).segment, 1);
    EXPECT_GE(store(BLV_STORE_CHECKPOINTS, steps, 0).segment, 1);
  }
}

// A trajectory that no counter can hold is passed over; checkpoints of it may be countable.
TEST(Storage, AbsurdlyManySteps) {
  const Stored stored = store(BLV_STORE_AUTO, int64_t{1} << 40, int64_t{1} << 40);
  EXPECT_EQ(stored.name, "checkpoints");
  EXPECT_EQ(stored.segment, int64_t{1} << 20);
}

// The plan of sinusoids by a network 1-40-40-1, described.
std::string describe_sine(int64_t steps, int64_t tasks, int64_t limit) {
  SpecBuilder builder(BLV_UNROLL);
  builder.add_outer();
  builder.widths = {1, 40, 40, 1};
  builder.inner.rows = builder.outer.rows = 10;
  builder.spec.tasks = tasks, builder.spec.workspace_limit = limit;
  builder.method.steps = steps;
  for (blv_slot &slot : builder.slots)
    if (slot.task_stride != 0) slot.task_stride = 2000;
  blv_context_options options{};
  options.size = sizeof options, options.device = BLV_DEVICE_CPU, options.threads = 2;
  blv_context context = nullptr;
  blv_plan plan = nullptr;
  EXPECT_EQ(blv_context_create(&options, &context), BLV_OK);
  EXPECT_EQ(blv_plan_create(context, builder.get(), &plan), BLV_OK) << blv_context_error(context);
  const std::string description = plan != nullptr ? plan->description : "";
  blv_plan_destroy(plan);
  blv_context_destroy(context);
  return description;
}

// Pages that are new cost more than steps that are run twice.
TEST(Storage, ALongTrajectoryIsNotKeptWhole) {
  EXPECT_NE(describe_sine(5, 256, 0).find("\"store\": \"tape\""), std::string::npos);
  EXPECT_NE(describe_sine(200000, 1, 0).find("\"store\": \"checkpoints\""), std::string::npos);
  EXPECT_NE(describe_sine(2000000, 1, 0).find("\"store\": \"checkpoints\""), std::string::npos);
}

// Tasks in lanes are fastest and take most.
TEST(Storage, AnExecutorThatDoesNotFitGivesWay) {
  EXPECT_NE(describe_sine(20000, 10000, 0).find("\"executor\": \"tasks_in_lanes\""), std::string::npos);
  EXPECT_NE(describe_sine(20000, 10000, 16 << 20).find("\"executor\": \"task_per_core\""), std::string::npos);
  EXPECT_NE(describe_sine(20000, 10000, 6 << 20).find("\"executor\": \"rows_over_cores\""), std::string::npos);
}

// ---- Costs ----------------------------------------------------------------------------------------------------------

int64_t flops(SpecBuilder *builder, bool tape = true, int64_t segment = 1 << 20) {
  return count_flops(Draft(builder, 1, {tape, segment}).problem);
}

// The 3-4-2 network: products of 2 * 6 * 12 and 2 * 6 * 8 flops for 6 rows.
constexpr int64_t first = 144, second = 96, tasks = 7;

TEST(Cost, FlopsOfAnEvaluate) {
  SpecBuilder builder(BLV_EVALUATE);
  EXPECT_EQ(flops(&builder), tasks * (first + second)) << "the loss alone";
  builder.add(BLV_METHOD, BLV_THETA, BLV_GRADIENT);
  EXPECT_EQ(flops(&builder), tasks * (2 * first + 3 * second)) << "and back, but not to the inputs";
  builder.add(BLV_INNER, BLV_X, BLV_GRADIENT);
  EXPECT_EQ(flops(&builder), tasks * (3 * first + 3 * second));
}

TEST(Cost, FlopsOfALinearHvp) {
  SpecBuilder builder(BLV_HVP);
  builder.widths = {3, 2};
  builder.hvp.vectors = 4;
  builder.add(BLV_METHOD, BLV_THETA, BLV_GRADIENT);
  const int64_t product = 2 * 6 * 3 * 2;
  EXPECT_EQ(flops(&builder), tasks * (product + 4 * 2 * product)) << "X theta, X v and X^T s";
}

TEST(Cost, FlopsOfAnUnroll) {
  SpecBuilder builder(BLV_UNROLL);
  const int64_t step = 2 * first + 3 * second, outer = 5 * step / 6;
  EXPECT_EQ(flops(&builder), tasks * 5 * step);
  builder.add_outer();
  const int64_t back = 2 * first + 6 * second;
  EXPECT_EQ(flops(&builder), tasks * (5 * (step + back) + outer));
  const int64_t again = first + second + second;  // forward, and back to the hidden layer
  EXPECT_EQ(flops(&builder, false), tasks * (5 * (step + back + again) + outer));
  EXPECT_EQ(flops(&builder, true, 3), tasks * (5 * (step + back) + 3 * step + outer))
      << "the first three are run twice";
}

TEST(Cost, Bytes) {
  SpecBuilder builder(BLV_EVALUATE);
  const Draft plan(&builder, 1, {1, 1});
  EXPECT_EQ(count_bytes(plan.problem, plan.slots, plan.spans), 4 * (parameters_of_builder + 7 * (18 + 12)));
}

TEST(Cost, Saturates) {
  SpecBuilder builder(BLV_UNROLL);
  builder.method.steps = int64_t{1} << 40;
  builder.spec.tasks = int64_t{1} << 40;
  builder.slots[1].task_stride = builder.slots[2].task_stride = 0;
  EXPECT_EQ(flops(&builder, true, int64_t{1} << 40), most);
}

}  // namespace
}  // namespace bilevel
