// SPDX-License-Identifier: Apache-2.0
//
// The arguments of an execute: pointers, alignment, sizes, and that nothing written overlaps anything else. Allocates
// nothing.
#include <cstddef>

#include "csrc/device/device.h"
#include "csrc/plan/plan.h"
#include "csrc/run/context.h"
#include "csrc/run/execute.h"
#include "csrc/support/names.h"

namespace bilevel {
namespace {

// How messages call an argument: written out only when there is something to say, since an execute may take no longer
// than a few microseconds.
struct Name {
  const char *text;  // null: data[slot]
  int64_t slot;
  Text write() const {
    return text != nullptr ? format("%s", text) : format("data[%lld]", static_cast<long long>(slot));
  }
};

// Memory that the execute touches; empty if begin == end. Without initial values: an execute has an array of them for the most slots
// that a plan may have, whose zeros would take as long as a tiny task.
struct Range {
  uintptr_t begin, end;
  bool written;
  const void *pointer;  // to begin
  Name name;
};

bool overlap(const Range &a, const Range &b) { return a.begin < b.end && b.begin < a.end; }

uintptr_t address(const void *pointer) { return reinterpret_cast<uintptr_t>(pointer); }

Range make_range(const Name &name, const void *pointer, int64_t bytes, int64_t align, bool written) {
  if (bytes == 0) return {};
  if (pointer == nullptr) check_pointer(name.write().c_str(), pointer);
  if (address(pointer) % static_cast<uintptr_t>(align) != 0)
    refuse(BLV_INVALID, format("%s is %p; accepted: an address aligned to %lld bytes", name.write().c_str(), pointer,
                               static_cast<long long>(align)));
  uintptr_t end = 0;
  if (__builtin_add_overflow(address(pointer), static_cast<uintptr_t>(bytes), &end))
    refuse(BLV_INVALID, format("%s is %p, and its %lld bytes reach beyond the address space", name.write().c_str(),
                               pointer, static_cast<long long>(bytes)));
  return {address(pointer), end, written, pointer, name};
}

Range slot_range(const blv_plan_s &plan, const ExecuteArguments &arguments, int64_t slot) {
  const Span &span = plan.spans[static_cast<size_t>(slot)];
  int64_t elements = 0;
  span_elements(span, arguments.tasks, &elements);
  return make_range({nullptr, slot}, arguments.data[slot], elements * span.element_bytes, span.element_bytes,
                    span.written);
}

Range workspace_range(const blv_plan_s &plan, const ExecuteArguments &arguments) {
  const int64_t needed = plan.sizes.workspace_bytes;
  if (arguments.workspace_bytes < needed)
    refuse(BLV_TOO_SMALL, format("workspace_bytes is %lld; accepted: >= %lld",
                                 static_cast<long long>(arguments.workspace_bytes), static_cast<long long>(needed)));
  return make_range({"workspace", 0}, arguments.workspace, needed, alignment_of_workspace(plan), true);
}

// The state has the workspace's alignment. A plan without one accepts NULL only: whatever else was meant would be ignored.
Range state_range(const blv_plan_s &plan, const ExecuteArguments &arguments) {
  const int64_t bytes = plan.sizes.state_bytes;
  if (bytes == 0 && arguments.state != nullptr)
    refuse(BLV_INVALID, format("state is %p; accepted for a plan without state: NULL", arguments.state));
  if (bytes > 0 && arguments.state == nullptr)
    refuse(BLV_INVALID,
           format("state is NULL; accepted: %lld bytes (blv_sizes.state_bytes), zeros before the first execute",
                  static_cast<long long>(bytes)));
  return make_range({"state", 0}, arguments.state, bytes, alignment_of_workspace(plan), true);
}

Range info_range(const ExecuteArguments &arguments) {
  if (arguments.info == nullptr) return {};
  constexpr auto entry = static_cast<int64_t>(sizeof(blv_task_info));
  return make_range({"info", 0}, arguments.info, saturating_multiply(arguments.tasks, entry), alignof(blv_task_info),
                    true);
}

[[noreturn]] void refuse_overlap(const Range &written, const Range &other) {
  refuse(BLV_INVALID,
         format("%s, [%#llx, %#llx), is written and overlaps %s, [%#llx, %#llx); accepted: separate memory",
                written.name.write().c_str(), static_cast<unsigned long long>(written.begin),
                static_cast<unsigned long long>(written.end), other.name.write().c_str(),
                static_cast<unsigned long long>(other.begin), static_cast<unsigned long long>(other.end)));
}

// The ranges of all slots, then of the workspace, the state and the info.
struct Ranges {
  Range ranges[most_slots + 3];
  int64_t count = 0;

  void append(const Range &range) { ranges[count++] = range; }
};

void check_pair(const Range &a, const Range &b) {
  if (!(a.written || b.written) || !overlap(a, b)) return;
  if (a.written) refuse_overlap(a, b);
  refuse_overlap(b, a);
}

// Every range in memory of the context's device.
void check_places(const blv_context_s &context, const Ranges &all) {
  for (int64_t i = 0; i < all.count; ++i) {
    const Range &range = all.ranges[i];
    if (range.begin != range.end && !on_device(context, range.pointer))
      refuse_place(context, range.name.write().c_str(), range.pointer);
  }
}

void check_memory(const blv_context_s &context, const blv_plan_s &plan, const ExecuteArguments &arguments) {
  Ranges all;
  const auto slots = static_cast<int64_t>(plan.slots.size());
  for (int64_t slot = 0; slot < slots; ++slot) all.append(slot_range(plan, arguments, slot));
  all.append(workspace_range(plan, arguments));
  all.append(state_range(plan, arguments));
  all.append(info_range(arguments));
  if (context.backend != nullptr) check_places(context, all);
  for (int64_t i = 0; i < all.count; ++i)
    for (int64_t j = 0; j < i; ++j) check_pair(all.ranges[i], all.ranges[j]);
}

// "the CPU", "CUDA device 1".
Text machine_name(int32_t device) {
  return device == BLV_DEVICE_CPU ? format("the CPU") : format("CUDA device %d", device);
}

void check_same_machine(const blv_context_s &context, const blv_plan_s &plan) {
  const int32_t device = plan.device ? plan.device->device.ordinal : BLV_DEVICE_CPU;
  if (device == context.options.device) return;
  refuse(BLV_UNSUPPORTED, format("plan was made for %s; accepted by this context: a plan for %s",
                                 machine_name(device).c_str(), machine_name(context.options.device).c_str()));
}

}  // namespace

void check_execute(const blv_context_s &context, const blv_plan_s &plan, const ExecuteArguments &arguments) {
  check_same_machine(context, plan);
  if (plan.isa > context.isa)
    refuse(BLV_UNSUPPORTED, format("plan was made for the instruction set %s; accepted by this context: at most %s",
                                   plain_name_of(isa_names, plan.isa), plain_name_of(isa_names, context.isa)));
  check_range("tasks", arguments.tasks, 0, plan.problem.tasks);
  check_pointer("data", arguments.data);
  check_memory(context, plan, arguments);
}

}  // namespace bilevel
