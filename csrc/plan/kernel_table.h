// SPDX-License-Identifier: Apache-2.0
//
// The kernels of this build: the interpreter per ISA level, dtype and layout.
#pragma once
#include <cstdint>

#include "kernels/contract/problem.h"

namespace bilevel {

// isa: BLV_ISA_X86_64_V2..V4. Returns nullptr if this build has no such kernel.
const Kernel *find_kernel(int32_t isa, int32_t dtype, int32_t executor);

}  // namespace bilevel
