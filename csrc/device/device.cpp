// SPDX-License-Identifier: Apache-2.0
//
// Contexts, plans and executes of a CUDA device.
#include "csrc/device/device.h"

#include <algorithm>
#include <cstdio>

#include "csrc/device/backend_loader.h"
#include "csrc/plan/plan.h"
#include "csrc/plan/storage.h"
#include "csrc/run/context.h"
#include "csrc/support/names.h"

namespace bilevel {
namespace {

Text text_of(const BackendMessage &message) { return format("%s", message.text); }

void check_backend(blv_status status, const BackendMessage &message) {
  if (status != BLV_OK) refuse(status, text_of(message));
}

[[noreturn]] void refuse_dead(const blv_context_s &context) {
  refuse(BLV_DEVICE_FAULT,
         format("this context is dead since %s; accepted: blv_context_destroy", context.fault.c_str()));
}

// Runs body(), which may find that the device has failed: the context is dead from then on.
template <class Body>
void with_device(blv_context context, const char *call, Body body) {
  if (context->fault.data[0] != '\0') refuse_dead(*context);
  try {
    body();
  } catch (const Refusal &refusal) {
    if (refusal.status == BLV_DEVICE_FAULT)
      context->fault = format("%s after %lld executes: %.300s", call, static_cast<long long>(context->executes),
                              refusal.text.c_str());
    throw;
  }
}

bool of_a_device(int32_t executor) { return executor >= BLV_WARP_PER_TASK; }

void check_executor(int32_t executor, bool device) {
  if (executor == BLV_EXECUTOR_AUTO || of_a_device(executor) == device) return;
  const char *accepted = device ? "BLV_EXECUTOR_AUTO (0), BLV_WARP_PER_TASK (16), BLV_BLOCK_PER_TASK (17), "
                                  "BLV_CLUSTER_PER_TASK (18), BLV_GRID (19)"
                                : "BLV_EXECUTOR_AUTO (0), BLV_TASKS_IN_LANES (1), BLV_TASK_PER_CORE (2), "
                                  "BLV_ROWS_OVER_CORES (3)";
  refuse(BLV_UNSUPPORTED, format("spec.executor is %s (%d); accepted on %s: %s", name_of(executor_names, executor),
                                 executor, device ? "a CUDA device" : "the CPU", accepted));
}

void check_flags(const Problem &problem, bool device) {
  if ((problem.flags & BLV_SPLIT_TF32) == 0) return;
  if (!device)
    refuse(BLV_UNSUPPORTED, format("spec.flags is %d, with BLV_SPLIT_TF32 (2); accepted on the CPU: 0 or "
                                   "BLV_SKIP_FAILED (1)",
                                   problem.flags));
  if (problem.dtype != BLV_F32)
    refuse(BLV_UNSUPPORTED, format("spec.flags is %d, with BLV_SPLIT_TF32 (2); accepted with spec.dtype BLV_F64: 0 or "
                                   "BLV_SKIP_FAILED (1)",
                                   problem.flags));
}

void check_limit(const char *argument, int64_t value, int64_t most) {
  if (value <= most) return;
  refuse(BLV_UNSUPPORTED, format("%s is %lld; accepted on a CUDA device: at most %lld", argument,
                                 static_cast<long long>(value), static_cast<long long>(most)));
}

const char *kind_of_memory(int32_t kind) {
  if (kind == MEMORY_HOST) return "pinned host memory";
  return kind == MEMORY_DEVICE ? "memory of another device" : "no memory that CUDA knows, such as ordinary host memory";
}

struct Place {
  int32_t kind = MEMORY_UNKNOWN, ordinal = -1;
};

Place place_of(const blv_context_s &context, const void *pointer) {
  Place place;
  BackendMessage message;
  check_backend(context.backend->where(pointer, &place.kind, &place.ordinal, &message), message);
  return place;
}

void enqueue(blv_context context, const blv_plan_s &plan, const ExecuteArguments &arguments) {
  DeviceCall call;
  call.tasks = arguments.tasks;
  call.slots = static_cast<int64_t>(plan.slots.size());
  call.data = arguments.data;
  call.workspace = static_cast<char *>(arguments.workspace);
  call.state = static_cast<char *>(arguments.state);
  call.info = arguments.info;
  call.stream = context->options.stream;
  BackendMessage message;
  check_backend(context->backend->enqueue(plan.problem, *plan.device, call, &message), message);
}

void check_stream(const blv_context_s &context) {
  BackendMessage message;
  check_backend(context.backend->check_stream(context.options.device, context.options.stream, &message), message);
}

}  // namespace

void open_device(blv_context context) {
  const int32_t ordinal = context->options.device;
  try {
    context->backend = &cuda_backend();
    BackendMessage message;
    check_backend(context->backend->open(ordinal, &context->device, &message), message);
  } catch (const Refusal &refusal) {
    refuse(refusal.status, format("options.device is %d: %s", ordinal, refusal.text.c_str()));
  }
  check_stream(*context);
}

void check_machine(const blv_context_s &context, const Problem &problem, int64_t slots) {
  const bool device = context.backend != nullptr;
  check_executor(problem.executor, device);
  check_flags(problem, device);
  if (!device) return;
  check_limit("spec.inner.n_widths", problem.network.n_layers + 1, most_device_layers + 1);
  check_limit("spec.n_slots", slots, most_device_slots);
}

void plan_on_device(blv_context context, int32_t store, int64_t limit, blv_plan_s *plan) {
  Problem &problem = plan->problem;
  plan->device = std::make_unique<DevicePlan>();
  BackendMessage message;
  blv_status status = BLV_INVALID;
  int64_t least = 0;
  std::snprintf(message.text, sizeof message.text,
                "spec asks for a workspace of more than 2^62 bytes; accepted: smaller sizes");
  with_device(context, "a blv_plan_create", [&] {
    // From the fastest to the smallest.
    for (const Storage &storage : storage_candidates(problem, store)) {
      problem.storage = storage;
      set_program(true, plan);
      if (!workspace_is_countable(problem, 1)) continue;
      status = context->backend->plan(problem, context->device, limit, plan->device.get(), &message);
      if (status != BLV_TOO_SMALL) break;
      const int64_t bytes = plan->device->sizes.workspace_bytes;
      least = least == 0 ? bytes : std::min(least, bytes);
    }
    if (status == BLV_TOO_SMALL)
      refuse(status,
             format("spec.workspace_limit is %lld bytes; accepted: 0, or >= %lld, the least that this plan needs",
                    static_cast<long long>(limit), static_cast<long long>(least)));
    check_backend(status, message);
  });
  plan->sizes = plan->device->sizes;
  problem.executor = plan->device->executor;
  problem.threads = 1;
}

bool on_device(const blv_context_s &context, const void *pointer) {
  const Place place = place_of(context, pointer);
  return place.kind == MEMORY_MANAGED || (place.kind == MEMORY_DEVICE && place.ordinal == context.options.device);
}

void refuse_place(const blv_context_s &context, const char *argument, const void *pointer) {
  refuse(BLV_INVALID, format("%s is %p, %s; accepted: device or managed memory of CUDA device %d", argument, pointer,
                             kind_of_memory(place_of(context, pointer).kind), context.options.device));
}

void execute_on_device(blv_context context, const blv_plan_s &plan, const ExecuteArguments &arguments) {
  const int64_t steps = saturating_multiply(arguments.tasks, plan.problem.program.passes);
  with_device(context, "a blv_execute", [&] {
    check_execute(*context, plan, arguments);
    check_stream(*context);
    start_progress(context, steps);
    if (consume_cancel(context)) refuse(BLV_CANCELLED, format("%s", blv_status_text(BLV_CANCELLED)));
    enqueue(context, plan, arguments);
    ++context->executes;
  });
  __atomic_store_n(&context->done, steps, __ATOMIC_RELAXED);
}

}  // namespace bilevel
