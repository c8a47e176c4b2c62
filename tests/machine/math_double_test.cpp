// SPDX-License-Identifier: Apache-2.0
//
// The error of every function of kernels/machine/cpu/math.h on doubles, in ulp, against long double: two million arguments a
// function, drawn from all bit patterns and from the ranges where a function, or the way it is computed, changes.
#include <gtest/gtest.h>

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstdint>
#include <cstdio>
#include <limits>
#include <random>
#include <string>
#include <vector>

#include "tests/machine/levels.h"

namespace core_test {
namespace {

constexpr double infinity = std::numeric_limits<double>::infinity();

long double reference(int function, long double x) {
  switch (function) {
    case EXP:
      return std::exp(x);
    case EXPM1:
      return std::expm1(x);
    case LOG:
      return std::log(x);
    case LOG1P:
      return std::log1p(x);
    case TANH:
      return std::tanh(x);
    case SIGMOID:
      return 1 / (1 + std::exp(-x));
    default:
      return (x < 0 ? 0 : x) + std::log1p(std::exp(-std::fabs(x)));
  }
}

// |got - expected| in units of the last place of expected, with infinity taken for 2^1024, the number after the
// largest.
double error_in_ulps(double got, long double expected) {
  if (std::isnan(expected) || std::isnan(got)) return std::isnan(expected) && std::isnan(got) ? 0 : infinity;
  if (std::signbit(got) != std::signbit(expected)) return infinity;
  const long double limit = std::ldexp(1.0L, 1024);
  const long double g = std::min(limit, std::fabs(static_cast<long double>(got)));
  const long double e = std::min(limit, std::fabs(expected));
  const int exponent = e > 0 ? std::clamp(std::ilogb(e), -1022, 1023) : -1022;
  return static_cast<double>(std::fabs(g - e) / std::ldexp(1.0L, exponent - 52));
}

struct Interval {
  double centre, width;
};
constexpr Interval intervals[] = {{0, 1e-300},
                                  {0, 1e-15},
                                  {0, 1e-6},
                                  {0, 0.4},
                                  {0, 1},
                                  {0, 3},
                                  {0, 20},
                                  {0, 50},
                                  {0, 800},
                                  // n ln(2) / 2 and n ln(2) / 4, where the reductions of exp, expm1 and tanh change
                                  {0.6931471805599453, 1e-3},
                                  {-0.6931471805599453, 1e-3},
                                  {0.34657359027997264, 1e-3},
                                  {-0.34657359027997264, 1e-3},
                                  {0.5198603854199590, 1e-3},
                                  {0.17328679513998632, 1e-3},
                                  {0.55, 1e-3},
                                  // roots of 2, where those of the logarithms do
                                  {1, 0.5},
                                  {1, 1e-6},
                                  {1, 1e-15},
                                  {-1, 1e-3},
                                  {0.7071067811865476, 1e-3},
                                  {1.4142135623730951, 1e-3},
                                  {-0.2928932188134524, 1e-3},
                                  {0.41421356237309515, 1e-3},
                                  // overflow, denormal results, underflow, saturation
                                  {709.782712893384, 1e-6},
                                  {-708.3964185322641, 1e-3},
                                  {-745.1332191019412, 1e-3},
                                  {19.0615, 0.1},
                                  {-37, 1},
                                  {1e9, 1e9},
                                  {9007199254740992.0, 1e4}};

std::vector<double> arguments(int function) {
  using Limits = std::numeric_limits<double>;
  std::vector<double> x = {0,     infinity, Limits::max(), Limits::denorm_min(),  Limits::min(),      1,
                           1e300, 746,      709.8,         0x1p-1022 - 0x1p-1074, Limits::quiet_NaN()};
  for (size_t i = x.size(); i-- > 0;) x.push_back(-x[i]);
  std::mt19937_64 engine(static_cast<unsigned>(function));
  std::uniform_real_distribution<double> uniform(-1, 1);
  for (int i = 0; i < 600000; ++i) x.push_back(std::bit_cast<double>(engine()));
  for (const Interval &interval : intervals) {
    for (int i = 0; i < 50000; ++i) x.push_back(interval.centre + interval.width * uniform(engine));
  }
  while (x.size() % 16 != 0) x.push_back(0.5);
  return x;
}

struct Sample {
  std::vector<double> x;
  std::vector<long double> expected;
};

Sample draw(int function) {
  Sample sample = {arguments(function), {}};
  for (const double x : sample.x) sample.expected.push_back(reference(function, x));
  return sample;
}

Worst worst_error(int function, const MathLevel &level, const Sample &sample) {
  std::vector<double> got(sample.x.size());
  level.apply_double(function, sample.x.data(), got.data(), static_cast<long>(got.size()));
  Worst worst;
  for (size_t i = 0; i < got.size(); ++i) {
    const double ulps = error_in_ulps(got[i], sample.expected[i]);
    if (ulps > worst.ulps) worst = {ulps, sample.x[i], got[i], static_cast<double>(sample.expected[i])};
  }
  return worst;
}

class MathDouble : public testing::TestWithParam<int> {};

// One sample for all levels: the reference is the slow part.
TEST_P(MathDouble, IsWithinTwoUlp) {
  const Sample sample = draw(GetParam());
  EXPECT_GE(sample.x.size(), 2000000u);
  int tested = 0;
  for (const Level &level : levels()) {
    if (!level.supported) {
      std::printf("SKIP: this processor lacks x86-64-%s\n", level.name);
      continue;
    }
    const Worst worst = worst_error(GetParam(), *level.math, sample);
    std::printf("double %-8s %s: %.3f ulp at %a (%.9g): got %a, expected %a\n", function_names[GetParam()], level.name,
                worst.ulps, worst.x, worst.x, worst.got, worst.expected);
    EXPECT_LE(worst.ulps, 2.0) << level.name;
    ++tested;
  }
  EXPECT_GT(tested, 0);
}

INSTANTIATE_TEST_SUITE_P(, MathDouble, testing::Range(0, int{N_FUNCTIONS}),
                         [](const testing::TestParamInfo<int> &info) {
                           return std::string(function_names[info.param]);
                         });

}  // namespace
}  // namespace core_test
