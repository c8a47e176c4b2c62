// SPDX-License-Identifier: Apache-2.0
//
// The numbers and counters of a task on the device, and what concerns the host there: nothing. See kernels/interpreter/registers.h.
#pragma once
#include "kernels/contract/backend.h"
#include "kernels/task/parts.h"

namespace bilevel {
namespace BLV_ISA_NAMESPACE {

// Operations lie in a kernel's parameters: fields are read where they are needed.
using OpHandle = const Op &;

// Numbers and counters: every thread has its own copy of the same, in local memory, which needs no barrier.
template <class T>
struct NumberFile {
  T at[most_device_numbers];
  BLV_INLINE NumberFile(T *, int count) {
    for (int i = 0; i < count; i++) at[i] = T(0);
  }
  BLV_INLINE T get(int i) const { return i < 0 ? T(0) : at[i]; }
  BLV_INLINE void put(int i, T x) { at[i] = x; }
  BLV_INLINE const T *address(int i) const { return at + i; }
  // To memory, for the results.
  BLV_INLINE void keep(T *to, int count) const {
    one_thread_then_sync([&] {
      for (int i = 0; i < count; i++) to[i] = at[i];
    });
  }
};
struct Counters {
  Index at[most_device_counters] = {};
  explicit BLV_INLINE Counters(int) {}
  BLV_INLINE Index get(int i) const { return at[i]; }
  BLV_INLINE void set(int i, Index x) { at[i] = x; }
};

// Cancellation and progress are the host's.
BLV_INLINE bool is_cancelled(const Call &) { return false; }
BLV_INLINE void count_progress(const Call &, long long) {}

template <class T>
BLV_INLINE bool any_active(T x) {
  return x != T(0);
}
template <class T>
BLV_INLINE T root(T x) {
  return square_root(x);
}
// 1 where there is a task.
template <class T, Lanes L>
BLV_INLINE T tasks_present(Index) {
  return T(1);
}
// A task that failed begins with zeros again.
template <class T, Lanes L>
BLV_INLINE void clear_failed(T *x, Index n, Index, const TaskStatus *status) {
  if (status->status != BLV_TASK_OK) strided_for_then_sync(n, [&](Index i) { x[i] = T(0); });
}
template <class T, Lanes L>
BLV_INLINE void fail_where(T x, int reason, Index, TaskStatus *status) {
  if (x != T(0)) status->fail(reason, 0, -1, -1);
}

}  // namespace BLV_ISA_NAMESPACE
}  // namespace bilevel
