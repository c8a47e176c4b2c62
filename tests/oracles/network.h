// SPDX-License-Identifier: Apache-2.0
//
// Plain reference of the loss of one task and of its gradient with respect to the parameters, in double loops, one row at a time:
//
//     L(theta) = (1/n) sum_i w_i loss(o(x_i; theta), y_i) + 1/2 sum_j p_j theta_j^2
//
// S is double, or Var where the derivative of the result is wanted. Nothing here is shared with the library but the enums of
// its header.
#pragma once
#include <bilevel/bilevel.h>

#include <cstdlib>
#include <vector>

#include "tape.h"

namespace oracle {

struct Network {
  std::vector<int64_t> widths;
  int activation = BLV_TANH;
  bool bias = true;
  int64_t inputs() const { return widths.front(); }
  int64_t outputs() const { return widths.back(); }
  size_t layers() const { return widths.size() - 1; }
  int64_t parameters() const {
    int64_t count = 0;
    for (size_t l = 0; l < layers(); l++) count += widths[l + 1] * (widths[l] + (bias ? 1 : 0));
    return count;
  }
  // Position of W[o][i] of layer l in theta, and of b[o].
  int64_t weight(size_t l, int64_t o, int64_t i) const { return offset(l) + o * widths[l] + i; }
  int64_t bias_of(size_t l, int64_t o) const { return offset(l) + widths[l + 1] * widths[l] + o; }

