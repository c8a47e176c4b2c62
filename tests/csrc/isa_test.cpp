// SPDX-License-Identifier: Apache-2.0
//
// ISA levels from made-up processors: one missing feature, or an operating system that does not save the registers, lowers the level.
#include "csrc/support/isa.h"

#include <bilevel/bilevel.h>
#include <gtest/gtest.h>

namespace bilevel {
namespace {

constexpr CpuFacts everything = {~0u, ~0u, ~0u, ~uint64_t{0}};

CpuFacts without(CpuFacts facts, uint32_t CpuFacts::*reg, int bit) {
  facts.*reg &= ~(1u << bit);
  return facts;
}

TEST(Isa, WholeMachines) {
  EXPECT_EQ(isa_level(everything), BLV_ISA_X86_64_V4);
  EXPECT_EQ(isa_level(CpuFacts{}), 0);
}

TEST(Isa, OneFeatureMissing) {
  for (const int bit : {0, 9, 13, 19, 20, 23})  // SSE3, SSSE3, CX16, SSE4.1, SSE4.2, POPCNT
    EXPECT_EQ(isa_level(without(everything, &CpuFacts::leaf1_ecx, bit)), 0) << bit;
  EXPECT_EQ(isa_level(without(everything, &CpuFacts::extended1_ecx, 0)), 0) << "LAHF";
  for (const int bit : {12, 22, 27, 28, 29})  // FMA, MOVBE, OSXSAVE, AVX, F16C
    EXPECT_EQ(isa_level(without(everything, &CpuFacts::leaf1_ecx, bit)), BLV_ISA_X86_64_V2) << bit;
  for (const int bit : {3, 5, 8})  // BMI1, AVX2, BMI2
    EXPECT_EQ(isa_level(without(everything, &CpuFacts::leaf7_ebx, bit)), BLV_ISA_X86_64_V2) << bit;
  EXPECT_EQ(isa_level(without(everything, &CpuFacts::extended1_ecx, 5)), BLV_ISA_X86_64_V2) << "LZCNT";
  for (const int bit : {16, 17, 28, 30, 31})  // AVX512 F, DQ, CD, BW, VL
    EXPECT_EQ(isa_level(without(everything, &CpuFacts::leaf7_ebx, bit)), BLV_ISA_X86_64_V3) << bit;
}

TEST(Isa, StateThatTheSystemDoesNotSave) {
  CpuFacts facts = everything;
  facts.xcr0 = 0x3;  // x87 and SSE
  EXPECT_EQ(isa_level(facts), BLV_ISA_X86_64_V2);
  facts.xcr0 = 0x7;  // and AVX
  EXPECT_EQ(isa_level(facts), BLV_ISA_X86_64_V3);
  facts.xcr0 = 0x67;  // not all of AVX-512's
  EXPECT_EQ(isa_level(facts), BLV_ISA_X86_64_V3);
  facts.xcr0 = 0xe7;
  EXPECT_EQ(isa_level(facts), BLV_ISA_X86_64_V4);
}

// What the compiler's runtime finds, where it knows the names.
TEST(Isa, ThisMachine) {
#if defined(__x86_64__)
  const int32_t level = isa_level(read_cpu_facts());
  EXPECT_EQ(level >= BLV_ISA_X86_64_V2, __builtin_cpu_supports("sse4.2") != 0);
  EXPECT_EQ(level >= BLV_ISA_X86_64_V3, __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma"));
  EXPECT_EQ(level >= BLV_ISA_X86_64_V4, __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512vl") &&
                                            __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512dq"));
#else
  GTEST_SKIP() << "x86-64 only";
#endif
}

TEST(Isa, Lanes) {
  EXPECT_EQ(isa_lanes(BLV_ISA_X86_64_V2, 4), 4);
  EXPECT_EQ(isa_lanes(BLV_ISA_X86_64_V3, 4), 8);
  EXPECT_EQ(isa_lanes(BLV_ISA_X86_64_V4, 4), 16);
  EXPECT_EQ(isa_lanes(BLV_ISA_X86_64_V4, 8), 8);
}

}  // namespace
}  // namespace bilevel
