// SPDX-License-Identifier: Apache-2.0
//
// Candidates of storage, and a bound on any workspace.
#include "csrc/plan/storage.h"

#include <algorithm>
#include <cmath>

namespace bilevel {
namespace {

constexpr double most_workspace = 4e18;  // bytes: less than 2^62

int64_t segment_of_checkpoints(int64_t steps) {
  auto root = static_cast<int64_t>(std::sqrt(static_cast<double>(steps)));
  while (root * root < steps) ++root;
  return std::max<int64_t>(root, 1);
}

double real(int64_t value) { return static_cast<double>(value); }

// Steps of which a leaf of the inner steps has a value.
double steps_of(const Slot &slot, int64_t steps) {
  return slot.step_stride != 0 ? real(std::max<int64_t>(steps, 1)) : 1;
}

}  // namespace

std::vector<Storage> storage_candidates(const Problem &problem, int32_t store) {
  const int64_t whole = std::max<int64_t>(problem.steps, 1), segment = segment_of_checkpoints(problem.steps);
  const Storage tape{1, whole}, theta{0, whole}, checkpoints_tape{1, segment}, checkpoints{0, segment};
  switch (problem.reverse ? store : BLV_STORE_THETA) {
    case BLV_STORE_TAPE:
      return {tape};
    case BLV_STORE_THETA:
      return {theta};
    case BLV_STORE_CHECKPOINTS:
      return {checkpoints_tape, checkpoints};
    default:
      return {tape, theta, checkpoints_tape, checkpoints};
  }
}

const char *store_of(const Problem &problem) {
  if (!problem.reverse) return "none";
  if (problem.storage.segment_steps < problem.steps) return "checkpoints";
  return problem.storage.tape ? "tape" : "theta";
}

double workspace_bound(const Problem &problem, int64_t lanes) {
  const Program &program = problem.program;
  double units = 0;
  for (int64_t l = 0; l < problem.network.n_layers; ++l)
    units += real(problem.network.layers[l].inputs) + real(problem.network.layers[l].outputs) + 64;
  const double parameters = real(problem.network.parameters) + 64.0 * real(problem.network.n_layers);
  const double rows = real(std::max({problem.inner.rows, problem.outer.rows, problem.batch_rows})) + 1024;
  double arrays = 0;
  for (int32_t i = 0; i < program.n_arrays; ++i) arrays += real(program.arrays[i].count) * program.arrays[i].planes;
  double leaves = 0;
  for (const Leaf &leaf : problem.step_leaves)
    leaves +=
        steps_of(leaf.value, problem.steps) * (1 + program.tangent_planes) + steps_of(leaf.gradient, problem.steps);
  // Rows of both sides and of a minibatch, their matrices, gradients and tangents; the tape.
  const double planes = real(program.tangent_planes) + real(program.leaf_planes) + 4;
  const double row_arrays = rows * units * (8 * planes + real(program.tape_entries) * 2);
  const double task = parameters * (arrays + leaves + 8 * planes) + row_arrays;
  const double sums = (real(problem.tasks) + real(lanes)) * real(problem.shared_scalars);
  return 8 * 2 * (real(problem.threads) * real(lanes) * task + sums);
}

bool workspace_is_countable(const Problem &problem, int64_t lanes) {
  return workspace_bound(problem, lanes) < most_workspace;
}

}  // namespace bilevel
