// SPDX-License-Identifier: Apache-2.0
//
// Activations h = a(z) of hidden layers and their slopes a'(z), written as functions of h so that a stored h is enough
// for the reverse sweep. S is a pack or a jet: the slope's own derivative comes from jet arithmetic. A NaN stays a NaN.
// (An activation whose slope is no function of h, such as GELU, would need z on the tape.)
#pragma once
#include <bilevel/bilevel.h>

#include "kernels/machine/jet.h"

namespace bilevel {
namespace BLV_ISA_NAMESPACE {

template <class T>
struct Tanh {
  static BLV_INLINE Pack<T> value(Pack<T> z) { return tanh(z); }
  template <class S>
  static BLV_INLINE S slope(S h) {
    return broadcast<T>(1) - h * h;
  }
};

template <class T>
struct Relu {  // slope 0 at 0
  static BLV_INLINE Pack<T> value(Pack<T> z) { return select(z < Pack<T>{}, Pack<T>{}, z); }
  static BLV_INLINE Pack<T> slope(Pack<T> h) { return select(h > Pack<T>{}, broadcast<T>(1), Pack<T>{}); }
  static BLV_INLINE Jet<T> slope(Jet<T> h) { return {slope(h.v), Pack<T>{}}; }
};

template <class T>
struct Sigmoid {
  static BLV_INLINE Pack<T> value(Pack<T> z) { return sigmoid(z); }
  template <class S>
  static BLV_INLINE S slope(S h) {
    return h * (broadcast<T>(1) - h);
  }
};

template <class T>
struct Softplus {  // h = log(1 + e^z), so e^-h = 1 - a'(z)
  static BLV_INLINE Pack<T> value(Pack<T> z) { return softplus(z); }
  template <class S>
  static BLV_INLINE S slope(S h) {
    return -expm1(-h);
  }
};

// f(an activation), for the one that the objective names.
template <class T, class F>
BLV_INLINE void with_activation(int activation, F f) {
  switch (activation) {
    case BLV_TANH:
      return f(Tanh<T>());
    case BLV_RELU:
      return f(Relu<T>());
    case BLV_SIGMOID:
      return f(Sigmoid<T>());
    case BLV_SOFTPLUS:
      return f(Softplus<T>());
  }
  __builtin_unreachable();
}

}  // namespace BLV_ISA_NAMESPACE
}  // namespace bilevel
