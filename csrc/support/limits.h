// SPDX-License-Identifier: Apache-2.0
//
// The largest sizes that a context or a plan may have.
#pragma once
#include <cstdint>

namespace bilevel {

// Rows, tasks, steps, units of one layer. Sums of a few of them can't overflow; products are checked.
constexpr int64_t most_size = int64_t{1} << 40;
constexpr int64_t most_widths = 1025;
constexpr int64_t most_planes = 8;  // vectors of an HVP, tangents of forward mode
// Threads: beyond any machine, and small enough to allocate for.
constexpr int32_t most_threads = 4096;

}  // namespace bilevel
