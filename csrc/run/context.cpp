// SPDX-License-Identifier: Apache-2.0
//
// Making a context: options are read and checked, the ISA level is found, the pool is prepared (its threads start
// later). And who works with it: one call at a time.
#include "csrc/run/context.h"

#include <sched.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <memory>
#include <thread>

#include "csrc/device/device.h"
#include "csrc/support/isa.h"
#include "csrc/support/names.h"
#include "csrc/support/read_struct.h"

namespace bilevel {
namespace {

void check_device(int32_t device, const void *stream) {
  if (device < BLV_DEVICE_CPU)
    refuse_value("options.device", device, "BLV_DEVICE_CPU (-1), or the number of a CUDA device");
  if (device == BLV_DEVICE_CPU && stream != nullptr)
    refuse(BLV_INVALID, format("options.stream is %p; accepted on the CPU: NULL", stream));
}

blv_context_options read_options(const blv_context_options *given) {
  blv_context_options options{};
  options.device = BLV_DEVICE_CPU;
  if (given == nullptr) return options;
  options = read_struct<blv_context_options>("options", "blv_context_options", given);
  check_device(options.device, options.stream);
  check_enum("options.max_isa", options.max_isa, isa_names);
  check_range("options.threads", options.threads, 0, most_threads);
  check_range("options.reserved", options.reserved, 0, 0);
  return options;
}

// A level by name is what the caller gets or nothing: a lower one would give other bits.
int32_t usable_isa(int32_t max_isa) {
  const int32_t machine = isa_level(read_cpu_facts());
  if (machine == 0)
    refuse(BLV_UNSUPPORTED, format("this machine lacks the instruction set x86-64-v2, the least that the library has "
                                   "kernels for"));
  if (max_isa > machine)
    refuse(BLV_UNSUPPORTED, format("options.max_isa is %s (%d); accepted on this machine: at most %s (%d)",
                                   name_of(isa_names, max_isa), max_isa, name_of(isa_names, machine), machine));
  return max_isa == BLV_ISA_BEST ? machine : max_isa;
}

int32_t isa_of(const blv_context_options &options) {
  return options.device == BLV_DEVICE_CPU ? usable_isa(options.max_isa) : 0;
}

int32_t thread_count(int32_t wanted) { return wanted > 0 ? wanted : std::min(available_cores(), most_threads); }

uint64_t next_number() {
  static std::atomic<uint64_t> last{0};
  return last.fetch_add(1, std::memory_order_relaxed) + 1;
}

// The context that this thread's last call found in use, by number: an address may be that of a later context.
uint64_t &refused_number() {
  thread_local uint64_t number = 0;
  return number;
}

constexpr const char *in_use_text =
    "context is in use by another call, on another thread or around this one (options.parallel_for calls back into its "
    "own context); accepted: one call at a time, so a context for each thread";

// Takes a flag that is free, or that was copied by fork() in the middle of another process's call.
bool take(int32_t *in_use) {
  const auto mine = static_cast<int32_t>(getpid());
  int32_t seen = 0;
  while (!__atomic_compare_exchange_n(in_use, &seen, mine, false, __ATOMIC_ACQUIRE, __ATOMIC_RELAXED))
    if (seen == mine) return false;
  return true;
}

}  // namespace

int32_t available_cores() {
  cpu_set_t set;
  CPU_ZERO(&set);
  if (sched_getaffinity(0, sizeof set, &set) == 0) return std::max(1, CPU_COUNT(&set));
  return static_cast<int32_t>(std::max(1u, std::thread::hardware_concurrency()));  // more than CPU_SETSIZE cores
}

Text &thread_error() {
  thread_local Text text;
  return text;
}

blv_context make_context(const blv_context_options *options) {
  auto context = std::make_unique<blv_context_s>(read_options(options));
  if (context->options.device != BLV_DEVICE_CPU) open_device(context.get());
  return context.release();
}

ContextUse::ContextUse(blv_context context) : context_(context), taken_(context == nullptr || take(&context->in_use)) {
  if (context == nullptr) return;
  if (taken_) {
    if (refused_number() == context->number) refused_number() = 0;
  } else {
    refused_number() = context->number;
    thread_error() = format("%s", in_use_text);
  }
}

ContextUse::~ContextUse() {
  if (taken_ && context_ != nullptr) __atomic_store_n(&context_->in_use, 0, __ATOMIC_RELEASE);
}

const char *error_of(blv_context context) {
  if (context == nullptr) return thread_error().c_str();
  // Not context->error, which the other call may be writing.
  return refused_number() == context->number ? in_use_text : context->error.c_str();
}

void request_cancel(blv_context context) { __atomic_store_n(&context->cancel, 1, __ATOMIC_RELEASE); }

bool consume_cancel(blv_context context) { return __atomic_exchange_n(&context->cancel, 0, __ATOMIC_ACQ_REL) != 0; }

void start_progress(blv_context context, int64_t total) {
  __atomic_store_n(&context->done, 0, __ATOMIC_RELAXED);
  __atomic_store_n(&context->total, total, __ATOMIC_RELAXED);
}

void read_progress(blv_context context, int64_t *done, int64_t *total) {
  if (done != nullptr) *done = context != nullptr ? __atomic_load_n(&context->done, __ATOMIC_RELAXED) : 0;
  if (total != nullptr) *total = context != nullptr ? __atomic_load_n(&context->total, __ATOMIC_RELAXED) : 0;
}

}  // namespace bilevel

blv_context_s::blv_context_s(const blv_context_options &given)
    : options(given),
      isa(bilevel::isa_of(given)),
      threads(bilevel::thread_count(given.threads)),
      pool(given.parallel_for || isa == 0 ? 1 : threads, bilevel::available_cores()),
      hook(given),
      number(bilevel::next_number()) {}

void blv_context_s::parallel_for(int64_t n, void (*fn)(void *arg, int64_t i), void *arg) {
  if (hook) return hook.run(n, fn, arg);
  pool.run(n, fn, arg);
}
