// SPDX-License-Identifier: Apache-2.0
//
// A value with one tangent: v + eps d, eps^2 = 0. The scalar of a `map` in the modes that carry tangents; matrix
// products never see it, they work plane by plane.
#pragma once
#include "kernels/machine/machine.h"

namespace bilevel {
namespace BLV_ISA_NAMESPACE {

template <class T>
struct Jet {
  using P = Pack<T>;
  P v, d;

  friend BLV_INLINE Jet operator+(Jet a, Jet b) { return {a.v + b.v, a.d + b.d}; }
  friend BLV_INLINE Jet operator+(Jet a, P b) { return {a.v + b, a.d}; }
  friend BLV_INLINE Jet operator-(Jet a, Jet b) { return {a.v - b.v, a.d - b.d}; }
  friend BLV_INLINE Jet operator-(Jet a, P b) { return {a.v - b, a.d}; }
  friend BLV_INLINE Jet operator-(P a, Jet b) { return {a - b.v, -b.d}; }
  friend BLV_INLINE Jet operator-(Jet a) { return {-a.v, -a.d}; }
  friend BLV_INLINE Jet operator*(Jet a, Jet b) { return {a.v * b.v, a.v * b.d + a.d * b.v}; }
  friend BLV_INLINE Jet operator*(Jet a, P b) { return {a.v * b, a.d * b}; }
  friend BLV_INLINE Jet operator*(P a, Jet b) { return {a * b.v, a * b.d}; }
};

template <class T>
BLV_INLINE Jet<T> finite_or_zero(Jet<T> a) {
  return {finite_or_zero(a.v), finite_or_zero(a.d)};
}
// The derivative is not expm1 + 1, which has lost exp(a) where that is small.
template <class T>
BLV_INLINE Jet<T> expm1(Jet<T> a) {
  return {expm1(a.v), exp(a.v) * a.d};
}

}  // namespace BLV_ISA_NAMESPACE
}  // namespace bilevel
