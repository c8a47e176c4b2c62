// SPDX-License-Identifier: Apache-2.0
//
// Sums over a task's arrays on the device: every thread adds its elements with compensation (sum.h), and the threads' sums are added as
// a tree.
#pragma once
#include "kernels/machine/cuda/math.h"
#include "kernels/machine/sum.h"

namespace bilevel {
namespace BLV_ISA_NAMESPACE {

// This thread's part of f(0) + ... + f(n - 1): over the i that strided_for gives it. No barrier.
template <class T, class F>
BLV_INLINE T thread_sum(Index n, F f) {
  CompensatedSum<T> total;
  strided_for(n, [&](Index i) { total.add(f(i)); });
  return total.value;
}

// The square root of the sum of squares, the same bits in every thread, finite and not zero where the norm is. Floats: in double.
BLV_INLINE float norm_of(const float *x, Index n) {
  double total = 0;
  strided_for(n, [&](Index i) { total += double(x[i]) * x[i]; });
  return float(square_root(sum_over_threads(total)));
}
// Doubles: once more, scaled by a power of two, where squares may have left the range of normal numbers.
BLV_INLINE double norm_of(const double *x, Index n) {
  const auto root_scaled = [&](double scale) {
    return square_root(sum_over_threads(thread_sum<double>(n, [&](Index i) { return x[i] * scale * (x[i] * scale); })));
  };
  const double plain = root_scaled(1);
  if (plain > 0x1p-480 && plain < 0x1p511) return plain;
  const double scale = plain > 1 ? 0x1p-600 : 0x1p600;
  return root_scaled(scale) / scale;
}

}  // namespace BLV_ISA_NAMESPACE
}  // namespace bilevel
