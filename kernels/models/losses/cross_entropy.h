// SPDX-License-Identifier: Apache-2.0
//
// Cross-entropy, sum_j y_j (log sum_k exp(u_k) - u_j), where u = o - (the largest output, with its tangent): the difference keeps
// its digits at any size of o. A class of target 0 takes no part, whatever its u.
//
// The exponential of the largest output is exactly 1, so the row's sum is 1 + q with q the sum of the others: log1p(q), and for
// that class (sum of the other targets - y q) / (1 + q) instead of sum of y / (1 + q) - y, keep what a confident row leaves.
// Tangents of the softmax p are p (du - sum p du), a difference and then a product: as two products they would not cancel once one
// is contracted into an FMA.
#pragma once
#include "kernels/models/losses/loss_row.h"

namespace bilevel {
namespace BLV_ISA_NAMESPACE {

template <class X, class Mat, class P = typename X::P>
BLV_INLINE void cross_entropy_row(X &x, const LossArguments<Mat, P> &a, Index i) {
  using S = typename X::S;
  using T = typename X::Scalar;
  constexpr bool tangents = X::mode != Mode::VALUE;
  const LossRow<X, Mat> row{x, a, i};
  const P one = P{} + T(1), largest = x.row_max([&](Index j) { return X::value(row.output(j)); });
  P tangent = {};
  if constexpr (tangents)
    tangent = x.row_max([&](Index j) {
      const S o = row.output(j);
      return select(o.v == largest, o.d, P{} - T(__builtin_inf()));
    });
  const S shift = X::scalar(largest, tangent);
  // Two sums at once, as value and tangent: of the other exponentials, and of those that are 1.
  const Jet<T> sums = x.row_sum([&](Index j) {
    const S u = row.output(j) - shift;
    const P power = exp(X::value(u));
    x.put(a.e, i, j, X::scalar(power, X::tangent(u)));
    const auto is_one = power >= one;
    return Jet<T>{select(is_one, P{}, power), select(is_one, one, P{})};
  });
  const P ties = sums.d, q = sums.v + (ties - one), share = one / (one + q);
  P mean = {}, mass = one, other_mass = {};
  if constexpr (tangents)
    mean = x.row_sum([&](Index j) {
      const S power = x.get(a.e, i, j);
      return power.v * power.d;
    }) * share;
  if (!a.index_targets) {
    const Jet<T> masses = x.row_sum([&](Index j) {
      const P y = row.target(j);
      return Jet<T>{y, select(X::value(x.get(a.e, i, j)) >= one, P{}, y)};
    });
    mass = masses.v, other_mass = masses.d;
  }
  const S r = row.factor();
  // Targets that move: their mass times the softmax, and what it is compared with.
  const bool moving = row.targets_move();
  P mass_tangent = {};
  if (moving) mass_tangent = x.row_sum([&](Index j) { return X::tangent(row.moving_target(j)); });
  const P scale = mass * share, sole = select(ties > one, one + one, one);  // no exponential is as large as 2
  for (Index j = 0; j < x.columns; j += X::column_step) {
    const S power = x.get(a.e, i, j);
    const P p = X::value(power), y = row.target(j), rest = a.index_targets ? one - y : other_mass;
    const P e = select(p >= sole, (rest - y * q) * share, p * scale - y);
    P tangent_of_e = p * scale * (X::tangent(power) - mean);
    if (moving) tangent_of_e += p * share * mass_tangent - X::tangent(row.moving_target(j));
    x.put(a.e, i, j, X::scalar(e, tangent_of_e) * r);
  }
  if (!row.wants_loss() && !a.y_gradient) return;
  const S log_sum = X::scalar(log1p(q), mean);
  const auto loss_of = [&](Index j) { return log_sum - (row.output(j) - shift); };
  if (a.y_gradient) {
    for (Index j = 0; j < x.columns; j += X::column_step) x.add(a.y_gradient, i, j, loss_of(j) * r);
  }
  if (row.wants_loss())
    row.finish(x.row_sum([&](Index j) {
      const S loss = loss_of(j);
      const P y = row.target(j);
      P along = y * X::tangent(loss);
      if (moving) {
        const P dy = X::tangent(row.moving_target(j));
        along += select(dy == P{}, P{}, dy * X::value(loss));
      }
      return X::scalar(select(y == P{}, P{}, y * X::value(loss)), along);
    }));
}

}  // namespace BLV_ISA_NAMESPACE
}  // namespace bilevel
