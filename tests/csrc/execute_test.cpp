// SPDX-License-Identifier: Apache-2.0
//
// What an execute gives a kernel, and when it does not let it run: threads, progress, cancellation, floating-point mode, the ranges
// of memory.
#include "tests/csrc/execute_fixture.h"

#include <utility>

namespace bilevel {
namespace {

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

// Whatever the reason, and however often; and the execute that takes the request uses it up once.
TEST_F(Execute, ManyRefusalsDoNotUseUpTheRequest) {
  blv_context_cancel(context_);
  workspace_bytes_ = 255;
  EXPECT_EQ(execute(), BLV_TOO_SMALL);
  workspace_bytes_ = 256;
  void *const first = std::exchange(data_[0], nullptr);
  EXPECT_EQ(execute(), BLV_INVALID);
  data_[0] = first;
  EXPECT_EQ(seen.runs, 0);
  EXPECT_EQ(execute(), BLV_CANCELLED);
  EXPECT_EQ(execute(), BLV_OK);
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
