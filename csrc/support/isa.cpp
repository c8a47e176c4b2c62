// SPDX-License-Identifier: Apache-2.0
//
// The x86-64 levels by cpuid, as the psABI defines them. It is done by hand since the compilers' builtins know the
// levels under different names in different versions.
#include "csrc/support/isa.h"

#include <bilevel/bilevel.h>

#if defined(__x86_64__)
#include <cpuid.h>
#endif

namespace bilevel {
namespace {

constexpr uint32_t bit(int position) { return 1u << position; }

// SSE3, SSSE3, CX16, SSE4.1, SSE4.2, POPCNT; LAHF
constexpr uint32_t v2_leaf1_ecx = bit(0) | bit(9) | bit(13) | bit(19) | bit(20) | bit(23);
constexpr uint32_t v2_extended1_ecx = bit(0);
// FMA, MOVBE, OSXSAVE, AVX, F16C; BMI1, AVX2, BMI2; LZCNT
constexpr uint32_t v3_leaf1_ecx = bit(12) | bit(22) | bit(27) | bit(28) | bit(29);
constexpr uint32_t v3_leaf7_ebx = bit(3) | bit(5) | bit(8);
constexpr uint32_t v3_extended1_ecx = bit(5);
// AVX512 F, DQ, CD, BW, VL
constexpr uint32_t v4_leaf7_ebx = bit(16) | bit(17) | bit(28) | bit(30) | bit(31);

constexpr uint64_t xcr0_avx = 0x6;      // SSE and AVX state
constexpr uint64_t xcr0_avx512 = 0xe6;  // and opmask, upper halves of zmm0-15, zmm16-31

bool has(uint64_t value, uint64_t bits) { return (value & bits) == bits; }

}  // namespace

int32_t isa_level(const CpuFacts &facts) {
  const bool v2 = has(facts.leaf1_ecx, v2_leaf1_ecx) && has(facts.extended1_ecx, v2_extended1_ecx);
  if (!v2) return 0;
  const bool v3 = has(facts.leaf1_ecx, v3_leaf1_ecx) && has(facts.leaf7_ebx, v3_leaf7_ebx) &&
                  has(facts.extended1_ecx, v3_extended1_ecx) && has(facts.xcr0, xcr0_avx);
  if (!v3) return BLV_ISA_X86_64_V2;
  const bool v4 = has(facts.leaf7_ebx, v4_leaf7_ebx) && has(facts.xcr0, xcr0_avx512);
  return v4 ? BLV_ISA_X86_64_V4 : BLV_ISA_X86_64_V3;
}

#if defined(__x86_64__)
CpuFacts read_cpu_facts() {
  CpuFacts facts;
  uint32_t a = 0, b = 0, c = 0, d = 0;
  if (__get_cpuid(1, &a, &b, &c, &d)) facts.leaf1_ecx = c;
  if (__get_cpuid_count(7, 0, &a, &b, &c, &d)) facts.leaf7_ebx = b;
  if (__get_cpuid(0x80000001u, &a, &b, &c, &d)) facts.extended1_ecx = c;
  if (facts.leaf1_ecx & bit(27)) {  // OSXSAVE: xgetbv may be executed
    uint32_t low = 0, high = 0;
    __asm__("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
    facts.xcr0 = static_cast<uint64_t>(high) << 32 | low;
  }
  return facts;
}
#else
CpuFacts read_cpu_facts() { return {}; }
#endif

int64_t isa_lanes(int32_t isa, int64_t scalar_bytes) {
  const int64_t register_bytes = isa == BLV_ISA_X86_64_V4 ? 64 : isa == BLV_ISA_X86_64_V3 ? 32 : 16;
  return register_bytes / scalar_bytes;
}

}  // namespace bilevel
