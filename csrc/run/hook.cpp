// SPDX-License-Identifier: Apache-2.0
//
// Runs of the caller's hook.
#include "csrc/run/hook.h"

#include <chrono>
#include <exception>
#include <new>
#include <thread>

#include "csrc/support/float_mode.h"
#include "csrc/support/refusal.h"

namespace bilevel {
namespace {

// Between two looks for indices that a failed hook has left running; there is nobody to hurry for.
constexpr std::chrono::microseconds look_interval{50};

}  // namespace

// `running` before `open`, and end() the other way round, both sequentially consistent: either the index sees that the
// run has ended, or the end sees the index.
void Hook::Call::run_index(void *call, int64_t i) {
  auto *self = static_cast<Call *>(call);
  self->running.fetch_add(1);
  if (self->open.load()) {
    const DefaultFloatMode mode;  // the caller's threads may be in any
    self->fn(self->arg, i);
    self->returned.fetch_add(1, std::memory_order_relaxed);
  }
  self->running.fetch_sub(1);
}

void Hook::Call::begin(Function function, void *argument) {
  fn = function, arg = argument;
  returned.store(0, std::memory_order_relaxed);
  open.store(true);
}

void Hook::Call::end() {
  open.store(false);
  while (running.load() != 0) std::this_thread::sleep_for(look_interval);
}

void Hook::run(int64_t n, Function fn, void *arg) {
  Call &call = calls_.front();
  Text failure;
  call.begin(fn, arg);
  try {
    parallel_for_(user_, n, Call::run_index, &call);
  } catch (const std::exception &exception) {
    failure = format("options.parallel_for threw: %s", exception.what());
  } catch (...) {
    failure = format("options.parallel_for threw what is no std::exception");
  }
  call.end();
  const int64_t returned = call.returned.load(std::memory_order_relaxed);
  if (failure.data[0] == '\0' && returned != n)
    failure = format("options.parallel_for returned after %lld calls of fn; accepted: one for each of the %lld indices",
                     static_cast<long long>(returned), static_cast<long long>(n));
  if (failure.data[0] == '\0') return;
  try {
    calls_.emplace_front();
  } catch (const std::bad_alloc &) {  // then late threads are on their own
  }
  refuse(BLV_HOOK_FAILED, failure);
}

}  // namespace bilevel
