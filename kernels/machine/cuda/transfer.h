// SPDX-License-Identifier: Apache-2.0
//
// Between the caller's arrays, in device memory, and those of the task's group: one task at a time, elements split over
// the group's threads.
#pragma once
#include "kernels/contract/problem.h"
#include "kernels/machine/cuda/machine.h"
#include "kernels/machine/links.h"
#include "kernels/machine/matrix.h"

namespace bilevel {
namespace BLV_ISA_NAMESPACE {

template <class T, Lanes L>
struct Transfer {
  using P = T;
  using Element = T;
  static constexpr Index width = 1;

  void *const *data;
  long long first;  // the task
  static constexpr Index count = 1;

  BLV_INLINE T *target(const Slot &slot, long long step) const {
    return static_cast<T *>(data[slot.index]) + first * slot.task_stride + step * slot.step_stride;
  }
  BLV_INLINE const T *source(const Slot &slot, long long step) const { return target(slot, step); }
  BLV_INLINE long long integer(const Slot &slot, long long step, long long at) const {
    const long long offset = first * slot.task_stride + step * slot.step_stride + at;
    return slot.dtype == BLV_I32 ? static_cast<const int32_t *>(data[slot.index])[offset]
                                 : static_cast<const int64_t *>(data[slot.index])[offset];
  }
  // to[i] = the scalar `offset` + i of array `step`.
  BLV_INLINE void load(const Slot &slot, long long step, Index n, T *to) const {
    const T *from = source(slot, step);
    strided_for_then_sync(n, [&](Index i) { to[i] = from[i]; });
  }
  // The one number of a slot, real or whole; every thread reads it.
  BLV_INLINE T number(const Slot &slot) const {
    return slot.dtype == BLV_F32 || slot.dtype == BLV_F64 ? *source(slot, 0) : T(integer(slot, 0, 0));
  }
  BLV_INLINE void load_scalar(const Slot &slot, long long step, T *to) const { load(slot, step, 1, to); }
};

}  // namespace BLV_ISA_NAMESPACE
}  // namespace bilevel
