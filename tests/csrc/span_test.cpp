// SPDX-License-Identifier: Apache-2.0
//
// Extents of arrays against a plain enumeration of their elements, overlap within written arrays, and overflow.
#include "csrc/spec/span.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <limits>
#include <set>

#include "csrc/support/refusal.h"

namespace bilevel {
namespace {

struct Elements {
  int64_t extent = 0, used = 0;
  bool overlap = false;
};

// Every element that the loops over tasks, steps, rows and columns touch. A written dimension of stride 0 is one place.
Elements enumerate(const Span &span, int64_t tasks) {
  const auto count = [&](int64_t n, int64_t stride) { return stride == 0 && span.written ? int64_t{1} : n; };
  std::set<int64_t> seen;
  Elements elements;
  int64_t visits = 0;
  for (int64_t b = 0; b < count(tasks, span.task_stride); ++b)
    for (int64_t t = 0; t < count(span.steps.count, span.steps.stride); ++t)
      for (int64_t i = 0; i < span.rows.count; ++i)
        for (int64_t j = 0; j < span.columns; ++j, ++visits)
          seen.insert(b * span.task_stride + t * span.steps.stride + i * span.rows.stride + j);
  elements.extent = seen.empty() ? 0 : *seen.rbegin() + 1;
  elements.used = static_cast<int64_t>(seen.size());
  elements.overlap = visits != elements.used;
  return elements;
}

bool refused(const Span &span, int64_t tasks) {
  try {
    check_no_overlap_within("slot", span, tasks);
    return false;
  } catch (const Refusal &refusal) {
    EXPECT_EQ(refusal.status, BLV_INVALID);
    return true;
  }
}

// All small arrays: the extent is exact, and no overlap goes unseen. What is refused without overlapping is an interleaving that
// no nest of strides describes.
TEST(Span, AllSmallArrays) {
  int64_t cases = 0, overlaps = 0, refusals = 0;
  for (const bool written : {false, true})
    for (int64_t tasks = 0; tasks <= 3; ++tasks)
      for (int64_t task_stride : {0, 1, 2, 3, 4, 6, 9, 12, 40})
        for (int64_t steps = 0; steps <= 3; ++steps)
          for (int64_t step_stride : {0, 1, 2, 4, 12, 13})
            for (int64_t rows = 0; rows <= 3; ++rows)
              for (int64_t row_stride : {1, 2, 3, 4, 24})
                for (int64_t columns = 1; columns <= 2; ++columns) {
                  const Span span = {task_stride, {steps, step_stride}, {rows, row_stride}, columns, 8, written};
                  const Elements expected = enumerate(span, tasks);
                  int64_t elements = -1;
                  ASSERT_TRUE(span_elements(span, tasks, &elements));
                  ASSERT_EQ(elements, expected.extent)
                      << tasks << " " << task_stride << " " << steps << " " << step_stride << " " << rows << " "
                      << row_stride << " " << columns;
                  ++cases;
                  if (!written) continue;
                  const bool no = refused(span, tasks);
                  ASSERT_FALSE(no && elements == 0) << "nothing is written";
                  ASSERT_TRUE(no || !expected.overlap)
                      << tasks << " " << task_stride << " " << steps << " " << step_stride << " " << rows << " "
                      << row_stride << " " << columns;
                  overlaps += expected.overlap, refusals += no;
                  if (!no) {
                    ASSERT_EQ(span_used(span, tasks), expected.used);
                  }
                }
  EXPECT_GT(cases, 50000);
  EXPECT_GT(overlaps, 1000);
  EXPECT_LT(refusals, 3 * overlaps / 2) << "too many arrays without overlap are refused";
}

// Transposed layouts are nests of strides too.
TEST(Span, AnyOrderOfDimensions) {
  EXPECT_FALSE(refused({1, {1, 0}, {5, 7}, 1, 8, true}, 7)) << "row weights, tasks innermost";
  EXPECT_TRUE(refused({1, {1, 0}, {5, 7}, 1, 8, true}, 8));
  EXPECT_FALSE(refused({6, {4, 30}, {3, 2}, 2, 8, true}, 5)) << "vectors outermost";
}

TEST(Span, Overflow) {
  constexpr int64_t most = std::numeric_limits<int64_t>::max();
  int64_t elements = 0;
  EXPECT_FALSE(span_elements({most, {}, {}, 1, 4, false}, 3, &elements));
  EXPECT_FALSE(span_elements({0, {3, most / 2}, {3, most / 2}, 1, 4, false}, 1, &elements));
  EXPECT_FALSE(span_elements({most / 2, {}, {}, 1, 8, false}, 2, &elements)) << "bytes";
  EXPECT_TRUE(span_elements({most, {}, {}, 1, 4, false}, 1, &elements)) << "a stride that nothing uses";
  EXPECT_TRUE(span_elements({most, {}, {0, most}, 1, 4, false}, 5, &elements)) << "no rows";
  EXPECT_EQ(elements, 0);
  EXPECT_EQ(span_used({1, {}, {most / 2, 1}, most / 2, 4, false}, 9), most) << "saturates";
}

}  // namespace
}  // namespace bilevel
