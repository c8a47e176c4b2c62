// SPDX-License-Identifier: Apache-2.0
//
// Elementary functions on packs: exp, expm1, log, log1p, tanh, sigmoid, softplus, for float and double, without
// branches. Each is within 2 ulp of the exact value over all arguments (docs/accuracy.md has the measured maxima), down
// to denormal results; a NaN gives NaN, exp overflows to infinity, tanh ends at exactly -1 and 1, and odd functions
// keep the sign of a zero.
//
// They need -fno-math-errno -fno-trapping-math -ffp-contract=fast, not -ffast-math: the additions below are in the
// order that makes them accurate. With FMA (v3, v4) a product and its sum round once; without (v2) the products that
// have to be exact are, since their factors are short.
//
// Notation: n = round(x log2(e)), r = x - n ln(2), t = n + magic (n in its low mantissa bits), u, m, f, s, z as in
// log_parts.
#pragma once
#include "kernels/machine/cpu/math_coefficients.h"
#include "kernels/machine/cpu/pack.h"

namespace bilevel {
namespace BLV_ISA_NAMESPACE {

template <class T>
struct MathOf;

template <>
struct MathOf<float> {
  static constexpr int mantissa_bits = 23;
  static constexpr int32_t bias = 127;
  static constexpr float magic = 0x1.8p23f;  // adding it rounds to the nearest integer
  static constexpr int32_t magic_bits = 0x4b400000;
  static constexpr float whole = 0x1p23f;  // integers below it stand in the low bits of whole + integer
  static constexpr int32_t whole_bits = 0x4b000000;
  static constexpr float log2_e = 0x1.715476p0f;
  static constexpr float ln2_high = 0x1.62e4p-1f;  // 15 bits: n ln2_high is exact
  static constexpr float ln2_low = 0x1.7f7d1cp-20f;
  static constexpr float exp_lowest = -104.0f, exp_highest = 89.0f;  // beyond: 0 and infinity
  static constexpr float expm1_lowest = -20.0f;                      // below: -1
  static constexpr float tanh_highest = 9.125f;                      // above: 1
  static constexpr float tiny = 0x1p-26f;                            // below: expm1(x) = x
  static constexpr float smallest_normal = 0x1p-126f, denormal_scale = 0x1p24f, denormal_shift = 24.0f;
  static constexpr int32_t below_half_root = 0x3f800000 - 0x3f3504f3;  // bits of 1 minus bits of sqrt(1/2)
  static constexpr auto &exponential = exponential_float;
  static constexpr auto &logarithm = logarithm_float;
  static constexpr auto &tanh_small = tanh_small_float;
};

template <>
struct MathOf<double> {
  static constexpr int mantissa_bits = 52;
  static constexpr int64_t bias = 1023;
  static constexpr double magic = 0x1.8p52;
  static constexpr int64_t magic_bits = 0x4338000000000000;
  static constexpr double whole = 0x1p52;
  static constexpr int64_t whole_bits = 0x4330000000000000;
  static constexpr double log2_e = 0x1.71547652b82fep0;
  static constexpr double ln2_high = 0x1.62e42feep-1;  // 32 bits
  static constexpr double ln2_low = 0x1.a39ef35793c76p-33;
  static constexpr double exp_lowest = -746.0, exp_highest = 710.0;
  static constexpr double expm1_lowest = -40.0;
  static constexpr double tanh_highest = 19.125;
  static constexpr double tiny = 0x1p-55;
  static constexpr double smallest_normal = 0x1p-1022, denormal_scale = 0x1p54, denormal_shift = 54.0;
  static constexpr int64_t below_half_root = 0x3ff0000000000000 - 0x3fe6a09e667f3bcd;
  static constexpr auto &exponential = exponential_double;
  static constexpr auto &logarithm = logarithm_double;
  static constexpr auto &tanh_small = tanh_small_double;
};

// c[0] + c[1] x + ... by Horner's rule.
template <class P, int N>
BLV_INLINE P polynomial(P x, const ScalarOf<P> (&c)[N]) {
  P y = broadcast(c[N - 1]);
#pragma GCC unroll 16
  for (int k = N - 2; k >= 0; --k) y = y * x + c[k];
  return y;
}

// ---- Exponentials ---------------------------------------------------------------------------------------------------

template <class P>
struct ExponentParts {
  P t, n, r, lost;  // lost: what rounding r lost
};

template <class P>
BLV_INLINE ExponentParts<P> exponent_parts(P x) {
  using M = MathOf<ScalarOf<P>>;
  const P t = x * M::log2_e + M::magic;
  const P n = t - M::magic;
  const P high = x - n * M::ln2_high, r = high - n * M::ln2_low;
  return {t, n, r, (high - r) - n * M::ln2_low};
}

// expm1(r) - r for |r| <= ln(2) / 2.
template <class P>
BLV_INLINE P expm1_rest(P r) {
  return (r * r) * polynomial(r, MathOf<ScalarOf<P>>::exponential);
}

// 2^(n + offset), where that is a normal number.
template <class P>
BLV_INLINE P power_of_two(P t, Integer<ScalarOf<P>> offset = 0) {
  using M = MathOf<ScalarOf<P>>;
  return from_bits<ScalarOf<P>>((bits_of(t) - (M::magic_bits - M::bias - offset)) << M::mantissa_bits);
}

// p 2^n, rounded once, for every n that clamped arguments of exp lead to: overflows to infinity, underflows through the
// denormals. Without scalef the power is applied in two halves, the first of which is exact.
#if BLV_PACK_BYTES == 64
BLV_INLINE Pack<float> scale(Pack<float> p, ExponentParts<Pack<float>> parts) {
  return (Pack<float>)_mm512_maskz_scalef_ps(0xFFFF, (__m512)p, (__m512)parts.n);
}
BLV_INLINE Pack<double> scale(Pack<double> p, ExponentParts<Pack<double>> parts) {
  return (Pack<double>)_mm512_maskz_scalef_pd(0xFF, (__m512d)p, (__m512d)parts.n);
}
#else
template <class P>
BLV_INLINE P scale(P p, ExponentParts<P> parts) {
  using M = MathOf<ScalarOf<P>>;
  const Integers<ScalarOf<P>> biased = bits_of(parts.t) - (M::magic_bits - 2 * M::bias);  // n + 2 bias, positive
  const Integers<ScalarOf<P>> first = biased >> 1, second = biased - first;
  return p * from_bits<ScalarOf<P>>(first << M::mantissa_bits) * from_bits<ScalarOf<P>>(second << M::mantissa_bits);
}
#endif

template <class P>
BLV_INLINE P exp_clamped(P x) {
  const ExponentParts<P> parts = exponent_parts(x);
  return scale(1 + (parts.r + expm1_rest(parts.r)), parts);
}

template <class P>
BLV_INLINE P exp(P x) {
  using M = MathOf<ScalarOf<P>>;
  return exp_clamped(min(broadcast(M::exp_highest), max(broadcast(M::exp_lowest), x)));  // in this order NaN stays
}

// exp(-|x|).
template <class P>
BLV_INLINE P exp_minus_abs(P x) {
  return exp_clamped(max(broadcast(MathOf<ScalarOf<P>>::exp_lowest), -abs(x)));
}

template <class P>
BLV_INLINE P expm1(P x) {
  using M = MathOf<ScalarOf<P>>;
  const P clamped = min(broadcast(M::exp_highest), max(broadcast(M::expm1_lowest), x));
  const ExponentParts<P> parts = exponent_parts(clamped);
  const P half = power_of_two(parts.t, -1);                      // 2^n itself may overflow where expm1 does not
  const P leading = half * parts.r + (half - ScalarOf<P>(0.5));  // exact for n = 0
  const P y = leading + half * (expm1_rest(parts.r) + parts.lost);
  return select(abs(x) < M::tiny, x, y + y);
}

// ---- tanh -----------------------------------------------------------------------------------------------------------

// 1 - 2 e / (1 + e), e = exp(-2 |x|), where that is above 1/2, so that the quotient's roundings count little; a
// polynomial below.
template <class P>
BLV_INLINE P tanh_by_exp(P x) {
  using M = MathOf<ScalarOf<P>>;
  const P a = min(broadcast(M::tanh_highest), abs(x)), z = a * a;
  const P small = a + (a * z) * polynomial(z, M::tanh_small);
  const ExponentParts<P> parts = exponent_parts(-2 * a);
  const P power = power_of_two(parts.t);
  const P e = power * (parts.r + expm1_rest(parts.r)) + power;
  return copysign(select(a < ScalarOf<P>(0.55), small, 1 - 2 * e / (1 + e)), x);
}

#if BLV_PACK_BYTES == 64
BLV_INLINE Pack<float> entry_of_32(const float (&table)[32], Integers<float> index) {
  return (Pack<float>)_mm512_permutex2var_ps(_mm512_load_ps(table), (__m512i)index, _mm512_load_ps(table + 16));
}
// 32 pieces of degree 4, whose coefficients two-register permutes fetch: no division and half the arithmetic of
// tanh_by_exp.
BLV_INLINE Pack<float> tanh_by_pieces(Pack<float> x) {
  const Pack<float> a = min(broadcast(tanh_limit), abs(x));
  const Integers<float> piece = bits_of(a * tanh_scale + tanh_start) >> 20;  // permutes read the low five bits
  const Pack<float> d = a - entry_of_32(tanh_centre, piece);
  Pack<float> y = entry_of_32(tanh_c4, piece);
  y = y * d + entry_of_32(tanh_c3, piece);
  y = y * d + entry_of_32(tanh_c2, piece);
  y = y * d + entry_of_32(tanh_c1, piece);
  y = y * d + entry_of_32(tanh_c0, piece);
  return copysign(y, x);
}
#endif

template <class P>
BLV_INLINE P tanh(P x) {
#if BLV_PACK_BYTES == 64
  if constexpr (sizeof(ScalarOf<P>) == 4) return tanh_by_pieces(x);
#endif
  return tanh_by_exp(x);
}

// ---- Logarithms -----------------------------------------------------------------------------------------------------

// log(2^k0 u + c 2^k0) for normal u > 0 and |c| at most half an ulp of u; quotient = c / u, whose NaN stays.
// u = 2^k m, sqrt(1/2) <= m < sqrt(2), f = m - 1, s = f / (2 + f), z = s^2:
// log(m) = f - f^2/2 + s (f^2/2 + z l(z)), so that f, which is exact, comes in last.
template <class P>
BLV_INLINE P log_parts(P u, P k0, P quotient) {
  using M = MathOf<ScalarOf<P>>;
  using N = Naturals<ScalarOf<P>>;
  const N bits = (N)bits_of(u), up_to_one = (N)broadcast_integer<ScalarOf<P>>(M::below_half_root);
  // k + bias, positive.
  const Integers<ScalarOf<P>> biased = (Integers<ScalarOf<P>>)((bits + up_to_one) >> M::mantissa_bits);
  const P k = (from_bits<ScalarOf<P>>(biased | M::whole_bits) - (M::whole + M::bias)) + k0;
  const P f = from_bits<ScalarOf<P>>((Integers<ScalarOf<P>>)(bits - ((N)(biased - M::bias) << M::mantissa_bits))) - 1;
  const P s = f / (2 + f), z = s * s, half_square = ScalarOf<P>(0.5) * f * f;
  const P small = s * (half_square + z * polynomial(z, M::logarithm)) + (k * M::ln2_low + quotient);
  return k * M::ln2_high - ((half_square - small) - f);
}

// The logarithm's value outside 0 < x < infinity, where `finite` is not valid.
template <class P>
BLV_INLINE P log_special(P x, P finite) {
  const P infinity = broadcast(static_cast<ScalarOf<P>>(__builtin_inf()));
  const P at_most_zero = select(x == 0, -infinity, broadcast(static_cast<ScalarOf<P>>(__builtin_nan(""))));
  return select(x > 0, select(x < infinity, finite, x), at_most_zero);
}

template <class P>
BLV_INLINE P log(P x) {
  using M = MathOf<ScalarOf<P>>;
  const Mask<ScalarOf<P>> denormal = x < M::smallest_normal;
  const P u = select(denormal, x * M::denormal_scale, x);
  return log_special(x, log_parts(u, select(denormal, broadcast(-M::denormal_shift), P{}), P{}));
}

// log(1 + x) for every x >= -1: u + c = 1 + x exactly.
template <class P>
BLV_INLINE P log1p(P x) {
  const P u = 1 + x;
  const P c = select(x < 1, x - (u - 1), 1 - (u - x));
  return copysign(log_special(u, log_parts(u, P{}, c / u)), x);
}

// ---- Logistic functions ---------------------------------------------------------------------------------------------

// 1 / (1 + exp(-x)), with the relative accuracy of its small values too. What rounding 1 + e lost goes into the
// quotient.
template <class P>
BLV_INLINE P sigmoid(P x) {
  const P e = exp_minus_abs(x), u = 1 + e, lost = e - (u - 1);
  const P y = select(x < 0, e, broadcast(ScalarOf<P>(1))) / u;
  return y - y * lost;
}

// sigmoid(-|x|), the smaller of sigmoid(x) and 1 - sigmoid(x).
template <class P>
BLV_INLINE P sigmoid_minus_abs(P x) {
  const P e = exp_minus_abs(x), u = 1 + e, lost = e - (u - 1), y = e / u;
  return y - y * lost;
}

// softplus(-|x|) = log1p(exp(-|x|)). The polynomial needs FMA: without it its roundings add up to more than 2 ulp.
template <class P>
BLV_INLINE P softplus_minus_abs(P x) {
  const P e = exp_minus_abs(x);
  if constexpr (sizeof(ScalarOf<P>) == 4 && BLV_PACK_BYTES > 16) {
    return e - e * e * polynomial(e, logarithm_of_one_plus_float);
  } else {
    const P u = 1 + e;
    return log_parts(u, P{}, (e - (u - 1)) / u);
  }
}

// log(1 + exp(x)).
template <class P>
BLV_INLINE P softplus(P x) {
  return max(P{}, x) + softplus_minus_abs(x);
}

}  // namespace BLV_ISA_NAMESPACE
}  // namespace bilevel
