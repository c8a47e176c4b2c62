// SPDX-License-Identifier: Apache-2.0
//
// A consumer in C++: the same loss as evaluate.c, 1/2 (theta x - y)^2 with theta = 3, x = 2, y = 1; L = 12.5, dL/dtheta = 10,
// dL/dy = -5.
#include <bilevel/bilevel.hpp>
#include <cstdio>
#include <exception>
#include <vector>

namespace bl = bilevel;

int main() try {
  const std::vector<double> x{2}, y{1}, theta{3};
  const auto loss = bl::least_squares(bl::Matrix(x, 1, 1), y).no_bias();
  const auto [value, by_theta, by_y] = bl::value_and_gradient(loss, theta, y);
  std::printf("L = %g, dL/dtheta = %g, dL/dy = %g\n", value, by_theta[0], by_y[0]);
  return !(value == 12.5 && by_theta[0] == 10 && by_y[0] == -5);
} catch (const std::exception &error) {
  std::fprintf(stderr, "%s\n", error.what());
  return 1;
}
