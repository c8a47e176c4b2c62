// SPDX-License-Identifier: Apache-2.0
//
// The pool: every index runs exactly once and run returns after all of them, whatever the sizes, hot or asleep.
#include <gtest/gtest.h>

#include <atomic>
#include <chrono>
#include <thread>
#include <vector>

#include "csrc/run/context.h"
#include "csrc/run/pool.h"
#include "csrc/support/float_mode.h"

namespace bilevel {
namespace {

// Counts calls without atomics: the pool itself must order them with the caller.
struct Tally {
  explicit Tally(size_t n) : calls(n, 0) {}
  static void call(void *tally, int64_t i) { ++static_cast<Tally *>(tally)->calls[static_cast<size_t>(i)]; }
  std::vector<int> calls;
};

void expect_each_index_once(Pool *pool, int64_t n) {
  Tally tally(static_cast<size_t>(n));
  pool->run(n, Tally::call, &tally);
  for (int64_t i = 0; i < n; ++i) EXPECT_EQ(tally.calls[static_cast<size_t>(i)], 1) << "index " << i << " of " << n;
}

TEST(Pool, EachIndexOnce) {
  for (const int32_t threads : {1, 2, 3, 7, 16}) {
    Pool pool(threads, available_cores());
    for (const int64_t n : {0, 1, 2, 3, 7, 8, 15, 16, 17, 100}) expect_each_index_once(&pool, n);
  }
}

TEST(Pool, StartsNoMoreThreadsThanWanted) {
  Pool pool(5, available_cores());
  EXPECT_EQ(pool.started(), 0);
  expect_each_index_once(&pool, 1);
  EXPECT_EQ(pool.started(), 0);
  expect_each_index_once(&pool, 3);
  EXPECT_EQ(pool.started(), 2);
  expect_each_index_once(&pool, 50);
  EXPECT_EQ(pool.started(), 4);
}

TEST(Pool, IndexZeroRunsOnTheCallingThread) {
  Pool pool(3, available_cores());
  std::thread::id ids[3];
  pool.run(
      3, [](void *arg, int64_t i) { static_cast<std::thread::id *>(arg)[i] = std::this_thread::get_id(); }, ids);
  EXPECT_EQ(ids[0], std::this_thread::get_id());
  EXPECT_NE(ids[1], ids[0]);
  EXPECT_NE(ids[2], ids[0]);
  EXPECT_NE(ids[2], ids[1]);
}

// A chain of dependent jobs: what a job wrote, the next one reads on another thread, with no ordering but the pool's.
void run_chain(int32_t threads, int32_t cores, int rounds, bool let_them_sleep) {
  struct Chain {
    std::vector<int64_t> now, next;
  } chain;
  chain.now.assign(static_cast<size_t>(threads), 1);
  chain.next = chain.now;
  Pool pool(threads, cores);
  for (int round = 0; round < rounds; ++round) {
    pool.run(
        threads,
        [](void *arg, int64_t i) {
          auto *c = static_cast<Chain *>(arg);
          const auto n = static_cast<int64_t>(c->now.size());
          c->next[static_cast<size_t>(i)] = c->now[static_cast<size_t>((i + 1) % n)] + 1;
        },
        &chain);
    chain.now.swap(chain.next);
    if (let_them_sleep) std::this_thread::sleep_for(std::chrono::microseconds(300));
  }
  for (const int64_t value : chain.now) EXPECT_EQ(value, rounds + 1);
}

TEST(Pool, ChainHot) { run_chain(2, 2, 5000, false); }
TEST(Pool, ChainAsleep) { run_chain(3, 8, 300, true); }
TEST(Pool, ChainOversubscribed) { run_chain(8, 1, 1000, false); }

// Several pools at once, each of its own caller, as several contexts are.
TEST(Pool, ManyPools) {
  std::vector<std::thread> callers;
  for (int c = 0; c < 4; ++c)
    callers.emplace_back([] {
      for (int round = 0; round < 20; ++round) {
        Pool pool(3, 1);
        for (int i = 0; i < 20; ++i) expect_each_index_once(&pool, 3);
      }
    });
  for (std::thread &caller : callers) caller.join();
}

// Whatever mode the caller is in, workers are in the default one.
TEST(Pool, WorkersKeepDenormals) {
#if defined(__x86_64__)
  const unsigned before = float_mode();
  set_float_mode(before | 0x8040);  // flush to zero, denormals are zero
  unsigned modes[3] = {};
  {
    Pool pool(3, available_cores());
    pool.run(
        3, [](void *arg, int64_t i) { static_cast<unsigned *>(arg)[i] = float_mode() & ~0x3fu; }, modes);
  }
  set_float_mode(before);
  EXPECT_EQ(modes[1], 0x1f80u);
  EXPECT_EQ(modes[2], 0x1f80u);
#else
  GTEST_SKIP() << "the floating-point mode is set on x86-64 only";
#endif
}

}  // namespace
}  // namespace bilevel
