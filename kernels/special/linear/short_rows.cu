// SPDX-License-Identifier: Apache-2.0
//
// Linear models with short rows, a block per task: a thread holds a row in registers, so that each pass reads the rows once.
#define BLV_CUDA_LEVEL block
#define BLV_CUDA_LEVEL_NUMBER 1
#define BLV_ISA_NAMESPACE cuda_block_narrow
#include "kernels/interpreter/cuda/launch.h"
#include "kernels/special/linear/linear_run.h"

namespace bilevel {
namespace cuda_block_narrow {
template <class T, Lanes L>
using Rows20 = LinearPass<T, L, NarrowShape<5, 1>, 64>;
template <class T, Lanes L>
using Rows32 = LinearPass<T, L, NarrowShape<8, 1>, 64>;
}  // namespace cuda_block_narrow

using namespace cuda_block_narrow;
BLV_DEVICE_KERNEL_ENTRY(linear20_f32_block, DeviceKernelOf<float, Rows20>)
BLV_DEVICE_KERNEL_ENTRY(linear32_f32_block, DeviceKernelOf<float, Rows32>)

}  // namespace bilevel
