// SPDX-License-Identifier: Apache-2.0
//
// Which of the psABI's x86-64 levels this machine and its operating system can run.
#pragma once
#include <cstdint>

namespace bilevel {

// Registers of the cpuid leaves and of XCR0 that decide the level: what the machine says, or what a test makes up.
struct CpuFacts {
  uint32_t leaf1_ecx = 0, leaf7_ebx = 0, extended1_ecx = 0;
  uint64_t xcr0 = 0;  // register state that the operating system saves; 0 without OSXSAVE
};

CpuFacts read_cpu_facts();
// BLV_ISA_X86_64_V2..V4, or 0 if the machine has not even v2.
int32_t isa_level(const CpuFacts &facts);

// Scalars of so many bytes in one SIMD register of the level.
int64_t isa_lanes(int32_t isa, int64_t scalar_bytes);

}  // namespace bilevel
