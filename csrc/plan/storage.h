// SPDX-License-Identifier: Apache-2.0
//
// What a plan may keep of the forward sweep for the reverse one.
#pragma once
#include <vector>

#include "csrc/methods/method.h"
#include "csrc/support/checked.h"

namespace bilevel {

// The candidates for a BLV_STORE_*. Without a reverse sweep nothing is kept, and one candidate is enough.
std::vector<Storage> storage_candidates(const Problem &problem, int32_t store);

// "tape", "theta", "checkpoints", or "none" where there is no reverse sweep.
const char *store_of(const Problem &problem);

// A bound from above on the bytes of any workspace of the problem with its program, by far not sharp.
Size workspace_bound(const Problem &problem, int64_t lanes);
// Whether a kernel can count the bytes of a workspace in int64.
bool workspace_is_countable(const Problem &problem, int64_t lanes);

}  // namespace bilevel
