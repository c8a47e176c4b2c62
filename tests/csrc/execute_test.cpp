// SPDX-License-Identifier: Apache-2.0
//
// What an execute gives a kernel, and when it does not let it run: threads, progress, cancellation, floating-point mode, the ranges
// of memory. The kernel is a stand-in that writes down what it sees.
#include "csrc/run/execute.h"

#include <gtest/gtest.h>

#include <cstring>
#include <memory>
#include <string>
#include <vector>

#include "csrc/plan/plan.h"
#include "csrc/run/context.h"
#include "csrc/spec/validate.h"
#include "csrc/support/float_mode.h"
#include "tests/csrc/spec_builder.h"

namespace bilevel {
namespace {

// What the stand-in saw in its last run, and what it shall do.
struct Seen {
  int runs = 0;
  int64_t tasks = -1, threads = -1;
  unsigned modes[8] = {};
  blv_context cancel_during = nullptr;
} seen;

blv_status run(const Problem &, const Call &call) {
  ++seen.runs;
  seen.tasks = call.tasks, seen.threads = call.threads;
  const auto note_mode = [](void *modes, int64_t i) { static_cast<unsigned *>(modes)[i] = float_mode() & ~0x3fu; };
  call.parallel_for(call.parallel_self, call.threads, note_mode, seen.modes);
  for (int64_t step = 0; step < 10; ++step) {
    if (seen.cancel_during != nullptr && step == 4) blv_context_cancel(seen.cancel_during);
    if (__atomic_load_n(call.cancel, __ATOMIC_RELAXED)) return BLV_CANCELLED;
    __atomic_fetch_add(call.done, 1, __ATOMIC_RELAXED);
  }
  return BLV_OK;
}
void measure(const Problem &, Measure *result) { result->workspace_bytes = 256; }
int64_t progress_total(const Problem &, int64_t tasks) { return 10 * tasks; }
constexpr Kernel stand_in = {measure, progress_total, run};

class Execute : public testing::Test {
 protected:
  Execute() : builder_(BLV_UNROLL) {
    seen = Seen();
    builder_.add_outer();
    ValidSpec valid = validate(builder_.get(), 4);
    plan_.problem = valid.problem;
    plan_.layers = std::move(valid.layers);
    plan_.slots = std::move(valid.slots);
    plan_.spans = std::move(valid.spans);
    plan_.isa = BLV_ISA_X86_64_V2;
    plan_.kernel = &stand_in;
    stand_in.measure(plan_.problem, &plan_.measure);
    for (size_t i = 0; i < plan_.slots.size(); ++i) {
      arrays_.emplace_back(static_cast<size_t>(plan_extent(plan_, static_cast<int64_t>(i))));
      data_.push_back(arrays_.back().data());
    }
    make_context(0);
  }
  ~Execute() override { blv_context_destroy(context_); }

  using Hook = decltype(blv_context_options::parallel_for);
  void make_context(int32_t threads, Hook parallel_for = nullptr, void *user = nullptr) {
    blv_context_destroy(context_);
    blv_context_options options = {};
    options.size = sizeof options;
    options.device = BLV_DEVICE_CPU;
    options.threads = threads;
    options.parallel_for = parallel_for;
    options.user = user;
    ASSERT_EQ(blv_context_create(&options, &context_), BLV_OK) << blv_context_error(nullptr);
  }

  blv_status execute(int64_t tasks = 7) {
    return blv_execute(context_, &plan_, tasks, data_.data(), workspace_, 256, nullptr, info_);
  }
  std::string error() const { return blv_context_error(context_); }

