// SPDX-License-Identifier: Apache-2.0
//
// Forward accumulation and implicit differentiation: against reverse accumulation, of which they are other orders of the
// same sums, or the limit of many steps; and what each refuses.
#include "problems.h"

namespace bl = bilevel;
using problems::distance;
using problems::labels;
using problems::random;
using problems::rounding;

namespace {

// Ridge regression: a quadratic inner loss, whose Hessian has eigenvalues between the penalty and about 1.
struct Ridge {
  static constexpr std::int64_t n = 20, m = 15, d = 4, parameters = d + 1;
  std::vector<double> x = random(n * d, 1), y = random(n, 2), xval = random(m * d, 3), yval = random(m, 4);
  std::vector<double> phi = random(n, 5), log_l2{-1.0}, rate{0.5}, theta0 = random(parameters, 6);
  std::vector<double> l2 = std::vector<double>(parameters, 0.2);
  bl::Objective<double> inner =
      bl::least_squares(bl::Matrix(x, n, d), y).weights(bl::sigmoid(phi)).l2(bl::per_parameter(l2));
  bl::Objective<double> outer = bl::least_squares(bl::Matrix(xval, m, d), yval);
};

// 3 tasks of a network, with one array for weights and penalty.
struct Tasks {
  static constexpr std::int64_t tasks = 3, n = 7, d = 2;
  std::vector<double> x = random(tasks * n * d, 1), y = random(tasks * n, 2), xval = random(tasks * n * d, 3);
  std::vector<double> weights_and_l2 = random(tasks * n + 1, 4), rates = random(4, 5, 0.05, 0.2);
  std::vector<double> momentum{0.6}, theta0;
  bl::Objective<double> inner = bl::network(bl::Tensor(x, tasks, n, d), y, {3}, bl::Activation::tanh, bl::Loss::squared)
                                    .weights(bl::exp(std::span(weights_and_l2).first(tasks * n)))
                                    .l2(bl::exp(std::span(weights_and_l2).last(1)));
  bl::Objective<double> outer = inner.on(bl::Tensor(xval, tasks, n, d), y);
  Tasks() { theta0 = random(static_cast<std::size_t>(inner.parameters()), 6); }
  auto steps() const { return bl::unroll(inner, bl::heavy_ball(bl::per_step(rates), momentum), 4).from(theta0); }
};

// Both orders of the same chain of about 100 sums and products.
const double same = rounding<double>(1000);

}  // namespace

TEST(Forward, AgreesWithReverseForEveryArray) {
  Tasks p;
  auto reverse = p.steps() | bl::reverse(p.outer);
  auto forward = p.steps() | bl::forward(p.outer);
  const auto [loss, g_w, g_rates, g_momentum, g_theta0, g_y] =
      reverse.hypergradient(p.weights_and_l2, p.rates, p.momentum, p.theta0, p.y);
  const auto [loss_f, f_w, f_rates, f_momentum, f_theta0, f_y] =
      forward.hypergradient(p.weights_and_l2, p.rates, p.momentum, p.theta0, p.y);
  EXPECT_TRUE(std::abs(loss - loss_f) <= same * loss);
  EXPECT_TRUE(distance(g_w, f_w) <= same) << distance(g_w, f_w);
  EXPECT_TRUE(distance(g_rates, f_rates) <= same) << distance(g_rates, f_rates);
  EXPECT_TRUE(distance(g_momentum, f_momentum) <= same) << distance(g_momentum, f_momentum);
  EXPECT_TRUE(distance(g_theta0, f_theta0) <= same) << distance(g_theta0, f_theta0);
  EXPECT_TRUE(distance(g_y, f_y) <= same) << distance(g_y, f_y);
  EXPECT_TRUE(problems::norm(g_w) > 1e-3 && problems::norm(g_momentum) > 1e-3);
}

