// SPDX-License-Identifier: Apache-2.0
//
// A row of a loss: from the last layer's product z (bias b still to be added) to e = r dloss/do, with o = z + b and the row's factor
// r = w / n; and, where they are wanted, the loss itself and its derivatives with respect to y and w. Every row runs through the same code
// as a pack or as a jet, so tangents need nothing further.
#pragma once
#include "kernels/machine/jet.h"
#include "kernels/machine/matrix.h"
#include "kernels/machine/sum.h"

namespace bilevel {
namespace BLV_ISA_NAMESPACE {

template <class Mat, class P>
struct LossArguments {
  int loss = 0;
  bool index_targets = false;
  Index n = 0, outputs = 0;
  Mat z, bias;                         // [n][outputs], [outputs] or null
  Mat y, weight;                       // [n][outputs], or [n] class indices; [n] or null (all one)
  P inverse_n = {};                    // 1 / n of the task
  Mat e;                               // result
  Mat y_gradient, weight_gradient;     // added to; null if not wanted
  CompensatedSum<P> *total = nullptr;  // += sum of r loss; null if not wanted
};

// What is common to one row of any loss.
template <class X, class Mat>
struct LossRow {
  using P = typename X::P;
  using S = typename X::S;
  const X &x;
  const LossArguments<Mat, P> &a;
  Index i;

  BLV_INLINE S output(Index j) const {
    const S z = x.get(a.z, i, j);
    return a.bias ? z + x.column_entry(a.bias, j) : z;
  }
  // In forward mode.
  BLV_INLINE bool targets_move() const { return X::mode != Mode::VALUE && !a.index_targets && a.y.has_tangent(); }
  // With its tangent.
  BLV_INLINE S moving_target(Index j) const { return a.index_targets ? X::constant(target(j)) : x.get(a.y, i, j); }
  BLV_INLINE P target(Index j) const {
    if (!a.index_targets) return X::value(x.get(a.y, i, j));
    return select(X::value(x.row_entry(a.y, i)) == x.column_index(j), P{} + 1, P{});
  }
  BLV_INLINE S factor() const { return a.weight ? x.row_entry(a.weight, i) * a.inverse_n : X::constant(a.inverse_n); }
  BLV_INLINE bool wants_loss() const { return a.total || a.weight_gradient; }
  BLV_INLINE void finish(S loss) const {
    if (a.weight_gradient) x.add_row_entry(a.weight_gradient, i, loss * a.inverse_n);
    if (a.total) x.add_to_total(a.total, i, factor() * loss);
  }
};

}  // namespace BLV_ISA_NAMESPACE
}  // namespace bilevel
