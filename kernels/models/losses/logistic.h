// SPDX-License-Identifier: Apache-2.0
//
// Logistic loss, sum_k softplus(o_k) - y_k o_k. A term and its derivative, without cancellation on either side: with
// s = sigmoid(-|o|),
//     o <= 0:  softplus(-|o|) + y |o|,          s - y
//     o > 0:   softplus(-|o|) + (1 - y) |o|,    (1 - y) - s;    second derivative s (1 - s).
#pragma once
#include "kernels/models/losses/loss_row.h"

namespace bilevel {
namespace BLV_ISA_NAMESPACE {

template <class P>
BLV_INLINE P logistic_residual_of(P s, P o, P y) {
  return select(o > P{}, (ScalarOf<P>(1) - y) - s, s - y);
}
template <class P>
BLV_INLINE P logistic_residual(P o, P y) {
  return logistic_residual_of(sigmoid_minus_abs(o), o, y);
}
template <class T>
BLV_INLINE Jet<T> logistic_residual(Jet<T> o, Jet<T> y) {
  const auto s = sigmoid_minus_abs(o.v);
  return {logistic_residual_of(s, o.v, y.v), s * (T(1) - s) * o.d - y.d};
}
template <class P>
BLV_INLINE P logistic_loss(P o, P y) {
  return softplus_minus_abs(o) + select(o > P{}, (ScalarOf<P>(1) - y) * o, -(y * o));
}
template <class T>
BLV_INLINE Jet<T> logistic_loss(Jet<T> o, Jet<T> y) {
  const Pack<T> moved = select(y.d == Pack<T>{}, Pack<T>{}, o.v * y.d);  // o may be infinite
  return {logistic_loss(o.v, y.v), logistic_residual(o.v, y.v) * o.d - moved};
}

template <class X, class Mat, class P = typename X::P>
BLV_INLINE void logistic_row(X &x, const LossArguments<Mat, P> &a, Index i) {
  using S = typename X::S;
  const LossRow<X, Mat> row{x, a, i};
  const S r = row.factor();
  for (Index j = 0; j < x.columns; j += X::column_step) {
    const S o = row.output(j);
    x.put(a.e, i, j, logistic_residual(o, row.moving_target(j)) * r);
    if (a.y_gradient) x.add(a.y_gradient, i, j, -(o * r));
  }
  if (row.wants_loss())
    row.finish(x.row_sum([&](Index j) { return logistic_loss(row.output(j), row.moving_target(j)); }));
}

}  // namespace BLV_ISA_NAMESPACE
}  // namespace bilevel
