// SPDX-License-Identifier: Apache-2.0
//
// The interpreter for one level of cooperation (warp, block, cluster, grid) and dtype: with BLV_KERNEL_DTYPE f32 and BLV_CUDA_LEVEL block
// this defines the table entry bilevel::interpreter_f32_block. The build sets the macros, see cmake/BilevelCuda.cmake.
#include "kernels/interpreter/cuda/launch.h"

namespace bilevel {
BLV_DEVICE_KERNEL_ENTRY(BLV_JOIN(interpreter, BLV_KERNEL_DTYPE, BLV_CUDA_LEVEL),
                        BLV_ISA_NAMESPACE::DeviceKernelOf<BLV_KERNEL_SCALAR>)
}  // namespace bilevel
