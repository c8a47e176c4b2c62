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
BLV_INLINE Jet<T> exp(Jet<T> a) {
  Pack<T> e = exp(a.v);
  return {e, e * a.d};
}
template <class T>
BLV_INLINE Jet<T> expm1(Jet<T> a) {
  Pack<T> e = expm1(a.v);
  return {e, (e + T(1)) * a.d};
}
template <class T>
BLV_INLINE Jet<T> log(Jet<T> a) {
  return {log(a.v), a.d / a.v};
}
template <class P>
BLV_INLINE P reciprocal(P a) {
  return Lane<P>(1) / a;
}
template <class T>
BLV_INLINE Jet<T> reciprocal(Jet<T> a) {
  Pack<T> r = T(1) / a.v;
  return {r, -(r * r) * a.d};
}
template <class T>
BLV_INLINE Jet<T> sigmoid(Jet<T> a) {
  Pack<T> s = sigmoid(a.v);
  return {s, s * (T(1) - s) * a.d};
}
template <class T>
BLV_INLINE Jet<T> softplus(Jet<T> a) {
  return {softplus(a.v), sigmoid(a.v) * a.d};
}
}  // namespace BLV_ISA_NAMESPACE
}  // namespace bilevel
