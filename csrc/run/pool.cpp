// SPDX-License-Identifier: Apache-2.0
//
// The fork/join pool. A job travels in the mailbox of its worker: the caller writes it and adds one to `posted`, the
// worker adds one to `finished`; both sides wait by spinning for `spin_time` and then on the atomic itself (a futex).
#include "csrc/run/pool.h"

#include <sched.h>
#include <signal.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>

#include "csrc/support/float_mode.h"
#include "kernels/contract/cpu_tuning.h"

namespace bilevel {
namespace {

constexpr std::chrono::microseconds spin_time{cpu_tuning::spin_microseconds};

void pause() {
#if defined(__x86_64__)
  __builtin_ia32_pause();
#endif
}

}  // namespace

Pool::Pool(int32_t threads, int32_t cores)
    : most_workers_(threads - 1),
      spin_(threads <= cores),
      workers_(std::make_unique<Worker[]>(static_cast<size_t>(threads - 1))),
      process_(getpid()) {
  for (int32_t w = 0; w < most_workers_; ++w) workers_[w].pool = this;
}

Pool::~Pool() {
  if (process_ != getpid()) return;  // the threads belong to the parent
  for (int32_t w = 0; w < started_; ++w) post(&workers_[w], Job{});
  for (int32_t w = 0; w < started_; ++w) pthread_join(workers_[w].thread, nullptr);
}

void Pool::run(int64_t n, Function fn, void *arg) {
  const int64_t wanted = std::min<int64_t>(n - 1, most_workers_);
  if (wanted > 0) start(static_cast<int32_t>(wanted));
  const auto workers = static_cast<int32_t>(std::min<int64_t>(std::max<int64_t>(wanted, 0), started_));
  for (int32_t w = 0; w < workers; ++w) post(&workers_[w], Job{fn, arg, w + 1, n, workers + 1});
  run_job(Job{fn, arg, 0, n, workers + 1});
  for (int32_t w = 0; w < workers; ++w) {
    const uint32_t posted = workers_[w].posted.load(std::memory_order_relaxed);
    for (uint32_t done; (done = workers_[w].finished.load(std::memory_order_acquire)) != posted;)
      wait_for_change(workers_[w].finished, done);
  }
}

void Pool::run_job(const Job &job) {
  for (int64_t i = job.first; i < job.n; i += job.step) job.fn(job.arg, i);
}

void Pool::post(Worker *worker, const Job &job) {
  worker->job = job;
  // Sequentially consistent: it must not pass the look at the number of sleepers in notify_one.
  worker->posted.fetch_add(1);
  worker->posted.notify_one();
}

void *Pool::worker_main(void *argument) {
  auto *worker = static_cast<Worker *>(argument);
  set_default_float_mode();
  for (uint32_t seen = 0;; ++seen) {
    worker->pool->wait_for_change(worker->posted, seen);
    const Job job = worker->job;
    if (job.fn == nullptr) return nullptr;
    run_job(job);
    worker->finished.fetch_add(1);
    worker->finished.notify_one();
  }
}

void Pool::wait_for_change(const std::atomic<uint32_t> &value, uint32_t seen) const {
  if (spin_) {
    const auto end = std::chrono::steady_clock::now() + spin_time;
    do {
      for (int i = 0; i < cpu_tuning::looks_between_yields; ++i) {
        if (value.load(std::memory_order_acquire) != seen) return;
        pause();
      }
      sched_yield();
    } while (std::chrono::steady_clock::now() < end);
  }
  value.wait(seen, std::memory_order_acquire);
}

void Pool::start(int32_t workers) {
  if (process_ != getpid()) forget_after_fork();
  while (started_ < workers && start_one(&workers_[started_])) ++started_;
}

bool Pool::start_one(Worker *worker) {
  // Signals go to the threads of the application: a handler of its own language must not run on a worker.
  sigset_t every, before;
  sigfillset(&every);
  pthread_sigmask(SIG_SETMASK, &every, &before);
  const bool started = pthread_create(&worker->thread, nullptr, worker_main, worker) == 0;
  pthread_sigmask(SIG_SETMASK, &before, nullptr);
  return started;
}

void Pool::forget_after_fork() {
  for (int32_t w = 0; w < most_workers_; ++w) {
    workers_[w].posted.store(0);
    workers_[w].finished.store(0);
  }
  started_ = 0;
  process_ = getpid();
}

}  // namespace bilevel
