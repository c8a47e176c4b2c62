// SPDX-License-Identifier: Apache-2.0
//
// Extents of arrays, with every product checked against overflow.
#include "csrc/spec/span.h"

#include <algorithm>

#include "csrc/support/refusal.h"

namespace bilevel {
namespace {

int64_t places(const Span &span, int64_t count, int64_t stride) {
  if (stride != 0) return count;
  return span.written ? 1 : std::min<int64_t>(count, 1);
}

struct NamedDimension {
  const char *name;
  Dimension dimension;
};

}  // namespace

bool span_elements(const Span &span, int64_t tasks, int64_t *elements) {
  const Dimension dimensions[] = {{places(span, tasks, span.task_stride), span.task_stride},
                                  {places(span, span.steps.count, span.steps.stride), span.steps.stride},
                                  span.rows};
  int64_t last = span.columns, bytes = 0;
  bool empty = span.columns == 0;
  for (const Dimension &dimension : dimensions) empty = empty || dimension.count == 0;
  if (empty) {
    *elements = 0;
    return true;
  }
  for (const Dimension &dimension : dimensions) {
    int64_t reach = 0;
    if (!multiply(dimension.count - 1, dimension.stride, &reach) || !add(last, reach, &last)) return false;
  }
  *elements = last;
  return multiply(last, span.element_bytes, &bytes);
}

int64_t span_used(const Span &span, int64_t tasks) {
  const int64_t task_places = places(span, tasks, span.task_stride);
  const int64_t step_places = places(span, span.steps.count, span.steps.stride);
  const int64_t one = saturating_multiply(span.rows.count, span.columns);
  return saturating_multiply(saturating_multiply(task_places, step_places), one);
}

void check_no_overlap_within(const char *slot, const Span &span, int64_t tasks) {
  NamedDimension dimensions[] = {
      {"row_stride", span.rows}, {"step_stride", span.steps}, {"task_stride", {tasks, span.task_stride}}};
  std::stable_sort(dimensions, dimensions + 3, [](const NamedDimension &a, const NamedDimension &b) {
    return a.dimension.stride < b.dimension.stride;
  });
  int64_t elements = 0;
  if (span_elements(span, tasks, &elements) && elements == 0) return;  // nothing is written
  int64_t inside = span.columns;
  for (const auto &[name, dimension] : dimensions) {
    if (dimension.count <= 1 || dimension.stride == 0) continue;
    if (dimension.stride < inside)
      refuse(BLV_INVALID,
             format("%s.%s is %lld, but the written elements inside span %lld, so that they would overlap; "
                    "accepted: >= %lld",
                    slot, name, static_cast<long long>(dimension.stride), static_cast<long long>(inside),
                    static_cast<long long>(inside)));
    inside += (dimension.count - 1) * dimension.stride;  // span_elements has checked these products
  }
}

}  // namespace bilevel
