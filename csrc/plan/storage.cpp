// SPDX-License-Identifier: Apache-2.0
//
// How much of the forward sweep an unroll keeps for the reverse one, on the CPU.
#include <algorithm>
#include <new>

#include "csrc/plan/plan.h"
#include "csrc/plan/storage_candidates.h"
#include "csrc/support/refusal.h"

namespace bilevel {

Measure plan_storage(const Kernel &kernel, int32_t store, int64_t limit, int64_t lanes, Problem *problem) {
  int64_t least = 0;
  for (const Storage &storage : storage_candidates(*problem, store)) {
    problem->storage = storage;
    if (!workspace_is_countable(*problem, lanes)) continue;
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
