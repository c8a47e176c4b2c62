// SPDX-License-Identifier: Apache-2.0
//
// The functions of the plugin without CUDA. A plan takes 100 bytes of workspace for each step, and a network of more than three layers
// is refused, as a kernel would.
#include "fake_device.h"

#include <algorithm>
#include <cstdio>
#include <utility>

#include "kernels/contract/backend.h"

namespace bilevel {
namespace {

FakeDevices fake;

template <class... Values>
blv_status say(blv_status status, BackendMessage *message, const char *pattern, Values... values) {
  std::snprintf(message->text, sizeof message->text, pattern, values...);
  return status;
}

blv_status answer(blv_status *next, BackendMessage *message) {
  const blv_status status = std::exchange(*next, BLV_OK);
  return status == BLV_OK ? status : say(status, message, "made to fail");
}

blv_status open(int32_t ordinal, DeviceFacts *facts, BackendMessage *message) {
  __atomic_fetch_add(&fake.opens, 1, __ATOMIC_RELAXED);
  if (ordinal > 1) return say(BLV_NO_DEVICE, message, "there are 2 devices; accepted: 0 to 1");
  *facts = {};
  facts->ordinal = ordinal;
  facts->major = 9;
  facts->memory_bytes = fake.memory_bytes;
  std::snprintf(facts->name, sizeof facts->name, "Fake \"9\\0\"\n");
  return BLV_OK;
}

blv_status check_stream(int32_t ordinal, void *stream, BackendMessage *message) {
  if (stream == nullptr || stream == fake.streams[ordinal]) return BLV_OK;
  return say(BLV_INVALID, message, "options.stream is %p; accepted: %p", stream, fake.streams[ordinal]);
}

blv_status plan(const Problem &problem, const DeviceFacts &facts, int64_t limit, DevicePlan *plan,
                BackendMessage *message) {
  ++fake.plans;
  if (const blv_status status = answer(&fake.next_plan, message); status != BLV_OK) return status;
  if (problem.network.n_layers > 3) return say(BLV_UNSUPPORTED, message, "spec.inner has more than three layers");
  plan->device = facts;
  plan->executor = problem.executor == BLV_EXECUTOR_AUTO ? static_cast<int32_t>(BLV_BLOCK_PER_TASK) : problem.executor;
  plan->threads = 96, plan->cluster = 2, plan->batches = 5, plan->shared_bytes = 1234, plan->slab_bytes = 56;
  plan->sizes.workspace_bytes = 100 * (problem.steps + 1);
  if (fake.weighs_storage) {
    const int64_t kept = (problem.storage.tape ? 100 : 60) * (problem.storage.segment_steps + 1);
    plan->sizes.workspace_bytes = plan->executor == BLV_GRID ? kept / 2 : kept;
  }
  std::snprintf(plan->name, sizeof plan->name, "fake_kernel");
  std::snprintf(plan->reason, sizeof plan->reason, "nothing else is here");
  if (limit == 0 || plan->sizes.workspace_bytes <= limit) return BLV_OK;
  return say(BLV_TOO_SMALL, message, "spec.workspace_limit is %lld bytes", static_cast<long long>(limit));
}

bool inside(const void *pointer, const char *memory) {
  return pointer >= memory && pointer < static_cast<const void *>(memory + fake_bytes);
}

blv_status where(const void *pointer, int32_t *kind, int32_t *ordinal, BackendMessage *message) {
  *kind = MEMORY_UNKNOWN, *ordinal = -1;
  for (int32_t device = 0; device < 2; ++device)
    if (inside(pointer, fake.memory[device])) *kind = MEMORY_DEVICE, *ordinal = device;
  if (inside(pointer, fake.managed)) *kind = MEMORY_MANAGED, *ordinal = 1;
  if (inside(pointer, fake.pinned)) *kind = MEMORY_HOST, *ordinal = 0;
  return answer(&fake.next_where, message);
}

blv_status enqueue(const Problem &, const DevicePlan &, const DeviceCall &call, BackendMessage *message) {
  ++fake.enqueues;
  fake.last.tasks = call.tasks, fake.last.slots = call.slots;
  fake.last.workspace = call.workspace, fake.last.stream = call.stream, fake.last.info = call.info;
  std::copy(call.data, call.data + call.slots, fake.last.data);
  return answer(&fake.next_enqueue, message);
}

}  // namespace
}  // namespace bilevel

extern "C" {

__attribute__((visibility("default"))) bilevel::FakeDevices *fake_devices() { return &bilevel::fake; }

__attribute__((visibility("default"))) const bilevel::Backend *bilevel_cuda_backend() {
  __atomic_fetch_add(&bilevel::fake.entries, 1, __ATOMIC_RELAXED);
  static constexpr bilevel::Backend backend = {BLV_BACKEND_ABI, bilevel::open,  bilevel::check_stream,
                                               bilevel::plan,   bilevel::where, bilevel::enqueue};
  return &backend;
}
}
