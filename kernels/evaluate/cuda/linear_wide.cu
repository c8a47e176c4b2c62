// SPDX-License-Identifier: Apache-2.0
//
// EVALUATE and HVP of linear models with many rows, over the grid: warps share rows, and a pass reads them once, for one
// vector or for four at a time.
#define BLV_CUDA_LEVEL grid
#define BLV_CUDA_LEVEL_NUMBER 3
#define BLV_ISA_NAMESPACE cuda_grid_rows
#include "kernels/core/cuda/launch.h"
#include "kernels/core/cuda/linear_run.h"
#include "kernels/evaluate/evaluate.h"

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

// The kernel for four vectors is for more than one.
bool measure_four(const Problem &problem, const DeviceFacts &facts, DevicePlan *plan, BackendMessage *message) {
  if (problem.kind != BLV_HVP || problem.vectors < 2) return EvaluateKernel<FourVectors>::refuse(message, "");
  return EvaluateKernel<FourVectors>::measure(problem, facts, plan, message);
}
}  // namespace cuda_grid_rows

using namespace cuda_grid_rows;
extern const DeviceKernel evaluate_f32_grid_linear1, evaluate_f32_grid_linear4, evaluate_f32_grid_linear16;
const DeviceKernel evaluate_f32_grid_linear1 = {
    "evaluate_f32_grid_linear1", BLV_GRID, &EvaluateKernel<OneVector>::measure, &EvaluateKernel<OneVector>::enqueue};
const DeviceKernel evaluate_f32_grid_linear4 = {"evaluate_f32_grid_linear4", BLV_GRID, &measure_four,
                                                &EvaluateKernel<FourVectors>::enqueue};
const DeviceKernel evaluate_f32_grid_linear16 = {"evaluate_f32_grid_linear16", BLV_GRID,
                                                 &EvaluateKernel<Classes>::measure, &EvaluateKernel<Classes>::enqueue};

}  // namespace bilevel
