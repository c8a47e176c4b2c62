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

// Whether a workspace of so many bytes leaves enough of a machine's memory to others. Where it does not, a smaller storage is taken.
bool leaves_memory(int64_t bytes, double memory_bytes);

// A bound from above on the bytes of any workspace of the problem with its program, by far not sharp.
Size workspace_bound(const Problem &problem, int64_t lanes);
// Refuses a plan that takes `least` bytes at least, more than the limit; 0: bytes that can't be counted.
[[noreturn]] void refuse_workspace(int64_t limit, int64_t least);
// Whether a kernel can count the bytes of a workspace in int64.
bool workspace_is_countable(const Problem &problem, int64_t lanes);

}  // namespace bilevel
