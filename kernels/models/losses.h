// SPDX-License-Identifier: Apache-2.0
//
// Losses of one row: from the last layer's product z (bias b still to be added) to e = r dloss/do, with o = z + b and
// the row's factor r = w / n; and, where they are wanted, the loss itself and its derivatives with respect to y and w.
// Every row runs through the same code as a pack or as a jet, so tangents need nothing further.
#pragma once
#include <bilevel/bilevel.h>

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
  Mat y, weight;                       // [n][outputs], or [n] class indices; [n] or null (all one). No tangents
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
  BLV_INLINE P target(Index j) const {
    if (!a.index_targets) return X::value(x.get(a.y, i, j));
    return select(X::value(x.row_entry(a.y, i)) == x.column_index(j), P{} + 1, P{});
  }
  // Whether targets have tangents: else theirs are left out, since 0 times an infinite output is none.
  BLV_INLINE bool targets_move() const { return X::mode != Mode::VALUE && a.y.d != nullptr; }
  BLV_INLINE P target_tangent(Index j) const { return X::tangent(x.get(a.y, i, j)); }
  BLV_INLINE S factor() const { return a.weight ? x.row_entry(a.weight, i) * a.inverse_n : X::constant(a.inverse_n); }
  BLV_INLINE bool wants_loss() const { return a.total || a.weight_gradient; }
  BLV_INLINE void finish(S loss) const {
    if (a.weight_gradient) x.add_row_entry(a.weight_gradient, i, loss * a.inverse_n);
    if (a.total) x.add_to_total(a.total, i, factor() * loss);
  }
};

template <class X, class Mat, class P = typename X::P>
BLV_INLINE void squared_row(X &x, const LossArguments<Mat, P> &a, Index i) {
  using S = typename X::S;
  const LossRow<X, Mat> row{x, a, i};
  const S r = row.factor();
  const auto difference = [&](Index j) {
    S d = row.output(j) - row.target(j);
    if (row.targets_move()) d = d - X::scalar(P{}, row.target_tangent(j));
    return d;
  };
  for (Index j = 0; j < x.columns; j += X::column_step) {
    const S e = difference(j) * r;
    x.put(a.e, i, j, e);
    if (a.y_gradient) x.add(a.y_gradient, i, j, -e);
  }
  if (row.wants_loss()) {
    row.finish(x.row_sum([&](Index j) {
      const S d = difference(j);
      return d * d * (P{} + typename X::Scalar(0.5));
    }));
  }
}

// The logistic loss of one output and its derivative with respect to it, without cancellation on either side: with
// s = sigmoid(-|o|),
//     o <= 0:  softplus(-|o|) + y |o|,          s - y
//     o > 0:   softplus(-|o|) + (1 - y) |o|,    (1 - y) - s;    second derivative s (1 - s).
template <class P>
BLV_INLINE P logistic_residual_of(P s, P o, P y) {
  return select(o > P{}, (Lane<P>(1) - y) - s, s - y);
}
template <class P>
BLV_INLINE P logistic_residual(P o, P y) {
  return logistic_residual_of(sigmoid_minus_abs(o), o, y);
}
template <class T, class P>
BLV_INLINE Jet<T> logistic_residual(Jet<T> o, P y) {
  const P s = sigmoid_minus_abs(o.v);
  return {logistic_residual_of(s, o.v, y), s * (T(1) - s) * o.d};
}
template <class P>
BLV_INLINE P logistic_loss(P o, P y) {
  return softplus_minus_abs(o) + select(o > P{}, (Lane<P>(1) - y) * o, -(y * o));
}
template <class T, class P>
BLV_INLINE Jet<T> logistic_loss(Jet<T> o, P y) {
  return {logistic_loss(o.v, y), logistic_residual(o.v, y) * o.d};
}

template <class X, class Mat, class P = typename X::P>
BLV_INLINE void logistic_row(X &x, const LossArguments<Mat, P> &a, Index i) {
  using S = typename X::S;
  const LossRow<X, Mat> row{x, a, i};
  const S r = row.factor();
  for (Index j = 0; j < x.columns; j += X::column_step) {
    const S o = row.output(j);
    S residual = logistic_residual(o, row.target(j));
    if (row.targets_move()) residual = residual - X::scalar(P{}, row.target_tangent(j));
    x.put(a.e, i, j, residual * r);
    if (a.y_gradient) x.add(a.y_gradient, i, j, -(o * r));
  }
  if (row.wants_loss())
    row.finish(x.row_sum([&](Index j) {
      const S o = row.output(j);
      S loss = logistic_loss(o, row.target(j));
      if (row.targets_move()) loss = loss - X::scalar(P{}, row.target_tangent(j) * X::value(o));
      return loss;
    }));
}

// Cross-entropy, sum_j y_j (log sum_k exp(u_k) - u_j), where u = o - (the largest output, with its tangent): the difference keeps
// its digits at any size of o. A class of target 0 takes no part, whatever its u.
//
// The exponential of the largest output is exactly 1, so the row's sum is 1 + q with q the sum of the others: log1p(q), and for
// that class (sum of the other targets - y q) / (1 + q) instead of sum of y / (1 + q) - y, keep what a confident row leaves.
// Tangents of the softmax p are p (du - sum p du), a difference and then a product: as two products they would not cancel once one
// is contracted into an FMA.
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
  P mean = {}, mass = one, other_mass = {}, mass_tangent = {};
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
  if constexpr (tangents) {
    if (row.targets_move()) mass_tangent = x.row_sum([&](Index j) { return row.target_tangent(j); });
  }
  const S r = row.factor();
  const P scale = mass * share, sole = select(ties > one, one + one, one);  // no exponential is as large as 2
  for (Index j = 0; j < x.columns; j += X::column_step) {
    const S power = x.get(a.e, i, j);
    const P p = X::value(power), y = row.target(j), rest = a.index_targets ? one - y : other_mass;
    const P e = select(p >= sole, (rest - y * q) * share, p * scale - y);
    P moved = p * scale * (X::tangent(power) - mean);
    if (row.targets_move()) moved = moved + (p * share * mass_tangent - row.target_tangent(j));
    x.put(a.e, i, j, X::scalar(e, moved) * r);
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
      P moved = y * X::tangent(loss);
      if (row.targets_move()) moved = moved + row.target_tangent(j) * X::value(loss);
      return X::scalar(select(y == P{}, P{}, y * X::value(loss)), moved);
    }));
}

// X is the executor's Map over the outputs, or over the rows where there is one output and lanes lie within a task.
template <class X, class Mat, class P = typename X::P>
BLV_FUNCTION BLV_NOINLINE void loss_rows(X x, const LossArguments<Mat, P> &a) {
  switch (a.loss) {
    case BLV_SQUARED:
      return x.for_rows(a.n, a.outputs, [&](Index i) BLV_LAMBDA { squared_row(x, a, i); });
    case BLV_LOGISTIC:
      return x.for_rows(a.n, a.outputs, [&](Index i) BLV_LAMBDA { logistic_row(x, a, i); });
    case BLV_CROSS_ENTROPY:
      return x.for_rows(a.n, a.outputs, [&](Index i) BLV_LAMBDA { cross_entropy_row(x, a, i); });
  }
}

}  // namespace BLV_ISA_NAMESPACE
}  // namespace bilevel
