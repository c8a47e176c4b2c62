// SPDX-License-Identifier: Apache-2.0
//
// Hypergradients with respect to everything an expression can be given, against central differences of the outer loss
// in double, and against each other where one array is read in several places.
#include <algorithm>

#include "problems.h"

namespace bl = bilevel;
using problems::difference_tolerance;
using problems::labels;
using problems::random;

namespace {

// 12 training and 9 validation rows, 4 features, 3 classes.
struct Softmax {
  static constexpr std::int64_t n = 12, m = 9, d = 4, c = 3, parameters = c * (d + 1);
  std::vector<double> x = random(n * d, 1), xval = random(m * d, 2), phi = random(n, 3), theta0 = random(parameters, 4);
  std::vector<std::int32_t> y = labels(n, c), yval = labels(m, c);
  bl::Matrix<double> X{x, n, d}, Xval{xval, m, d};
  bl::Objective<double> inner = bl::softmax(X, y), outer = bl::softmax(Xval, yval);
};

// An elementwise check, so that no part of a gradient hides behind the others; independent of check_gradient. Elements
// that nothing reads would agree too, with a difference of 0: all but `zeros` elements have to matter.
template <class Plan>
void expect_gradient(Plan &plan, std::vector<double> &array, const char *what, std::ptrdiff_t zeros = 0) {
  const std::vector<double> gradient = plan.hypergradient(array).gradient;
  ASSERT_EQ(gradient.size(), array.size()) << what;
  const double size = problems::norm(gradient);
  EXPECT_EQ(std::ranges::count(gradient, 0.0), zeros) << what;
  for (std::size_t i = 0; i < array.size(); ++i) {
    const double h = std::cbrt(std::numeric_limits<double>::epsilon()), value = array[i];
    array[i] = value + h;
    const double up = plan.loss();
    array[i] = value - h;
    const double down = plan.loss();
    array[i] = value;
    const double error = std::abs((up - down) / (2 * h) - gradient[i]);
    EXPECT_TRUE(error <= difference_tolerance() * size)
        << what << " [" << i << "]: " << gradient[i] << " differs by " << error;
  }
  const double error = plan.check_gradient(array, 3);
  EXPECT_TRUE(error <= difference_tolerance()) << what << ": check_gradient " << error;
}

}  // namespace

TEST(Gradients, WeightsThroughEveryLink) {
  Softmax p;
  std::vector<double> w = random(p.n, 5, 0.2, 1);
  const auto check = [&](const auto &inner, std::vector<double> &array, const char *what) {
    auto plan = bl::unroll(inner, bl::sgd(0.3), 7) | bl::reverse(p.outer);
    expect_gradient(plan, array, what);
  };
  check(p.inner.weights(w), w, "no link");
  check(p.inner.weights(bl::sigmoid(p.phi)), p.phi, "sigmoid");
  check(p.inner.weights(bl::exp(p.phi)), p.phi, "exp");
  check(p.inner.weights(bl::softplus(p.phi)), p.phi, "softplus");
}

TEST(Gradients, PenaltiesOfEveryExtent) {
  Softmax p;
  std::vector<double> scalar = random(1, 5, 0.1, 0.5), feature = random(p.d, 6),
                      parameter = random(p.parameters, 7, 0.1, 0.5);
  const auto check = [&](const auto &inner, std::vector<double> &array, const char *what) {
    auto plan = bl::unroll(inner, bl::sgd(0.3), 7) | bl::reverse(p.outer);
    expect_gradient(plan, array, what);
  };
  check(p.inner.l2(scalar), scalar, "scalar");
  check(p.inner.l2(bl::exp(feature)), feature, "per feature");
  check(p.inner.l2(parameter), parameter, "per parameter");
  check(p.inner.l2(bl::per_parameter(bl::softplus(parameter))), parameter, "per parameter, said so");
}