TEST(Forward, DirectionsOfSeveralArraysAtOnce) {
  Tasks p;
  const std::int64_t K = 3;
  const std::vector<double> e_w = random(K * p.weights_and_l2.size(), 7), e_rates = random(K * p.rates.size(), 8);
  auto reverse = p.steps() | bl::reverse(p.outer);
  auto forward = p.steps() | bl::forward(p.outer);
  const auto [loss, g_w, g_rates] = reverse.hypergradient(p.weights_and_l2, p.rates);
  const auto [loss_f, slope] = forward.derivative(bl::along(p.weights_and_l2, e_w), bl::along(p.rates, e_rates));
  ASSERT_EQ(slope.size(), static_cast<std::size_t>(K));
  for (std::size_t k = 0; k < slope.size(); ++k) {
    double expected = 0, size = 0;
    for (std::size_t i = 0; i < g_w.size(); ++i) {
      expected += g_w[i] * e_w[k * g_w.size() + i];
      size += std::abs(g_w[i] * e_w[k * g_w.size() + i]);
    }
    for (std::size_t i = 0; i < g_rates.size(); ++i) {
      expected += g_rates[i] * e_rates[k * g_rates.size() + i];
      size += std::abs(g_rates[i] * e_rates[k * g_rates.size() + i]);
    }
    EXPECT_TRUE(std::abs(slope[k] - expected) <= same * size) << slope[k] << " and " << expected;
  }
  EXPECT_TRUE(std::abs(loss - loss_f) <= same * loss);
  ASSERT_EQ(forward.loss_derivatives().size(), static_cast<std::size_t>(p.tasks * K));
  double first = 0;
  for (std::int64_t b = 0; b < p.tasks; ++b) first += forward.loss_derivatives()[static_cast<std::size_t>(b * K)];
  EXPECT_TRUE(std::abs(first - slope[0]) <= same * std::abs(slope[0]));
  EXPECT_TRUE(distance(std::vector<double>(forward.theta().begin(), forward.theta().end()), reverse.train()) <= same);
}

// Inner targets move the gradient of every step, outer ones the loss at the end; some of them are 0.
TEST(Forward, TargetsOfEveryLoss) {
  const std::int64_t n = 7, d = 2, c = 3;
  const std::vector<double> x = random(n * d, 1), xval = random(n * d, 2);
  std::vector<double> y = random(n * c, 3, 0, 1), yval = random(n * c, 4, 0, 1);
  y[1] = yval[2] = 0;
  for (const bl::Loss loss : {bl::Loss::squared, bl::Loss::logistic, bl::Loss::cross_entropy}) {
    const std::vector<double> theta0 = random(3 * (d + 1) + c * 4, 5);
    const auto inner = bl::network(bl::Matrix(x, n, d), bl::Matrix(y, n, c), {3}, bl::Activation::tanh, loss);
    const auto steps = bl::unroll(inner, bl::sgd(0.3), 4).from(theta0);
    const auto outer = inner.on(bl::Matrix(xval, n, d), bl::Matrix(yval, n, c));
    auto reverse = steps | bl::reverse(outer);
    auto forward = steps | bl::forward(outer);
    const auto [value, g_y, g_yval] = reverse.hypergradient(y, yval);
    const auto [value_f, f_y, f_yval] = forward.hypergradient(y, yval);
    EXPECT_TRUE(distance(g_y, f_y) <= same) << static_cast<int>(loss) << ": " << distance(g_y, f_y);
    EXPECT_TRUE(distance(g_yval, f_yval) <= same) << static_cast<int>(loss) << ": " << distance(g_yval, f_yval);
    EXPECT_TRUE(problems::norm(g_y) > 1e-4 && std::abs(value - value_f) <= same * value);
  }
}

