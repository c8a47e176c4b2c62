// SPDX-License-Identifier: Apache-2.0
//
// UNROLL of linear models with short rows, a block per task: a thread holds a row in registers, so that each pass reads
// the rows once.
#define BLV_CUDA_LEVEL block
#define BLV_CUDA_LEVEL_NUMBER 1
#define BLV_ISA_NAMESPACE cuda_block_narrow
#include "kernels/special/linear/linear_run.h"
#include "kernels/task/cuda/launch.h"
#include "kernels/unroll/unroll.h"

namespace bilevel {
namespace cuda_block_narrow {
template <class T, Lanes L>
using Rows20 = LinearPass<T, L, NarrowShape<5, 1>, 64>;
template <class T, Lanes L>
using Rows32 = LinearPass<T, L, NarrowShape<8, 1>, 64>;
template <template <class, Lanes> class Rows>
using UnrollKernel = DeviceKernelOf<float, Lanes::COLUMNS, Unroll<float, Lanes::COLUMNS, Rows>>;
}  // namespace cuda_block_narrow

using namespace cuda_block_narrow;
BLV_DEVICE_KERNEL_ENTRY(unroll_f32_block_linear20, UnrollKernel<Rows20>)
BLV_DEVICE_KERNEL_ENTRY(unroll_f32_block_linear32, UnrollKernel<Rows32>)

}  // namespace bilevel