TEST(Gradients, RatesAndMomentaOfEveryExtent) {
  Softmax p;
  const std::int64_t T = 5;
  std::vector<double> one{0.3}, steps = random(T, 5, 0.1, 0.5), each = random(p.parameters, 6, 0.1, 0.5);
  std::vector<double> all = random(T * p.parameters, 7, 0.1, 0.5), momentum = random(T, 8, 0.5, 0.9), log_rate{-1.0};
  const auto check = [&](const auto &optimiser, std::vector<double> &array, const char *what, int zeros = 0) {
    auto plan = bl::unroll(p.inner.l2(0.1), optimiser, T).from(p.theta0) | bl::reverse(p.outer);
    expect_gradient(plan, array, what, zeros);
  };
  check(bl::sgd(one), one, "rate");
  check(bl::sgd(bl::exp(log_rate)), log_rate, "exp rate");
  check(bl::sgd(bl::per_step(steps)), steps, "rate per step");
  check(bl::sgd(each), each, "rate per parameter");
  check(bl::sgd(bl::per_step(all)), all, "rate per step and parameter");
  check(bl::heavy_ball(0.3, bl::per_step(momentum)), momentum, "momentum per step", 1);  // m_0 = 0
  check(bl::heavy_ball(bl::per_step(steps), 0.7), steps, "heavy ball, rate per step");
}

TEST(Gradients, DataOfBothLossesAndInitialisation) {
  Softmax p;
  std::vector<double> soft = random(p.n * p.c, 9, 0, 1), wval = random(p.m, 10, 0.2, 1);
  auto inner = bl::softmax(p.X, bl::Matrix(soft, p.n, p.c)).l2(0.05);
  auto plan = bl::unroll(inner, bl::sgd(0.3), 6).from(p.theta0) | bl::reverse(p.outer.weights(wval));
  expect_gradient(plan, p.x, "inner X");
  expect_gradient(plan, p.xval, "outer X");
  expect_gradient(plan, soft, "inner targets");
  expect_gradient(plan, wval, "outer weights");
  expect_gradient(plan, p.theta0, "theta0");
}

// Label learning: targets are a link of a free array. int64_t labels in the other loss.
TEST(Gradients, TargetsAndFeaturesThroughLinks) {
  Softmax p;
  std::vector<double> logits = random(p.n * p.c, 9), logit = random(p.n, 10), log_x = random(p.n * p.d, 11);
  const std::vector<std::int64_t> yval(p.yval.begin(), p.yval.end());
  const auto outer = bl::softmax(p.Xval, yval);
  auto soft = bl::unroll(bl::softmax(bl::exp(bl::Matrix(log_x, p.n, p.d)), bl::sigmoid(bl::Matrix(logits, p.n, p.c))),
                         bl::sgd(0.2), 5) |
              bl::reverse(outer);
  expect_gradient(soft, logits, "soft labels");
  expect_gradient(soft, log_x, "exp features");
  const std::vector<double> binary = random(p.m, 12, 0, 1);
  auto logistic =
      bl::unroll(bl::logistic(p.X, bl::sigmoid(logit)), bl::sgd(0.2), 5) | bl::reverse(bl::logistic(p.Xval, binary));
  expect_gradient(logistic, logit, "binary soft labels");
}

TEST(Gradients, NetworkWithMinibatches) {
  const std::int64_t n = 10, d = 3, T = 4, batch = 5;
  std::vector<double> x = random(n * d, 1), y = random(n * 2, 2), phi = random(n, 3);
  std::vector<std::int64_t> rows(T * batch);
  for (std::size_t i = 0; i < rows.size(); ++i) rows[i] = static_cast<std::int64_t>(i * 3 % n);
  bl::Matrix X(x, n, d), Y(y, n, 2);
  auto inner = bl::network(X, Y, {6, 5}, bl::Activation::tanh, bl::Loss::squared).weights(bl::sigmoid(phi));
  std::vector<double> theta0 = random(static_cast<std::size_t>(inner.parameters()), 4);
  for (const auto store : {bl::Store::automatic, bl::Store::tape, bl::Store::theta, bl::Store::checkpoints}) {
    auto plan = bl::unroll(inner, bl::heavy_ball(0.2, 0.8), T).from(theta0).minibatches(rows, batch).store(store) |
                bl::reverse(inner.on(X, Y));
    expect_gradient(plan, phi, "weights");
    expect_gradient(plan, theta0, "theta0");
  }
}

