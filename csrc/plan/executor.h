// SPDX-License-Identifier: Apache-2.0
//
// Which executor runs a problem: pure functions of sizes, so that a choice can be tested and explained.
#pragma once
#include <cstdint>
#include <vector>

#include "kernels/contract/problem.h"

namespace bilevel {

// Bytes that one inner step of one task touches again and again where tasks are in lanes: theta, the gradient and their
// tangents, the activations of a block of rows, and the rows, of which each lane has its own copy. The trajectory is not
// among them: it streams through the caches.
int64_t step_state_bytes(const Problem &problem);

// The executors to try: one by name, or for BLV_EXECUTOR_AUTO from the fastest to the smallest; one that does not fit a limit gives way to
// the next. `lanes`: scalars in a SIMD register.
//
// Tasks in lanes or lanes in a task is decided by problem and lanes alone, because the two give different bits. The two executors with
// lanes in a task give the same bits, so that between them the number of threads may decide.
std::vector<int32_t> executors_by_speed(const Problem &problem, int64_t lanes);

}  // namespace bilevel