TEST(Forward, DerivativesOfTheta) {
  Tasks p;
  auto plan = p.steps() | bl::forward(p.outer);
  const std::vector<double> e = random(p.rates.size(), 9);
  const std::vector<double> d = plan.theta_derivative(bl::along(p.rates, e));
  const double h = std::cbrt(std::numeric_limits<double>::epsilon());
  const std::vector<double> rates = p.rates;
  const auto theta_at = [&](double step) {
    for (std::size_t t = 0; t < rates.size(); ++t) p.rates[t] = rates[t] + step * e[t];
    return plan.train();
  };
  const std::vector<double> up = theta_at(h), down = theta_at(-h);
  std::vector<double> difference(up.size());
  for (std::size_t i = 0; i < up.size(); ++i) difference[i] = (up[i] - down[i]) / (2 * h);
  EXPECT_TRUE(distance(d, difference) <= problems::difference_tolerance()) << distance(d, difference);
  EXPECT_TRUE(problems::norm(d) > 1e-3);
}

TEST(Forward, ChecksItselfAndRunsInFloat) {
  Ridge p;
  auto plan = bl::unroll(p.inner, bl::sgd(p.rate), 10) | bl::forward(p.outer);
  const double error = plan.check_gradient(p.phi, 3);
  EXPECT_TRUE(error <= problems::difference_tolerance()) << error;

  const std::vector<float> x = random<float>(12, 1), y = random<float>(6, 2);
  std::vector<float> rate{0.1f};
  const auto loss = bl::least_squares(bl::Matrix(x, 6, 2), y);
  const auto reverse = (bl::unroll(loss, bl::sgd(rate), 5) | bl::reverse(loss)).hypergradient(rate).gradient;
  const auto forward = (bl::unroll(loss, bl::sgd(rate), 5) | bl::forward(loss)).hypergradient(rate).gradient;
  EXPECT_TRUE(distance(reverse, forward) <= rounding<float>(100)) << distance(reverse, forward);
}

TEST(Forward, Refusals) {
  Tasks p;
  auto plan = p.steps() | bl::forward(p.outer);
  std::vector<double> e(p.rates.size()), odd(p.rates.size() + 1), many(9 * p.rates.size()), two(2), other(3);
  const auto along_rates = [&](const std::vector<double> &tangents) { plan.derivative(bl::along(p.rates, tangents)); };
  expect_error(BLV_INVALID, {"5 elements", "1 to 8 times 4"}, [&] { along_rates(odd); });
  expect_error(BLV_INVALID, {"36 elements", "1 to 8 times 4"}, [&] { along_rates(many); });
  expect_error(BLV_INVALID, {"as many directions for each array"},
               [&] { plan.derivative(bl::along(p.rates, e), bl::along(p.momentum, two)); });
  expect_error(BLV_INVALID, {"given twice"}, [&] { plan.derivative(bl::along(p.rates, e), bl::along(p.rates, e)); });
  expect_error(BLV_INVALID, {"nothing depends on the given array of 3"},
               [&] { plan.derivative(bl::along(other, other)); });
  expect_error(BLV_INVALID, {"residual", "forward", "accepted: by implicit"}, [&] { plan.residual(); });
  expect_error(BLV_UNSUPPORTED, {"enqueue", "BLV_FORWARD"}, [&] { plan.enqueue({}); });
  auto reverse = p.steps() | bl::reverse(p.outer);
  expect_error(BLV_INVALID, {"derivative", "reverse", "accepted: by forward"},
               [&] { reverse.derivative(bl::along(p.rates, e)); });
}

