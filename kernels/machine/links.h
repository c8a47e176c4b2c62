// SPDX-License-Identifier: Apache-2.0
//
// Links: leaf = link(array), elementwise on packs; and dleaf / darray as a function of the leaf, but for sigmoid: near 1 the leaf has lost
// it. There it is kept when the link is applied.
#pragma once
#include <bilevel/bilevel.h>

#include "kernels/machine/machine.h"

namespace bilevel {
namespace BLV_ISA_NAMESPACE {

template <class T>
BLV_INLINE Pack<T> link_value(int link, Pack<T> x) {
  switch (link) {
    case BLV_EXP:
      return exp(x);
    case BLV_SOFTPLUS_LINK:
      return softplus(x);
    case BLV_SIGMOID_LINK:
      return sigmoid(x);
  }
  return x;
}
template <class T>
BLV_INLINE Pack<T> link_slope(int link, Pack<T> leaf) {
  switch (link) {
    case BLV_EXP:
      return leaf;
    case BLV_SOFTPLUS_LINK:
      return -expm1(-leaf);
    case BLV_SIGMOID_LINK:
      return leaf * (broadcast<T>(1) - leaf);
  }
  return broadcast<T>(1);
}
// Whether the slope is to be kept, and the slope at x then: sigmoid(x) sigmoid(-x).
BLV_HOST_DEVICE constexpr bool link_keeps_slope(int link) { return link == BLV_SIGMOID_LINK; }
template <class T>
BLV_INLINE Pack<T> kept_link_slope(Pack<T> x) {
  const Pack<T> s = sigmoid_minus_abs(x);
  return s * (broadcast<T>(1) - s);
}
// `slopes` receives `packs` slopes; null: they are not wanted.
template <class T>
BLV_FUNCTION BLV_NOINLINE void apply_link(int link, Pack<T> *x, Index packs, Pack<T> *slopes = nullptr) {
  strided_for_then_sync(packs, [&](Index i) {
    if (slopes) slopes[i] = kept_link_slope<T>(x[i]);
    x[i] = link_value<T>(link, x[i]);
  });
}

// gradient *= dleaf / darray. `slopes`: those that were kept; null: they follow from the leaf.
template <class T>
BLV_FUNCTION BLV_NOINLINE void multiply_by_link_slope(int link, const Pack<T> *leaf, const Pack<T> *slopes,
                                                      Pack<T> *gradient, Index packs) {
  strided_for_then_sync(packs, [&](Index i) { gradient[i] *= slopes ? slopes[i] : link_slope<T>(link, leaf[i]); });
}

}  // namespace BLV_ISA_NAMESPACE
}  // namespace bilevel
