// SPDX-License-Identifier: Apache-2.0
//
// What the C++ header refuses to compile. With CASE 0 this is a valid program; every other CASE adds one mistake, and
// the test of that number wants the compiler to say what is wrong.
#include <bilevel/bilevel.hpp>

namespace bl = bilevel;

std::vector<float> x(6), w(3);
std::vector<double> x64(6), w64(3);
std::vector<int> y(3);
bl::Matrix<float> X(x, 3, 2);
bl::Matrix<double> X64(x64, 3, 2);

void expressions() {
  auto inner = bl::softmax(X, y).weights(bl::sigmoid(w));
  auto plan = bl::unroll(inner, bl::sgd(0.1), 5) | bl::reverse(bl::softmax(X, y));
  plan.hypergradient(w);
#if CASE == 1  // float and double are mixed
  inner.weights(w64);
#elif CASE == 2   // float and double are mixed
  bl::unroll(inner, bl::sgd(w64), 5);
#elif CASE == 3   // float and double are mixed
  bl::unroll(inner, bl::sgd(0.1), 5) | bl::reverse(bl::softmax(X64, y));
#elif CASE == 4   // float and double are mixed
  bl::softmax(X, X64);
#elif CASE == 5   // float and double are mixed
  plan.hypergradient(w64);
#elif CASE == 6   // give it a name
  bl::sigmoid(std::vector<float>(3));
#elif CASE == 7   // a named array
  bl::softmax(X, std::vector<int>(3));
#elif CASE == 8   // targets of logistic are float or double
  bl::logistic(X, y);
#elif CASE == 9   // expected an array here, not a number
  inner.weights(0.5);
#elif CASE == 10  // expected elements of type float or double
  bl::exp(y);
#elif CASE == 11  // float and double are mixed
  bl::heavy_ball(w, w64);
#elif CASE == 12  // a gradient is written
  bl::into(w, std::span<const float>(w));
#elif CASE == 13  // name what is wanted as bl::into
  plan.enqueue({}, bl::into(w64, w64));
#elif CASE == 14  // float and double are mixed
  bl::unroll(inner, bl::sgd(0.1), 5) | bl::implicit(bl::softmax(X64, y), bl::cg(1e-6));
#elif CASE == 15  // float and double are mixed
  bl::along(w, w64);
#elif CASE == 16  // name the directions as bl::along
  (bl::unroll(inner, bl::sgd(0.1), 5) | bl::forward(bl::softmax(X, y))).derivative(w);
#endif
}

int main() { expressions(); }