// Where the inner steps have converged, the three agree.
TEST(Implicit, IsTheLimitOfManySteps) {
  Ridge p;
  const auto steps = bl::unroll(p.inner, bl::sgd(p.rate), 400);
  auto reverse = steps | bl::reverse(p.outer.l2(p.log_l2));
  auto implicit = steps | bl::implicit(p.outer.l2(p.log_l2), bl::cg(1e-13));
  const auto [loss, g_phi, g_x, g_outer, g_yval] = reverse.hypergradient(p.phi, p.x, p.log_l2, p.yval);
  const auto [loss_i, i_phi, i_x, i_outer, i_yval] = implicit.hypergradient(p.phi, p.x, p.log_l2, p.yval);
  // The smallest eigenvalue of H is at least 0.2: after 400 steps of rate 0.5, 0.9^400 = 5e-19 of the start is left, and
  // the solver's residual weighs at most 1 / 0.2.
  const double tolerance = 1e-11;
  EXPECT_TRUE(std::abs(loss - loss_i) <= same * loss);
  EXPECT_TRUE(distance(g_phi, i_phi) <= tolerance) << distance(g_phi, i_phi);
  EXPECT_TRUE(distance(g_x, i_x) <= tolerance) << distance(g_x, i_x);
  EXPECT_TRUE(distance(g_outer, i_outer) <= tolerance) << distance(g_outer, i_outer);
  EXPECT_TRUE(distance(g_yval, i_yval) <= tolerance) << distance(g_yval, i_yval);
  ASSERT_EQ(implicit.residual().size(), 1u);
  EXPECT_TRUE(implicit.residual()[0] <= 1e-12) << implicit.residual()[0];
  // In exact arithmetic CG ends after as many iterations as there are parameters.
  EXPECT_GE(implicit.info()[0].iterations, 1);
  EXPECT_LE(implicit.info()[0].iterations, 2 * p.parameters);
  EXPECT_TRUE(implicit.check_gradient(p.phi, 2) <= problems::difference_tolerance());
}

TEST(Implicit, ToleranceIterationsAndDamping) {
  Ridge p;
  const auto steps = bl::unroll(p.inner, bl::sgd(p.rate), 400);
  auto loose = steps | bl::implicit(p.outer, bl::cg(0.1));
  loose.hypergradient(p.phi);
  const double residual = loose.residual()[0];
  EXPECT_TRUE(residual > 1e-12 && residual <= 0.1 * (1 + same)) << residual;
  auto none = steps | bl::implicit(p.outer, bl::cg(0, 0));  // v = 0: nothing of the inner loss
  EXPECT_EQ(problems::norm(none.hypergradient(p.phi).gradient), 0);
  EXPECT_TRUE(std::abs(none.residual()[0] - 1) <= same);
  // With much damping v is dL_out/dtheta / damping.
  auto damped = steps | bl::implicit(p.outer, bl::cg(1e-12, 100, 1e6));
  auto more = steps | bl::implicit(p.outer, bl::cg(1e-12, 100, 2e6));
  const std::vector<double> once = damped.hypergradient(p.phi).gradient;
  std::vector<double> twice = more.hypergradient(p.phi).gradient;
  for (double &g : twice) g *= 2;
  EXPECT_TRUE(distance(once, twice) <= 1e-5) << distance(once, twice);
  expect_error(BLV_INVALID, {"tolerance"}, [&] { (steps | bl::implicit(p.outer, bl::cg(-1))).hypergradient(p.phi); });
  expect_error(BLV_INVALID, {"damping"},
               [&] { (steps | bl::implicit(p.outer, bl::cg(0.1, 1, -1))).hypergradient(p.phi); });
}

