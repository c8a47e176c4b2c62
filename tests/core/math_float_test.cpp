// SPDX-License-Identifier: Apache-2.0
//
// The error of every function of kernels/core/math.h on floats, in ulp: over all 2^32 arguments at the widest ISA level
// that the processor has and over every seventh at the others; BLV_TEST_EXHAUSTIVE=1 takes all of them everywhere.
#include <gtest/gtest.h>

#include <bit>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <tuple>

#include "tests/core/levels.h"

namespace core_test {
namespace {

constexpr long chunk = 4096;

Level best_level() {
  for (const Level &level : levels()) {
    if (level.supported) return level;
  }
  return {};
}

// Every stride-th of the 2^32 bit patterns, NaN included; the last chunk is filled up with the last pattern.
Worst sweep(int function, const MathLevel &level, uint64_t stride) {
  constexpr uint64_t end = uint64_t{1} << 32;
  alignas(64) static float x[chunk], got[chunk];
  alignas(64) static double expected[chunk];
  const MathLevel &best = *best_level().math;
  Worst worst;
  for (uint64_t first = 0; first < end; first += chunk * stride) {
    for (long i = 0; i < chunk; ++i) {
      const uint64_t bits = first + static_cast<uint64_t>(i) * stride;
      x[i] = std::bit_cast<float>(static_cast<uint32_t>(bits < end ? bits : end - 1));
    }
    best.reference(function, x, expected, chunk);
    level.apply_float(function, x, got, chunk);
    best.compare(x, got, expected, chunk, &worst);
  }
  return worst;
}

uint64_t stride_at(const Level &level) {
#if !defined(__OPTIMIZE__) || defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
  (void)level;
  return 10007;  // such builds are a hundred times slower
#else
  return std::getenv("BLV_TEST_EXHAUSTIVE") != nullptr || level.math == best_level().math ? 1 : 7;
#endif
}

using Case = std::tuple<int, int>;  // function, level

class MathFloat : public testing::TestWithParam<Case> {};

TEST_P(MathFloat, IsWithinTwoUlp) {
  const auto [function, index] = GetParam();
  const Level level = levels()[static_cast<size_t>(index)];
  if (!level.supported) GTEST_SKIP() << "this processor lacks x86-64-" << level.name;
  const uint64_t stride = stride_at(level);
  const Worst worst = sweep(function, *level.math, stride);
  std::printf("float %-8s %s, stride %d: %.3f ulp at %a (%.9g): got %a, expected %a\n", function_names[function],
              level.name, static_cast<int>(stride), worst.ulps, worst.x, worst.x, worst.got, worst.expected);
  EXPECT_LE(worst.ulps, 2.0);
}

std::string case_name(const testing::TestParamInfo<Case> &info) {
  const auto [function, level] = info.param;
  return std::string(function_names[function]) + '_' + levels()[static_cast<size_t>(level)].name;
}

INSTANTIATE_TEST_SUITE_P(, MathFloat, testing::Combine(testing::Range(0, int{N_FUNCTIONS}), testing::Range(0, 3)),
                         case_name);

// The comparison itself: what it must call wrong, and by how much.
TEST(MathFloatComparison, SeesErrors) {
  const double infinity = __builtin_inf(), nan = __builtin_nan("");
  const auto error = [](double got, double expected) {
    float x[16] = {}, y[16] = {};
    double z[16] = {};
    y[5] = static_cast<float>(got);
    z[5] = expected;
    Worst worst;
    best_level().math->compare(x, y, z, 16, &worst);
    return worst.ulps;
  };
  EXPECT_EQ(error(1, 1), 0);
  EXPECT_EQ(error(1 + 0x1p-23, 1), 1);
  EXPECT_EQ(error(1 - 0x1p-24, 1), 0.5);
  EXPECT_EQ(error(0, 0x1p-149), 1);
  EXPECT_EQ(error(infinity, 0x1.fffffep127), 1);
  EXPECT_EQ(error(infinity, 0x1p1000), 0);
  EXPECT_EQ(error(nan, nan), 0);
  EXPECT_EQ(error(nan, 1), infinity);
  EXPECT_EQ(error(1, nan), infinity);
  EXPECT_EQ(error(0, -0.0), infinity);
  EXPECT_EQ(error(-infinity, infinity), infinity);
}

}  // namespace
}  // namespace core_test
