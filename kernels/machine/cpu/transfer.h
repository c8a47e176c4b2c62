// SPDX-License-Identifier: Apache-2.0
//
// Between the caller's arrays and the internal ones. Internally an array is a sequence of elements; an element holds
// `width` scalars, one per task of a group (tasks in lanes) or just one (lanes within a task). Task `first + lane` of
// the call is lane `lane`; lanes without a task hold zeros.
#pragma once
#include "kernels/contract/problem.h"
#include "kernels/machine/cpu/map.h"
#include "kernels/machine/links.h"

namespace bilevel {
namespace BLV_ISA_NAMESPACE {

template <int S, class P, int... I>
BLV_INLINE void exchange_pair(P &x, P &y, Indices<I...>) {
  constexpr int L = lanes<ScalarOf<P>>;
  const P low = __builtin_shufflevector(x, y, ((I & S) ? L + (I ^ S) : I)...);
  y = __builtin_shufflevector(x, y, ((I & S) ? L + I : (I ^ S))...);
  x = low;
}
template <int S, class P, int N>
BLV_INLINE void transpose_stages(P (&x)[N]) {
  if constexpr (S < N) {
    BLV_UNROLLED for (int i = 0; i < N; i++) {
      if (!(i & S)) exchange_pair<S>(x[i], x[i | S], LaneIndices<ScalarOf<P>>{});
    }
    transpose_stages<2 * S>(x);
  }
}

// x[i] lane l <-> x[l] lane i.
template <class T>
BLV_INLINE void transpose(Pack<T> (&x)[lanes<T>]) {
  transpose_stages<1>(x);
}

template <class T, Lanes L>
struct Transfer {
  using P = Pack<T>;
  static constexpr long width = L == Lanes::TASKS ? lanes<T> : 1;
  using Element = typename Choose<L == Lanes::TASKS, P, T>::type;

  void *const *data;
  long first, count;  // the group's tasks

  BLV_INLINE T *target(const Slot &slot, long lane, long step) const {
    // As integers, since an array without elements may be NULL and have any strides.
    const uintptr_t offset =
        uintptr_t(first + lane) * uintptr_t(slot.task_stride) + uintptr_t(step) * uintptr_t(slot.step_stride);
    return reinterpret_cast<T *>(reinterpret_cast<uintptr_t>(data[slot.index]) + offset * sizeof(T));
  }
  BLV_INLINE const T *source(const Slot &slot, long lane, long step) const { return target(slot, lane, step); }
  BLV_INLINE int64_t integer(const Slot &slot, long lane, long step, long at) const {
    const long offset = (first + lane) * slot.task_stride + step * slot.step_stride + at;
    return slot.dtype == BLV_I32 ? static_cast<const int32_t *>(data[slot.index])[offset]
                                 : static_cast<const int64_t *>(data[slot.index])[offset];
  }

  // to[0..n) = the scalars from `offset` on, of every task, at stride `stride`.
  void load(const Slot &slot, long step, long offset, long stride, long n, Element *to) const {
    T *scalars = reinterpret_cast<T *>(to);
    if (width == 1) {
      const T *from = source(slot, 0, step) + offset;
      for (long i = 0; i < n; i++) scalars[i] = from[i * stride];
    } else if (slot.task_stride == 0) {
      const T *from = source(slot, 0, step) + offset;
      for (long i = 0; i < n; i++) to[i] = element(from[i * stride]);
      clear_idle_lanes(n, to);
    } else {
      long i = stride == 1 ? load_transposed(slot, step, offset, n, to) : 0;
      for (; i < n; i++)
        for (long lane = 0; lane < width; lane++)
          scalars[i * width + lane] = lane < count ? source(slot, lane, step)[offset + i * stride] : T(0);
    }
  }

  // One number of array `step`, in every lane.
  void load_scalar(const Slot &slot, long step, P *to) const {
    Element one;
    load(slot, step, 0, 1, 1, &one);
    if constexpr (L == Lanes::TASKS)
      *to = one;
    else
      *to = broadcast<T>(one);
  }

  // The one number of a slot, real or whole, in every lane.
  P number(const Slot &slot) const {
    P x = {};
    if (slot.dtype == BLV_F32 || slot.dtype == BLV_F64) {
      load_scalar(slot, 0, &x);
    } else if (L == Lanes::TASKS) {
      for (long lane = 0; lane < count; lane++) x[lane] = T(integer(slot, lane, 0, 0));
    } else {
      x = broadcast<T>(T(integer(slot, 0, 0, 0)));
    }
    return x;
  }

  static BLV_INLINE Element element(T x) {
    if constexpr (L == Lanes::TASKS)
      return broadcast<T>(x);
    else
      return x;
  }

  // One lane's copy of n contiguous scalars.
  BLV_INLINE void load_lane(const T *from, long lane, long n, Element *to) const {
    T *scalars = reinterpret_cast<T *>(to);
    for (long i = 0; i < n; i++) scalars[i * width + lane] = from[i];
  }

 private:
  // Blocks of width x width scalars; returns how many elements were done.
  long load_transposed(const Slot &slot, long step, long offset, long n, Element *to) const {
    long i = 0;
    if constexpr (L == Lanes::TASKS) {
      for (; i + width <= n; i += width) {
        P block[lanes<T>];
        for (long lane = 0; lane < width; lane++)
          block[lane] = lane < count ? load_unaligned(source(slot, lane, step) + offset + i) : P{};
        transpose<T>(block);
        for (long lane = 0; lane < width; lane++) to[i + lane] = block[lane];
      }
    }
    return i;
  }
  void clear_idle_lanes(long n, Element *to) const {
    if constexpr (L == Lanes::TASKS) {
      if (count == width) return;
      for (long i = 0; i < n; i++) to[i] = select(first_lanes<T>(count), to[i], P{});
    }
  }
};

}  // namespace BLV_ISA_NAMESPACE
}  // namespace bilevel
