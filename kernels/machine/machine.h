// SPDX-License-Identifier: Apache-2.0
//
// The machine that a shared source is compiled for, and the few words in which it speaks to it. CPU: packs of SIMD lanes,
// one thread a group of tasks, so loops are loops. CUDA: scalars, a group of threads a task (cuda/machine.h).
#pragma once
#ifdef __CUDACC__
#include "kernels/machine/cuda/math.h"
#else
#include "kernels/machine/cpu/math.h"
#include "kernels/machine/cpu/pack.h"

#define BLV_FUNCTION
#define BLV_HOST_DEVICE
#define BLV_NOINLINE __attribute__((noinline))
// For a large function with one call per mode: on a device it would pass its arguments through memory.
#define BLV_NOINLINE_ON_CPU __attribute__((noinline))
// After a lambda's parameters.
#define BLV_LAMBDA __attribute__((always_inline))
// Before a loop with a constant number of turns over arrays that must stay in registers.
#define BLV_UNROLLED _Pragma("GCC unroll 32")

namespace bilevel {
namespace BLV_ISA_NAMESPACE {

using Index = long;

// The loops of cuda/machine.h, where they are split over threads and say whether a barrier follows. Here one thread runs all of [0, n).
template <class F>
BLV_INLINE void strided_for(Index n, F f) {
  for (Index i = 0; i < n; i++) f(i);
}
template <class F>
BLV_INLINE void strided_for_then_sync(Index n, F f) {
  for (Index i = 0; i < n; i++) f(i);
}
template <class F>
BLV_INLINE void one_thread_then_sync(F f) {
  f();
}
template <class F>
BLV_INLINE void one_thread_per_block_then_sync(F f) {
  f();
}

// Zeroes an array of parameters whose padding products leave alone: here they write it.
template <class P>
BLV_INLINE void zero_padding(P *, Index) {}

}  // namespace BLV_ISA_NAMESPACE
}  // namespace bilevel
#endif
