// SPDX-License-Identifier: Apache-2.0
//
// The context: where an execute runs, on whose behalf, and what it says when it fails.
#pragma once
#include <bilevel/bilevel.h>

#include <cstdint>

#include "csrc/run/hook.h"
#include "csrc/run/pool.h"
#include "csrc/support/limits.h"
#include "csrc/support/refusal.h"
#include "kernels/contract/backend.h"

namespace bilevel {

// Cores that the process may run on.
int32_t available_cores();

// The message of the last failed call of this thread that had no context, or that found its context in use.
Text &thread_error();

}  // namespace bilevel

struct blv_context_s {
  explicit blv_context_s(const blv_context_options &options);

  // Runs fn(arg, i) for i in [0, n) by the caller's hook or by the pool, in the default floating-point mode.
  void parallel_for(int64_t n, void (*fn)(void *arg, int64_t i), void *arg);

  blv_context_options options;
  int32_t isa;  // 0 on a device
  int32_t threads;
  bilevel::Pool pool;
  bilevel::Hook hook;
  bilevel::Text error;
  // Of a CUDA device: its backend, else null; what it is; executes that were enqueued; and, if it has failed, when.
  const bilevel::Backend *backend = nullptr;
  bilevel::DeviceFacts device;
  int64_t executes = 0;
  bilevel::Text fault;
  // Read and written by any thread, by the __atomic builtins only. in_use: the process whose call works with the
  // context, 0 if none does. A process, so that a child of fork() is not held up by a call that only its parent has.
  int32_t cancel = 0, in_use = 0;
  int64_t done = 0, total = 0;
  const uint64_t number;  // of no other context of this process
};

namespace bilevel {

// `options` may be NULL.
blv_context make_context(const blv_context_options *options);

// The right to work with a context and to write its message: one call has it at a time, and the next one is refused
// rather than made to wait, since it may come from within the first (from the hook parallel_for). Without a context
// there is nothing to share.
class ContextUse {
 public:
  explicit ContextUse(blv_context context);
  ~ContextUse();
  ContextUse(const ContextUse &) = delete;
  ContextUse &operator=(const ContextUse &) = delete;
  // False: another call is at work. This thread's message says so, for error_of(context) and error_of(NULL).
  explicit operator bool() const { return taken_; }

 private:
  blv_context context_;
  bool taken_;
};

// As blv_context_error.
const char *error_of(blv_context context);

// Any thread, and a signal handler too.
void request_cancel(blv_context context);
// Whether a cancellation was asked for; if so the request is used up.
bool consume_cancel(blv_context context);

// Nothing done yet, of `total`.
void start_progress(blv_context context, int64_t total);
// `done` and `total` may be NULL; without a context both are 0.
void read_progress(blv_context context, int64_t *done, int64_t *total);

}  // namespace bilevel
