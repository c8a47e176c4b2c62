// SPDX-License-Identifier: Apache-2.0
//
// Activations h = a(z) of hidden layers, a short file each in activations/; which there are is listed in kernels/contract/activations.h.
// Slopes a'(z) are written as functions of h, so that a stored h is enough for the reverse sweep. S is a pack or a jet: the slope's own
// derivative comes from jet arithmetic. A NaN stays a NaN. (One whose slope is no function of h, such as GELU, would need z on the tape.)
#pragma once
#include "kernels/contract/activations.h"
#include "kernels/models/activations/relu.h"
#include "kernels/models/activations/sigmoid.h"
#include "kernels/models/activations/softplus.h"
#include "kernels/models/activations/tanh.h"

namespace bilevel {
namespace BLV_ISA_NAMESPACE {

// f(an activation), for the one that the objective names.
template <class T, class F>
BLV_INLINE void with_activation(int activation, F f) {
#define BLV_CASE(enumerator, name, type) \
  case enumerator:                       \
    return f(type<T>());
  switch (activation) { BLV_ACTIVATIONS(BLV_CASE) }
#undef BLV_CASE
  __builtin_unreachable();
}

}  // namespace BLV_ISA_NAMESPACE
}  // namespace bilevel
