// SPDX-License-Identifier: Apache-2.0
//
// Many tasks in one plan against the same tasks one at a time; ragged tasks; gradients that tasks share or have for
// themselves.
#include "problems.h"

namespace bl = bilevel;
using problems::random;

namespace {

// 5 tasks of a sine-like regression: 6 training and 4 validation rows, 1-8-1 network.
struct Tasks {
  static constexpr std::int64_t B = 5, n = 6, m = 4;
  std::vector<double> x = random(B * n, 1), y = random(B * n, 2), xval = random(B * m, 3), yval = random(B * m, 4);
  bl::Objective<double> inner =
      bl::network(bl::Tensor(x, B, n, 1), bl::Tensor(y, B, n, 1), {8}, bl::Activation::tanh, bl::Loss::squared);
  bl::Objective<double> outer = inner.on(bl::Tensor(xval, B, m, 1), yval);  // a flat array of B x m targets
  std::int64_t P = inner.parameters();
  std::vector<double> theta0 = random(static_cast<std::size_t>(P), 5);

  // Task b as a problem of its own.
  auto alone(std::int64_t b) const {
    const std::span<const double> xb(x.data() + b * n, n), yb(y.data() + b * n, n);
    const std::span<const double> xv(xval.data() + b * m, m), yv(yval.data() + b * m, m);
    auto in = bl::network(bl::Matrix(xb, n, 1), yb, {8}, bl::Activation::tanh, bl::Loss::squared);
    return std::pair{in, in.on(bl::Matrix(xv, m, 1), yv)};
  }
};

const double tolerance = problems::rounding<double>(1000);  // 5 steps of 6 rows and 25 parameters, forward and back

}  // namespace

// The meta-gradient of MAML: one initialisation for all tasks, its gradient summed over them.
TEST(Tasks, SharedInitialisationSumsOverTasks) {
  Tasks p;
  auto plan = bl::unroll(p.inner, bl::sgd(0.1), 5).from(p.theta0) | bl::reverse(p.outer);
  auto [loss, g] = plan.hypergradient(p.theta0);

  double sum = 0;
  std::vector<double> g_sum(p.theta0.size()), theta;
  for (std::int64_t b = 0; b < p.B; ++b) {
    const auto [in, out] = p.alone(b);
    auto one = bl::unroll(in, bl::sgd(0.1), 5).from(p.theta0) | bl::reverse(out);
    auto [loss_b, g_b] = one.hypergradient(p.theta0);
    EXPECT_TRUE(std::abs(plan.losses()[b] - loss_b) <= tolerance * loss_b) << b;
    sum += loss_b;
    for (std::size_t j = 0; j < g_sum.size(); ++j) g_sum[j] += g_b[j];
    theta.insert(theta.end(), one.theta().begin(), one.theta().end());
  }
  EXPECT_TRUE(std::abs(loss - sum) <= tolerance * sum);
  EXPECT_TRUE(problems::distance(g, g_sum) <= tolerance);
  EXPECT_TRUE(problems::distance(plan.train(), theta) <= tolerance);
}

TEST(Tasks, HyperparametersPerTask) {
  Tasks p;
  const std::int64_t T = 4;
  std::vector<double> penalty = random(p.B, 6), rate = random(p.B * T, 7, 0.05, 0.2),
                      weight = random(p.B * p.n, 8, 0.2, 1);
  std::vector<double> theta0 = random(static_cast<std::size_t>(p.B * p.P), 9);
  auto plan = bl::unroll(p.inner.weights(weight).l2(bl::per_task(bl::exp(penalty))),
                         bl::sgd(bl::per_task(bl::per_step(rate))), T)
                  .from(theta0) |
              bl::reverse(p.outer);
  auto [loss, g_penalty, g_rate, g_weight, g_theta0] = plan.hypergradient(penalty, rate, weight, theta0);
  const auto slice = [](const std::vector<double> &a, std::int64_t b, std::int64_t size) {
    return std::vector<double>(a.begin() + b * size, a.begin() + (b + 1) * size);
  };
  for (std::int64_t b = 0; b < p.B; ++b) {
    const auto [in, out] = p.alone(b);
    const auto pb = slice(penalty, b, 1), rb = slice(rate, b, T), wb = slice(weight, b, p.n),
               tb = slice(theta0, b, p.P);
    auto one = bl::unroll(in.weights(wb).l2(bl::exp(pb)), bl::sgd(bl::per_step(rb)), T).from(tb) | bl::reverse(out);
    auto [loss_b, gp, gr, gw, gt] = one.hypergradient(pb, rb, wb, tb);
    EXPECT_TRUE(problems::distance(slice(g_penalty, b, 1), gp) <= tolerance) << b;
    EXPECT_TRUE(problems::distance(slice(g_rate, b, T), gr) <= tolerance) << b;
    EXPECT_TRUE(problems::distance(slice(g_weight, b, p.n), gw) <= tolerance) << b;
    EXPECT_TRUE(problems::distance(slice(g_theta0, b, p.P), gt) <= tolerance) << b;
  }
}

