// SPDX-License-Identifier: Apache-2.0
//
// What an execute costs, counted by walking the plan's program: the arithmetic of its matrix products, the least traffic, and the time
// that is predicted from them to choose among programs. Counts saturate at the largest int64.
#pragma once
#include <cstdint>
#include <vector>

#include "csrc/spec/span.h"
#include "kernels/contract/problem.h"

namespace bilevel {

// Multiplications and additions of the matrix products, all tasks together, every task with its most rows and iterations.
int64_t count_flops(const Problem &problem);

// Each array with rows once per pass over the rows (that is per gradient, forward or reverse), every other array once.
int64_t count_bytes(const Problem &problem, const std::vector<blv_slot> &slots, const std::vector<Span> &spans);

// Seconds of an execute, first use of its memory included; good for comparing programs of one problem.
double predict_time(const Problem &problem, double workspace_bytes);

}  // namespace bilevel
