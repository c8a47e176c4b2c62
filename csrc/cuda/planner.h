// SPDX-License-Identifier: Apache-2.0
//
// Which kernel of a table runs a problem on a device: a pure function of problem, device and table.
#pragma once
#include "kernels/contract/device_kernel.h"

namespace bilevel {

// The plugin's table, or one that a test makes up.
struct KernelTable {
  const DeviceKernel *const *kernels = nullptr;
  int64_t count = 0;
};

// All kernels of the plugin, from the special to the general (kernel_list.cpp).
KernelTable device_kernels();

// As Backend::plan. Throws std::bad_alloc at most.
blv_status plan_kernel(const KernelTable &table, const Problem &problem, const DeviceFacts &facts, int64_t limit,
                       DevicePlan *plan, BackendMessage *message);

}  // namespace bilevel
