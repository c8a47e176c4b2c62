// SPDX-License-Identifier: Apache-2.0
//
// UNROLL of linear models with many rows, over the grid: warps share rows, and each pass reads them once.
#define BLV_CUDA_LEVEL grid
#define BLV_CUDA_LEVEL_NUMBER 3
#define BLV_ISA_NAMESPACE cuda_grid_wide
#include "kernels/core/cuda/launch.h"
#include "kernels/core/cuda/linear_run.h"
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

// The kernel for ten outputs would compute ten for fewer, too.
bool measure_ten(const Problem &problem, const DeviceFacts &facts, DevicePlan *plan, BackendMessage *message) {
  const int64_t outputs = problem.network.layers[problem.network.n_layers - 1].outputs;
  if (outputs < 9 || outputs > 10) return UnrollKernel<TenClasses>::refuse(message, "");
  return UnrollKernel<TenClasses>::measure(problem, facts, plan, message);
}
}  // namespace cuda_grid_wide

using namespace cuda_grid_wide;
extern const DeviceKernel unroll_f32_grid_linear1, unroll_f32_grid_linear10, unroll_f32_grid_linear16;
const DeviceKernel unroll_f32_grid_linear1 = {"unroll_f32_grid_linear1", BLV_GRID, &UnrollKernel<OneOutput>::measure,
                                              &UnrollKernel<OneOutput>::enqueue};
const DeviceKernel unroll_f32_grid_linear10 = {"unroll_f32_grid_linear10", BLV_GRID, &measure_ten,
                                               &UnrollKernel<TenClasses>::enqueue};
const DeviceKernel unroll_f32_grid_linear16 = {"unroll_f32_grid_linear16", BLV_GRID, &UnrollKernel<Classes>::measure,
                                               &UnrollKernel<Classes>::enqueue};

}  // namespace bilevel
