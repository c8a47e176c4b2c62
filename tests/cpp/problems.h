// SPDX-License-Identifier: Apache-2.0
//
// Small random problems for the tests of the C++ header, and the tolerance of a comparison with central differences.
#pragma once
#include <gtest/gtest.h>

#include <bilevel/bilevel.hpp>
#include <cmath>
#include <cstdint>
#include <limits>
#include <random>
#include <string>
#include <vector>

namespace problems {

template <class T = double>
std::vector<T> random(std::size_t size, unsigned seed, double low = -1, double high = 1) {
  std::mt19937 engine(seed);
  std::vector<T> a(size);
  for (T &v : a) v = static_cast<T>(low + (high - low) * (engine() / 4294967296.0));
  return a;
}

// Every class occurs, the largest one too.
template <class I = std::int32_t>
std::vector<I> labels(std::size_t size, int classes) {
  std::vector<I> y(size);
  for (std::size_t i = 0; i < size; ++i) y[i] = static_cast<I>((i * 7 + i / 3) % static_cast<std::size_t>(classes));
  if (size > 0) y.back() = static_cast<I>(classes - 1);
  return y;
}

// A central difference with h = eps^(1/3) errs by h^2 |f'''| / 6 + eps |f| / h, that is eps^(2/3) times the ratio of
// |f'''| and |f| to |f'|; the problems of these tests, of order one, keep that ratio below 1000.
template <class T = double>
double difference_tolerance() {
  return 1000 * std::pow(static_cast<double>(std::numeric_limits<T>::epsilon()), 2.0 / 3);
}

template <class T>
double norm(const std::vector<T> &a) {
  double sum = 0;
  for (const T v : a) sum += static_cast<double>(v) * static_cast<double>(v);
  return std::sqrt(sum);
}

// |a - b| / max(|a|, |b|), NaN if one of them is.
template <class T>
double distance(const std::vector<T> &a, const std::vector<T> &b) {
  EXPECT_EQ(a.size(), b.size());
  std::vector<T> d(a);
  for (std::size_t i = 0; i < std::min(a.size(), b.size()); ++i) d[i] -= b[i];
  const double size = std::max(norm(a), norm(b));
  return size == 0 ? 0 : norm(d) / size;
}

// Both orders of summation of a value err by at most `terms` roundings each.
template <class T>
double rounding(double terms) {
  return 2 * terms * static_cast<double>(std::numeric_limits<T>::epsilon());
}

}  // namespace problems

// The call throws bilevel::Error with this status, and its message contains every one of the words.
template <class F>
void expect_error(blv_status status, const std::vector<std::string> &words, F &&call) {
  try {
    call();
    FAIL() << "nothing was thrown";
  } catch (const bilevel::Error &error) {
    EXPECT_EQ(error.status(), status) << error.what();
    const std::string text = error.what();
    EXPECT_EQ(text.rfind(std::string(blv_status_name(status)) + ": ", 0), 0u) << text;
    for (const std::string &word : words)
      EXPECT_NE(text.find(word), std::string::npos) << "no `" << word << "` in: " << text;
  }
}
