// SPDX-License-Identifier: Apache-2.0
//
// One loss at given parameters: gradients against central differences of its value, products with the Hessian and cross
// products against central differences of its gradient.
#include "problems.h"

namespace bl = bilevel;
using problems::difference_tolerance;
using problems::random;

namespace {

const double h = std::cbrt(std::numeric_limits<double>::epsilon());

// A network with weights and penalties through links: theta, phi and lambda may be moved.
struct Weighted {
  static constexpr std::int64_t n = 7, d = 3;
  std::vector<double> x = random(n * d, 1), y = random(n * 2, 2), phi = random(n, 3), lambda = random(d, 4);
  bl::Objective<double> loss =
      bl::network(bl::Matrix(x, n, d), bl::Matrix(y, n, 2), {5}, bl::Activation::softplus, bl::Loss::squared)
          .weights(bl::sigmoid(phi))
          .l2(bl::exp(lambda));
  std::size_t P = static_cast<std::size_t>(loss.parameters());
  std::vector<double> theta = random(P, 5);

  std::vector<double> gradient_at(double step, const double *v) const {
    std::vector<double> moved(theta);
    for (std::size_t j = 0; j < P; ++j) moved[j] += step * v[j];
    return bl::value_and_gradient(loss, moved).gradient;
  }
  // (gradient of `array`)(theta + h v) - (...)(theta - h v), over 2 h: the cross product with v.
  std::vector<double> difference(const std::vector<double> &array, const double *v) const {
    std::vector<double> up(theta), down(theta);
    for (std::size_t j = 0; j < P; ++j) up[j] += h * v[j], down[j] -= h * v[j];
    auto [l1, g1, a] = bl::value_and_gradient(loss, up, array);
    auto [l2, g2, b] = bl::value_and_gradient(loss, down, array);
    for (std::size_t i = 0; i < a.size(); ++i) a[i] = (a[i] - b[i]) / (2 * h);
    return a;
  }
};

std::vector<double> part(const std::vector<double> &a, std::size_t k, std::size_t size) {
  return {a.begin() + static_cast<std::ptrdiff_t>(k * size), a.begin() + static_cast<std::ptrdiff_t>((k + 1) * size)};
}

}  // namespace

TEST(Evaluation, GradientsOfEveryArray) {
  Weighted p;
  auto e = bl::evaluation(p.loss, p.theta);
  auto [value, g_theta, g_phi, g_lambda, g_x] = e.value_and_gradient(p.phi, p.lambda, p.x);
  EXPECT_EQ(value, e.value());
  const auto check = [&](std::vector<double> &array, const std::vector<double> &gradient, const char *what) {
    ASSERT_EQ(array.size(), gradient.size()) << what;
    for (std::size_t i = 0; i < array.size(); ++i) {
      const double kept = array[i];
      array[i] = kept + h;
      const double up = e.value();
      array[i] = kept - h;
      const double down = e.value();
      array[i] = kept;
      EXPECT_TRUE(std::abs((up - down) / (2 * h) - gradient[i]) <= difference_tolerance()) << what << " " << i;
    }
  };
  check(p.theta, g_theta, "theta");
  check(p.phi, g_phi, "weights");
  check(p.lambda, g_lambda, "l2");
  check(p.x, g_x, "X");
}

TEST(Evaluation, HessianAndCrossProducts) {
  Weighted p;
  auto e = bl::evaluation(p.loss, p.theta);
  for (const std::size_t K : {1u, 3u, 8u, 2u}) {  // a number of vectors may change from call to call
    const auto v = random(K * p.P, static_cast<unsigned>(6 + K));
    const auto Hv = e.hvp(v), cross = e.cross_product(v, p.phi), cross_l2 = e.cross_product(v, p.lambda);
    ASSERT_EQ(Hv.size(), K * p.P);
    ASSERT_EQ(cross.size(), K * p.phi.size());
    for (std::size_t k = 0; k < K; ++k) {
      const double *vk = v.data() + k * p.P;
      auto up = p.gradient_at(h, vk);
      const auto down = p.gradient_at(-h, vk);
      for (std::size_t j = 0; j < p.P; ++j) up[j] = (up[j] - down[j]) / (2 * h);
      EXPECT_TRUE(problems::distance(part(Hv, k, p.P), up) <= difference_tolerance()) << k;
      EXPECT_TRUE(problems::distance(part(cross, k, p.n), p.difference(p.phi, vk)) <= difference_tolerance()) << k;
      EXPECT_TRUE(problems::distance(part(cross_l2, k, p.d), p.difference(p.lambda, vk)) <= difference_tolerance())
          << k;
    }
  }
  EXPECT_EQ(bl::hvp(p.loss, p.theta, p.theta).size(), p.P);  // theta may be the vector
}

// For least squares without a penalty H = X^T X / n, whatever theta is: the plain sum is the reference.
TEST(Evaluation, HessianOfLeastSquares) {
  const std::int64_t n = 9, d = 4;
  const auto x = random(n * d, 1), y = random(n, 2), theta = random(d, 3), v = random(d, 4);
  const auto Hv = bl::hvp(bl::least_squares(bl::Matrix(x, n, d), y).no_bias(), theta, v);
  for (std::int64_t j = 0; j < d; ++j) {
    double expected = 0;
    for (std::int64_t i = 0; i < n; ++i) {
      double xv = 0;
      for (std::int64_t k = 0; k < d; ++k) xv += x[i * d + k] * v[k];
      expected += x[i * d + j] * xv / n;
    }
    EXPECT_NEAR(Hv[j], expected, problems::rounding<double>(n + d));
  }
}

// Two vectors at once; each task's own theta is the shared one, so that the sums over tasks must agree.
TEST(Evaluation, TasksShareThetaOrHaveTheirOwn) {
  const std::int64_t B = 3, n = 5, d = 2, P = d + 1, K = 2;
  const auto x = random(B * n * d, 1), y = random(B * n, 2, 0, 1), shared = random(P, 3), v = random(K * P, 4);
  auto loss = bl::logistic(bl::Tensor(x, B, n, d), bl::Tensor(y, B, n, 1));
  std::vector<double> own, vs, sum(P), Hsum(K * P);
  for (std::int64_t b = 0; b < B; ++b) own.insert(own.end(), shared.begin(), shared.end());
  for (std::int64_t k = 0; k < K; ++k) {
    for (std::int64_t b = 0; b < B; ++b) vs.insert(vs.end(), v.begin() + k * P, v.begin() + (k + 1) * P);
  }
  auto all = bl::evaluation(loss, shared), each = bl::evaluation(loss, own);
  const auto g = all.value_and_gradient().gradient, g_own = each.value_and_gradient().gradient;
  const auto H = all.hvp(v), H_own = each.hvp(vs);
  ASSERT_EQ(H.size(), static_cast<std::size_t>(K * P));
  ASSERT_EQ(H_own.size(), static_cast<std::size_t>(K * B * P));
  for (std::int64_t i = 0; i < B * P; ++i) sum[i % P] += g_own[i];
  for (std::int64_t i = 0; i < K * B * P; ++i) Hsum[i / (B * P) * P + i % P] += H_own[i];
  EXPECT_TRUE(problems::distance(g, sum) <= problems::rounding<double>(10 * n));
  EXPECT_TRUE(problems::distance(H, Hsum) <= problems::rounding<double>(10 * n));
  EXPECT_EQ(all.losses().size(), 3u);
}