TEST(Tasks, RaggedRowsEqualShorterTasks) {
  Tasks p;
  const std::vector<std::int32_t> counts{6, 1, 4, 0, 3};
  auto plan = bl::unroll(p.inner.rows(counts).l2(0.1), bl::sgd(0.1), 5).from(p.theta0) | bl::reverse(p.outer);
  plan.hypergradient(p.theta0);
  const std::vector<double> theta(plan.theta().begin(), plan.theta().end());
  for (std::int64_t b = 0; b < p.B; ++b) {
    const std::span<const double> x(p.x.data() + b * p.n, counts[b]), y(p.y.data() + b * p.n, counts[b]);
    auto in = bl::network(bl::Matrix(x, counts[b], 1), y, {8}, bl::Activation::tanh, bl::Loss::squared).l2(0.1);
    const auto alone = bl::unroll(in, bl::sgd(0.1), 5).from(p.theta0).train();
    const std::vector<double> of_task(theta.begin() + b * p.P, theta.begin() + (b + 1) * p.P);
    EXPECT_TRUE(problems::distance(of_task, alone) <= tolerance) << b;
  }
}

// Restarts: the data are shared, and only the initialisation tells the tasks apart.
TEST(Tasks, SharedDataManyInitialisations) {
  const std::int64_t B = 3, n = 8, d = 2;
  const auto x = random(n * d, 1), y = random(n, 2, 0, 1), theta0 = random(B * (d + 1), 3);
  auto inner = bl::logistic(bl::Matrix(x, n, d), y);
  auto plan = bl::unroll(inner, bl::heavy_ball(0.5, 0.5), 6).from(theta0).tasks(B) | bl::reverse(inner);
  const auto g = plan.hypergradient(theta0).gradient;
  EXPECT_EQ(g.size(), theta0.size());
  EXPECT_EQ(plan.losses().size(), 3u);
  const double error = plan.check_gradient(theta0, 3);
  EXPECT_TRUE(error <= problems::difference_tolerance()) << error;
}

TEST(Tasks, NoTaskAtAll) {
  const std::vector<double> x{0}, y{0};
  std::vector<double> phi{0.5};
  auto inner = bl::least_squares(bl::Tensor(x, 0, 1, 1), bl::Tensor(y, 0, 1, 1)).l2(phi);
  auto plan = bl::unroll(inner, bl::sgd(0.1), 3) | bl::reverse(inner);
  auto [loss, g] = plan.hypergradient(phi);
  EXPECT_EQ(loss, 0);
  EXPECT_EQ(g, std::vector<double>{0});
  EXPECT_TRUE(plan.train().empty());
}

// One task diverges: it alone is not finite, unless the sum over tasks is asked for without leaving it out.
TEST(Tasks, DivergenceStaysWithItsTask) {
  Tasks p;
  std::vector<double> rate(p.B, 0.1), phi{0.0};
  rate[2] = std::numeric_limits<double>::infinity();
  const auto unroll = bl::unroll(p.inner.l2(bl::exp(phi)), bl::sgd(bl::per_task(rate)), 3).from(p.theta0);
  auto poisoned = unroll | bl::reverse(p.outer);
  EXPECT_TRUE(std::isnan(poisoned.hypergradient(phi).gradient[0]));
  auto plan = unroll.skip_failed() | bl::reverse(p.outer);
  EXPECT_TRUE(std::isfinite(plan.hypergradient(phi).gradient[0]));
  for (std::int64_t b = 0; b < p.B; ++b) {
    EXPECT_EQ(std::isfinite(plan.losses()[b]), b != 2) << b;
    EXPECT_EQ(plan.info()[b].status, b == 2 ? BLV_TASK_NOT_FINITE : BLV_TASK_OK) << b;
  }
  EXPECT_EQ(plan.info()[2].step, 1);
}
