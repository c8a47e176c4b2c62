// SPDX-License-Identifier: Apache-2.0
//
// The models beside each other: what a pass calls, by the model's id. A model is the layout of its parameters (NetworkView), a gradient
// program over the matrices of a block of rows, and the leaves that it has (csrc/spec/models.cpp).
#pragma once
#include "kernels/models/network.h"
#include "kernels/models/quadratic.h"

namespace bilevel {
namespace BLV_ISA_NAMESPACE {

// Loss and gradient of a block of rows with respect to every leaf, in the executor's mode.
template <class X, class Block>
BLV_FUNCTION BLV_NOINLINE_ON_CPU void model_gradient(X x, const NetworkView &net, const Block b) {
  if (net.diagonal) return diagonal_gradient(x, net, b);
  network_forward(x, net, b);
  if (net.model == BLV_QUADRATIC)
    quadratic_loss(x, b);
  else
    network_loss(x, net, b);
  network_backward(x, net, b);
  if (net.model == BLV_QUADRATIC) quadratic_own_terms(x, b);
}

}  // namespace BLV_ISA_NAMESPACE
}  // namespace bilevel
