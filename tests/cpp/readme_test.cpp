// SPDX-License-Identifier: Apache-2.0
//
// The example that the documentation shows, in float, and a bilevel problem small enough for its hypergradient to be
// written down.
#include "problems.h"

namespace bl = bilevel;

TEST(Readme, HyperCleaningInFiveLines) {
  const std::int64_t n = 40, d = 6, m = 20;
  const auto x = problems::random<float>(n * d, 1), xval = problems::random<float>(m * d, 2);
  const auto y = problems::labels(n, 3), yval = problems::labels(m, 3);
  auto phi = problems::random<float>(n, 3);
  bl::Matrix X(x, n, d), Xval(xval, m, d);

  auto inner = bl::softmax(X, y).weights(bl::sigmoid(phi)).l2(1e-3);
  auto outer = bl::softmax(Xval, yval);
  auto plan = bl::unroll(inner, bl::sgd(0.1), 200) | bl::reverse(outer);
  auto [loss, grad] = plan.hypergradient(phi);

  EXPECT_EQ(grad.size(), phi.size());
  EXPECT_GT(problems::norm(grad), 0);
  // Steps along the negative gradient lower the loss: phi is read anew at each call.
  double before = loss;
  for (int step = 0; step < 5; ++step) {
    for (std::size_t i = 0; i < phi.size(); ++i) phi[i] -= 20 * grad[i];
    auto [now, next] = plan.hypergradient(phi);
    EXPECT_TRUE(now < before) << "step " << step << ": " << now << " after " << before;
    before = now;
    grad = next;
  }
}

template <class T>
class ClosedForm : public testing::Test {};
using Reals = testing::Types<float, double>;
TYPED_TEST_SUITE(ClosedForm, Reals);

// One row, one weight, one step from theta_0 = 0: theta_1 = rate w a b, L_out = (theta_1 c - e)^2 / 2.
TYPED_TEST(ClosedForm, OneStepOfLeastSquares) {
  using T = TypeParam;
  const std::vector<T> a{T(1.5)}, b{T(-0.75)}, c{T(2)}, e{T(0.5)}, w{T(0.8)}, rate{T(0.25)};
  auto inner = bl::least_squares(bl::Matrix(a, 1, 1), b).weights(w).no_bias();
  auto outer = bl::least_squares(bl::Matrix(c, 1, 1), e).no_bias();
  auto plan = bl::unroll(inner, bl::sgd(rate), 1) | bl::reverse(outer);
  auto [loss, g_w, g_rate, g_e] = plan.hypergradient(w, rate, e);

  const double theta = 0.25 * 0.8 * 1.5 * -0.75, residual = theta * 2 - 0.5;
  const double tolerance = problems::rounding<T>(16);
  EXPECT_NEAR(loss, residual * residual / 2, tolerance);
  EXPECT_NEAR(plan.theta()[0], theta, tolerance);
  EXPECT_NEAR(g_w[0], residual * 2 * 0.25 * 1.5 * -0.75, tolerance);
  EXPECT_NEAR(g_rate[0], residual * 2 * 0.8 * 1.5 * -0.75, tolerance);
  EXPECT_NEAR(g_e[0], -residual, tolerance);
}
