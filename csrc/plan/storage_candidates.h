// SPDX-License-Identifier: Apache-2.0
//
// What an unroll may keep of the forward sweep for the reverse one: the choices in the order in which they are tried,
// and whether their bytes can be counted. Shared by the planner of the CPU and that of the CUDA plugin: pure functions
// that throw nothing.
#pragma once
#include <cstdint>

#include "csrc/support/checked.h"
#include "kernels/contract/problem.h"

namespace bilevel {

struct StorageCandidates {
  Storage entries[4];
  int32_t count = 0;
  const Storage *begin() const { return entries; }
  const Storage *end() const { return entries + count; }
};

// The candidates for a BLV_STORE_*, from the fastest to the smallest. Without a reverse sweep nothing is kept, and one
// candidate is enough.
StorageCandidates storage_candidates(const Problem &problem, int32_t store);

// A bound from above on the bytes of any workspace of the problem with problem.storage, by far not sharp.
Size workspace_bound(const Problem &problem, int64_t lanes);

// Whether a kernel can count the bytes of a workspace in int64, with problem.storage.
bool workspace_is_countable(const Problem &problem, int64_t lanes);

}  // namespace bilevel
