// SPDX-License-Identifier: Apache-2.0
//
// Candidates of storage, and a bound on any workspace.
#include "csrc/plan/storage_candidates.h"

#include <algorithm>
#include <cmath>

namespace bilevel {
namespace {

constexpr int64_t most_workspace = int64_t{1} << 62;  // bytes

int64_t segment_of_checkpoints(int64_t steps) {
  auto root = static_cast<int64_t>(std::sqrt(static_cast<double>(steps)));
  while (root * root < steps) ++root;
  return std::max<int64_t>(root, 1);
}

}  // namespace

StorageCandidates storage_candidates(const Problem &problem, int32_t store) {
  const int64_t whole = std::max<int64_t>(problem.steps, 1), segment = segment_of_checkpoints(problem.steps);
  const Storage tape{1, whole}, theta{0, whole}, checkpoints_tape{1, segment}, checkpoints{0, segment};
  switch (problem.reverse ? store : BLV_STORE_THETA) {
    case BLV_STORE_TAPE:
      return {{tape}, 1};
    case BLV_STORE_THETA:
      return {{theta}, 1};
    case BLV_STORE_CHECKPOINTS:
      return {{checkpoints_tape, checkpoints}, 2};
    default:
      return {{tape, theta, checkpoints_tape, checkpoints}, 4};
  }
}

// Counted per lane in scalars, every array with room for its padding, as if the plan had every leaf it may have; only what
// grows with the steps is counted for the leaves that are there.
Size workspace_bound(const Problem &problem, int64_t lanes) {
  constexpr int64_t padding = 64, few_rows = 1024, most_partial_sums = 64, scalar_bytes = 8;
  constexpr int64_t spare = 4;  // arrays of a kind: theta, gradient, lambda, mu; values of a layer, and so on
  const bool reverse = problem.kind == BLV_UNROLL && problem.reverse != 0;

  Size units = 0;  // of a row: what the layers of the network read and write
  for (int64_t l = 0; l < problem.network.n_layers; ++l)
    units += Size(problem.network.layers[l].inputs) + problem.network.layers[l].outputs + padding;
  const Size parameters = Size(problem.network.parameters) + Size(padding) * problem.network.n_layers;
  const Size rows = Size(std::max({problem.inner.rows, problem.outer.rows, problem.batch_rows})) + few_rows;
  const Size planes = Size(problem.vectors) + 2;  // values and tangents

  // Parameter vectors, and matrices of all rows (x, y, weight, hidden layers), with a tangent or gradient per plane.
  const Size one_step = (parameters + rows * units) * planes;
  const int64_t segment = std::min(problem.storage.segment_steps, problem.steps);
  const int64_t kept = reverse && segment > 0 ? segment + problem.steps / segment + 1 : 0;
  const Size states = one_step * (Size(kept) + 4);
  const Size penalties =
      parameters * (planes + 1) * 4;  // of both sides: as given, per parameter, and gradients of both

  // Rates and momenta: all steps, whatever is kept of the trajectory.
  Size by_step = 0;
  for (const Leaf *leaf : {&problem.rate, &problem.momentum})
    for (const Slot *slot : {&leaf->value, &leaf->gradient}) {
      const Size one = slot->extent == BLV_PER_PARAMETER ? parameters : Size(1);
      by_step += one * (slot->step_stride != 0 ? std::max<int64_t>(problem.steps, 1) : 1);
    }

  const Size task = states + penalties + by_step;
  const Size shared =
      (one_step * 2 + penalties + by_step) * (Size(problem.threads) + most_partial_sums);  // sums over tasks
  return (Size(problem.threads) * task + shared) * lanes * scalar_bytes * spare;
}

bool workspace_is_countable(const Problem &problem, int64_t lanes) {
  const Size bound = workspace_bound(problem, lanes);
  return !bound.overflowed() && bound.value() < most_workspace;
}

}  // namespace bilevel
