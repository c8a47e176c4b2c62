// SPDX-License-Identifier: Apache-2.0
//
// Links: leaf = link(array), elementwise on packs; and dleaf / darray as a function of the leaf.
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
template <class T>
BLV_FUNCTION BLV_NOINLINE void apply_link(int link, Pack<T> *x, Index packs) {
  each(packs, [&](Index i) { x[i] = link_value<T>(link, x[i]); });
}

// gradient *= dleaf / darray
template <class T>
BLV_FUNCTION BLV_NOINLINE void multiply_by_link_slope(int link, const Pack<T> *leaf, Pack<T> *gradient, Index packs) {
  each(packs, [&](Index i) { gradient[i] *= link_slope<T>(link, leaf[i]); });
}

}  // namespace BLV_ISA_NAMESPACE
}  // namespace bilevel
