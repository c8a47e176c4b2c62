// SPDX-License-Identifier: Apache-2.0
//
// Elementary functions of one scalar on the device, with the names and the promises of kernels/machine/cpu/math.h: a few ulp,
// NaN stays NaN, infinities as the limit says. Branch-free where the lanes of a warp would part ways.
#pragma once
#include "kernels/machine/cuda/machine.h"

namespace bilevel {
namespace BLV_ISA_NAMESPACE {

BLV_INLINE float max(float a, float b) { return a > b ? a : b; }  // as on the CPU: b where either is NaN
BLV_INLINE double max(double a, double b) { return a > b ? a : b; }

BLV_INLINE float exp(float x) { return ::expf(x); }
BLV_INLINE double exp(double x) { return ::exp(x); }
BLV_INLINE float expm1(float x) { return ::expm1f(x); }
BLV_INLINE double expm1(double x) { return ::expm1(x); }
BLV_INLINE float log(float x) { return ::logf(x); }
BLV_INLINE double log(double x) { return ::log(x); }
BLV_INLINE float log1p(float x) { return ::log1pf(x); }
BLV_INLINE double log1p(double x) { return ::log1p(x); }
BLV_INLINE float square_root(float x) { return ::sqrtf(x); }
BLV_INLINE double square_root(double x) { return ::sqrt(x); }
BLV_INLINE float absolute(float x) { return ::fabsf(x); }
BLV_INLINE double absolute(double x) { return ::fabs(x); }

// Odd polynomial near zero (its coefficients as the CPU's would be: minimax of (tanh x - x) / x^3 in x^2 on |x| <= 5/8),
// else (1 - e) / (1 + e) with e = exp(-2 |x|).
BLV_INLINE float tanh(float x) {
  const float e = ::exp2f(-2.885390043258667f * ::fabsf(x)), z = x * x;
  float p = ::fmaf(-5.70498872745e-3f, z, 2.06390887954e-2f);
  p = ::fmaf(p, z, -5.37397155531e-2f);
  p = ::fmaf(p, z, 1.33314422036e-1f);
  p = ::fmaf(p, z, -3.33332819422e-1f);
  const float near_zero = ::fmaf(x * z, p, x), far = ::copysignf(__fdividef(1.f - e, 1.f + e), x);
  return z < 0.390625f ? near_zero : x != x ? x : far;
}
BLV_INLINE double tanh(double x) { return ::tanh(x); }

// exp(-|x|) is at most 1, so nothing overflows; the quotient of the side where x lies.
BLV_INLINE float sigmoid(float x) {
  const float e = exp(-absolute(x));
  return __fdividef(x < 0.f ? e : 1.f, 1.f + e);  // 1 + e is in [1, 2]
}
BLV_INLINE double sigmoid(double x) {
  const double e = exp(-absolute(x));
  return (x < 0. ? e : 1.) / (1. + e);
}
// sigmoid(-|x|), the smaller of sigmoid(x) and 1 - sigmoid(x).
BLV_INLINE float sigmoid_minus_abs(float x) {
  const float e = exp(-absolute(x));
  return __fdividef(e, 1.f + e);
}
BLV_INLINE double sigmoid_minus_abs(double x) {
  const double e = exp(-absolute(x));
  return e / (1. + e);
}
template <class T>
BLV_INLINE T softplus_minus_abs(T x) {
  return log1p(exp(-absolute(x)));
}
template <class T>
BLV_INLINE T softplus(T x) {
  const T rest = softplus_minus_abs(x);
  return x > T(0) ? x + rest : rest;
}

}  // namespace BLV_ISA_NAMESPACE
}  // namespace bilevel
