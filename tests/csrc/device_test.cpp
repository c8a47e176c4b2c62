// SPDX-License-Identifier: Apache-2.0
//
// The host side of a device, through the C ABI, on a plugin that computes nothing: contexts, what plans and executes refuse, what is
// handed to the device, and how a context dies.
#include <bilevel/bilevel.h>
#include <dlfcn.h>
#include <gtest/gtest.h>

#include <cstdlib>
#include <cstring>
#include <string>
#include <utility>
#include <vector>

#include "tests/csrc/plugins/fake_device.h"
#include "tests/csrc/spec_builder.h"

namespace bilevel {
namespace {

FakeDevices *open_fake() {
  setenv("BILEVEL_CUDA_PLUGIN", PLUGIN_FAKE_DEVICE, 1);
  static void *library = dlopen(PLUGIN_FAKE_DEVICE, RTLD_NOW | RTLD_LOCAL);
  void *symbol = dlsym(library, "fake_devices");
  FakeDevicesEntry entry = nullptr;
  std::memcpy(&entry, &symbol, sizeof entry);
  return entry();
}

void expect_words(blv_context context, const std::string &words) {
  const std::string text = blv_context_error(context);
  for (size_t begin = 0; begin < words.size();) {
    const size_t end = std::min(words.find('|', begin), words.size());
    EXPECT_NE(text.find(words.substr(begin, end - begin)), std::string::npos)
        << "\"" << text << "\" lacks " << words.substr(begin, end - begin);
    begin = end + 1;
  }
}

class Device : public testing::Test {
 protected:
  Device() : fake_(*open_fake()), builder_(BLV_UNROLL) {
    fake_.next_plan = fake_.next_where = fake_.next_enqueue = BLV_OK;
    fake_.streams[0] = fake_.streams[1] = nullptr;
    fake_.enqueues = fake_.plans = 0;
    fake_.memory_bytes = int64_t{1} << 40, fake_.weighs_storage = false;
    builder_.add_outer();
  }
  ~Device() override {
    for (blv_plan plan : plans_) blv_plan_destroy(plan);
    for (blv_context context : contexts_) blv_context_destroy(context);
  }

  blv_context context(int32_t device, void *stream = nullptr, blv_status expected = BLV_OK) {
    blv_context_options options{};
    options.size = sizeof options;
    options.device = device;
    options.stream = stream;
    blv_context made = nullptr;
    EXPECT_EQ(blv_context_create(&options, &made), expected) << blv_context_error(nullptr);
    EXPECT_EQ(made != nullptr, expected == BLV_OK);
    contexts_.push_back(made);
    return made;
  }
  blv_plan plan(blv_context context, blv_status expected = BLV_OK) {
    blv_plan made = nullptr;
    EXPECT_EQ(blv_plan_create(context, builder_.get(), &made), expected) << blv_context_error(context);
    EXPECT_EQ(made != nullptr, expected == BLV_OK);
    plans_.push_back(made);
    return made;
  }

