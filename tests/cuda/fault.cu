// SPDX-License-Identifier: Apache-2.0
//
// A kernel that fails, for tests of what the library says after it: it writes to an address that is nobody's.
#include "fault.h"

namespace harness {

__global__ void write_to(int *nobody) { *nobody = 1; }

void enqueue_fault(cudaStream_t stream) { write_to<<<1, 1, 0, stream>>>(reinterpret_cast<int *>(16)); }

}  // namespace harness
