// SPDX-License-Identifier: Apache-2.0
//
// Contexts, threads and processes: one plan executed at once from several threads, fork after the pool has started, cancellation
// from another thread and from a signal handler, progress.
#include <signal.h>
#include <sys/wait.h>

#include <atomic>
#include <thread>

#include "cases.h"

#if defined(__SANITIZE_THREAD__)
constexpr bool kThreadSanitizer = true;  // its runtime cannot start threads in a child of a threaded process
#else
constexpr bool kThreadSanitizer = false;
#endif

namespace {

using namespace harness;

Case some_unroll(int executor) {
  Case c = unroll_case(BLV_CROSS_ENTROPY, BLV_TANH, BLV_HEAVY_BALL, BLV_F32);
  c.executor = executor;
  c.tasks = 40;
  c.rows = 70;
  c.steps = 8;
  return c;
}

TEST(Threads, OnePlanManyContexts) {
  for (int executor : executors()) {
    Problem first(some_unroll(executor));
    const Context planner;
    const Plan plan(planner.handle, first.spec());
    ASSERT_EQ(plan.status, BLV_OK) << blv_context_error(planner.handle);
    const Outcome want = execute(planner.handle, plan, first);
    ASSERT_EQ(want.status, BLV_OK) << want.error;
    std::atomic<int> good{0};
    std::vector<std::thread> threads;
    for (int i = 0; i < 3; i++) {
      threads.emplace_back([&] {
        const Context mine;
        Problem p(some_unroll(executor));
        for (int round = 0; round < 3; round++) {
          const Outcome out = execute(mine.handle, plan, p);
          good += out.status == BLV_OK && out.values == want.values;
        }
      });
    }
    for (std::thread &t : threads) t.join();
    EXPECT_EQ(good, 9) << "executor " << executor;
  }
}

TEST(Threads, ContextsComeAndGo) {
  Problem p(some_unroll(BLV_EXECUTOR_AUTO));
  const Outcome want = run(p, {.threads = 4});
  for (int i = 0; i < 20; i++) {
    const Outcome out = run(p, {.threads = 1 + i % 5});
    ASSERT_EQ(out.status, BLV_OK) << out.error;
    ASSERT_TRUE(out.values == want.values);
  }
}

TEST(Threads, PlanOutlivesItsContext) {
  Problem p(some_unroll(BLV_EXECUTOR_AUTO));
  auto context = std::make_unique<Context>();
  const Plan plan(context->handle, p.spec());
  const Outcome before = execute(context->handle, plan, p);
  context.reset();
  const Context other;
  const Outcome after = execute(other.handle, plan, p);
  ASSERT_EQ(after.status, BLV_OK) << after.error;
  EXPECT_TRUE(before.values == after.values);
}

TEST(Threads, ForkAfterThePoolStarted) {
  if (kThreadSanitizer) GTEST_SKIP() << "not under ThreadSanitizer";
  for (int executor : executors()) {
    Problem p(some_unroll(executor));
    const Context context({.threads = 3});
    const Plan plan(context.handle, p.spec());
    const Outcome want = execute(context.handle, plan, p);
    ASSERT_EQ(want.status, BLV_OK) << want.error;
    const pid_t child = fork();
    ASSERT_GE(child, 0);
    if (child == 0) {
      alarm(30);  // a child that hangs in a pool whose threads are gone
      const Outcome out = execute(context.handle, plan, p);
      const Outcome fresh = run(p, {.threads = 3});
      _exit(out.status == BLV_OK && out.values == want.values && fresh.values == want.values ? 0 : 1);
    }
    int state = 0;
    ASSERT_EQ(waitpid(child, &state, 0), child);
    EXPECT_TRUE(WIFEXITED(state) && WEXITSTATUS(state) == 0) << "executor " << executor << " state " << state;
    const Outcome parent = execute(context.handle, plan, p);  // the parent goes on
    EXPECT_TRUE(parent.status == BLV_OK && parent.values == want.values);
  }
}

// A run that would take minutes.
Case endless(int executor) {
  Case c = plain_unroll(BLV_SQUARED, BLV_TANH, BLV_SGD);
  c.executor = executor;
  c.rows = 100;
  c.widths = {8, 16, 2};
  c.tasks = 2;
  c.steps = 10000000;
  c.theta_result = true;
  return c;
}

TEST(Threads, CancelFromAnotherThread) {
  for (int executor : executors()) {
    Problem p(endless(executor));
    const Context context;
    const Plan plan(context.handle, p.spec());
    ASSERT_EQ(plan.status, BLV_OK) << blv_context_error(context.handle);
    std::atomic<bool> monotone{true};
    std::atomic<int64_t> seen{0};
    std::thread watcher([&] {
      int64_t last = 0, done = 0, total = 0;
      while (done < 50) {  // progress is what it waits for, not time
        blv_context_progress(context.handle, &done, &total);
        if (done < last || done > total) monotone = false;
        last = done;
        std::this_thread::yield();
      }
      seen = done;
      blv_context_cancel(context.handle);
    });
    const Outcome out = execute(context.handle, plan, p);
    watcher.join();
    EXPECT_EQ(out.status, BLV_CANCELLED) << "executor " << executor << " " << out.error;
    EXPECT_TRUE(monotone) << "executor " << executor;
    EXPECT_GE(seen, 50);
    EXPECT_FALSE(out.error.empty());
  }
}

TEST(Threads, CancelIsConsumed) {
  for (int executor : executors()) {
    Problem p(some_unroll(executor));
    const Context context;
    const Plan plan(context.handle, p.spec());
    const Outcome want = execute(context.handle, plan, p);
    blv_context_cancel(context.handle);
    EXPECT_EQ(execute(context.handle, plan, p).status, BLV_CANCELLED) << "executor " << executor;
    const Outcome out = execute(context.handle, plan, p);
    ASSERT_EQ(out.status, BLV_OK) << out.error;
    EXPECT_TRUE(out.values == want.values);
  }
}

blv_context handler_context;
void on_alarm(int) { blv_context_cancel(handler_context); }

TEST(Threads, CancelFromASignalHandler) {
  Problem p(endless(BLV_EXECUTOR_AUTO));
  const Context context;
  const Plan plan(context.handle, p.spec());
  handler_context = context.handle;
  struct sigaction action = {}, before = {};
  action.sa_handler = on_alarm;
  sigaction(SIGALRM, &action, &before);
  alarm(1);
  EXPECT_EQ(execute(context.handle, plan, p).status, BLV_CANCELLED);
  sigaction(SIGALRM, &before, nullptr);
}

TEST(Threads, ProgressEndsAtItsTotal) {
  for (int executor : executors()) {
    for (int store : {BLV_STORE_TAPE, BLV_STORE_THETA, BLV_STORE_CHECKPOINTS}) {
      Problem p(some_unroll(executor));
      p.c.store = store;
      const Context context;
      int64_t done = -1, total = -1;
      blv_context_progress(context.handle, &done, &total);
      EXPECT_EQ(done, 0);
      const Plan plan(context.handle, p.spec());
      ASSERT_EQ(execute(context.handle, plan, p).status, BLV_OK);
      blv_context_progress(context.handle, &done, &total);
      EXPECT_EQ(done, total) << "executor " << executor << " store " << store;
      EXPECT_GE(total, p.c.steps);
      blv_context_progress(context.handle, nullptr, nullptr);
    }
  }
}

}  // namespace
