// SPDX-License-Identifier: Apache-2.0
//
// The host side of a CUDA device: opening it for a context, planning on it, checking memory, enqueueing. What a device
// does is behind the Backend; what it says becomes a Refusal. A context whose device has failed is dead: every later
// call on it says so, and since when.
#pragma once
#include <bilevel/bilevel.h>

#include <cstdint>

#include "csrc/run/execute.h"
#include "kernels/contract/backend.h"

namespace bilevel {

// Alignment of a workspace in device memory: what cudaMalloc gives.
constexpr int64_t device_workspace_align = 256;

// Finds the backend and opens options.device for the context; the stream is checked.
void open_device(blv_context context);

// Refuses an executor, a flag or a size that the context's machine, CPU or device, does not run.
void check_machine(const blv_context_s &context, const Problem &problem, int64_t slots);

// Chooses kernel and storage on the context's device; sets plan->device, sizes and problem.
void plan_on_device(blv_context context, int32_t store, int64_t limit, blv_plan_s *plan);

// Whether a pointer is memory of the context's device.
bool on_device(const blv_context_s &context, const void *pointer);
// Says what it is instead; `argument` names it.
[[noreturn]] void refuse_place(const blv_context_s &context, const char *argument, const void *pointer);

// check_execute, then everything is enqueued on the context's stream.
void execute_on_device(blv_context context, const blv_plan_s &plan, const ExecuteArguments &arguments);

}  // namespace bilevel
