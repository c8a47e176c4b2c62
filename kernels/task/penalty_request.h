// SPDX-License-Identifier: Apache-2.0
//
// What a pass asks of its side's penalty, 1/2 sum p theta^2 (add_penalty in the machine's side_gradients.h).
#pragma once
#include "kernels/machine/matrix.h"

namespace bilevel {
namespace BLV_ISA_NAMESPACE {

// Packs: of the parameter vector. Null planes of gradient and a null total are not wanted.
template <class P>
struct PenaltyRequest {
  Matrix<P> theta, gradient;    // gradient is added to
  Index packs = 0, planes = 1;  // of a plane; tangents
  P *total = nullptr;           // the penalty is added to it
  const P *scale = nullptr;     // of the loss; null: 1
  bool leaf_gradients = false;  // what the penalty gives for p is added to the side's accumulator
  bool tangents = false;        // p moves, too, along its tangents
};

}  // namespace BLV_ISA_NAMESPACE
}  // namespace bilevel
