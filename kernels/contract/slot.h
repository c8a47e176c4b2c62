// SPDX-License-Identifier: Apache-2.0
//
// One array of the caller, and a leaf: the arrays that stand for one argument of a loss or of an inner step.
#pragma once
#include <cstdint>

namespace bilevel {

// Strides are resolved, in elements: dense defaults are filled in, and only a shared or constant array keeps 0.
struct Slot {
  int32_t index = -1;  // position in the caller's array of pointers; -1: the plan has no such slot
  uint8_t dtype = 0, link = 0, extent = 0;
  uint8_t diagnostic = 0;  // a result that says why a task's solver failed: written of such a task too
  int64_t task_stride = 0, step_stride = 0, row_stride = 0;
  constexpr explicit operator bool() const { return index >= 0; }
};

struct Leaf {
  Slot value, gradient, tangent;
  int32_t both = 0;  // this array is also the other side's leaf: the two gradients add up
  int32_t unused = 0;
};

}  // namespace bilevel
