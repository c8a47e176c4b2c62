// SPDX-License-Identifier: Apache-2.0
//
// UNROLL of linear models with many rows, over the grid: warps share rows, and each pass reads them once.
#define BLV_CUDA_LEVEL grid
#define BLV_CUDA_LEVEL_NUMBER 3
#define BLV_ISA_NAMESPACE cuda_grid_wide
#include "kernels/special/linear/linear_run.h"
#include "kernels/task/cuda/launch.h"
#include "kernels/unroll/unroll.h"

namespace bilevel {
namespace cuda_grid_wide {
template <class T, Lanes L>
using OneOutput = LinearPass<T, L, WideShape<1, 1>, 256>;
template <class T, Lanes L>
using TenClasses = LinearPass<T, L, WideShape<10, 1>, 256>;
template <class T, Lanes L>
using Classes = LinearPass<T, L, WideShape<5, 1>, 256>;
template <template <class, Lanes> class Rows>
using UnrollKernel = DeviceKernelOf<float, Lanes::COLUMNS, Unroll<float, Lanes::COLUMNS, Rows>>;
}  // namespace cuda_grid_wide

using namespace cuda_grid_wide;
BLV_DEVICE_KERNEL_ENTRY(unroll_f32_grid_linear1, UnrollKernel<OneOutput>)
BLV_DEVICE_KERNEL_ENTRY(unroll_f32_grid_linear10, UnrollKernel<TenClasses>)
BLV_DEVICE_KERNEL_ENTRY(unroll_f32_grid_linear16, UnrollKernel<Classes>)

}  // namespace bilevel
