// SPDX-License-Identifier: Apache-2.0
//
// Linear models with one output and many rows, over the grid: warps share rows, and a pass reads them once, for one tangent or for four
// at a time.
#define BLV_CUDA_LEVEL grid
#define BLV_CUDA_LEVEL_NUMBER 3
#define BLV_ISA_NAMESPACE cuda_grid_wide
#include "kernels/interpreter/cuda/launch.h"
#include "kernels/special/linear/linear_run.h"

namespace bilevel {
namespace cuda_grid_wide {
template <class T, Lanes L>
using OneOutput = LinearPass<T, L, WideShape<1, 1>, 256>;
template <class T, Lanes L>
using FourTangents = LinearPass<T, L, WideShape<1, 4>, 256>;
}  // namespace cuda_grid_wide

using namespace cuda_grid_wide;
BLV_DEVICE_KERNEL_ENTRY(linear1_f32_grid, DeviceKernelOf<float, OneOutput>)
BLV_DEVICE_KERNEL_ENTRY(linear4_f32_grid, DeviceKernelOf<float, FourTangents>)

}  // namespace bilevel
