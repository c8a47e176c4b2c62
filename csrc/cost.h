// SPDX-License-Identifier: Apache-2.0
//
// What an execute costs, counted from sizes: the arithmetic of its matrix products and the least traffic. All saturate
// at the largest int64.
#pragma once
#include <cstdint>
#include <vector>

#include "csrc/span.h"
#include "kernels/core/problem.h"

namespace bilevel {

// Multiplications and additions of the matrix products, all tasks together, every task with its most rows.
int64_t count_flops(const Problem &problem);

// Each array with rows once per pass over the rows (that is per gradient, forward or reverse), every other array once.
int64_t count_bytes(const Problem &problem, const std::vector<blv_slot> &slots, const std::vector<Span> &spans);

// A bound from above on the bytes of any workspace of the problem, by far not sharp, in floating point: it says whether
// a kernel can count the bytes in int64.
double workspace_bound(const Problem &problem, int64_t lanes);

}  // namespace bilevel