  FakeDevices &fake_;
  SpecBuilder builder_;
  std::vector<blv_context> contexts_;
  std::vector<blv_plan> plans_;
};

// ---- Contexts -------------------------------------------------------------------------------------------------------

TEST_F(Device, Ordinals) {
  context(0);
  context(1);
  context(2, nullptr, BLV_NO_DEVICE);
  expect_words(nullptr, "options.device is 2: |accepted: 0 to 1");
}

TEST_F(Device, Streams) {
  int stream = 0;
  context(0, &stream, BLV_INVALID);
  expect_words(nullptr, "options.stream");
  fake_.streams[0] = &stream;
  context(0, &stream);
  context(1, &stream, BLV_INVALID);
}

// The hook and the threads are of the CPU: a device leaves them alone.
TEST_F(Device, StartsNoThreads) {
  blv_context_options options{};
  options.size = sizeof options;
  options.threads = 4096;
  options.parallel_for = [](void *, int64_t, void (*)(void *, int64_t), void *) { ADD_FAILURE() << "called"; };
  blv_context made = nullptr;
  ASSERT_EQ(blv_context_create(&options, &made), BLV_OK);
  contexts_.push_back(made);
  plan(made);
}

// ---- Plans ----------------------------------------------------------------------------------------------------------

TEST_F(Device, SizesAndDescription) {
  const blv_plan made = plan(context(1));
  blv_sizes sizes{};
  sizes.size = sizeof sizes;
  ASSERT_EQ(blv_plan_sizes(made, &sizes), BLV_OK);
  EXPECT_EQ(sizes.workspace_bytes, 600);
  EXPECT_EQ(sizes.workspace_align, 256);
  EXPECT_GT(sizes.flops, 0);
  char text[4096];
  ASSERT_EQ(blv_plan_describe(made, text, sizeof text, nullptr), BLV_OK);
  for (const char *member :
       {"\"device\": \"cuda:1\"", "\"device_name\": \"Fake \\\"9\\\\0\\\" \"", "\"compute_capability\": \"9.0\"",
        "\"executor\": \"block_per_task\"", "\"kernel\": \"fake_kernel\"", "\"reason\": \"nothing else is here\"",
        "\"block_threads\": 96", "\"cluster_blocks\": 2", "\"batches\": 5", "\"shared_bytes\": 1234",
        "\"slab_bytes\": 56", "\"store\": \"tape\"", "\"workspace_bytes\": 600"})
    EXPECT_NE(std::string(text).find(member), std::string::npos) << member << " is not in " << text;
  EXPECT_EQ(std::string(text).find("\"isa\""), std::string::npos) << text;
}

// Flops follow from what the device chose to store.
TEST_F(Device, TheStorageIsTheDevices) {
  const blv_context device = context(0);
  blv_sizes tape{}, theta{};
  tape.size = theta.size = sizeof tape;
  blv_plan_sizes(plan(device), &tape);
  builder_.method.store = BLV_STORE_THETA;
  blv_plan_sizes(plan(device), &theta);
  EXPECT_GT(theta.flops, tape.flops);
}

// 5 steps; segments have 3. Device plans take 600 and 400 bytes with a tape, 360 and 240 without, and half of it on a grid.
struct Fitting {
  int64_t limit, memory;
  int32_t executor, store;
  const char *wanted_executor, *wanted_store;
  int64_t bytes;
};

constexpr int64_t plenty = int64_t{1} << 40;
const Fitting kFittings[] = {
    {0, plenty, BLV_EXECUTOR_AUTO, BLV_STORE_AUTO, "block_per_task", "tape", 600},
    {599, plenty, BLV_EXECUTOR_AUTO, BLV_STORE_AUTO, "block_per_task", "theta", 360},
    {240, plenty, BLV_EXECUTOR_AUTO, BLV_STORE_AUTO, "block_per_task", "checkpoints", 240},
    // No storage fits but on the grid.
    {239, plenty, BLV_EXECUTOR_AUTO, BLV_STORE_AUTO, "grid", "theta", 180},
    {179, plenty, BLV_EXECUTOR_AUTO, BLV_STORE_AUTO, "grid", "checkpoints", 120},
    {239, plenty, BLV_EXECUTOR_AUTO, BLV_STORE_THETA, "grid", "theta", 180},
    {310, plenty, BLV_GRID, BLV_STORE_AUTO, "grid", "tape", 300},
    // A quarter of the memory is a plan's, if a smaller storage keeps to it; the executor stays.
    {0, 2400, BLV_EXECUTOR_AUTO, BLV_STORE_AUTO, "block_per_task", "tape", 600},
    {0, 2399, BLV_EXECUTOR_AUTO, BLV_STORE_AUTO, "block_per_task", "theta", 360},
    {0, 1439, BLV_EXECUTOR_AUTO, BLV_STORE_AUTO, "block_per_task", "checkpoints", 240},
    {0, 100, BLV_EXECUTOR_AUTO, BLV_STORE_AUTO, "block_per_task", "checkpoints", 240},
    {0, 100, BLV_EXECUTOR_AUTO, BLV_STORE_TAPE, "block_per_task", "tape", 600},
    {500, 2400, BLV_EXECUTOR_AUTO, BLV_STORE_AUTO, "block_per_task", "theta", 360},
};

TEST_F(Device, WhatFitsLimitAndMemory) {
  fake_.weighs_storage = true;
  for (const Fitting &row : kFittings) {
    SCOPED_TRACE("limit " + std::to_string(row.limit) + " memory " + std::to_string(row.memory) + " store " +
                 std::to_string(row.store));
    fake_.memory_bytes = row.memory;
    builder_.spec.workspace_limit = row.limit, builder_.spec.executor = row.executor;
    builder_.method.store = row.store;
    const blv_plan made = plan(context(0));
    if (made == nullptr) continue;
    char text[4096];
    ASSERT_EQ(blv_plan_describe(made, text, sizeof text, nullptr), BLV_OK);
    for (const std::string &member :
         {std::string("\"executor\": \"") + row.wanted_executor, std::string("\"store\": \"") + row.wanted_store,
          "\"workspace_bytes\": " + std::to_string(row.bytes) + ","})
      EXPECT_NE(std::string(text).find(member), std::string::npos) << member << " is not in " << text;
  }
}

TEST_F(Device, TheLeastOfAllExecutorsAndStorages) {
  fake_.weighs_storage = true;
  const blv_context device = context(0);
  builder_.spec.workspace_limit = 119;
  plan(device, BLV_TOO_SMALL);
  expect_words(device, "spec.workspace_limit is 119 bytes|accepted: 0, or >= 120,");
  builder_.spec.executor = BLV_CLUSTER_PER_TASK;
  plan(device, BLV_TOO_SMALL);
  expect_words(device, ">= 240,");
}

// Each group of tasks has its own part of the workspace: the bytes of one can be counted, those of all can't.
TEST_F(Device, AbsurdlyManyBytes) {
  const blv_context device = context(0);
  builder_.spec.max_threads = 1;
  builder_.method.steps = int64_t{1} << 36, builder_.method.store = BLV_STORE_TAPE;
  builder_.spec.tasks = 1;
  plan(device);
  builder_.spec.tasks = 1 << 20;
  plan(device, BLV_INVALID);
  expect_words(device, "more than 2^62 bytes");
}

struct BadPlan {
  const char *name;
  int32_t device;  // BLV_DEVICE_CPU, or an ordinal
  void (*spoil)(SpecBuilder &);
  blv_status status;
  const char *words;
};

const BadPlan kBadPlans[] = {
    {"lanes", 0, [](SpecBuilder &b) { b.spec.executor = BLV_TASKS_IN_LANES; }, BLV_UNSUPPORTED,
     "spec.executor is BLV_TASKS_IN_LANES (1)|accepted on a CUDA device: BLV_EXECUTOR_AUTO (0), BLV_WARP_PER_TASK "
     "(16), "
     "BLV_BLOCK_PER_TASK (17), BLV_CLUSTER_PER_TASK (18), BLV_GRID (19)"},
    {"core", 0, [](SpecBuilder &b) { b.spec.executor = BLV_TASK_PER_CORE; }, BLV_UNSUPPORTED, "BLV_TASK_PER_CORE"},
    {"cores", 0, [](SpecBuilder &b) { b.spec.executor = BLV_ROWS_OVER_CORES; }, BLV_UNSUPPORTED, "BLV_ROWS_OVER_CORES"},
    {"warp", BLV_DEVICE_CPU, [](SpecBuilder &b) { b.spec.executor = BLV_WARP_PER_TASK; }, BLV_UNSUPPORTED,
     "spec.executor is BLV_WARP_PER_TASK (16)|on the CPU|BLV_ROWS_OVER_CORES (3)"},
    {"block", BLV_DEVICE_CPU, [](SpecBuilder &b) { b.spec.executor = BLV_BLOCK_PER_TASK; }, BLV_UNSUPPORTED, "(17)"},
    {"cluster", BLV_DEVICE_CPU, [](SpecBuilder &b) { b.spec.executor = BLV_CLUSTER_PER_TASK; }, BLV_UNSUPPORTED,
     "(18)"},
    {"grid", BLV_DEVICE_CPU, [](SpecBuilder &b) { b.spec.executor = BLV_GRID; }, BLV_UNSUPPORTED, "(19)"},
    {"no executor", 0, [](SpecBuilder &b) { b.spec.executor = 15; }, BLV_INVALID, "spec.executor is 15"},
    {"tf32 on the CPU", BLV_DEVICE_CPU, [](SpecBuilder &b) { b.spec.flags = BLV_SPLIT_TF32 | BLV_SKIP_FAILED; },
     BLV_UNSUPPORTED, "spec.flags is 3|BLV_SPLIT_TF32 (2)|accepted on the CPU: 0 or BLV_SKIP_FAILED (1)"},
    {"tf32 of doubles", 0,
     [](SpecBuilder &b) {
       b.spec.flags = BLV_SPLIT_TF32, b.spec.dtype = BLV_F64;
       for (blv_slot &slot : b.slots) slot.dtype = BLV_F64;
     },
     BLV_UNSUPPORTED, "spec.flags is 2|BLV_SPLIT_TF32 (2)|BLV_F64"},
    {"layers", 0,
     [](SpecBuilder &b) {
       b.widths.assign(18, 2);
       b.widths.front() = 3;
     },
     BLV_UNSUPPORTED, "spec.inner.n_widths is 18|at most 17"},
    {"what the kernels refuse", 0,
     [](SpecBuilder &b) {
       b.widths = {3, 2, 2, 2, 2};
     },
     BLV_UNSUPPORTED, "three layers"},
    {"limit", 0, [](SpecBuilder &b) { b.spec.workspace_limit = 599; }, BLV_TOO_SMALL, "spec.workspace_limit is 599"},
    {"what the CPU refuses too", 0, [](SpecBuilder &b) { b.spec.tasks = -1; }, BLV_INVALID, "spec.tasks is -1"},
};

TEST_F(Device, PlansThatAreRefused) {
  const blv_context machines[] = {context(BLV_DEVICE_CPU), context(0)};
  for (const BadPlan &row : kBadPlans) {
    SCOPED_TRACE(row.name);
    const SpecBuilder good = builder_;
    row.spoil(builder_);
    const blv_context machine = machines[row.device + 1];
    plan(machine, row.status);
    expect_words(machine, row.words);
    builder_ = good;
  }
}

TEST_F(Device, PlansThatAreNot) {
  const blv_context device = context(0);
  for (const int32_t executor : {BLV_WARP_PER_TASK, BLV_BLOCK_PER_TASK, BLV_CLUSTER_PER_TASK, BLV_GRID}) {
    builder_.spec.executor = executor;
    plan(device);
  }
  builder_.spec.flags = BLV_SPLIT_TF32 | BLV_SKIP_FAILED;
  builder_.spec.max_threads = 3;
  builder_.spec.workspace_limit = 600;
  plan(device);
}

// ---- Executes -------------------------------------------------------------------------------------------------------

// The arguments of a good execute of 7 tasks, to be spoilt. Arrays are 512 bytes apart; the last three are written.
struct Arguments {
  blv_context context;
  blv_plan plan;
  FakeDevices *fake;
  int64_t tasks = 7, bytes = 600;
  std::vector<void *> data;
  char *workspace;
  blv_task_info *info;

