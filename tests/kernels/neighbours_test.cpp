// SPDX-License-Identifier: Apache-2.0
//
// What must leave no trace in a result: what the workspace held before, and rows that a neighbour has and the task lacks.
#include "plain_call.h"

namespace {

using namespace harness;

struct Call : PlainCall {
  blv_objective objective(int loss, int64_t rows) const {
    return {sizeof(blv_objective), BLV_NETWORK, loss, BLV_RELU, 0, rows, int64_t(widths.size()), widths.data()};
  }
  // Runs on a workspace full of `fill`.
  void run(const blv_method *method, int64_t tasks, int executor, int fill) {
    PlainCall::run(method, tasks, {.executor = executor, .fill = fill});
  }
};

class Executors : public testing::TestWithParam<int> {};

// One output and a bias: the smallest vector with padding, in a network and in a linear model; rate gradients see all of it.
TEST_P(Executors, WorkspaceLeavesNoTrace) {
  for (const std::vector<int64_t> &widths : {std::vector<int64_t>{2, 1}, std::vector<int64_t>{2, 3, 1}}) {
    std::vector<float> results[3];
    const int fills[3] = {0x00, 0x41, 0xff};
    for (int f = 0; f < 3; ++f) {
      Call call;
      call.widths = widths;
      call.inner = call.objective(BLV_SQUARED, 5), call.outer = call.objective(BLV_SQUARED, 5);
      const int64_t parameters = blv_parameter_count(int64_t(widths.size()), widths.data(), 0);
      std::vector<float> x = {1, -2, 3, 0.5f, -1, 2, 0.25f, 1, -3, 2}, y = {1, -1, 0.5f, 2, -2}, rate = {0.05f};
      std::vector<float> theta(size_t(parameters), 0.3f), loss(1), rate_gradient(1), theta_gradient(theta.size());
      call.slot(BLV_METHOD, BLV_THETA0, BLV_VALUE, theta, 0);
      call.slot(BLV_METHOD, BLV_THETA0, BLV_GRADIENT, theta_gradient, 0);
      call.slot(BLV_BOTH, BLV_X, BLV_VALUE, x, 0);
      call.slot(BLV_BOTH, BLV_Y, BLV_VALUE, y, 0);
      call.slot(BLV_METHOD, BLV_RATE, BLV_VALUE, rate, 0, BLV_SCALAR);
      call.slot(BLV_METHOD, BLV_RATE, BLV_GRADIENT, rate_gradient, 0, BLV_SCALAR);
      call.slot(BLV_METHOD, BLV_LOSS, BLV_RESULT, loss, 1);
      blv_unroll unroll = {{sizeof unroll, BLV_UNROLL, 0}, BLV_SGD, BLV_STORE_AUTO, 3, 0};
      call.run(&unroll.head, 1, GetParam(), fills[f]);
      ASSERT_EQ(call.info[0].status, BLV_TASK_OK) << "workspace filled with " << fills[f];
      results[f] = theta_gradient;
      results[f].push_back(rate_gradient[0]);
      results[f].push_back(loss[0]);
      results[f].push_back(float(call.info[0].gradient_norm));
    }
    for (int f : {1, 2})
      EXPECT_EQ(std::memcmp(results[0].data(), results[f].data(), results[0].size() * sizeof(float)), 0)
          << "workspace filled with " << fills[f];
  }
}

// The loss of an HVP is one number, however many vectors there are: what lies behind it is not looked at.
TEST_P(Executors, WorkspaceLeavesNoTraceInAnHvp) {
  for (const int64_t vectors : {1, 3, 8}) {
    Call call;
    call.widths = {2, 1};
    call.inner = call.objective(BLV_SQUARED, 1);
    std::vector<float> x = {1, -2}, y = {1}, theta(3, 0.5f), loss(1);
    std::vector<float> v, h(size_t(3 * vectors));
    for (int64_t k = 0; k < vectors; k++) v.insert(v.end(), {1, 0, 0});
    call.slot(BLV_METHOD, BLV_THETA, BLV_VALUE, theta, 0);
    call.slot(BLV_METHOD, BLV_THETA, BLV_GRADIENT, h, 0);
    call.slot(BLV_METHOD, BLV_VECTOR, BLV_VALUE, v, 0);
    call.slot(BLV_INNER, BLV_X, BLV_VALUE, x, 0);
    call.slot(BLV_INNER, BLV_Y, BLV_VALUE, y, 0);
    call.slot(BLV_METHOD, BLV_LOSS, BLV_RESULT, loss, 1);
    blv_hvp hvp = {{sizeof hvp, BLV_HVP, 0}, vectors};
    call.run(&hvp.head, 1, GetParam(), 0xff);
    ASSERT_EQ(call.info[0].status, BLV_TASK_OK) << vectors << " vectors";
    EXPECT_EQ(loss[0], 0.5f);         // o = 0.5 - 1 + 0.5 = 0
    const float want[] = {1, -2, 1};  // (x, 1) (x, 1)' v
    for (size_t i = 0; i < h.size(); i++) EXPECT_EQ(h[i], want[i % 3]) << vectors << " vectors, element " << i;
  }
}

INSTANTIATE_TEST_SUITE_P(All, Executors, testing::ValuesIn(executors()));

// A task with few rows beside one with more. Every row has x = -1, where w x + b cancels; at x = 0, which stands for a row that
// a task lacks, the output overflows.
TEST(Neighbours, MissingRowsAreNotComputedWith) {
  for (const std::vector<int64_t> &widths : {std::vector<int64_t>{1, 1}, std::vector<int64_t>{1, 2, 1}}) {
    for (const int32_t few : {0, 1}) {
      Call call;
      call.widths = widths;
      call.inner = call.objective(BLV_SQUARED, 2);
      const int64_t parameters = blv_parameter_count(int64_t(widths.size()), widths.data(), 0);
      std::vector<float> theta(size_t(parameters), 1e25f), x(4, -1.0f), y(4, 0.0f), loss(2);
      if (widths.size() == 3) theta.back() = 0;
      std::vector<float> gradient(size_t(2 * parameters)), x_gradient(4), weights(4, 1.0f), weight_gradient(4);
      std::vector<int32_t> rows = {few, 2};
      call.slot(BLV_METHOD, BLV_THETA, BLV_VALUE, theta, 0);
      call.slot(BLV_METHOD, BLV_THETA, BLV_GRADIENT, gradient, parameters);
      call.slot(BLV_INNER, BLV_X, BLV_VALUE, x, 2);
      call.slot(BLV_INNER, BLV_X, BLV_GRADIENT, x_gradient, 2);
      call.slot(BLV_INNER, BLV_Y, BLV_VALUE, y, 2);
      call.slot(BLV_INNER, BLV_WEIGHT, BLV_VALUE, weights, 2);
      call.slot(BLV_INNER, BLV_WEIGHT, BLV_GRADIENT, weight_gradient, 2);
      call.slot(BLV_METHOD, BLV_LOSS, BLV_RESULT, loss, 1);
      call.slot(BLV_INNER, BLV_ROWS, BLV_VALUE, rows, 1);
      blv_method evaluate = {sizeof evaluate, BLV_EVALUATE, 0};
      call.run(&evaluate, 2, executors().front(), 0xff);
      for (const blv_task_info &info : call.info) EXPECT_EQ(info.status, BLV_TASK_OK) << few << " rows";
      for (const std::vector<float> *result : {&loss, &gradient, &x_gradient, &weight_gradient})
        for (const float value : *result) EXPECT_EQ(value, 0.0f) << few << " rows";
    }
  }
}

}  // namespace
