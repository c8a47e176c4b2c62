// SPDX-License-Identifier: Apache-2.0
//
// The gradient program of a feed-forward network: the only derivative that is written by hand. For a block of n rows,
//     z_l = h_{l-1} W_l^T + b_l,  h_l = a(z_l),  o = z_L;   e_L = r dloss/do,  c_l = e_{l+1} W_{l+1},  e_l = c_l
//     a'(h_l); dL/dW_l = e_l^T h_{l-1},  dL/db_l = sum of e_l over rows,  dL/dx = e_1 W_1.
// Run on matrices with tangent planes (theta + eps v), its results carry H v and the cross products. The tape of a run
// is the values of h_l, o's product z_L, and c_l.
#pragma once
#include "kernels/machine/executors.h"
#include "kernels/models/activations.h"
#include "kernels/models/losses.h"

namespace bilevel {
namespace BLV_ISA_NAMESPACE {

// A layer within the internal parameter vector: W begins at `weight`, rows ld apart; b at `bias`.
struct LayerView {
  Index inputs = 0, outputs = 0, ld = 0, weight = 0, bias = 0;
  Index output_ld = 0;  // of matrices with `outputs` columns
  Tiling outputs_tiling, weight_tiling, inputs_tiling;
};

struct NetworkView {
  int model = 0;
  bool diagonal = false;  // a quadratic of a diagonal matrix
  Index features = 0;     // columns of x; x_ld: of the internal one, which is padded
  Index x_ld = 0;
  Index n_layers = 0;
  LayerView *layers = nullptr;
  int activation = 0;
  bool bias = true;
  Index size = 0;  // elements of the internal parameter vector, padding included
};

// Matrices of one layer for a block of rows; those of the last layer are z and e only.
template <class Element>
struct LayerState {
  Matrix<Element> z;  // the product, before bias and activation
  Matrix<Element> h;  // the layer's output; hidden layers
  Matrix<Element> c;  // gradient with respect to h; hidden layers
  Matrix<Element> e;  // gradient with respect to z
};

template <class Element, class P>
struct NetworkBlock {
  Matrix<Element> x, theta;
  LayerState<Element> *state = nullptr;    // one per layer
  LossArguments<Matrix<Element>, P> loss;  // z, bias and e are filled in here
  Matrix<Element> theta_gradient;          // overwritten, or added to if `accumulate`
  Matrix<Element> x_gradient;              // added to; null if not wanted
  bool accumulate = false;
  Index row = 0;  // the first one
};

// h = a(z + b). On the tape, h's value is read instead.
template <class X, class Activation, class Mat = typename X::Mat>
BLV_INLINE void activate_tile(X &x, Activation, const Mat &z, const Mat &bias, Mat h, Index i0, Index i1, Index j0,
                              Index j1, Index columns) {
  const Mat values = h;
  if (X::mode == Mode::TAPED) h.v = nullptr;
  x.for_tile(i0, i1, j0, j1, columns, [&](Index i, Index j) BLV_LAMBDA {
    auto s = x.get(z, i, j);
    if (bias) s = s + x.column_entry(bias, j);
    if constexpr (X::mode == Mode::VALUE) {
      x.put(h, i, j, Activation::value(s));
    } else {
      const auto value = X::mode == Mode::TAPED ? X::value(x.get(values, i, j)) : Activation::value(s.v);
      x.put(h, i, j, {value, Activation::slope(value) * s.d});
    }
  });
}

// The activation is chosen inside the epilogues, so that each product is compiled once.
template <class X, class Block>
BLV_FUNCTION void network_forward(X &x, const NetworkView &net, const Block &b) {
  using Mat = typename X::Mat;
  for (Index l = 0; l < net.n_layers; l++) {
    const LayerView &layer = net.layers[l];
    const LayerState<typename X::Element> &to = b.state[l];
    const bool hidden = l + 1 < net.n_layers;
    const auto epilogue = [&](Index i0, Index i1, Index j0, Index j1) {
      if (!hidden) return;
      const Mat bias = net.bias ? b.theta.at(layer.bias, 1) : Mat();
      with_activation<typename X::Scalar>(net.activation, [&](auto activation) BLV_LAMBDA {
        activate_tile(x, activation, to.z, bias, to.h, i0, i1, j0, j1, layer.outputs);
      });
    };
    x.product_nt(b.loss.n, layer.outputs, layer.inputs, layer.outputs_tiling, l ? b.state[l - 1].h : b.x,
                 b.theta.at(layer.weight, layer.ld), to.z, epilogue);
  }
}

template <class X, class Block>
BLV_FUNCTION void network_loss(X &x, const NetworkView &net, const Block &b) {
  using Mat = typename X::Mat;
  using T = typename X::Scalar;
  const LayerView &last = net.layers[net.n_layers - 1];
  auto loss = b.loss;
  loss.z = b.state[net.n_layers - 1].z;
  loss.e = b.state[net.n_layers - 1].e;
  loss.bias = net.bias ? b.theta.at(last.bias, 1) : Mat();
  loss.outputs = last.outputs;
  const auto run = [&](auto map) {
    map.with_rows_of(x);
    loss_rows(map, loss);
  };
  if (last.outputs == 1)
    run(Map<T, X::mode, X::lanes_of_one_column>(x.planes));
  else
    run(Map<T, X::mode, X::lanes_are>(x.planes));
}

template <class X, class Block>
BLV_FUNCTION void network_backward(X &x, const NetworkView &net, const Block &b) {
  using Mat = typename X::Mat;
  const Index n = b.loss.n;
  for (Index l = net.n_layers - 1; l >= 0; l--) {
    const LayerView &layer = net.layers[l];
    const Mat &e = b.state[l].e;
    const Mat weight = b.theta.at(layer.weight, layer.ld);
    if (b.theta_gradient) {
      x.product_tn(layer.outputs, layer.inputs, n, layer.weight_tiling, e, l ? b.state[l - 1].h : b.x,
                   b.theta_gradient.at(layer.weight, layer.ld), {.accumulate = b.accumulate});
      if (net.bias) x.sum_rows(n, layer.outputs, e, b.theta_gradient.at(layer.bias, 1), b.accumulate);
    }
    if (l == 0 && !b.x_gradient) return;
    const auto epilogue = [&](Index i0, Index i1, Index j0, Index j1) {
      if (l == 0) return;
      const LayerState<typename X::Element> &below = b.state[l - 1];
      with_activation<typename X::Scalar>(net.activation, [&](auto activation) BLV_LAMBDA {
        x.for_tile(i0, i1, j0, j1, layer.inputs, [&](Index i, Index j) BLV_LAMBDA {
          x.put(below.e, i, j, x.get(below.c, i, j) * decltype(activation)::slope(x.get(below.h, i, j)));
        });
      });
    };
    x.product_nn(n, layer.inputs, layer.outputs, layer.inputs_tiling, e, weight, l ? b.state[l - 1].c : b.x_gradient,
                 {.on_tape = l > 0, .accumulate = l == 0}, epilogue);
  }
}

}  // namespace BLV_ISA_NAMESPACE
}  // namespace bilevel
