// SPDX-License-Identifier: Apache-2.0
//
// 1 / (1 + e^-z); h (1 - h).
#pragma once
#include "kernels/machine/jet.h"

namespace bilevel {
namespace BLV_ISA_NAMESPACE {

template <class T>
struct Sigmoid {
  static BLV_INLINE Pack<T> value(Pack<T> z) { return sigmoid(z); }
  template <class S>
  static BLV_INLINE S slope(S h) {
    return h * (broadcast<T>(1) - h);
  }
};

}  // namespace BLV_ISA_NAMESPACE
}  // namespace bilevel
