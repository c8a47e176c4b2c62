// SPDX-License-Identifier: Apache-2.0
//
// The scalar of a map in mode M: a value, or a value with one tangent; what every machine's maps say of it.
#pragma once
#include "kernels/machine/jet.h"
#include "kernels/machine/matrix.h"

namespace bilevel {
namespace BLV_ISA_NAMESPACE {

template <class T, Mode M>
struct Scalars {
  using P = Pack<T>;
  using S = typename Choose<M == Mode::VALUE, P, Jet<T>>::type;
  using Scalar = T;
  static constexpr Mode mode = M;

  static BLV_INLINE P value(P x) { return x; }
  static BLV_INLINE P value(Jet<T> x) { return x.v; }
  static BLV_INLINE S constant(P x) {
    if constexpr (M == Mode::VALUE)
      return x;
    else
      return {x, P{}};
  }
  static BLV_INLINE S zero() { return constant(P{}); }
  static BLV_INLINE P tangent(P) { return P{}; }
  static BLV_INLINE P tangent(Jet<T> x) { return x.d; }
  // The scalar of a value and its tangent, which mode VALUE drops.
  static BLV_INLINE S scalar(P v, P d) {
    if constexpr (M == Mode::VALUE)
      return v;
    else
      return {v, d};
  }
};

}  // namespace BLV_ISA_NAMESPACE
}  // namespace bilevel
