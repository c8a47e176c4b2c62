// SPDX-License-Identifier: Apache-2.0
//
// Per-kernel counters: what they are and where they live. See profile.cpp for the output.
#pragma once
#include "access.h"
#include "core.h"

namespace ptxemu {

bool profile_on();        // PTXEMU_PROFILE is set
bool profile_lines_on();  // PTXEMU_PROFILE_LINES is set too

// Enters one warp-level access (addresses of the lanes in `act`) into the counters of its instruction.
void count_global(MemCount &m, u32 act, const u64 *a, unsigned n, Access k);
void count_shared(MemCount &m, u32 act, const u64 *a, unsigned n, Access k);

void profile_begin(Program &P);  // before a launch: clears the launch-local counters
void profile_end(Program &P, const LaunchSpec &s, double seconds, Stats *st);

}  // namespace ptxemu
