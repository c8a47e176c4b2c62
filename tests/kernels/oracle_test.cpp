// SPDX-License-Identifier: Apache-2.0
//
// The reference itself: its gradient and its derivatives by tape against central differences of its values, and two
// cases worked out by hand. Step h = cbrt(eps): truncation h^2 and rounding eps / h are then both about 4e-11.
#include <gtest/gtest.h>

#include "reference.h"

namespace {

using namespace harness;

double total(const oracle::Task &t, int k) {
  if (t.kind != BLV_HVP) return oracle::solve(t).loss;
  oracle::tape().clear();
  const oracle::Inputs in = oracle::open_inputs(t);
  const auto g =
      oracle::gradient(t.net, oracle::leaves_of(t, in, BLV_INNER), oracle::leaf_of(in, BLV_METHOD, BLV_THETA));
  double sum = 0;
  for (size_t j = 0; j < g.size(); j++)
    sum += g[j].value * t.arrays.at({BLV_METHOD, BLV_VECTOR}).value[k * g.size() + j];
  return sum;
}

void expect_derivatives(const Case &c) {
  const Problem p(c);
  oracle::Task t = oracle_task(p, 0);
  const oracle::Answer answer = oracle::solve(t);
  const double h = 6e-6;
  for (auto &[key, array] : t.arrays) {
    if (!array.wanted) continue;
    for (size_t k = 0; k < answer.gradient.at(key).size(); k++) {
      for (size_t i = 0; i < array.value.size(); i++) {
        const double middle = array.value[i];
        array.value[i] = middle + h;
        const double above = total(t, static_cast<int>(k));
        array.value[i] = middle - h;
        const double below = total(t, static_cast<int>(k));
        array.value[i] = middle;
        ASSERT_NEAR(answer.gradient.at(key)[k][i], (above - below) / (2 * h), 2e-9)
            << "side " << key.first << " leaf " << key.second << " element " << i;
      }
    }
  }
}

std::vector<Leaf> data_leaves(int side, int link) {
  return {{.side = side, .leaf = BLV_X, .gradient = true, .link = link},
          {.side = side, .leaf = BLV_Y, .gradient = true, .link = link},
          {.side = side, .leaf = BLV_WEIGHT, .gradient = true, .link = link},
          {.side = side, .leaf = BLV_PENALTY, .gradient = true, .link = link, .extent = BLV_PER_PARAMETER}};
}

TEST(Oracle, EvaluateAndHvpAgainstDifferences) {
  for (int loss : {BLV_SQUARED, BLV_LOGISTIC, BLV_CROSS_ENTROPY}) {
    for (int activation : {BLV_TANH, BLV_RELU, BLV_SIGMOID, BLV_SOFTPLUS}) {
      for (int kind : {BLV_EVALUATE, BLV_HVP}) {
        Case c{.loss = loss, .activation = activation, .tasks = 1, .kind = kind, .vectors = 2};
        c.leaves = data_leaves(BLV_INNER, BLV_NO_LINK);
        c.leaves.push_back({.leaf = BLV_THETA, .gradient = true});
        if (kind == BLV_HVP) c.leaves.push_back({.leaf = BLV_VECTOR});
        SCOPED_TRACE(name_of(c, {}));
        ASSERT_NO_FATAL_FAILURE(expect_derivatives(c));
      }
    }
  }
}

TEST(Oracle, UnrollAgainstDifferences) {
  int link = 0;
  for (int loss : {BLV_SQUARED, BLV_LOGISTIC, BLV_CROSS_ENTROPY}) {
    for (int optimiser : {BLV_SGD, BLV_HEAVY_BALL}) {
      for (int extent : {BLV_SCALAR, BLV_PER_PARAMETER}) {
        link = (link + 1) % 4;
        Case c{.loss = loss, .outer_loss = loss, .tasks = 1, .kind = BLV_UNROLL, .optimiser = optimiser};
        c.leaves = data_leaves(BLV_INNER, link);
        for (const Leaf &leaf : data_leaves(BLV_OUTER, BLV_NO_LINK)) c.leaves.push_back(leaf);
        c.leaves.push_back({.leaf = BLV_THETA0, .gradient = true});
        c.leaves.push_back(
            {.leaf = BLV_RATE, .gradient = true, .link = link, .extent = extent, .per_step = extent == BLV_SCALAR});
        if (optimiser == BLV_HEAVY_BALL) {
          c.leaves.push_back(
              {.leaf = BLV_MOMENTUM, .gradient = true, .link = link, .extent = extent, .per_step = link > 1});
        }
        SCOPED_TRACE(name_of(c, {}));
        ASSERT_NO_FATAL_FAILURE(expect_derivatives(c));
      }
    }
  }
}

// o = 2 * 3 + 1 = 7, y = 5: L = 1/2 * 0.5 * 4 + 1/2 * 0.1 * 4 = 1.2; dL/dW = 0.5 * 2 * 3 + 0.1 * 2 = 3.2, dL/db = 1.
TEST(Oracle, SquaredByHand) {
  const oracle::Network net{{1, 1}, 0, true};
  oracle::Leaves<double> leaves{BLV_SQUARED, {3}, {5}, {}, {0.5}, {0.1, 0}, {0}};
  const std::vector<double> theta = {2, 1};
  EXPECT_DOUBLE_EQ(oracle::loss(net, leaves, theta), 1.2);
  EXPECT_DOUBLE_EQ(oracle::gradient(net, leaves, theta)[0], 3.2);
  EXPECT_DOUBLE_EQ(oracle::gradient(net, leaves, theta)[1], 1.0);
}

// At theta = 0 softmax over four classes is 1/4 each: L = log 4; dL/dW[k] = (1/4 - [k = 2]) x.
TEST(Oracle, CrossEntropyByHand) {
  const oracle::Network net{{1, 4}, 0, false};
  oracle::Leaves<double> leaves{BLV_CROSS_ENTROPY, {3}, {}, {2}, {}, {}, {0}};
  const std::vector<double> theta(4, 0.0);
  EXPECT_DOUBLE_EQ(oracle::loss(net, leaves, theta), std::log(4.0));
  const auto g = oracle::gradient(net, leaves, theta);
  for (int k = 0; k < 4; k++) EXPECT_DOUBLE_EQ(g[k], k == 2 ? -2.25 : 0.75);
}

}  // namespace
