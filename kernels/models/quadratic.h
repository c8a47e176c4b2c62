// SPDX-License-Identifier: Apache-2.0
//
// The quadratic L = 1/2 theta' A theta - b' theta. Its rows are those of A: row i gives
//     1/2 theta_i (a_i . theta) - b_i theta_i,
// so that z = A theta and the sum of e_i a_i, with e_i = theta_i / 2, are the products of a linear model of one output whose features are A
// and whose targets are b (network.h), and A's own derivative e_i theta_j is its inputs' gradient. What is left is a row's own term,
//     dL/dtheta_i += 1/2 a_i . theta - b_i.
// A need not be symmetric. A diagonal A is given by its diagonal, one feature a row, and has no products.
#pragma once
#include "kernels/models/network.h"

namespace bilevel {
namespace BLV_ISA_NAMESPACE {

// Row i of a block: its loss, its derivatives by b_i and theta_i. `half`: 1/2 a_i . theta.
template <class X, class Block>
struct QuadraticRows : Map<typename X::Scalar, X::mode, X::lanes_of_one_column> {
  using Rows = Map<typename X::Scalar, X::mode, X::lanes_of_one_column>;
  using typename Rows::Mat;
  using typename Rows::S;
  using Scalar = typename X::Scalar;
  const Block &b;
  Mat theta, gradient;  // of the block's rows

  BLV_INLINE QuadraticRows(const X &x, const Block &block)
      : Rows(x.planes),
        b(block),
        theta(block.theta.at(block.row, 1)),
        gradient(block.theta_gradient.at(block.row, 1)) {}

  BLV_INLINE S theta_of(Index i) const { return this->row_entry(theta, i); }
  BLV_INLINE void add_loss(Index i, S half) const {
    const S t = theta_of(i) * b.loss.inverse_n;
    if (b.loss.y_gradient) this->add_row_entry(b.loss.y_gradient, i, -t);
    if (b.loss.total) this->add_to_total(b.loss.total, i, (half - this->row_entry(b.loss.y, i)) * t);
  }
  BLV_INLINE void add_gradient(Index i, S term) const {
    if (gradient) this->add_row_entry(gradient, i, (term - this->row_entry(b.loss.y, i)) * b.loss.inverse_n);
  }
};

// e_i and the loss, in the place of network_loss.
template <class X, class Block>
BLV_FUNCTION BLV_NOINLINE void quadratic_loss(X &x, const Block &b) {
  using P = typename X::P;
  const P half = P{} + typename X::Scalar(0.5);
  const auto &z = b.state[0].z, &e = b.state[0].e;
  QuadraticRows<X, Block> rows(x, b);
  rows.for_rows(b.loss.n, 1, [&](Index i) BLV_LAMBDA {
    rows.put(e, i, 0, rows.theta_of(i) * (b.loss.inverse_n * half));
    rows.add_loss(i, rows.row_entry(z, i) * half);
  });
}

// The rows' own terms, after the products.
template <class X, class Block>
BLV_FUNCTION BLV_NOINLINE void quadratic_own_terms(X &x, const Block &b) {
  using P = typename X::P;
  const P half = P{} + typename X::Scalar(0.5);
  const auto &z = b.state[0].z;
  x.finish_products();
  QuadraticRows<X, Block> rows(x, b);
  rows.for_rows(b.loss.n, 1, [&](Index i) BLV_LAMBDA { rows.add_gradient(i, rows.row_entry(z, i) * half); });
}

// All of a diagonal one.
template <class X, class Block>
BLV_FUNCTION BLV_NOINLINE void diagonal_gradient(X &x, const NetworkView &net, const Block &b) {
  using P = typename X::P;
  const P half = P{} + typename X::Scalar(0.5);
  // A product of depth 0 makes the gradient zero where it is not added to.
  if (b.theta_gradient && !b.accumulate)
    x.product_tn(1, net.size, 0, net.layers[0].weight_tiling, b.state[0].e, b.state[0].e,
                 b.theta_gradient.at(0, net.size), {});
  x.finish_products();
  QuadraticRows<X, Block> rows(x, b);
  rows.for_rows(b.loss.n, 1, [&](Index i) BLV_LAMBDA {
    const auto a = rows.row_entry(b.x, i), t = rows.theta_of(i), product = a * t;
    rows.add_loss(i, product * half);
    rows.add_gradient(i, product);
    if (b.x_gradient) rows.add_row_entry(b.x_gradient, i, t * t * (b.loss.inverse_n * half));
  });
}

}  // namespace BLV_ISA_NAMESPACE
}  // namespace bilevel
