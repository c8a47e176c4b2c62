// SPDX-License-Identifier: Apache-2.0
//
// Candidates of storage, and a bound on any workspace.
#include "csrc/plan/storage.h"

#include <algorithm>
#include <cmath>

#include "csrc/support/refusal.h"
#include "kernels/contract/cpu_tuning.h"

namespace bilevel {
namespace {

constexpr int64_t most_workspace = int64_t{1} << 62;  // bytes

int64_t segment_of_checkpoints(int64_t steps) {
  auto root = static_cast<int64_t>(std::sqrt(static_cast<double>(steps)));
  while (root * root < steps) ++root;
  return std::max<int64_t>(root, 1);
}

// Steps of which a leaf of the inner steps has a value.
int64_t steps_of(const Slot &slot, int64_t steps) { return slot.step_stride != 0 ? std::max<int64_t>(steps, 1) : 1; }

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

bool leaves_memory(int64_t bytes, double memory_bytes) {
  return static_cast<double>(bytes) <= cpu_tuning::most_of_memory * memory_bytes;
}

// Counted per lane in scalars, every array with room for its padding, as if the plan had every leaf it may have; only what grows with
// the steps is counted for the leaves that are there.
Size workspace_bound(const Problem &problem, int64_t lanes) {
  constexpr int64_t padding = 64, few_rows = 1024, scalar_bytes = 8, spare = 4;
  const Program &program = problem.program;
  Size units = 0;  // of a row: what the layers of the network read and write
  for (int64_t l = 0; l < problem.network.n_layers; ++l)
    units += Size(problem.network.layers[l].inputs) + problem.network.layers[l].outputs + padding;
  const Size parameters = Size(problem.network.parameters) + Size(padding) * problem.network.n_layers;
  const Size rows = Size(std::max({problem.inner.rows, problem.outer.rows, problem.batch_rows})) + few_rows;
  const Size planes = Size(program.tangent_planes) + program.leaf_planes + 2;  // values, tangents, gradients

  Size vectors = Size(8) * planes;  // of the program, penalties, partial sums
  for (int32_t i = 0; i < program.n_arrays; ++i) vectors += Size(program.arrays[i].count) * program.arrays[i].planes;
  Size by_step = 0;
  for (const Leaf &leaf : problem.step_leaves)
    for (const Slot *slot : {&leaf.value, &leaf.gradient}) {
      const Size one = slot->extent == BLV_PER_PARAMETER ? parameters : Size(1);
      by_step += one * steps_of(leaf.value.step_stride != 0 ? leaf.value : *slot, problem.steps) *
                 (Size(1) + program.tangent_planes);
    }
  const Size matrices = rows * units * (Size(4) * planes + program.tape_entries * 2);
  const Size task = parameters * vectors + by_step + matrices;
  const Size shared = Size(problem.shared_scalars) * cpu_tuning::most_batches;
  return (Size(problem.threads) * task * lanes + shared + Size(problem.threads) * units) * scalar_bytes * spare;
}

void refuse_workspace(int64_t limit, int64_t least) {
  if (least == 0)
    refuse(BLV_INVALID, format("spec asks for a workspace of more than 2^62 bytes; accepted: smaller sizes"));
  refuse(BLV_TOO_SMALL,
         format("spec.workspace_limit is %lld bytes; accepted: 0, or >= %lld, the least that this plan needs",
                static_cast<long long>(limit), static_cast<long long>(least)));
}

bool workspace_is_countable(const Problem &problem, int64_t lanes) {
  const Size bound = workspace_bound(problem, lanes);
  return !bound.overflowed() && bound.value() < most_workspace;
}

}  // namespace bilevel
