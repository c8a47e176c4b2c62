// SPDX-License-Identifier: Apache-2.0
//
// What went wrong with a task first. On a device every thread of the task has its own copy of the same.
#pragma once
#include <bilevel/bilevel.h>

#include <cstdint>

#include "kernels/machine/machine.h"

namespace bilevel {
namespace BLV_ISA_NAMESPACE {

struct TaskStatus {
  int32_t status = BLV_TASK_OK, side = 0;
  int64_t step = -1, row = -1;
  // The solver of an implicit method has failed: what it says of that is a result.
  BLV_INLINE bool is_of_solver() const { return status == BLV_TASK_CURVATURE || status == BLV_TASK_DIVERGENT; }
  BLV_INLINE void fail(int32_t new_status, int32_t new_side, int64_t new_step, int64_t new_row) {
    if (status == BLV_TASK_OK) status = new_status, side = new_side, step = new_step, row = new_row;
  }
};

}  // namespace BLV_ISA_NAMESPACE
}  // namespace bilevel
