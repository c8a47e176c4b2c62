// SPDX-License-Identifier: Apache-2.0
//
// Hyperbolic tangent; 1 - h^2.
#pragma once
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

}  // namespace BLV_ISA_NAMESPACE
}  // namespace bilevel