  SpecBuilder builder_;
  blv_plan_s plan_;
  std::vector<std::vector<float>> arrays_;
  std::vector<void *> data_;
  alignas(64) char workspace_[256];
  blv_task_info info_[7];
  blv_context context_ = nullptr;
};

TEST_F(Execute, TheLesserNumberOfThreads) {
  make_context(2);
  EXPECT_EQ(execute(3), BLV_OK) << error();
  EXPECT_EQ(seen.tasks, 3);
  EXPECT_EQ(seen.threads, 2) << "of the context";
  make_context(6);
  EXPECT_EQ(execute(), BLV_OK);
  EXPECT_EQ(seen.threads, 4) << "of the plan";
}

TEST_F(Execute, Progress) {
  int64_t done = -1, total = -1;
  blv_context_progress(context_, &done, &total);
  EXPECT_EQ(done, 0);
  EXPECT_EQ(total, 0);
  EXPECT_EQ(execute(3), BLV_OK);
  blv_context_progress(context_, &done, &total);
  EXPECT_EQ(done, 10);
  EXPECT_EQ(total, 30);
  EXPECT_EQ(execute(1), BLV_OK);
  blv_context_progress(context_, &done, nullptr);
  EXPECT_EQ(done, 10) << "counted anew";
  blv_context_progress(nullptr, &done, &total);
  EXPECT_EQ(total, 0);
}

TEST_F(Execute, CancelledBefore) {
  blv_context_cancel(context_);
  EXPECT_EQ(execute(), BLV_CANCELLED);
  EXPECT_EQ(seen.runs, 0);
  EXPECT_NE(error(), "");
  EXPECT_EQ(execute(), BLV_OK) << "the request was used up";
}

TEST_F(Execute, CancelledDuring) {
  seen.cancel_during = context_;
  EXPECT_EQ(execute(), BLV_CANCELLED);
  int64_t done = 0;
  blv_context_progress(context_, &done, nullptr);
  EXPECT_EQ(done, 4);
  seen.cancel_during = nullptr;
  EXPECT_EQ(execute(), BLV_OK) << "the request was used up";
}

// A refused execute is none: the request waits for the next one.
TEST_F(Execute, ARefusalDoesNotUseUpTheRequest) {
  blv_context_cancel(context_);
  EXPECT_EQ(execute(-1), BLV_INVALID);
  EXPECT_EQ(execute(), BLV_CANCELLED);
  blv_context_cancel(nullptr);
}

// Runs the job on a thread-like stage of its own: in a mode that flushes denormals, backwards.
void hook(void *count, int64_t n, void (*fn)(void *arg, int64_t i), void *arg) {
  ++*static_cast<int *>(count);
  const unsigned before = float_mode();
  set_float_mode(before | 0x8040);
  for (int64_t i = n - 1; i >= 0; --i) fn(arg, i);
  EXPECT_EQ(float_mode() & ~0x3fu, (before | 0x8040) & ~0x3fu) << "the hook's own mode was not given back";
  set_float_mode(before);
}

TEST_F(Execute, TheCallersHook) {
  int count = 0;
  make_context(3, hook, &count);
  EXPECT_EQ(execute(), BLV_OK);
  EXPECT_EQ(count, 1);
  EXPECT_EQ(context_->pool.started(), 0);
  for (int i = 0; i < 3; ++i) EXPECT_EQ(seen.modes[i], 0x1f80u) << i;
}

TEST_F(Execute, TheCallersModeIsGivenBack) {
  make_context(2);
  const unsigned before = float_mode();
  set_float_mode(before | 0x8040);
  const blv_status status = execute();
  const unsigned after = float_mode();
  set_float_mode(before);
  EXPECT_EQ(status, BLV_OK);
  EXPECT_EQ(after & ~0x3fu, (before | 0x8040) & ~0x3fu);
  for (int i = 0; i < 2; ++i) EXPECT_EQ(seen.modes[i], 0x1f80u) << i;
}

// Adjacent arrays are fine; one element of overlap, of the tasks at hand, is not.
TEST_F(Execute, OverlapToTheElement) {
  std::vector<float> memory(200);
  const int64_t loss = 7, x = 5;  // slots: 7 losses, written; the outer rows, 15 elements shared by all tasks
  ASSERT_EQ(plan_.slots[6].leaf, BLV_LOSS);
  data_[x - 1] = memory.data();
  ASSERT_EQ(plan_extent(plan_, x - 1), 15);
  ASSERT_EQ(plan_extent(plan_, loss - 1), 7);
  data_[loss - 1] = memory.data() + 15;
  EXPECT_EQ(execute(), BLV_OK) << error();
  data_[loss - 1] = memory.data() + 14;
  EXPECT_EQ(execute(), BLV_INVALID);
  EXPECT_NE(error().find("overlaps"), std::string::npos) << error();
  data_[x - 1] = memory.data() + 7;
  data_[loss - 1] = memory.data();
  EXPECT_EQ(execute(), BLV_OK) << error();
  data_[x - 1] = memory.data() + 6;
  EXPECT_EQ(execute(), BLV_INVALID);
  EXPECT_EQ(execute(6), BLV_OK) << "six tasks write six losses: " << error();
}

TEST_F(Execute, AtTheEndOfTheAddressSpace) {
  data_[1] = reinterpret_cast<void *>(UINTPTR_MAX - 63);
  EXPECT_EQ(execute(), BLV_INVALID);
  EXPECT_NE(error().find("address space"), std::string::npos) << error();
}

// Arrays that no task uses may be NULL; a sum over no tasks is still written.
TEST_F(Execute, NoTasks) {
  for (size_t i = 0; i < data_.size(); ++i)
    if (plan_.slots[i].use != BLV_GRADIENT) data_[i] = nullptr;
  EXPECT_EQ(execute(0), BLV_OK) << error();
  EXPECT_EQ(seen.runs, 1);
  data_[7] = nullptr;
  EXPECT_EQ(execute(0), BLV_INVALID);
  EXPECT_EQ(error(), "data[7] is NULL; accepted: a valid pointer");
}

}  // namespace
}  // namespace bilevel
