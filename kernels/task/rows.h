// SPDX-License-Identifier: Apache-2.0
//
// The rows that a pass runs over, what a pass is asked for, and the elements of its tape; the same on every machine.
#pragma once
#include "kernels/models/network.h"

namespace bilevel {
namespace BLV_ISA_NAMESPACE {

// All rows of a side, or a minibatch of them.
template <class Element_, class P_>
struct RowView {
  using Element = Element_;
  using P = P_;

  int loss = 0;
  bool index_targets = false;
  Index n = 0, rows = 0;  // of the current task or group; capacity, with the padding of a matrix of rows
  P inverse_n = {};
  Matrix<Element> x, y, weight;                             // weight may be null: all one
  Matrix<Element> x_gradient, y_gradient, weight_gradient;  // v: planes of accumulators, `plane` apart
};

// What one run of a pass computes. Null planes of theta_gradient and a null total are not wanted. *total (on a device the same in every
// thread) and theta_gradient are overwritten, theta_gradient is added to if `add`; leaf gradients are added to the view's accumulators.
template <class View_>
struct PassRequest {
  using View = View_;
  using Element = typename View::Element;

  const View &view;
  typename View::P inverse_n;  // the view's, times the weight of the loss
  Matrix<Element> theta, theta_gradient;
  typename View::P *total;
  Element *tape;  // of this pass
  bool leaf_gradients, leaf_tangents, add;
  Index planes;  // of the tangents
};

// Accumulators as the gradient program writes them: values in mode VALUE, else tangents.
template <Mode M, class Element>
BLV_INLINE Matrix<Element> accumulators(const Matrix<Element> &m) {
  return M == Mode::VALUE ? m : Matrix<Element>{nullptr, m.v, m.plane, m.ld};
}

// The part of a request that block b gets: its rows from `row` on.
template <Mode M, class Request, class Block>
BLV_INLINE void bind_rows(const Request &r, Index row, Block &b) {
  const auto &view = r.view;
  b.x = view.x.row_block(row), b.loss.y = view.y.row_block(row), b.loss.weight = view.weight.row_block(row);
  if (!r.leaf_tangents) b.x.d = b.loss.y.d = b.loss.weight.d = nullptr;
  if (!r.leaf_gradients) return;
  b.x_gradient = accumulators<M>(view.x_gradient.row_block(row));
  b.loss.y_gradient = accumulators<M>(view.y_gradient.row_block(row));
  b.loss.weight_gradient = accumulators<M>(view.weight_gradient.row_block(row));
}

// Elements of one step's tape for `rows` rows, padding included: h and c of every hidden layer, z of the last.
BLV_HOST_DEVICE inline long long tape_size(const NetworkView &net, Index rows) {
  long long columns = 0;
  for (Index l = 0; l < net.n_layers; l++) columns += net.layers[l].output_ld * (l + 1 < net.n_layers ? 2 : 1);
  return columns * rows;
}

}  // namespace BLV_ISA_NAMESPACE
}  // namespace bilevel
