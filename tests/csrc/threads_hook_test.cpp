// SPDX-License-Identifier: Apache-2.0
//
// The caller's parallel_for as foreign code: it throws, forgets indices, leaves them to threads that come late. Whatever it does, the
// execute says so, no thread is in the kernel's frames once it has returned, and the context goes on.
#include <atomic>
#include <chrono>
#include <functional>
#include <stdexcept>
#include <thread>

#include "tests/csrc/execute_fixture.h"

namespace bilevel {
namespace {

using Function = void (*)(void *arg, int64_t i);
// What the hook of a test does.
using Body = std::function<void(int64_t n, Function fn, void *arg)>;

void hook(void *user, int64_t n, Function fn, void *arg) { (*static_cast<Body *>(user))(n, fn, arg); }

// The kernel of these tests: two parallel stretches of 4 indices, which count in its frame.
struct Frame {
  std::atomic<int> entered{0}, left{0};
};
struct LastRun {
  std::chrono::milliseconds index_time{0};
  int stretches = 0;
  std::atomic<int> entered{0}, left{0};  // beyond the frame's life
} last_run;

void index_body(void *frame, int64_t) {
  auto *f = static_cast<Frame *>(frame);
  ++f->entered, ++last_run.entered;
  std::this_thread::sleep_for(last_run.index_time);
  ++f->left, ++last_run.left;
}

blv_status run_two_stretches(const Problem &, const Call &call) {
  for (int i = 0; i < 2; ++i) {
    Frame frame;
    call.parallel_for(call.parallel_self, 4, index_body, &frame);
    EXPECT_EQ(frame.left, 4);
    ++last_run.stretches;
  }
  return BLV_OK;
}
constexpr Kernel two_stretches = {set_sizes, progress_total, run_two_stretches};

void run_all(int64_t n, Function fn, void *arg) {
  for (int64_t i = 0; i < n; ++i) fn(arg, i);
}

class ThreadsHook : public Execute {
 protected:
  ThreadsHook() {
    plan_.kernel = &two_stretches;
    make_context(4, hook, &body_);
    last_run.index_time = std::chrono::milliseconds(0);
    last_run.stretches = last_run.entered = last_run.left = 0;
  }
  // The execute fails with these words, and the context goes on.
  void expect_failure(const std::string &words) {
    EXPECT_EQ(execute(), BLV_HOOK_FAILED);
    EXPECT_EQ(error(), words);
    EXPECT_EQ(last_run.stretches, 0);
    EXPECT_EQ(last_run.entered, last_run.left) << "an index is running";
    body_ = run_all;
    EXPECT_EQ(execute(), BLV_OK) << error();
    EXPECT_EQ(last_run.stretches, 2);
  }
  Body body_ = run_all;
};

TEST_F(ThreadsHook, ThrowsAtOnce) {
  body_ = [](int64_t, Function, void *) { throw std::runtime_error("the pool is closed"); };
  expect_failure("options.parallel_for threw: the pool is closed");
}

TEST_F(ThreadsHook, ThrowsInTheMiddle) {
  body_ = [](int64_t, Function fn, void *arg) {
    fn(arg, 0);
    throw std::bad_alloc();
  };
  expect_failure("options.parallel_for threw: std::bad_alloc");
}

TEST_F(ThreadsHook, ThrowsWhatIsNoException) {
  body_ = [](int64_t n, Function fn, void *arg) {
    run_all(n, fn, arg);
    throw 7;
  };
  expect_failure("options.parallel_for threw what is no std::exception");
}

TEST_F(ThreadsHook, ALongMessageIsCut) {
  body_ = [](int64_t, Function, void *) { throw std::runtime_error(std::string(10000, 'x')); };
  EXPECT_EQ(execute(), BLV_HOOK_FAILED);
  EXPECT_EQ(error().find("options.parallel_for threw: xxx"), 0u);
}

TEST_F(ThreadsHook, ThrowsInALaterStretch) {
  body_ = [calls = 0](int64_t n, Function fn, void *arg) mutable {
    if (++calls == 2) throw std::runtime_error("no more");
    run_all(n, fn, arg);
  };
  EXPECT_EQ(execute(), BLV_HOOK_FAILED);
  EXPECT_EQ(last_run.stretches, 1);
  EXPECT_EQ(error(), "options.parallel_for threw: no more");
}

TEST_F(ThreadsHook, ForgetsAnIndex) {
  body_ = [](int64_t n, Function fn, void *arg) { run_all(n - 1, fn, arg); };
  expect_failure("options.parallel_for returned after 3 calls of fn; accepted: one for each of the 4 indices");
}

TEST_F(ThreadsHook, RunsAnIndexTwice) {
  body_ = [](int64_t n, Function fn, void *arg) {
    run_all(n, fn, arg);
    fn(arg, 0);
  };
  expect_failure("options.parallel_for returned after 5 calls of fn; accepted: one for each of the 4 indices");
}

// The exception leaves two threads in the middle of an index: the kernel's frame must outlive them.
TEST_F(ThreadsHook, WaitsForIndicesThatRun) {
  last_run.index_time = std::chrono::milliseconds(30);
  std::thread threads[2];
  body_ = [&](int64_t, Function fn, void *arg) {
    for (int64_t i = 0; i < 2; ++i) threads[i] = std::thread(fn, arg, i);
    while (last_run.entered < 2) std::this_thread::yield();
    throw std::runtime_error("left two behind");
  };
  EXPECT_EQ(execute(), BLV_HOOK_FAILED);
  EXPECT_EQ(last_run.left, 2) << "execute returned before them";
  for (std::thread &thread : threads) thread.join();
  last_run.index_time = std::chrono::milliseconds(0);
  body_ = run_all;
  EXPECT_EQ(execute(), BLV_OK) << error();
}

// An index that starts after the execute has returned, or in the middle of a later one, does nothing.
TEST_F(ThreadsHook, LateIndicesDoNothing) {
  Function late = nullptr;
  void *late_arg = nullptr;
  body_ = [&](int64_t, Function fn, void *arg) {
    late = fn, late_arg = arg;
    throw std::runtime_error("too early");
  };
  EXPECT_EQ(execute(), BLV_HOOK_FAILED);
  std::thread([&] { late(late_arg, 0); }).join();
  EXPECT_EQ(last_run.entered, 0);
  body_ = [&](int64_t n, Function fn, void *arg) {
    late(late_arg, 1);
    run_all(n, fn, arg);
    late(late_arg, 2);
  };
  EXPECT_EQ(execute(), BLV_OK) << error();
  EXPECT_EQ(last_run.entered, 8);
}

// Indices that start while the exception is on its way: each runs in a living frame or not at all.
TEST_F(ThreadsHook, IndicesThatStartAsItThrows) {
  for (int round = 0; round < 200; ++round) {
    std::thread thread;
    body_ = [&](int64_t, Function fn, void *arg) {
      thread = std::thread(fn, arg, 3);
      throw std::runtime_error("go");
    };
    EXPECT_EQ(execute(), BLV_HOOK_FAILED);
    thread.join();
    EXPECT_EQ(last_run.entered, last_run.left);
  }
}

// A request to cancel is for the execute that runs, even if something else stops it.
TEST_F(ThreadsHook, UsesUpARequestToCancel) {
  body_ = [&](int64_t, Function, void *) {
    blv_context_cancel(context_);
    throw std::runtime_error("stopped");
  };
  expect_failure("options.parallel_for threw: stopped");
}

}  // namespace
}  // namespace bilevel
