// SPDX-License-Identifier: Apache-2.0
//
// The choice of an executor.
#include "csrc/executor.h"

#include <algorithm>

#include "csrc/refusal.h"

namespace bilevel {
namespace {

// What a group of tasks may keep in the cache: three quarters of an L2 of 1 MiB.
constexpr int64_t cache_bytes = 3 * (int64_t{1} << 20) / 4;

int64_t units_of_a_row(const Network &network) {
  int64_t units = 0;
  for (int64_t l = 0; l < network.n_layers; ++l) units = saturating_add(units, network.layers[l].outputs);
  return units;
}

}  // namespace

int64_t step_state_bytes(const Problem &problem) {
  const int64_t scalar = problem.dtype == BLV_F64 ? 8 : 4;
  const int64_t rows = problem.batch_rows > 0 ? problem.batch_rows : problem.inner.rows;
  const int64_t vectors =
      1 + std::max<int64_t>(problem.vectors, 1);  // theta, and a gradient or adjoint or the right-hand sides
  const int64_t parameters =
      saturating_multiply(problem.network.parameters, vectors + (problem.optimiser == BLV_HEAVY_BALL));
  const int64_t activations = saturating_multiply(rows, saturating_multiply(units_of_a_row(problem.network), vectors));
  const bool own_rows = problem.inner.x.value.task_stride != 0 || problem.batch_rows > 0;
  const int64_t inputs = own_rows ? saturating_multiply(rows, problem.network.layers[0].inputs) : 0;
  return saturating_multiply(scalar, saturating_add(parameters, saturating_add(activations, inputs)));
}

int32_t choose_executor(const Problem &problem, int64_t lanes) {
  if (problem.executor != BLV_EXECUTOR_AUTO) return problem.executor;
  const bool lanes_are_filled = problem.tasks > 1 && 2 * problem.tasks >= lanes;
  if (lanes_are_filled && saturating_multiply(step_state_bytes(problem), lanes) <= cache_bytes)
    return BLV_TASKS_IN_LANES;
  return problem.tasks >= problem.threads ? BLV_TASK_PER_CORE : BLV_ROWS_OVER_CORES;
}

}  // namespace bilevel
