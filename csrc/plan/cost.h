// SPDX-License-Identifier: Apache-2.0
//
// What an execute costs, counted from sizes: the arithmetic of its matrix products and the least traffic. All saturate
// at the largest int64.
#pragma once
#include <cstdint>
#include <vector>

#include "csrc/spec/span.h"
#include "kernels/contract/problem.h"

namespace bilevel {

// Multiplications and additions of the matrix products, all tasks together, every task with its most rows.
int64_t count_flops(const Problem &problem);

// Each array with rows once per pass over the rows (that is per gradient, forward or reverse), every other array once.
int64_t count_bytes(const Problem &problem, const std::vector<blv_slot> &slots, const std::vector<Span> &spans);

}  // namespace bilevel
