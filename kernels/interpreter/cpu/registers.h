// SPDX-License-Identifier: Apache-2.0
//
// The numbers and counters of a group of tasks on the CPU, cancellation and progress. See kernels/interpreter/registers.h.
#pragma once
#include "kernels/contract/problem.h"
#include "kernels/task/parts.h"

namespace bilevel {
namespace BLV_ISA_NAMESPACE {

using OpHandle = const Op;

template <class T>
struct NumberFile {
  Pack<T> *at;
  NumberFile(Pack<T> *memory, int count) : at(memory) {
    for (int i = 0; i < count; i++) at[i] = Pack<T>{};
  }
  BLV_INLINE Pack<T> get(int i) const { return i < 0 ? Pack<T>{} : at[i]; }
  BLV_INLINE void put(int i, Pack<T> x) { at[i] = x; }
  BLV_INLINE const Pack<T> *address(int i) const { return at + i; }
  void keep(Pack<T> *, int) const {}
};
struct Counters {
  Index at[256];  // an operation names them in eight bits
  explicit Counters(int count) {
    for (int i = 0; i < count; i++) at[i] = 0;
  }
  BLV_INLINE Index get(int i) const { return at[i]; }
  BLV_INLINE void set(int i, Index x) { at[i] = x; }
};

inline bool is_cancelled(const Call &call) { return call.cancel && __atomic_load_n(call.cancel, __ATOMIC_RELAXED); }
inline void count_progress(const Call &call, int64_t passes) {
  if (call.done) __atomic_fetch_add(call.done, passes, __ATOMIC_RELAXED);
}

template <class T>
BLV_INLINE bool any_active(Pack<T> x) {
  return any(x != Pack<T>{});
}
template <class T>
BLV_INLINE Pack<T> root(Pack<T> x) {
  return square_root<T>(x);
}
// 1 where there is a task, 0 in lanes without one.
template <class T, Lanes L>
BLV_INLINE Pack<T> tasks_present(Index count) {
  const Pack<T> one = broadcast<T>(1);
  return L == Lanes::TASKS ? select(first_lanes<T>(count), one, Pack<T>{}) : one;
}
// A task that failed begins with zeros again.
template <class T, Lanes L>
void clear_failed(Pack<T> *x, Index n, Index count, const TaskStatus *status) {
  for (Index lane = 0; lane < count; lane++) {
    if (status[lane].status == BLV_TASK_OK) continue;
    for (Index i = 0; i < n; i++) {
      if (L == Lanes::TASKS)
        x[i][lane] = T(0);
      else
        x[i] = Pack<T>{};
    }
  }
}
template <class T, Lanes L>
BLV_INLINE void fail_where(Pack<T> x, int32_t reason, Index count, TaskStatus *status) {
  for (Index lane = 0; lane < count; lane++)
    if (x[L == Lanes::TASKS ? lane : 0] != T(0)) status[lane].fail(reason, 0, -1, -1);
}

}  // namespace BLV_ISA_NAMESPACE
}  // namespace bilevel
