// SPDX-License-Identifier: Apache-2.0
//
// max(z, 0); 1 where h > 0, else 0, also at z = 0.
#pragma once
#include "kernels/machine/jet.h"

namespace bilevel {
namespace BLV_ISA_NAMESPACE {

template <class T>
struct Relu {
  static BLV_INLINE Pack<T> value(Pack<T> z) { return select(z < Pack<T>{}, Pack<T>{}, z); }
  static BLV_INLINE Pack<T> slope(Pack<T> h) { return select(h > Pack<T>{}, broadcast<T>(1), Pack<T>{}); }
  static BLV_INLINE Jet<T> slope(Jet<T> h) { return {slope(h.v), Pack<T>{}}; }
};

}  // namespace BLV_ISA_NAMESPACE
}  // namespace bilevel