 private:
  int64_t offset(size_t l) const {
    int64_t at = 0;
    for (size_t k = 0; k < l; k++) at += widths[k + 1] * (widths[k] + (bias ? 1 : 0));
    return at;
  }
};

// The leaves of one loss of one task, after their links. `rows` lists the rows that the mean runs over.
template <class S>
struct Leaves {
  int loss = BLV_SQUARED;
  std::vector<S> x;            // [n][inputs]
  std::vector<S> y;            // [n][outputs], or empty
  std::vector<int64_t> label;  // [n] class indices, or empty
  std::vector<S> weight;       // [n], or empty: all 1
  std::vector<S> penalty;      // [P], or empty: all 0
  std::vector<int64_t> rows;
};

template <class S>
S activate(int activation, S z) {
  switch (activation) {
    case BLV_TANH:
      return tanh_of(z);
    case BLV_RELU:
      return value_of(z) > 0 ? z : S(0);
    case BLV_SIGMOID:
      return sigmoid_of(z);
    case BLV_SOFTPLUS:
      return softplus_of(z);
  }
  std::abort();  // an activation that this reference does not know
}

template <class S>
S activate_derivative(int activation, S z) {
  switch (activation) {
    case BLV_TANH:
      return S(1) - tanh_of(z) * tanh_of(z);
    case BLV_RELU:
      return S(value_of(z) > 0 ? 1 : 0);
    case BLV_SIGMOID:
      return sigmoid_of(z) * (S(1) - sigmoid_of(z));
    case BLV_SOFTPLUS:
      return sigmoid_of(z);
  }
  std::abort();
}

// z[l] and h[l] of one row: h[0] = x, z[l + 1] = W h[l] + b, h[l + 1] = act(z[l + 1]); the last h is the output itself.
template <class S>
struct Activations {
  std::vector<std::vector<S>> z, h;
};

template <class S>
Activations<S> forward(const Network &net, const std::vector<S> &theta, const S *x) {
  Activations<S> a;
  a.h.push_back(std::vector<S>(x, x + net.inputs()));
  a.z.push_back(a.h[0]);
  for (size_t l = 0; l < net.layers(); l++) {
    std::vector<S> z, h;
    for (int64_t o = 0; o < net.widths[l + 1]; o++) {
      S sum = net.bias ? theta[net.bias_of(l, o)] : S(0);
      for (int64_t i = 0; i < net.widths[l]; i++) sum += theta[net.weight(l, o, i)] * a.h[l][i];
      z.push_back(sum);
      h.push_back(l + 1 < net.layers() ? activate(net.activation, sum) : sum);
    }
    a.z.push_back(z);
    a.h.push_back(h);
  }
  return a;
}

template <class S>
S log_sum_exp(const std::vector<S> &o) {
  double top = value_of(o[0]);  // a constant shift changes neither the value nor any derivative
  for (const S &v : o) top = std::fmax(top, value_of(v));
  S sum(0);
  for (const S &v : o) sum += exp_of(v - S(top));
  return log_of(sum) + S(top);
}

template <class S>
S target(const Leaves<S> &leaves, int64_t row, int64_t outputs, int64_t k) {
  if (!leaves.label.empty()) return S(leaves.label[row] == k ? 1 : 0);
  return leaves.y[row * outputs + k];
}

template <class S>
S row_loss(const Leaves<S> &leaves, int64_t row, const std::vector<S> &o) {
  const int64_t c = static_cast<int64_t>(o.size());
  S sum(0);
  const S lse = leaves.loss == BLV_CROSS_ENTROPY ? log_sum_exp(o) : S(0);
  for (int64_t k = 0; k < c; k++) {
    const S y = target(leaves, row, c, k);
    if (leaves.loss == BLV_SQUARED) sum += S(0.5) * (o[k] - y) * (o[k] - y);
    if (leaves.loss == BLV_LOGISTIC) sum += softplus_of(o[k]) - y * o[k];
    if (leaves.loss == BLV_CROSS_ENTROPY) sum += y * (lse - o[k]);
  }
  return sum;
}

template <class S>
std::vector<S> row_loss_derivative(const Leaves<S> &leaves, int64_t row, const std::vector<S> &o) {
  const int64_t c = static_cast<int64_t>(o.size());
  std::vector<S> d;
  S mass(0);
  const S lse = leaves.loss == BLV_CROSS_ENTROPY ? log_sum_exp(o) : S(0);
  for (int64_t k = 0; k < c; k++) mass += target(leaves, row, c, k);
  for (int64_t k = 0; k < c; k++) {
    const S y = target(leaves, row, c, k);
    if (leaves.loss == BLV_SQUARED) d.push_back(o[k] - y);
    if (leaves.loss == BLV_LOGISTIC) d.push_back(sigmoid_of(o[k]) - y);
    if (leaves.loss == BLV_CROSS_ENTROPY) d.push_back(mass * exp_of(o[k] - lse) - y);
  }
  return d;
}

template <class S>
S loss(const Network &net, const Leaves<S> &leaves, const std::vector<S> &theta) {
  S sum(0), penalty(0);
  for (int64_t row : leaves.rows) {
    const auto a = forward(net, theta, &leaves.x[row * net.inputs()]);
    const S one = row_loss(leaves, row, a.h.back());
    sum += leaves.weight.empty() ? one : leaves.weight[row] * one;
  }
  if (!leaves.rows.empty()) sum = sum / S(static_cast<double>(leaves.rows.size()));
  for (size_t j = 0; j < leaves.penalty.size(); j++) penalty += leaves.penalty[j] * theta[j] * theta[j];
  return sum + S(0.5) * penalty;
}

// dL/dtheta by the chain rule, from the last layer to the first, one row after another.
template <class S>
std::vector<S> gradient(const Network &net, const Leaves<S> &leaves, const std::vector<S> &theta) {
  std::vector<S> g(theta.size(), S(0));
  for (int64_t row : leaves.rows) {
    const auto a = forward(net, theta, &leaves.x[row * net.inputs()]);
    std::vector<S> delta = row_loss_derivative(leaves, row, a.h.back());
    for (S &d : delta) {
      if (!leaves.weight.empty()) d = d * leaves.weight[row];
      d = d / S(static_cast<double>(leaves.rows.size()));
    }
    for (size_t l = net.layers(); l-- > 0;) {
      std::vector<S> below(net.widths[l], S(0));
      for (int64_t o = 0; o < net.widths[l + 1]; o++) {
        if (net.bias) g[net.bias_of(l, o)] += delta[o];
        for (int64_t i = 0; i < net.widths[l]; i++) {
          g[net.weight(l, o, i)] += delta[o] * a.h[l][i];
          if (l > 0) below[i] += theta[net.weight(l, o, i)] * delta[o];
        }
      }
      if (l > 0) {
        for (int64_t i = 0; i < net.widths[l]; i++)
          below[i] = below[i] * activate_derivative(net.activation, a.z[l][i]);
      }
      delta = below;
    }
  }
  for (size_t j = 0; j < leaves.penalty.size(); j++) g[j] += leaves.penalty[j] * theta[j];
  return g;
}

}  // namespace oracle
