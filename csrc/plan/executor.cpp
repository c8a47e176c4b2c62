// SPDX-License-Identifier: Apache-2.0
//
// The choice of an executor.
#include "csrc/plan/executor.h"

#include <algorithm>

#include "csrc/methods/optimiser.h"
#include "csrc/support/refusal.h"
#include "kernels/contract/cpu_tuning.h"

namespace bilevel {
namespace {

using namespace cpu_tuning;

int64_t units_of_a_row(const Network &network) {
  int64_t units = 0;
  for (int64_t l = 0; l < network.n_layers; ++l) units = saturating_add(units, network.layers[l].outputs);
  return units;
}

}  // namespace

int64_t step_state_bytes(const Problem &problem) {
  const Network &network = problem.network;
  const int64_t rows = problem.batch_rows > 0 ? problem.batch_rows : problem.inner.rows;
  const int64_t tangents = problem.program.tangent_planes;
  const Optimiser *optimiser = find_optimiser(problem.optimiser);
  // theta and gradient, each with tangents; what the optimiser carries
  const int64_t vectors = 2 * (1 + tangents) + (optimiser != nullptr ? optimiser->states : 0);
  const int64_t parameters = saturating_multiply(network.parameters, vectors);
  const int64_t block = std::min<int64_t>(rows, most_block_rows) * matrices_of_a_layer * (1 + tangents);
  const int64_t activations = saturating_multiply(units_of_a_row(network), block);
  const int64_t data =
      saturating_multiply(rows, network.layers[0].inputs + network.layers[network.n_layers - 1].outputs);
  const int64_t scalars = saturating_add(parameters, saturating_add(activations, data / reads_in_order));
  return saturating_multiply(scalars, problem.dtype == BLV_F64 ? 8 : 4);
}

std::vector<int32_t> executors_by_speed(const Problem &problem, int64_t lanes) {
  if (problem.executor != BLV_EXECUTOR_AUTO) return {problem.executor};
  const int64_t groups = (problem.tasks + lanes - 1) / lanes;
  const double state = static_cast<double>(step_state_bytes(problem)) * static_cast<double>(lanes);
  const double time = least_relative_time + (1 - least_relative_time) * state / lanes_cache_bytes;
  const bool lanes_pay = time * static_cast<double>(groups * lanes) <= static_cast<double>(problem.tasks);
  if (problem.tasks > 1 && lanes_pay) return {BLV_TASKS_IN_LANES, BLV_TASK_PER_CORE, BLV_ROWS_OVER_CORES};
  if (problem.tasks >= problem.threads) return {BLV_TASK_PER_CORE, BLV_ROWS_OVER_CORES};
  return {BLV_ROWS_OVER_CORES, BLV_TASK_PER_CORE};
}

}  // namespace bilevel
