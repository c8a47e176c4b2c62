// SPDX-License-Identifier: Apache-2.0
//
// The results of a task are the same, bit for bit, whatever the number of threads and whoever provides them; instruction sets and
// executors agree to rounding.
#include <thread>

#include "same_bits.h"

namespace {

using namespace harness;

TEST(Determinism, NumberOfThreads) {
  for (const Case &c : dividing_cases()) {
    Problem p(c);
    for (int executor : executors()) {
      for (int isa : levels()) {
        p.c.executor = executor;
        SCOPED_TRACE(name_of(p.c, {.isa = isa}));
        const Outcome one = run(p, {.isa = isa, .threads = 1});
        for (int threads : {2, 7})
          ASSERT_NO_FATAL_FAILURE(expect_same(p, one, run(p, {.isa = isa, .threads = threads})));
      }
    }
  }
}

TEST(Determinism, MaxThreadsOfThePlan) {
  for (const Case &c : dividing_cases()) {
    Problem p(c);
    for (int executor : executors()) {
      p.c.executor = executor;
      p.c.max_threads = 0;
      const Outcome all = run(p, {.threads = 4});
      p.c.max_threads = 1;
      ASSERT_NO_FATAL_FAILURE(expect_same(p, all, run(p, {.threads = 4})));
    }
  }
}

// Hooks: backwards in the calling thread; and each index on a thread of its own.
void backwards(void *, int64_t n, void (*fn)(void *, int64_t), void *arg) {
  for (int64_t i = n; i-- > 0;) fn(arg, i);
}
void one_thread_each(void *user, int64_t n, void (*fn)(void *, int64_t), void *arg) {
  ++*static_cast<int64_t *>(user);
  std::vector<std::thread> threads;
  for (int64_t i = 0; i < n; i++) threads.emplace_back(fn, arg, i);
  for (std::thread &t : threads) t.join();
}

TEST(Determinism, UserHook) {
  for (const Case &c : dividing_cases()) {
    Problem p(c);
    for (int executor : executors()) {
      p.c.executor = executor;
      SCOPED_TRACE(name_of(p.c, {}));
      const Outcome own = run(p, {.threads = 1});
      int64_t calls = 0;
      ASSERT_NO_FATAL_FAILURE(expect_same(p, own, run(p, {.threads = 3, .parallel_for = backwards})));
      ASSERT_NO_FATAL_FAILURE(
          expect_same(p, own, run(p, {.threads = 3, .parallel_for = one_thread_each, .user = &calls})));
      // Several tasks a core, or more rows than one partial sum takes: then there is work for more than one thread.
      const bool divisible = executor == BLV_TASK_PER_CORE || (executor == BLV_ROWS_OVER_CORES && c.rows >= 400);
      EXPECT_TRUE(calls > 0 || !divisible) << "the hook was not used";
    }
  }
}

// Instruction sets and executors agree to rounding.
TEST(Determinism, LevelsAndExecutorsAgree) {
  for (const Case &c : dividing_cases()) {
    Problem p(c);
    p.c.executor = BLV_TASK_PER_CORE;
    const Outcome base = run(p, {.isa = BLV_ISA_X86_64_V2});
    ASSERT_EQ(base.status, BLV_OK) << base.error;
    for (int executor : executors()) {
      for (int isa : levels()) {
        p.c.executor = executor;
        const Outcome out = run(p, {.isa = isa});
        ASSERT_EQ(out.status, BLV_OK) << out.error;
        ASSERT_EQ(difference(p, out.values, base.values), "") << name_of(p.c, {.isa = isa});
      }
    }
  }
}

}  // namespace
