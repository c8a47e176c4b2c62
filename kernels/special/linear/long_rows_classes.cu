// SPDX-License-Identifier: Apache-2.0
//
// Linear models with classes and many rows, over the grid: warps share rows, and a pass reads them once for all of up to ten outputs, or
// for five at a time. A file of its own beside long_rows.cu, so that the two compile at once.
#define BLV_CUDA_LEVEL grid
#define BLV_CUDA_LEVEL_NUMBER 3
#define BLV_ISA_NAMESPACE cuda_grid_classes
#include "kernels/interpreter/cuda/launch.h"
#include "kernels/special/linear/linear_run.h"

namespace bilevel {
namespace cuda_grid_classes {
template <class T, Lanes L>
using TenClasses = LinearPass<T, L, WideShape<10, 1>, 256>;
template <class T, Lanes L>
using Classes = LinearPass<T, L, WideShape<5, 1>, 256>;
}  // namespace cuda_grid_classes

using namespace cuda_grid_classes;
BLV_DEVICE_KERNEL_ENTRY(linear10_f32_grid, DeviceKernelOf<float, TenClasses>)
BLV_DEVICE_KERNEL_ENTRY(linear16_f32_grid, DeviceKernelOf<float, Classes>)

}  // namespace bilevel
