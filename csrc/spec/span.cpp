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
  bool empty = span.columns == 0;
  for (const Dimension &dimension : dimensions) empty = empty || dimension.count == 0;
  if (empty) {
    *elements = 0;
    return true;
  }
  Size last = span.columns;
  for (const Dimension &dimension : dimensions) last += Size(dimension.count - 1) * dimension.stride;
  *elements = last.value();
  return !(last * span.element_bytes).overflowed();
}

int64_t span_used(const Span &span, int64_t tasks) {
  const int64_t task_places = places(span, tasks, span.task_stride);
  const int64_t step_places = places(span, span.steps.count, span.steps.stride);
  return (Size(task_places) * step_places * span.rows.count * span.columns).value();
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
