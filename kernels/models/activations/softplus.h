// SPDX-License-Identifier: Apache-2.0
//
// h = log(1 + e^z), so e^-h = 1 - a'(z).
#pragma once
#include "kernels/machine/jet.h"

namespace bilevel {
namespace BLV_ISA_NAMESPACE {

template <class T>
struct Softplus {
  static BLV_INLINE Pack<T> value(Pack<T> z) { return softplus(z); }
  template <class S>
  static BLV_INLINE S slope(S h) {
    return -expm1(-h);
  }
};

}  // namespace BLV_ISA_NAMESPACE
}  // namespace bilevel
