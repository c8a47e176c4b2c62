// SPDX-License-Identifier: Apache-2.0
//
// Every loss x activation x optimiser x leaf, in both precisions, with every executor and every instruction set of this machine,
// against the plain reference.
#include "cases.h"

namespace {

using namespace harness;

using Model = std::tuple<int, int, int>;  // dtype, loss, activation

class Network : public testing::TestWithParam<Model> {
 protected:
  int dtype() const { return std::get<0>(GetParam()); }
  int loss() const { return std::get<1>(GetParam()); }
  int activation() const { return std::get<2>(GetParam()); }
};

TEST_P(Network, Evaluate) {
  Case c = evaluate_case(loss(), activation(), dtype());
  c.widths = {3, 5, 4, 2};
  check_everywhere(c);
}

TEST_P(Network, HvpAndCrossProducts) {
  Case c = hvp_case(loss(), activation(), 2, dtype());
  c.widths = {3, 5, 4, 2};
  check_everywhere(c);
}

TEST_P(Network, UnrollSgd) {
  Case c = unroll_case(loss(), activation(), BLV_SGD, dtype());
  c.widths = {3, 5, 4, 2};
  check_everywhere(c);
}

TEST_P(Network, UnrollHeavyBall) { check_everywhere(unroll_case(loss(), activation(), BLV_HEAVY_BALL, dtype())); }

TEST_P(Network, UnrollWithoutBias) {
  Case c = unroll_case(loss(), activation(), BLV_HEAVY_BALL, dtype());
  c.flags = BLV_NO_BIAS;
  check_everywhere(c);
}

TEST_P(Network, ForwardOnly) {
  Case c = plain_unroll(loss(), activation(), BLV_HEAVY_BALL, dtype());
  check_everywhere(c);
  c.outer_loss = 0;
  c.loss_result = false;
  for (int leaf : {BLV_X, BLV_Y, BLV_WEIGHT, BLV_PENALTY}) remove_leaf(c, BLV_OUTER, leaf);
  check_everywhere(c);
}

INSTANTIATE_TEST_SUITE_P(All, Network,
                         testing::Combine(testing::Values(BLV_F64, BLV_F32),
                                          testing::Values(BLV_SQUARED, BLV_LOGISTIC, BLV_CROSS_ENTROPY),
                                          testing::Values(BLV_TANH, BLV_RELU, BLV_SIGMOID, BLV_SOFTPLUS)));

class Linear : public testing::TestWithParam<std::tuple<int, int, int>> {};  // dtype, loss, flags

TEST_P(Linear, Everything) {
  const auto [dtype, loss, flags] = GetParam();
  for (Case c : {evaluate_case(loss, 0, dtype), hvp_case(loss, 0, 3, dtype), unroll_case(loss, 0, BLV_SGD, dtype),
                 unroll_case(loss, 0, BLV_HEAVY_BALL, dtype)}) {
    c.widths = {6, 3};
    c.flags = flags;
    c.rows = 9;
    check_everywhere(c);
  }
}

TEST_P(Linear, ClassIndices) {
  const auto [dtype, loss, flags] = GetParam();
  if (loss != BLV_CROSS_ENTROPY) return;
  for (int labels : {BLV_I32, BLV_I64}) {
    for (Case c : {evaluate_case(loss, 0, dtype, {.labels = labels}), hvp_case(loss, 0, 1, dtype, {.labels = labels}),
                   unroll_case(loss, 0, BLV_SGD, dtype, {.labels = labels}, {.labels = labels})}) {
      c.widths = {4, 3};
      c.flags = flags;
      check_everywhere(c);
      c.widths = {4, 5, 3};
      c.activation = BLV_RELU;
      check_everywhere(c);
    }
  }
}

INSTANTIATE_TEST_SUITE_P(All, Linear,
                         testing::Combine(testing::Values(BLV_F64, BLV_F32),
                                          testing::Values(BLV_SQUARED, BLV_LOGISTIC, BLV_CROSS_ENTROPY),
                                          testing::Values(0, BLV_NO_BIAS)));

// Inner and outer losses need not be the same.
TEST(NetworkMixed, LossesDiffer) {
  for (int inner : {BLV_SQUARED, BLV_LOGISTIC, BLV_CROSS_ENTROPY}) {
    for (int outer : {BLV_SQUARED, BLV_LOGISTIC, BLV_CROSS_ENTROPY}) {
      Case c = unroll_case(inner, BLV_SIGMOID, BLV_SGD);
      c.outer_loss = outer;
      check_everywhere(c);
    }
  }
}

}  // namespace
