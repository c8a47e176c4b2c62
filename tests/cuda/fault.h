// SPDX-License-Identifier: Apache-2.0
//
// Enqueues a kernel that writes to an address that is nobody's: the device is then dead for the rest of the process.
#pragma once
#include <cuda_runtime_api.h>

namespace harness {

void enqueue_fault(cudaStream_t stream);

}  // namespace harness
