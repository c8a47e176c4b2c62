// SPDX-License-Identifier: Apache-2.0
//
// The hand-written pass of a linear model: which of its kernels a problem can have, what shared memory that takes, and
// the pass itself. Where none applies the general executor runs.
#pragma once
#include "kernels/special/linear/linear_narrow.h"
#include "kernels/special/linear/linear_wide.h"

namespace bilevel {
namespace BLV_ISA_NAMESPACE {

// Rows of up to `Quads` quads in a thread's registers, exactly `Outputs` outputs, one tangent.
template <int Quads, int Outputs>
struct NarrowShape {
  using Cut = NarrowCut;
  static bool is_filled(int, int) { return true; }
  template <class T, Mode M>
  static BLV_HOST_DEVICE Cut cut(int inputs, int outputs, int planes, int threads, bool x_in_smem,
                                 long long smem_bytes) {
    return narrow_cut<T, M, Quads, Outputs>(inputs, outputs, planes, threads, x_in_smem, smem_bytes);
  }
  template <Mode M, class T>
  static BLV_INLINE void run(const LinearArguments<T> &a, const Cut &cut, Index begin, Index end,
                             CompensatedSum<T> &total, T *scratch) {
    (void)cut;
    LinearNarrow<T, M, Quads, Outputs>(a, scratch).run(begin, end, total);
  }
};

// Rows over warps, `Outputs` outputs and `Tangents` tangents at a time for each; rows come from global memory.
template <int Outputs, int Tangents>
struct WideShape {
  using Cut = WideCut;
  // A tile is computed whole, however many of its outputs and tangents exist: it is for problems that fill it.
  static bool is_filled(int outputs, int tangents) {
    return (Outputs <= cuda_tuning::linear_cheap_outputs || outputs == Outputs || outputs == Outputs - 1) &&
           (Tangents == 1 || tangents > 1);
  }
  template <class T, Mode M>
  static BLV_HOST_DEVICE Cut cut(int inputs, int outputs, int planes, int threads, bool x_in_smem,
                                 long long smem_bytes) {
    return x_in_smem ? Cut() : wide_cut<T, M, Outputs, Tangents>(inputs, outputs, planes, threads, smem_bytes);
  }
  template <Mode M, class T>
  static BLV_INLINE void run(const LinearArguments<T> &a, const Cut &cut, Index begin, Index end,
                             CompensatedSum<T> &total, T *scratch) {
    LinearWide<T, M, Outputs, Tangents>(a, cut, scratch).run(begin, end, total);
  }
};

// How a block of `threads` threads runs the pass in mode M with smem_bytes of shared memory (it uses cut.bytes of
// them), if cut.fits(). Made once, on the host or on the device, and kept where all threads can read it.
template <class Shape, class T, Mode M>
BLV_HOST_DEVICE inline typename Shape::Cut linear_cut(int inputs, int outputs, int planes, int threads, bool x_in_smem,
                                                      long long smem_bytes) {
  return Shape::template cut<T, M>(inputs, outputs, planes, threads, x_in_smem, smem_bytes);
}

// Rows [begin, end). Called by all threads of the block; what was written before must be visible to them, and what this
// writes is on return. `a` lies in shared memory; `scratch`: cut.bytes of it, aligned to 16. Adds this thread's share
// of the loss to its `total` (the caller sums over threads). Sums are in an order that the cut and the number of rows
// decide.
template <class Shape, Mode M, class T>
BLV_INLINE void linear_rows(LinearArguments<T> &a, const typename Shape::Cut &cut, Index begin, Index end,
                            CompensatedSum<T> &total, T *scratch) {
  if (a.bits == 0) {
    PassThreads::sync();
    if (PassThreads::thread() == 0) a.template seal<M>();
    PassThreads::sync();
  }
  Shape::template run<M>(a, cut, begin, end, total, scratch);
}

// to[i] (+)= the sum of `count` partial vectors, in order, for this block's share of `size` elements out of `blocks`.
// `scratch`: one element per thread. Cooperation level: block.
template <class T>
BLV_INLINE void sum_partials(const T *partials, Index stride, int count, Index size, T *to, bool add, int block,
                             int blocks, T *scratch) {
  const int threads = PassThreads::threads(), thread = PassThreads::thread(), slices = threads / 32,
            slice = thread / 32, share = quotient_up(count, slices), begin = slice * share,
            left = count - begin < share ? count - begin : share;
  for (Index first = Index(block) * 32; first < size; first += Index(blocks) * 32) {
    const Index at = first + thread % 32;
    const T *from = partials + begin * stride + (at < size ? at : 0);
    T sum = T(0);
#pragma unroll 8
    for (int p = 0; p < left; p++, from += stride) sum += *from;
    scratch[thread] = sum;
    PassThreads::sync();
    if (slice == 0 && at < size) {
      for (int s = 1; s < slices; s++) sum += scratch[s * 32 + thread];
      to[at] = add ? to[at] + sum : sum;
    }
    PassThreads::sync();
  }
}

}  // namespace BLV_ISA_NAMESPACE
}  // namespace bilevel
