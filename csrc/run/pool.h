// SPDX-License-Identifier: Apache-2.0
//
// A fork/join pool for short jobs: run(n, fn, arg) calls fn(arg, i) for every i in [0, n), index 0 on the calling
// thread and index w on worker w. Workers are started when a run first wants them; between runs they spin for a moment
// and then sleep, so that a chain of short jobs, such as the steps of an unroll, pays about a microsecond for each.
//
// One thread calls run at a time. A run allocates nothing. Where threads can't be started, those that were take the
// indices of the others. A child process after fork() has none of the threads: its first run starts its own.
#pragma once
#include <pthread.h>
#include <sys/types.h>

#include <atomic>
#include <cstdint>
#include <memory>

namespace bilevel {

class Pool {
 public:
  using Function = void (*)(void *arg, int64_t i);

  // `threads` >= 1 counts the calling thread; `cores`: what this process may run on. With more threads than cores
  // nobody spins.
  Pool(int32_t threads, int32_t cores);
  ~Pool();
  Pool(const Pool &) = delete;
  Pool &operator=(const Pool &) = delete;

  void run(int64_t n, Function fn, void *arg);

  // Workers that run now; for tests.
  int32_t started() const { return started_; }

 private:
  struct Job {
    Function fn = nullptr;
    void *arg = nullptr;
    int64_t first = 0, n = 0, step = 1;  // indices first, first + step, ... below n
  };
  // A worker's mailbox. `posted` counts the jobs given to it and `finished` those it has done; a null function ends it.
  // Each is written by one side only, and on its own cache line.
  struct Worker {
    alignas(64) std::atomic<uint32_t> posted{0};
    Job job;
    alignas(64) std::atomic<uint32_t> finished{0};
    Pool *pool = nullptr;
    pthread_t thread{};
  };

  static void *worker_main(void *worker);
  static void run_job(const Job &job);
  void start(int32_t workers);
  bool start_one(Worker *worker);
  void forget_after_fork();
  void post(Worker *worker, const Job &job);
  // Returns when value != seen.
  void wait_for_change(const std::atomic<uint32_t> &value, uint32_t seen) const;

  const int32_t most_workers_;
  const bool spin_;
  std::unique_ptr<Worker[]> workers_;
  int32_t started_ = 0;
  pid_t process_;
};

}  // namespace bilevel
