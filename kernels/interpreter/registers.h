// SPDX-License-Identifier: Apache-2.0
//
// What the interpreter holds beside arrays: the numbers of a group of tasks, the counters of its loops, and arithmetic on them.
#pragma once
#include "kernels/contract/problem.h"
#include "kernels/task/parts.h"

namespace bilevel {
namespace BLV_ISA_NAMESPACE {

#ifdef __CUDACC__
// Operations lie in a kernel's parameters: fields are read where they are needed.
using OpHandle = const Op &;

// Numbers and counters: every thread has its own copy of the same, in local memory, which needs no barrier.
constexpr int most_device_numbers = 64, most_device_counters = 8;
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
#else
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
#endif

template <class T>
BLV_INLINE Pack<T> divided(Pack<T> a, Pack<T> b) {
  const Pack<T> zero = {}, one = broadcast<T>(1);
  return select(b == zero, zero, a / select(b == zero, one, b));
}

template <class T>
BLV_INLINE Pack<T> map_value(int function, Pack<T> x, Pack<T> y) {
  switch (MapFunction(function)) {
    case MAP_PRODUCT:
      return x * y;
    case MAP_RECIPROCAL:
      return divided<T>(broadcast<T>(1), x);
    case MAP_ROOT:
      return root<T>(x);
  }
  return x;
}

template <class T>
BLV_INLINE Pack<T> compute(int function, T constant, Pack<T> a, Pack<T> b) {
  const Pack<T> zero = {}, one = broadcast<T>(1);
  switch (NumberFunction(function)) {
    case NUMBER_CONSTANT:
      return broadcast<T>(constant);
    case NUMBER_COPY:
      return a;
    case NUMBER_ADD:
      return a + b;
    case NUMBER_SUBTRACT:
      return a - b;
    case NUMBER_MULTIPLY:
      return a * b;
    case NUMBER_DIVIDE:
      return divided<T>(a, b);
    case NUMBER_ROOT:
      return root<T>(a);
    case NUMBER_GREATER:
      return select(a > b, one, zero);
    case NUMBER_SELECT:
      return select(b == zero, zero, a);
  }
  return a;
}

}  // namespace BLV_ISA_NAMESPACE
}  // namespace bilevel
