// SPDX-License-Identifier: Apache-2.0
//
// Sums over arrays, as trees: the relative error of n terms of one sign is at most log2(n) roundings, and in truth about one. The tree
// is decided by n alone. Zeros after the last term do not change a bit.
#pragma once
#include "kernels/machine/sum.h"

namespace bilevel {
namespace BLV_ISA_NAMESPACE {

// f(0) + ... + f(n - 1) of packs, or of what else has a sum and a zero: the one thread has all terms. Leaves of eight terms; level[l] holds 2^l leaves while bit l
// of their number is set, so that the additions are those of a balanced tree.
template <class P, class F>
BLV_INLINE P thread_sum(long n, F f) {
  P level[48];
  long leaf = 0;
  for (; 8 * leaf + 8 <= n; leaf++) {
    const long i = 8 * leaf;
    P x = ((f(i) + f(i + 1)) + (f(i + 2) + f(i + 3))) + ((f(i + 4) + f(i + 5)) + (f(i + 6) + f(i + 7)));
    int l = 0;
    for (long count = leaf; count & 1; count >>= 1) x = level[l++] + x;
    level[l] = x;
  }
  P total = {};
  if (8 * leaf < n) {
    long end = n;  // from the last term on, as if zeros filled the leaf
    if (n & 1) total = total + f(end -= 1);
    if (n & 2) end -= 2, total = (f(end) + f(end + 1)) + total;
    if (n & 4) end -= 4, total = ((f(end) + f(end + 1)) + (f(end + 2) + f(end + 3))) + total;
  }
  for (int l = 0; leaf >> l; l++)
    if (leaf >> l & 1) total = level[l] + total;
  return total;
}

// sum[i] += x[i] over n scalars, with the compensation of sum.h.
template <class T>
__attribute__((noinline)) void add_compensated(T *sum, T *lost, const T *x, long n) {
  long i = 0;
  for (; i + lanes<T> <= n; i += lanes<T>) {
    Pack<T> s = load_unaligned(sum + i), c = load_unaligned(lost + i);
    add_compensated(s, c, load_unaligned(x + i));
    store_unaligned(sum + i, s), store_unaligned(lost + i, c);
  }
  if (i == n) return;
  Pack<T> s = load_partial(sum + i, n - i), c = load_partial(lost + i, n - i);
  add_compensated(s, c, load_partial(x + i, n - i));
  store_partial(sum + i, s, n - i), store_partial(lost + i, c, n - i);
}

// ---- Norms ----------------------------------------------------------------------------------------------------------

template <class T>
BLV_INLINE Pack<T> square_root(Pack<T> x) {
  for (int l = 0; l < lanes<T>; l++)
    x[l] = sizeof(T) == 4 ? T(__builtin_sqrtf(float(x[l]))) : T(__builtin_sqrt(double(x[l])));
  return x;
}

typedef float HalfPack __attribute__((vector_size(BLV_PACK_BYTES / 2), aligned(4), may_alias));

// As many doubles as a pack has floats.
struct DoublePack {
  Pack<double> low, high;
  BLV_INLINE void add_squares(const Pack<float> *x) {
    const HalfPack *halves = reinterpret_cast<const HalfPack *>(x);
    const Pack<double> a = __builtin_convertvector(halves[0], Pack<double>),
                       b = __builtin_convertvector(halves[1], Pack<double>);
    low += a * a, high += b * b;
  }
};

// The square root of the sum of squares, per lane or (`Across`) over all lanes, finite and not zero where the norm is. Floats: in double.
template <bool Across>
__attribute__((noinline)) Pack<float> norm_of(const Pack<float> *x, long n) {
  DoublePack total = {}, odd = {};
  for (long i = 0; i + 1 < n; i += 2) total.add_squares(x + i), odd.add_squares(x + i + 1);
  if (n % 2) total.add_squares(x + n - 1);
  total.low += odd.low, total.high += odd.high;
  if (Across) total.low = total.high = broadcast<double>(sum(total.low + total.high));
  Pack<float> norm;
  HalfPack *halves = reinterpret_cast<HalfPack *>(&norm);
  halves[0] = __builtin_convertvector(square_root<double>(total.low), HalfPack);
  halves[1] = __builtin_convertvector(square_root<double>(total.high), HalfPack);
  return norm;
}
// Doubles: once more, scaled by a power of two, where squares may have left the range of normal numbers.
template <bool Across>
__attribute__((noinline)) Pack<double> norm_of(const Pack<double> *x, long n) {
  using P = Pack<double>;
  const auto root_scaled = [&](P scale) BLV_LAMBDA {
    const P total = thread_sum<P>(n, [&](long i) BLV_LAMBDA {
      const P y = x[i] * scale;
      return y * y;
    });
    return square_root<double>(Across ? broadcast<double>(sum(total)) : total);
  };
  const P one = broadcast(1.0), plain = root_scaled(one);
  const auto in_range = (plain > broadcast(0x1p-480)) & (plain < broadcast(0x1p511));
  if (!any(~in_range)) return plain;
  const P scale = select(plain > one, broadcast(0x1p-600), broadcast(0x1p600));
  return select(in_range, plain, root_scaled(scale) / scale);
}

}  // namespace BLV_ISA_NAMESPACE
}  // namespace bilevel