TEST(Implicit, BySolversOtherThanCg) {
  Ridge p;
  const auto steps = bl::unroll(p.inner, bl::sgd(p.rate), 400);
  auto by_cg = steps | bl::implicit(p.outer, bl::cg(1e-12));
  const std::vector<double> want = by_cg.hypergradient(p.phi).gradient;
  EXPECT_EQ(by_cg.stops()[0], BLV_STOP_CONVERGED);
  auto by_minres = steps | bl::implicit(p.outer, bl::minres(1e-12));
  EXPECT_TRUE(distance(by_minres.hypergradient(p.phi).gradient, want) <= 1e-10);
  EXPECT_EQ(by_minres.stops()[0], BLV_STOP_CONVERGED);
  // The rate is a step with which the inner steps converged, and so does the series.
  auto by_series = steps | bl::implicit(p.outer, bl::neumann(bl::StepSize(0.5), 1e-12, 1000));
  EXPECT_TRUE(distance(by_series.hypergradient(p.phi).gradient, want) <= 1e-10);
  auto short_series = steps | bl::implicit(p.outer, bl::neumann(bl::StepSize(0.5), 1e-6, 2));
  short_series.hypergradient(p.phi);
  EXPECT_EQ(short_series.stops()[0], BLV_STOP_LIMIT);
  // v = dL_out/dtheta is what much damping gives, times the damping.
  auto direct = steps | bl::implicit(p.outer, bl::identity());
  auto damped = steps | bl::implicit(p.outer, bl::cg(1e-12, 100, 1e6));
  std::vector<double> scaled = damped.hypergradient(p.phi).gradient;
  for (double &g : scaled) g *= 1e6;
  EXPECT_TRUE(distance(direct.hypergradient(p.phi).gradient, scaled) <= 1e-5);
  expect_error(BLV_INVALID, {"residual", "identity"}, [&] { direct.residual(); });
  expect_error(BLV_INVALID, {"step", "> 0"},
               [&] { (steps | bl::implicit(p.outer, bl::neumann(bl::StepSize(0)))).hypergradient(p.phi); });
  auto divergent = steps | bl::implicit(p.outer, bl::neumann(bl::StepSize(100)));
  EXPECT_TRUE(std::isnan(divergent.hypergradient(p.phi).gradient[0]));
  EXPECT_EQ(divergent.info()[0].status, BLV_TASK_DIVERGENT);
  EXPECT_EQ(divergent.stops()[0], BLV_STOP_DIVERGENT);
}

TEST(Implicit, TasksHaveTheirOwnResiduals) {
  const std::int64_t tasks = 3, n = 8, d = 2;
  const std::vector<double> x = random(tasks * n * d, 1), y = random(tasks * n, 2);
  std::vector<double> log_l2{-1.0};
  const auto inner = bl::least_squares(bl::Tensor(x, tasks, n, d), y).l2(bl::exp(log_l2)).no_bias();
  const auto steps = bl::unroll(inner, bl::sgd(0.5), 300);
  auto implicit = steps | bl::implicit(inner.on(bl::Tensor(x, tasks, n, d), y), bl::cg(1e-12));
  auto reverse = steps | bl::reverse(inner.on(bl::Tensor(x, tasks, n, d), y));
  const auto a = implicit.hypergradient(log_l2).gradient, b = reverse.hypergradient(log_l2).gradient;
  EXPECT_TRUE(distance(a, b) <= 1e-10) << distance(a, b);
  ASSERT_EQ(implicit.residual().size(), 3u);
  for (const double r : implicit.residual()) EXPECT_TRUE(r <= 1e-11) << r;
  EXPECT_EQ(implicit.train().size(), static_cast<std::size_t>(tasks * d));
}

TEST(Implicit, RefusesArraysOfTheSteps) {
  Ridge p;
  auto plan = bl::unroll(p.inner, bl::heavy_ball(p.rate, 0.5), 10).from(p.theta0) | bl::implicit(p.outer);
  expect_error(BLV_INVALID, {"gradient of rate", "implicit", "reverse"}, [&] { plan.hypergradient(p.rate); });
  expect_error(BLV_INVALID, {"gradient of theta0", "implicit"}, [&] { plan.hypergradient(p.phi, p.theta0); });
  std::vector<double> momentum{0.5};
  auto other = bl::unroll(p.inner, bl::heavy_ball(p.rate, momentum), 10) | bl::implicit(p.outer, bl::cg());
  expect_error(BLV_INVALID, {"gradient of momentum", "implicit"}, [&] { other.hypergradient(momentum); });
  EXPECT_TRUE(std::isfinite(other.loss()));
  auto reverse = bl::unroll(p.inner, bl::sgd(p.rate), 10) | bl::reverse(p.outer);
  expect_error(BLV_INVALID, {"residual", "reverse", "accepted: by implicit"}, [&] { reverse.residual(); });
}
