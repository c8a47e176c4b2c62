// SPDX-License-Identifier: Apache-2.0
//
// Squared loss, 1/2 sum_k (o_k - y_k)^2.
#pragma once
#include "kernels/models/losses/loss_row.h"

namespace bilevel {
namespace BLV_ISA_NAMESPACE {

template <class X, class Mat, class P = typename X::P>
BLV_INLINE void squared_row(X &x, const LossArguments<Mat, P> &a, Index i) {
  using S = typename X::S;
  const LossRow<X, Mat> row{x, a, i};
  const S r = row.factor();
  for (Index j = 0; j < x.columns; j += X::column_step) {
    const S e = (row.output(j) - row.moving_target(j)) * r;
    x.put(a.e, i, j, e);
    if (a.y_gradient) x.add(a.y_gradient, i, j, -e);
  }
  if (row.wants_loss()) {
    row.finish(x.row_sum([&](Index j) {
      const S d = row.output(j) - row.moving_target(j);
      return d * d * (P{} + typename X::Scalar(0.5));
    }));
  }
}

}  // namespace BLV_ISA_NAMESPACE
}  // namespace bilevel
