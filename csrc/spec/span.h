// SPDX-License-Identifier: Apache-2.0
//
// What one slot's array spans in memory: tasks x steps x rows x columns, columns contiguous, the others with any
// stride.
#pragma once
#include <cstdint>

#include "kernels/contract/problem.h"

namespace bilevel {

constexpr int64_t most_slots = (side_capacity - 1) * (leaf_capacity - 1) * (use_capacity - 1);  // of a plan

struct Dimension {
  int64_t count = 1, stride = 0;
};

struct Span {
  int64_t task_stride = 0;
  Dimension steps, rows;
  int64_t columns = 1;
  int64_t element_bytes = 1;
  bool written = false;
};

// Elements from the first to the last that `tasks` tasks use, or false if the bytes exceed int64. A dimension with
// stride 0 is one place: a written one exists even where nothing is summed into it, since it becomes 0.
bool span_elements(const Span &span, int64_t tasks, int64_t *elements);

// Different elements that are used; saturates. What several tasks or steps share counts once.
int64_t span_used(const Span &span, int64_t tasks);

// Refuses a written span whose strides make elements overlap; `slot` names the slot ("spec.slots[3]"). The rule: by
// increasing stride, each must be at least the extent of what is inside it.
void check_no_overlap_within(const char *slot, const Span &span, int64_t tasks);

}  // namespace bilevel