  blv_status execute() { return blv_execute(context, plan, tasks, data.data(), workspace, bytes, nullptr, info); }
};

Arguments good_arguments(blv_context context, blv_plan plan, FakeDevices &fake, size_t slots) {
  Arguments a{context, plan, &fake, 7, 600, {}, fake.memory[0] + 8192, nullptr};
  a.info = reinterpret_cast<blv_task_info *>(fake.memory[0] + 16384);
  for (size_t i = 0; i < slots; ++i) a.data.push_back(fake.memory[0] + 512 * i);
  return a;
}

TEST_F(Device, HandsOverWhatItWasGiven) {
  int stream = 0;
  fake_.streams[0] = &stream;
  const blv_context device = context(0, &stream);
  Arguments a = good_arguments(device, plan(device), fake_, builder_.slots.size());
  ASSERT_EQ(a.execute(), BLV_OK) << blv_context_error(device);
  EXPECT_EQ(fake_.enqueues, 1);
  EXPECT_EQ(fake_.last.tasks, 7);
  EXPECT_EQ(fake_.last.slots, static_cast<int64_t>(builder_.slots.size()));
  EXPECT_EQ(fake_.last.workspace, a.workspace);
  EXPECT_EQ(fake_.last.info, a.info);
  EXPECT_EQ(fake_.last.stream, &stream);
  for (size_t i = 0; i < a.data.size(); ++i) EXPECT_EQ(fake_.last.data[i], a.data[i]) << i;
  int64_t done = 0, total = 0;
  blv_context_progress(device, &done, &total);
  EXPECT_EQ(total, 7 * (5 + 1 + 5)) << "passes: forward, outer, back";
  EXPECT_EQ(done, total);
}

TEST_F(Device, ManagedMemoryAndNoInfo) {
  const blv_context device = context(0);
  Arguments a = good_arguments(device, plan(device), fake_, builder_.slots.size());
  a.workspace = fake_.managed;
  a.data[0] = fake_.managed + 1024;
  a.info = nullptr;
  EXPECT_EQ(a.execute(), BLV_OK) << blv_context_error(device);
  a.tasks = 0;
  EXPECT_EQ(a.execute(), BLV_OK) << blv_context_error(device);
}

char host[4096];

struct BadExecute {
  const char *name;
  void (*spoil)(Arguments &);
  blv_status status;
  const char *words;
};

const BadExecute kBadExecutes[] = {
    {"host array", [](Arguments &a) { a.data[1] = host; }, BLV_INVALID,
     "data[1] is |host memory; accepted: device or "},
    {"pinned array", [](Arguments &a) { a.data[2] = a.fake->pinned; }, BLV_INVALID, "data[2] is |pinned host memory"},
    {"another device's array", [](Arguments &a) { a.data[3] = a.fake->memory[1]; }, BLV_INVALID,
     "data[3] is |memory of another device; accepted: |CUDA device 0"},
    {"host result", [](Arguments &a) { a.data.back() = host; }, BLV_INVALID, "data[7] is |host memory"},
    {"no array", [](Arguments &a) { a.data[0] = nullptr; }, BLV_INVALID, "data[0] is NULL"},
    {"unaligned array", [](Arguments &a) { a.data[0] = static_cast<char *>(a.data[0]) + 2; }, BLV_INVALID,
     "data[0] is |aligned to 4 bytes"},
    {"host workspace", [](Arguments &a) { a.workspace = a.fake->pinned; }, BLV_INVALID, "workspace is |pinned host"},
    {"another device's workspace", [](Arguments &a) { a.workspace = a.fake->memory[1]; }, BLV_INVALID,
     "workspace is |memory of another device"},
    {"unaligned workspace", [](Arguments &a) { a.workspace += 64; }, BLV_INVALID, "workspace is |aligned to 256 bytes"},
    {"small workspace", [](Arguments &a) { a.bytes = 599; }, BLV_TOO_SMALL, "workspace_bytes is 599; accepted: >= 600"},
    {"host info", [](Arguments &a) { a.info = reinterpret_cast<blv_task_info *>(a.fake->pinned); }, BLV_INVALID,
     "info is |pinned host memory"},
    {"overlap", [](Arguments &a) { a.data[7] = a.data[0]; }, BLV_INVALID, "data[7]|overlaps data[0]"},
    {"tasks", [](Arguments &a) { a.tasks = 8; }, BLV_INVALID, "tasks is 8"},
};

TEST_F(Device, ExecutesThatAreRefused) {
  const blv_context device = context(0);
  const blv_plan made = plan(device);
  builder_.method.steps = 5;
  for (const BadExecute &row : kBadExecutes) {
    SCOPED_TRACE(row.name);
    Arguments a = good_arguments(device, made, fake_, builder_.slots.size());
    row.spoil(a);
    EXPECT_EQ(a.execute(), row.status);
    expect_words(device, row.words);
  }
  EXPECT_EQ(fake_.enqueues, 0) << "something was enqueued all the same";
  Arguments good = good_arguments(device, made, fake_, builder_.slots.size());
  EXPECT_EQ(good.execute(), BLV_OK) << blv_context_error(device);
}

TEST_F(Device, PlansOfAnotherMachine) {
  const blv_context cpu = context(BLV_DEVICE_CPU), first = context(0), second = context(1);
  const std::pair<blv_context, const char *> machines[] = {
      {cpu, "the CPU"}, {first, "CUDA device 0"}, {second, "CUDA device 1"}};
  for (const auto &[maker, made_for] : machines) {
    const blv_plan made = plan(maker);
    for (const auto &[user, accepted] : machines) {
      if (maker == user) continue;
      Arguments a = good_arguments(user, made, fake_, builder_.slots.size());
      EXPECT_EQ(a.execute(), BLV_UNSUPPORTED);
      expect_words(user, std::string("plan was made for ") + made_for + "|a plan for " + accepted);
    }
  }
}

TEST_F(Device, AStreamThatIsNoMore) {
  int stream = 0;
  fake_.streams[0] = &stream;
  const blv_context device = context(0, &stream);
  Arguments a = good_arguments(device, plan(device), fake_, builder_.slots.size());
  fake_.streams[0] = nullptr;
  EXPECT_EQ(a.execute(), BLV_INVALID);
  expect_words(device, "options.stream");
  EXPECT_EQ(fake_.enqueues, 0);
}

TEST_F(Device, ACancellationIsForOneExecute) {
  const blv_context device = context(0);
  Arguments a = good_arguments(device, plan(device), fake_, builder_.slots.size());
  blv_context_cancel(device);
  EXPECT_EQ(a.execute(), BLV_CANCELLED);
  EXPECT_EQ(fake_.enqueues, 0);
  EXPECT_EQ(a.execute(), BLV_OK);
}

// ---- Faults ---------------------------------------------------------------------------------------------------------

void expect_dead(Arguments &a, FakeDevices &fake, SpecBuilder &builder, const char *since) {
  const int before = fake.enqueues, plans_before = fake.plans;
  for (int i = 0; i < 2; ++i) {
    EXPECT_EQ(a.execute(), BLV_DEVICE_FAULT);
    expect_words(a.context, std::string("this context is dead since ") + since + "|made to fail|blv_context_destroy");
  }
  blv_plan none = nullptr;
  EXPECT_EQ(blv_plan_create(a.context, builder.get(), &none), BLV_DEVICE_FAULT);
  EXPECT_EQ(fake.enqueues, before) << "a dead context enqueues";
  EXPECT_EQ(fake.plans, plans_before);
}

TEST_F(Device, AFaultOfAnExecuteKillsTheContext) {
  const blv_context device = context(0), other = context(0);
  Arguments a = good_arguments(device, plan(device), fake_, builder_.slots.size());
  EXPECT_EQ(a.execute(), BLV_OK);
  fake_.next_enqueue = BLV_DEVICE_FAULT;
  EXPECT_EQ(a.execute(), BLV_DEVICE_FAULT);
  expect_words(device, "made to fail");
  expect_dead(a, fake_, builder_, "a blv_execute after 1 executes");
  a.context = other;
  EXPECT_EQ(a.execute(), BLV_OK) << "contexts die one by one: " << blv_context_error(other);
}

TEST_F(Device, AFaultSeenAtAPointerKillsTheContext) {
  const blv_context device = context(0);
  Arguments a = good_arguments(device, plan(device), fake_, builder_.slots.size());
  fake_.next_where = BLV_DEVICE_FAULT;
  EXPECT_EQ(a.execute(), BLV_DEVICE_FAULT);
  expect_dead(a, fake_, builder_, "a blv_execute after 0 executes");
}

TEST_F(Device, AFaultSeenAtAPlanKillsTheContext) {
  const blv_context device = context(0);
  Arguments a = good_arguments(device, plan(device), fake_, builder_.slots.size());
  fake_.next_plan = BLV_DEVICE_FAULT;
  plan(device, BLV_DEVICE_FAULT);
  expect_dead(a, fake_, builder_, "a blv_plan_create after 0 executes");
}

TEST_F(Device, OtherFailuresLeaveItUsable) {
  const blv_context device = context(0);
  Arguments a = good_arguments(device, plan(device), fake_, builder_.slots.size());
  for (const blv_status status : {BLV_NO_MEMORY, BLV_UNSUPPORTED, BLV_INTERNAL}) {
    fake_.next_enqueue = status;
    EXPECT_EQ(a.execute(), status);
    expect_words(device, "made to fail");
    EXPECT_EQ(a.execute(), BLV_OK) << blv_context_error(device);
  }
}

}  // namespace
}  // namespace bilevel
