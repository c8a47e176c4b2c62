// SPDX-License-Identifier: Apache-2.0
//
// Losses of one row: from the last layer's product z (bias b still to be added) to e = r dloss/do, with o = z + b and
// the row's factor r = w / n; and, where they are wanted, the loss itself and its derivatives with respect to y and w.
// Every row runs through the same code as a pack or as a jet, so tangents need nothing further.
#pragma once
#include <bilevel/bilevel.h>

#include "kernels/machine/jet.h"
#include "kernels/machine/matrix.h"

namespace bilevel {
namespace BLV_ISA_NAMESPACE {

template <class Mat, class P>
struct LossArguments {
  int loss = 0;
  bool index_targets = false;
  Index n = 0, outputs = 0;
  Mat z, bias;                      // [n][outputs], [outputs] or null
  Mat y, weight;                    // [n][outputs] or [n] class indices; [n] or null (all one)
  P inverse_n = {};                 // 1 / n of the task
  Mat e;                            // result
  Mat y_gradient, weight_gradient;  // added to; null if not wanted
  P *total = nullptr;               // += sum of r loss; null if not wanted
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
  BLV_INLINE S target(Index j) const {
    if (!a.index_targets) return x.get(a.y, i, j);
    const P index = X::value(x.row_entry(a.y, i));
    return X::constant(select(index == x.column_index(j), P{} + 1, P{}));
  }
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
  for (Index j = 0; j < x.columns; j += X::column_step) {
    const S e = (row.output(j) - row.target(j)) * r;
    x.put(a.e, i, j, e);
    if (a.y_gradient) x.add(a.y_gradient, i, j, -e);
  }
  if (row.wants_loss()) {
    row.finish(x.row_sum([&](Index j) {
      const S d = row.output(j) - row.target(j);
      return d * d * (P{} + typename X::Scalar(0.5));
    }));
  }
}

template <class X, class Mat, class P = typename X::P>
BLV_INLINE void logistic_row(X &x, const LossArguments<Mat, P> &a, Index i) {
  using S = typename X::S;
  const LossRow<X, Mat> row{x, a, i};
  const S r = row.factor();
  for (Index j = 0; j < x.columns; j += X::column_step) {
    const S o = row.output(j);
    x.put(a.e, i, j, (sigmoid(o) - row.target(j)) * r);
    if (a.y_gradient) x.add(a.y_gradient, i, j, -(o * r));
  }
  if (row.wants_loss()) {
    row.finish(x.row_sum([&](Index j) {
      const S o = row.output(j);
      return softplus(o) - row.target(j) * o;
    }));
  }
}

// Cross-entropy through the log-sum-exp, shifted by the row's largest output (a constant: it cancels in every
// derivative).
template <class X, class Mat, class P = typename X::P>
BLV_INLINE void cross_entropy_row(X &x, const LossArguments<Mat, P> &a, Index i) {
  using S = typename X::S;
  const LossRow<X, Mat> row{x, a, i};
  const P shift = x.row_max([&](Index j) { return X::value(row.output(j)); });
  const S exponentials = x.row_sum([&](Index j) {
    const S power = exp(row.output(j) - shift);
    x.put(a.e, i, j, power);
    return power;
  });
  const S share = reciprocal(exponentials);
  const S r = row.factor();
  const S mass = a.index_targets ? X::constant(P{} + 1) : x.row_sum([&](Index j) { return row.target(j); });
  const S scale = mass * share;
  for (Index j = 0; j < x.columns; j += X::column_step) {
    x.put(a.e, i, j, (x.get(a.e, i, j) * scale - row.target(j)) * r);
  }
  if (!row.wants_loss() && !a.y_gradient) return;
  const S log_sum = log(exponentials) + shift;
  if (a.y_gradient) {
    for (Index j = 0; j < x.columns; j += X::column_step) x.add(a.y_gradient, i, j, (log_sum - row.output(j)) * r);
  }
  if (row.wants_loss()) {
    row.finish(x.row_sum([&](Index j) { return row.target(j) * (log_sum - row.output(j)); }));
  }
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
