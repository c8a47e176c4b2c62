// SPDX-License-Identifier: Apache-2.0
//
// A context that is used by more than one call at once: the second is refused and told why, the first is not disturbed, and
// cancellation and progress stay open to all.
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <functional>
#include <thread>

#include "bad_call.h"

#if defined(__SANITIZE_THREAD__)
constexpr bool kThreadSanitizer = true;  // its runtime cannot start threads in a child of a threaded process
#else
constexpr bool kThreadSanitizer = false;
#endif

namespace {

using namespace harness;

constexpr const char *kInUse = "context is in use by another call";

Case small_unroll() {
  Case c = unroll_case(BLV_SQUARED, BLV_TANH, BLV_SGD, BLV_F32);
  c.executor = BLV_TASK_PER_CORE;
  c.tasks = 4;
  c.max_threads = 4;
  for (Leaf &leaf : c.leaves) leaf.gradient = false;  // tasks share nothing, so that a batch is one task
  return c;
}

// A context whose hook does what the test says, in the middle of an execute, and then runs the indices.
struct HookedContext {
  HookedContext() {
    blv_context_options o = {};
    o.size = sizeof o;
    o.device = BLV_DEVICE_CPU;
    o.threads = 4;
    o.user = this;
    o.parallel_for = [](void *self, int64_t n, void (*fn)(void *, int64_t), void *arg) {
      static_cast<HookedContext *>(self)->during();
      for (int64_t i = 0; i < n; ++i) fn(arg, i);
    };
    EXPECT_EQ(blv_context_create(&o, &handle), BLV_OK) << blv_context_error(nullptr);
  }
  ~HookedContext() { blv_context_destroy(handle); }
  blv_context handle = nullptr;
  std::function<void()> during = [] {};
};

struct Scene {
  Scene() : problem(small_unroll()), plan(context.handle, problem.spec()) {
    EXPECT_EQ(plan.status, BLV_OK) << blv_context_error(context.handle);
  }
  HookedContext context;
  Problem problem;
  Plan plan;
};

// Both calls that work with a context, on one that is in use: refused, nothing touched, the message where the header says.
void expect_both_refused(const Scene &scene) {
  const blv_context context = scene.context.handle;
  Problem other(small_unroll());
  const Outcome out = execute(context, scene.plan, other);
  EXPECT_EQ(out.status, BLV_INVALID);
  expect_message(blv_context_error(context), kInUse);
  expect_message(blv_context_error(nullptr), kInUse);
  for (const Array &a : other.arrays) EXPECT_TRUE(!a.written() || a.memory->all_poison());
  int mark = 0;
  auto plan = reinterpret_cast<blv_plan>(&mark);
  EXPECT_EQ(blv_plan_create(context, other.spec(), &plan), BLV_INVALID);
  EXPECT_EQ(plan, nullptr);
  EXPECT_EQ(blv_plan_create(context, other.spec(), nullptr), BLV_INVALID);
  expect_message(blv_context_error(context), kInUse);
}

TEST(ThreadsContext, ACallFromAnotherThreadIsRefused) {
  Scene s;
  const Outcome want = execute(s.context.handle, s.plan, s.problem);
  ASSERT_EQ(want.status, BLV_OK) << want.error;
  int calls = 0;
  s.context.during = [&] {
    ++calls;
    std::thread([&] { expect_both_refused(s); }).join();
  };
  Problem again(small_unroll());
  const Outcome out = execute(s.context.handle, s.plan, again);
  EXPECT_GT(calls, 0);
  EXPECT_EQ(out.status, BLV_OK) << out.error;
  EXPECT_TRUE(out.values == want.values);
  EXPECT_STREQ(blv_context_error(s.context.handle), "") << "the refusals' message is their own threads'";
}

TEST(ThreadsContext, ACallFromWithinTheHookIsRefused) {
  Scene s;
  s.context.during = [&] { expect_both_refused(s); };
  Problem problem(small_unroll());
  EXPECT_EQ(execute(s.context.handle, s.plan, problem).status, BLV_OK);
  s.context.during = [] {};
  expect_message(blv_context_error(s.context.handle), kInUse);  // of this thread's last call that failed
  blv_plan none = nullptr;
  EXPECT_EQ(blv_plan_create(s.context.handle, nullptr, &none), BLV_INVALID);
  expect_message(blv_context_error(s.context.handle), "spec|NULL");
}

// A refusal belongs to a context, not to the address at which a later one may lie.
TEST(ThreadsContext, ALaterContextBeginsWithoutAMessage) {
  for (int i = 0; i < 10; ++i) {
    Scene s;
    EXPECT_STREQ(blv_context_error(s.context.handle), "");
    s.context.during = [&] { expect_both_refused(s); };
    Problem problem(small_unroll());
    EXPECT_EQ(execute(s.context.handle, s.plan, problem).status, BLV_OK);
  }
}

TEST(ThreadsContext, CancelAndProgressAreForAnyThread) {
  Scene s;
  int64_t done = -1, total = -1;
  s.context.during = [&] {
    std::thread([&] {
      blv_context_progress(s.context.handle, &done, &total);
      blv_context_cancel(s.context.handle);
    }).join();
  };
  Problem problem(small_unroll());
  EXPECT_EQ(execute(s.context.handle, s.plan, problem).status, BLV_CANCELLED);
  EXPECT_EQ(done, 0);
  EXPECT_GT(total, 0);
  s.context.during = [] {};
  EXPECT_EQ(execute(s.context.handle, s.plan, problem).status, BLV_OK) << "the request was used up";
}

// A request that comes while a call is refused is for the one that runs.
TEST(ThreadsContext, ARefusedCallDoesNotTakeTheRequest) {
  Scene s;
  s.context.during = [&] {
    blv_context_cancel(s.context.handle);
    std::thread([&] { expect_both_refused(s); }).join();
  };
  Problem problem(small_unroll());
  EXPECT_EQ(execute(s.context.handle, s.plan, problem).status, BLV_CANCELLED);
}

// Four threads at one context with its own pool: each call runs or is refused, none waits, and what runs is right.
TEST(ThreadsContext, FourThreadsAtOnce) {
  for (const int executor : {BLV_TASK_PER_CORE, BLV_ROWS_OVER_CORES}) {
    Case c = small_unroll();
    c.executor = executor;
    c.rows = 300;
    const Context context({.threads = 3});
    Problem first(c);
    const Plan plan(context.handle, first.spec());
    const Outcome want = execute(context.handle, plan, first);
    ASSERT_EQ(want.status, BLV_OK) << want.error;
    std::atomic<int> ran{0}, refused{0}, wrong{0};
    std::vector<std::thread> threads;
    for (int t = 0; t < 4; ++t)
      threads.emplace_back([&] {
        Problem p(c);
        for (int round = 0; round < 50; ++round) {
          const Outcome out = execute(context.handle, plan, p);
          if (out.status == BLV_OK)
            ++ran, wrong += !(out.values == want.values);
          else
            ++refused, wrong += out.status != BLV_INVALID || out.error.find(kInUse) == std::string::npos;
          blv_plan other = nullptr;
          const blv_status status = blv_plan_create(context.handle, p.spec(), &other);
          wrong += status != BLV_OK && status != BLV_INVALID;
          blv_plan_destroy(other);
        }
      });
    for (std::thread &thread : threads) thread.join();
    EXPECT_EQ(wrong, 0);
    EXPECT_GT(ran, 0);
    EXPECT_EQ(ran + refused, 200);
  }
}

// fork() in the middle of another thread's execute: that call is the parent's, and the child's context is free.
TEST(ThreadsContext, AChildIsNotHeldUpByItsParentsCall) {
  if (kThreadSanitizer) GTEST_SKIP() << "not under ThreadSanitizer";
  Scene s;
  int status = -1;
  s.context.during = [&] {
    std::thread([&] {
      const pid_t child = fork();
      if (child == 0) {
        alarm(60);
        s.context.during = [] {};
        Problem mine(small_unroll());
        const bool good = execute(s.context.handle, s.plan, mine).status == BLV_OK;
        _exit(good && execute(s.context.handle, s.plan, mine).status == BLV_OK ? 0 : 1);
      }
      waitpid(child, &status, 0);
    }).join();
  };
  Problem problem(small_unroll());
  EXPECT_EQ(execute(s.context.handle, s.plan, problem).status, BLV_OK);
  EXPECT_TRUE(WIFEXITED(status));
  EXPECT_EQ(WEXITSTATUS(status), 0);
}

}  // namespace
