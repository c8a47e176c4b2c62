// SPDX-License-Identifier: Apache-2.0
//
// The results of one loss, named to a visitor in their order; see outputs.h of the machine, cpu/ or cuda/.
#pragma once
#include "kernels/contract/problem.h"
#include "kernels/machine/machine.h"

namespace bilevel {
namespace BLV_ISA_NAMESPACE {

// `side`: a SideData. Pointers may be null where only the shape is asked for.
template <class Visitor, class SideValues>
BLV_HOST_DEVICE void visit_side(Visitor &visitor, const SideValues &side, Index planes) {
  const auto &net = *side.net;
  const Side &spec = *side.spec;
  const bool outer = side.name == BLV_OUTER;  // a leaf of both is the inner side's to write
  const auto mine = [&](const Leaf &leaf) { return leaf.both && outer ? Slot() : leaf.gradient; };
  visit_rows(visitor, mine(spec.x), spec.rows, net.features, planes, side.x_gradient);
  visit_rows(visitor, mine(spec.y), spec.rows, net.layers[net.n_layers - 1].outputs, planes, side.y_gradient);
  visit_rows(visitor, mine(spec.weight), spec.rows, 1, planes, side.weight_gradient);
  const Slot penalty = mine(spec.penalty);
  if (!penalty) return;
  auto *from = side.penalty_result;
  if (penalty.extent == BLV_PER_PARAMETER) return visit_parameters(visitor, net, penalty, planes, from);
  for (Index k = 0; k < planes; k++)
    visit_scalars(visitor, penalty, k, side.penalty_count, from ? from + (long long)(k)*side.penalty_stride : from);
}

}  // namespace BLV_ISA_NAMESPACE
}  // namespace bilevel
