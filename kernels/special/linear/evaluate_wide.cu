// SPDX-License-Identifier: Apache-2.0
//
// EVALUATE and HVP of linear models with many rows, over the grid: warps share rows, and a pass reads them once, for one
// vector or for four at a time.
#define BLV_CUDA_LEVEL grid
#define BLV_CUDA_LEVEL_NUMBER 3
#define BLV_ISA_NAMESPACE cuda_grid_rows
#include "kernels/evaluate/evaluate.h"
#include "kernels/special/linear/linear_run.h"
#include "kernels/task/cuda/launch.h"

namespace bilevel {
namespace cuda_grid_rows {
template <class T, Lanes L>
using OneVector = LinearPass<T, L, WideShape<1, 1>, 256>;
template <class T, Lanes L>
using FourVectors = LinearPass<T, L, WideShape<1, 4>, 256>;
template <class T, Lanes L>
using Classes = LinearPass<T, L, WideShape<5, 1>, 256>;
template <template <class, Lanes> class Rows>
using EvaluateKernel = DeviceKernelOf<float, Lanes::COLUMNS, Evaluate<float, Lanes::COLUMNS, Rows>>;
}  // namespace cuda_grid_rows

using namespace cuda_grid_rows;
BLV_DEVICE_KERNEL_ENTRY(evaluate_f32_grid_linear1, EvaluateKernel<OneVector>)
BLV_DEVICE_KERNEL_ENTRY(evaluate_f32_grid_linear4, EvaluateKernel<FourVectors>)
BLV_DEVICE_KERNEL_ENTRY(evaluate_f32_grid_linear16, EvaluateKernel<Classes>)

}  // namespace bilevel
