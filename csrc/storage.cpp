// SPDX-License-Identifier: Apache-2.0
//
// How much of the forward sweep an unroll keeps for the reverse one.
#include <algorithm>
#include <cmath>
#include <new>

#include "csrc/cost.h"
#include "csrc/plan.h"
#include "csrc/refusal.h"

namespace bilevel {
namespace {

constexpr double most_workspace = 4e18;  // bytes: less than 2^62

int64_t segment_of_checkpoints(int64_t steps) {
  auto root = static_cast<int64_t>(std::sqrt(static_cast<double>(steps)));
  while (root * root < steps) ++root;
  return std::max<int64_t>(root, 1);
}

// The candidates for a BLV_STORE_*, from the fastest to the smallest.
std::vector<Storage> candidates(int32_t store, int64_t steps) {
  const int64_t whole = std::max<int64_t>(steps, 1), segment = segment_of_checkpoints(steps);
  const Storage tape{1, whole}, theta{0, whole}, checkpoints_tape{1, segment}, checkpoints{0, segment};
  switch (store) {
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

// The bound for the storage at hand: the steps whose states are kept at once.
bool countable(const Problem &problem, int64_t lanes) {
  Problem kept = problem;
  const int64_t segment = std::min(problem.storage.segment_steps, problem.steps);
  if (segment > 0) kept.steps = segment + problem.steps / segment + 1;
  return workspace_bound(kept, lanes) < most_workspace;
}

}  // namespace

Measure plan_storage(const Kernel &kernel, int32_t store, int64_t limit, int64_t lanes, Problem *problem) {
  if (!problem->reverse) store = BLV_STORE_THETA;  // nothing is kept: one candidate is enough
  int64_t least = 0;
  for (const Storage &storage : candidates(store, problem->steps)) {
    problem->storage = storage;
    if (!countable(*problem, lanes)) continue;
    Measure measure;
    kernel.measure(*problem, &measure);
    if (measure.workspace_bytes < 0) throw std::bad_alloc();  // the kernel's word for it
    if (limit == 0 || measure.workspace_bytes <= limit) return measure;
    least = least == 0 ? measure.workspace_bytes : std::min(least, measure.workspace_bytes);
  }
  if (least == 0)
    refuse(BLV_INVALID, format("spec asks for a workspace of more than 2^62 bytes; accepted: smaller sizes"));
  refuse(BLV_TOO_SMALL,
         format("spec.workspace_limit is %lld bytes; accepted: 0, or >= %lld, the least that this plan needs",
                static_cast<long long>(limit), static_cast<long long>(least)));
}

const char *store_of(const Problem &problem) {
  if (!problem.reverse) return "none";
  if (problem.storage.segment_steps < problem.steps) return "checkpoints";
  return problem.storage.tape ? "tape" : "theta";
}

}  // namespace bilevel
