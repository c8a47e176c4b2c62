// SPDX-License-Identifier: Apache-2.0
//
// Making a plan: the spec is checked, the executor and the kernel are chosen, the storage is planned, the costs are
// counted.
#include "csrc/plan/plan.h"

#include <algorithm>
#include <cstddef>
#include <cstring>
#include <memory>

#include "csrc/device/device.h"
#include "csrc/plan/cost.h"
#include "csrc/run/context.h"
#include "csrc/spec/validate.h"
#include "csrc/support/read_struct.h"

namespace bilevel {
blv_plan make_plan(blv_context context, const blv_spec *spec) {
  ValidSpec valid = validate(spec, context->threads);
  auto plan = std::make_unique<blv_plan_s>();
  plan->problem = valid.problem;
  plan->layers = std::move(valid.layers);
  plan->slots = std::move(valid.slots);
  plan->spans = std::move(valid.spans);

  Problem &problem = plan->problem;
  problem.network.layers = plan->layers.data();
  const auto slots = static_cast<int64_t>(plan->slots.size());
  check_machine(*context, problem, slots);
  if (context->backend != nullptr) {
    plan_on_device(context, valid.store, valid.workspace_limit, plan.get());
  } else {
    choose_on_cpu(*context, valid.store, valid.workspace_limit, plan.get());
  }
  plan->flops = count_flops(problem);
  plan->bytes = count_bytes(problem, plan->slots, plan->spans);
  plan->description = describe(*plan);
  return plan.release();
}

void plan_sizes(const blv_plan_s &plan, blv_sizes *out) {
  check_pointer("out", out);
  constexpr auto least = static_cast<int64_t>(offsetof(blv_sizes, workspace_align) + sizeof out->workspace_align);
  const int64_t size = read_size(out);
  // A newer caller's struct is longer than this library's: it would be left unset in part.
  if (size < least || size > static_cast<int64_t>(sizeof(blv_sizes)) || size % 8 != 0)
    refuse(BLV_VERSION_MISMATCH,
           format("out->size is %lld; accepted: %zu, the size of blv_sizes in version %d.%d of the library",
                  static_cast<long long>(size), sizeof(blv_sizes), BLV_VERSION_MAJOR, BLV_VERSION_MINOR));
  const blv_sizes sizes = {
      size, plan.sizes.workspace_bytes, alignment_of_workspace(plan), plan.sizes.state_bytes, plan.flops, plan.bytes};
  std::memcpy(out, &sizes, static_cast<size_t>(size));
}

int64_t alignment_of_workspace(const blv_plan_s &plan) {
  return plan.device ? device_workspace_align : workspace_align;
}

int64_t plan_extent(const blv_plan_s &plan, int64_t slot) {
  const auto n = static_cast<int64_t>(plan.slots.size());
  if (slot < 0 || slot >= n) check_range("slot", slot, 0, n - 1);
  int64_t elements = 0;
  span_elements(plan.spans[static_cast<size_t>(slot)], plan.problem.tasks, &elements);
  return elements;
}

void plan_describe(const blv_plan_s &plan, char *text, int64_t capacity, int64_t *needed) {
  const auto bytes = static_cast<int64_t>(plan.description.size() + 1);
  if (capacity < 0) refuse_value("capacity", capacity, ">= 0");
  if (capacity > 0) check_pointer("text", text);
  if (needed != nullptr) *needed = bytes;
  if (capacity < bytes)
    refuse(BLV_TOO_SMALL, format("capacity is %lld bytes; accepted: >= %lld", static_cast<long long>(capacity),
                                 static_cast<long long>(bytes)));
  std::memcpy(text, plan.description.c_str(), static_cast<size_t>(bytes));
}

}  // namespace bilevel
