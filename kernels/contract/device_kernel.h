// SPDX-License-Identifier: Apache-2.0
//
// The plugin's table of kernels. The .cu files of kernels/interpreter/cuda and kernels/special define its entries; the planner in csrc/cuda
// asks each, in the order of the table, whether it runs a problem and what that takes, and chooses.
#pragma once
#include "kernels/contract/backend.h"

namespace bilevel {

struct DeviceKernel {
  const char *name;  // for example "interpreter_f32_block"
  int32_t executor;  // the BLV_* executor that it is
  // Whether the kernel runs the problem (with problem.storage as it stands) on such a device. If so it fills threads,
  // cluster, batches, shared_bytes, slab_bytes and sizes of *plan; if not it says why in `message`.
  bool (*size)(const Problem &problem, const DeviceFacts &facts, DevicePlan *plan, BackendMessage *message);
  // Enqueues on call.stream; returns the cudaError_t of the first launch that failed, else 0.
  int (*enqueue)(const Problem &problem, const DevicePlan &plan, const DeviceCall &call);
};

}  // namespace bilevel