// An array that both losses read, an array that contains the arrays of several leaves, and one asked for twice.
TEST(Arrays, GradientIsOverAllThatReadsTheArray) {
  Softmax p;
  std::vector<double> flat = random(p.n + p.d + 2, 11, -1, 0);  // weights, gap, penalties, rate
  const std::span<double> w(flat.data(), p.n), penalty(flat.data() + p.n + 1, p.d),
      rate(flat.data() + p.n + 1 + p.d, 1);
  auto inner = p.inner.weights(bl::sigmoid(w)).l2(bl::exp(penalty));
  auto plan = bl::unroll(inner, bl::sgd(bl::exp(rate)), 5) | bl::reverse(p.inner);
  auto [loss, all, g_w, g_penalty, g_rate, g_x] = plan.hypergradient(flat, w, penalty, rate, p.x);

  std::vector<double> joined(g_w);
  joined.push_back(0);  // nothing reads flat[n]
  joined.insert(joined.end(), g_penalty.begin(), g_penalty.end());
  joined.insert(joined.end(), g_rate.begin(), g_rate.end());
  EXPECT_EQ(all, joined);
  expect_gradient(plan, p.x, "X of both losses");
  const double error = plan.check_gradient(flat, 3);
  EXPECT_TRUE(error <= difference_tolerance()) << error;
}

// Features and targets are columns of one table; a gradient has the layout of its array and is zero between.
TEST(Arrays, StridedTable) {
  const std::int64_t n = 7, d = 3, stride = 6;
  std::vector<double> table = random(n * stride, 1), xval = random(n * d, 2), yval = random(n, 3);
  const std::span<double> targets(table.data() + d, (n - 1) * stride + 1);
  bl::Matrix X(table, n, d, stride), Y(targets, n, 1, stride);
  auto plan = bl::unroll(bl::least_squares(X, Y), bl::sgd(0.1), 6) |
              bl::reverse(bl::least_squares(bl::Matrix(xval, n, d), yval));
  const auto g = plan.hypergradient(table).gradient;
  for (std::int64_t i = 0; i < n * stride; ++i) EXPECT_EQ(g[i] == 0, i % stride > d) << i;
  const double error = plan.check_gradient(table, 3);
  EXPECT_TRUE(error <= difference_tolerance()) << error;
  // Between the elements of X lie all targets but the last one: that is refused, not passed over.
  expect_error(BLV_INVALID, {"only a part", "inner targets"}, [&] { plan.hypergradient(X); });
}

TEST(Arrays, CheckGradientSeesAWrongGradient) {
  // The kink of ReLU, met exactly: the difference is half of what one side says, so a check that cannot fail would be
  // found out.
  const std::vector<double> x{1.0}, y{1.0};
  std::vector<double> theta0{0.0, 1.0};
  auto inner = bl::network(bl::Matrix(x, 1, 1), y, {1}, bl::Activation::relu, bl::Loss::squared).no_bias();
  auto plan = bl::unroll(inner, bl::sgd(0.0), 1).from(theta0) | bl::reverse(inner);
  const double error = plan.check_gradient(theta0, 4);
  EXPECT_FALSE(error <= 0.1) << error;
}

TEST(Precision, FloatAgreesWithDouble) {
  Softmax p;
  std::vector<float> x(p.x.begin(), p.x.end()), xval(p.xval.begin(), p.xval.end()), phi(p.phi.begin(), p.phi.end());
  std::vector<double> xd(x.begin(), x.end()), xvald(xval.begin(), xval.end()), phid(phi.begin(), phi.end());
  const auto run = [&](const auto &a, const auto &b, const auto &hyper) {
    auto inner = bl::softmax(bl::Matrix(a, p.n, p.d), p.y).weights(bl::sigmoid(hyper)).l2(0.05);
    auto plan =
        bl::unroll(inner, bl::heavy_ball(0.2, 0.5), 10) | bl::reverse(bl::softmax(bl::Matrix(b, p.m, p.d), p.yval));
    return plan.hypergradient(hyper);
  };
  const auto in_float = run(x, xval, phi);
  const auto in_double = run(xd, xvald, phid);
  const std::vector<double> widened(in_float.gradient.begin(), in_float.gradient.end());
  const double tolerance = problems::rounding<float>(10.0 * static_cast<double>(p.n + p.d));
  EXPECT_TRUE(std::abs(in_float.loss - in_double.loss) <= tolerance * in_double.loss);
  EXPECT_TRUE(problems::distance(widened, in_double.gradient) <= tolerance);
}
