// SPDX-License-Identifier: Apache-2.0
//
// A pool in a child process: after fork() it has none of the parent's threads, and starts its own. And a process that can't start
// threads at all: the pool runs every index nonetheless.
#include <gtest/gtest.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdio>
#include <memory>
#include <thread>
#include <vector>

#include "csrc/run/pool.h"

#if defined(__SANITIZE_THREAD__)
#define BILEVEL_THREAD_SANITIZER 1
#elif defined(__has_feature)
#if __has_feature(thread_sanitizer)
#define BILEVEL_THREAD_SANITIZER 1
#endif
#endif

namespace bilevel {
namespace {

bool each_index_once(Pool *pool, int64_t n) {
  std::vector<int> calls(static_cast<size_t>(n), 0);
  pool->run(
      n, [](void *arg, int64_t i) { ++static_cast<int *>(arg)[i]; }, calls.data());
  for (const int count : calls)
    if (count != 1) return false;
  return true;
}

// The exit status of a child that runs `body`; -1 if it was killed, by the alarm for one.
template <class Body>
int status_of_child(Body body) {
  const pid_t child = fork();
  if (child == 0) {
    alarm(60);  // a child that waits for threads it does not have must not hang the test
    _exit(body());
  }
  int status = 0;
  waitpid(child, &status, 0);
  return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

class ForkTest : public testing::Test {
 protected:
  void SetUp() override {
#if defined(BILEVEL_THREAD_SANITIZER)
    GTEST_SKIP() << "ThreadSanitizer does not support threads after fork()";
#endif
  }
};

TEST_F(ForkTest, ChildStartsItsOwnThreads) {
  Pool pool(3, 8);
  ASSERT_TRUE(each_index_once(&pool, 3));
  ASSERT_EQ(pool.started(), 2);
  EXPECT_EQ(status_of_child([&] {
              const bool first = each_index_once(&pool, 3), again = each_index_once(&pool, 7);
              return first && again && pool.started() == 2 ? 0 : 1;
            }),
            0);
  EXPECT_TRUE(each_index_once(&pool, 3)) << "in the parent, after the child";
}

TEST_F(ForkTest, ChildOfAChild) {
  Pool pool(2, 8);
  ASSERT_TRUE(each_index_once(&pool, 2));
  EXPECT_EQ(status_of_child([&] {
              if (!each_index_once(&pool, 2)) return 1;
              return status_of_child([&] { return each_index_once(&pool, 2) ? 0 : 2; });
            }),
            0);
}

// The destructor of a pool whose threads are the parent's must not wait for them.
TEST_F(ForkTest, ChildDestroysAnInheritedPool) {
  auto pool = std::make_unique<Pool>(3, 8);
  ASSERT_TRUE(each_index_once(pool.get(), 3));
  EXPECT_EQ(status_of_child([&] {
              pool.reset();
              return 0;
            }),
            0);
}

#if !defined(__SANITIZE_ADDRESS__) && !defined(BILEVEL_THREAD_SANITIZER)
int64_t address_space_in_use() {
  long pages = 0;
  if (FILE *file = std::fopen("/proc/self/statm", "r")) {
    if (std::fscanf(file, "%ld", &pages) != 1) pages = 0;
    std::fclose(file);
  }
  return pages * sysconf(_SC_PAGESIZE);
}

// Stacks of threads that ended are kept for the next ones: these take them, and stay.
void use_up_kept_stacks() {
  for (int i = 0; i < 16; ++i) std::thread([] { pause(); }).detach();
}

TEST_F(ForkTest, NoThreadsToBeHad) {
  EXPECT_EQ(status_of_child([] {
              Pool pool(4, 8);
              use_up_kept_stacks();
              const int64_t used = address_space_in_use();
              if (used == 0) return 3;
              const rlimit limit = {static_cast<rlim_t>(used + (1 << 20)), RLIM_INFINITY};  // no room for a stack
              if (setrlimit(RLIMIT_AS, &limit) != 0) return 4;
              if (!each_index_once(&pool, 9)) return 1;
              return pool.started() == 0 ? 0 : 2;
            }),
            0);
}
#endif

}  // namespace
}  // namespace bilevel
