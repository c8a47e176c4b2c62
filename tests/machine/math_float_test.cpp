// SPDX-License-Identifier: Apache-2.0
//
// The error of every function of kernels/machine/cpu/math.h on floats, in ulp. At the widest ISA level that the processor has:
// over every float of magnitude 2^-27 to 2^8, where the functions do more than follow a line or their limit, and every
// seventh of the others, NaN included; at the other levels over a seventh of these. With BLV_TEST_EXHAUSTIVE=1 over all
// 2^32 floats at all levels, which takes minutes.
#include <gtest/gtest.h>

#include <bit>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <tuple>

#include "tests/machine/levels.h"

namespace core_test {
namespace {

constexpr long chunk = 4096;

Level best_level() {
  for (const Level &level : levels()) {
    if (level.supported) return level;
  }
  return {};
}

// Takes bit patterns first, first + stride, ... below last, and, to fill the last chunk, some from last on.
void sweep(int function, const MathLevel &level, uint64_t first, uint64_t last, uint32_t stride, Worst *worst) {
  alignas(64) static float x[chunk], got[chunk];
  alignas(64) static double expected[chunk];
  const MathLevel &best = *best_level().math;
  for (; first < last; first += chunk * uint64_t{stride}) {
    const uint32_t start = static_cast<uint32_t>(first);
    for (uint32_t i = 0; i < chunk; ++i) x[i] = std::bit_cast<float>(start + i * stride);
    best.reference(function, x, expected, chunk);
    level.apply_float(function, x, got, chunk);
    best.compare(x, got, expected, chunk, worst);
  }
}

// The strides, coprime to the powers of two that the format is made of, within the dense range and outside.
struct Strides {
  uint32_t dense, sparse;
};

Strides strides_at(const Level &level) {
#if !defined(__OPTIMIZE__) || defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
  (void)level;
  return {10007, 10007};  // such builds are a hundred times slower
#else
  if (std::getenv("BLV_TEST_EXHAUSTIVE") != nullptr) return {1, 1};
  return level.math == best_level().math ? Strides{1, 7} : Strides{7, 49};
#endif
}

Worst sweep_all(int function, const MathLevel &level, Strides strides) {
  constexpr uint64_t low = (127 - 27) << 23, high = (127 + 8) << 23, half = uint64_t{1} << 31;
  Worst worst;
  for (const uint64_t sign : {uint64_t{0}, half}) {
    sweep(function, level, sign, sign + low, strides.sparse, &worst);
    sweep(function, level, sign + low, sign + high, strides.dense, &worst);
    sweep(function, level, sign + high, sign + half, strides.sparse, &worst);
  }
  return worst;
}

using Case = std::tuple<int, int>;  // function, level

class MathFloat : public testing::TestWithParam<Case> {};

TEST_P(MathFloat, IsWithinTwoUlp) {
  const auto [function, index] = GetParam();
  const Level level = levels()[static_cast<size_t>(index)];
  if (!level.supported) GTEST_SKIP() << "this processor lacks x86-64-" << level.name;
  const Worst worst = sweep_all(function, *level.math, strides_at(level));
  std::printf("float %-8s %s: %.3f ulp at %a (%.9g): got %a, expected %a\n", function_names[function], level.name,
              worst.ulps, worst.x, worst.x, worst.got, worst.expected);
  EXPECT_LE(worst.ulps, 2.0);
}

std::string case_name(const testing::TestParamInfo<Case> &info) {
  const auto [function, level] = info.param;
  return std::string(function_names[function]) + '_' + levels()[static_cast<size_t>(level)].name;
}

INSTANTIATE_TEST_SUITE_P(, MathFloat, testing::Combine(testing::Range(0, int{N_FUNCTIONS}), testing::Range(0, 3)),
                         case_name);

// The limit of tanh is reached, not only neared: a saturated unit has the slope 1 - h^2 = 0. From 9.02 on tanh is nearer to 1 than
// to any other float.
TEST(MathFloatLimits, TanhEndsAtOne) {
  alignas(64) float x[16] = {9.125f, 9.25f, 10, 20, 1e2f, 1e4f, 1e30f, __builtin_inff()}, y[16];
  for (int i = 0; i < 8; ++i) x[8 + i] = -x[i];
  for (const Level &level : levels()) {
    if (!level.supported) continue;
    level.math->apply_float(TANH, x, y, 16);
    for (int i = 0; i < 16; ++i) EXPECT_EQ(y[i], i < 8 ? 1 : -1) << level.name << " at " << x[i];
  }
}

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
