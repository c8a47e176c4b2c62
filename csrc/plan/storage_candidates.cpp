// SPDX-License-Identifier: Apache-2.0
//
// Candidates of storage, and a bound on any workspace.
#include "csrc/plan/storage_candidates.h"

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

double workspace_bound(const Problem &problem, int64_t lanes) {
  const auto real = [](int64_t value) { return static_cast<double>(value); };
  double units = 0;
  for (int64_t l = 0; l < problem.network.n_layers; ++l)
    units += real(problem.network.layers[l].inputs) + real(problem.network.layers[l].outputs) + 64;
  const double parameters = real(problem.network.parameters) + 64.0 * real(problem.network.n_layers);
  const double rows = real(std::max({problem.inner.rows, problem.outer.rows, problem.batch_rows})) + 1024;
  const double planes = real(problem.vectors) + 2;
  const double step = (parameters + rows * units) * planes;
  const double states = real(problem.kind == BLV_UNROLL && problem.reverse ? problem.steps : 0) + 4;
  const double sums = (real(problem.tasks) + real(lanes)) * (step + real(problem.steps));
  return 8 * 4 * (real(problem.threads) * real(lanes) * step * states + sums);
}

// The bound for the storage at hand: the steps whose states are kept at once.
bool workspace_is_countable(const Problem &problem, int64_t lanes) {
  Problem kept = problem;
  const int64_t segment = std::min(problem.storage.segment_steps, problem.steps);
  if (segment > 0) kept.steps = segment + problem.steps / segment + 1;
  return workspace_bound(kept, lanes) < most_workspace;
}

}  // namespace bilevel
