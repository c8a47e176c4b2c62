// SPDX-License-Identifier: Apache-2.0
//
// Contexts, plans and executes of a CUDA device.
#include "csrc/device/device.h"

#include <algorithm>

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
  unsigned accepted = 1u << BLV_EXECUTOR_AUTO;
  for (int32_t i = 0; i < executor_names.count; ++i)
    if (of_a_device(executor_names.entries[i].value) == device) accepted |= 1u << executor_names.entries[i].value;
  refuse(BLV_UNSUPPORTED,
         format("spec.executor is %s (%d); accepted on %s: %s", name_of(executor_names, executor), executor,
                device ? "a CUDA device" : "the CPU", list_names(executor_names, accepted).c_str()));
}

void check_flags(const Problem &problem, bool device) {
  constexpr int32_t of_devices = BLV_SPLIT_TF32;  // with BLV_F32
  if ((problem.flags & of_devices) == 0 || (device && problem.dtype == BLV_F32)) return;
  const int32_t accepted = all_flags(flag_names) & ~of_devices;
  refuse(
      BLV_UNSUPPORTED,
      format("spec.flags is %d, with %s (%d); accepted %s: %s", problem.flags, name_of(flag_names, of_devices),
             of_devices, device ? "with spec.dtype BLV_F64" : "on the CPU", list_flags(flag_names, accepted).c_str()));
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

// More groups than this do not run at once on any device; a bound for counting bytes.
constexpr int64_t most_groups = 1 << 16;

// The choice of executor, storage and kernel: the first executor that fits the limit of workspace, with the fastest storage that fits
// it and leaves enough of the device's memory to others, else with the smallest.
class DeviceChoice {
 public:
  DeviceChoice(const blv_context_s &context, int32_t store, int64_t limit, blv_plan_s *plan)
      : context_(context), store_(store), limit_(limit), plan_(*plan) {}

  void make() {
    const int32_t wanted = plan_.problem.executor;
    if (choose_storage(wanted)) return;
    // What the problem's own regime can't meet, another executor may: from the fastest to the smallest.
    if (wanted == BLV_EXECUTOR_AUTO && least_ > 0)
      for (const int32_t executor : {BLV_BLOCK_PER_TASK, BLV_CLUSTER_PER_TASK, BLV_WARP_PER_TASK, BLV_GRID})
        if (choose_storage(executor)) return;
    refuse_all();
  }

 private:
  bool choose_storage(int32_t executor) {
    Storage chosen;
    bool found = false;
    plan_.problem.executor = executor;
    for (const Storage &storage : storage_candidates(plan_.problem, store_)) {
      plan_.problem.storage = storage;
      DevicePlan answer;
      if (!ask(&answer)) continue;
      const int64_t bytes = answer.sizes.workspace_bytes;
      if (found && bytes >= plan_.device->sizes.workspace_bytes) continue;
      *plan_.device = answer, chosen = storage, found = true;
      if (leaves_memory(bytes, static_cast<double>(context_.device.memory_bytes))) break;
    }
    if (!found) return false;
    plan_.problem.storage = chosen;
    set_program(true, &plan_);
    return true;
  }

  // Whether the problem runs, as it stands, within the limit.
  bool ask(DevicePlan *answer) {
    set_program(true, &plan_);
    if (!workspace_is_countable(plan_.problem, 1)) return false;
    BackendMessage message;
    const blv_status status = context_.backend->plan(plan_.problem, context_.device, limit_, answer, &message);
    if (status == BLV_OK) return true;
    if (status == BLV_TOO_SMALL) {
      const int64_t bytes = answer->sizes.workspace_bytes;
      least_ = least_ == 0 ? bytes : std::min(least_, bytes);
    } else if (status == BLV_UNSUPPORTED) {
      if (reason_.text[0] == '\0') reason_ = message;
    } else {
      check_backend(status, message);
    }
    return false;
  }

  [[noreturn]] void refuse_all() const {
    if (least_ == 0 && reason_.text[0] != '\0') refuse(BLV_UNSUPPORTED, text_of(reason_));
    refuse_workspace(limit_, least_);
  }

  const blv_context_s &context_;
  const int32_t store_;
  const int64_t limit_;
  blv_plan_s &plan_;
  int64_t least_ = 0;      // bytes that what was too large takes
  BackendMessage reason_;  // the first one why a storage does not run
};

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
  problem.threads = std::clamp<int64_t>(problem.tasks, 1, most_groups);  // each with its part of the workspace
  plan->device = std::make_unique<DevicePlan>();
  with_device(context, "a blv_plan_create", [&] { DeviceChoice(*context, store, limit, plan).make(); });
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
