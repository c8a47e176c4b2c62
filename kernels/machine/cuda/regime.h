// SPDX-License-Identifier: Apache-2.0
//
// Which executor runs a problem on a device, with how many threads and how much shared memory: a pure function of what a
// task needs, of the device, and of one table of tuning constants, so that a choice can be tested and explained.
#pragma once
#include <cstdint>

#include "kernels/contract/backend.h"
#include "kernels/contract/cuda_tuning.h"

namespace bilevel {

// What one task asks of a group, counted by the kernels' own layout.
struct Demand {
  int64_t table_bytes = 0;  // shared memory that every block needs in any case
  int64_t smem_bytes = 0;   // of the task's arrays, were all of them in shared memory
  int64_t largest_array_bytes = 0;
  int64_t tiles = 0;  // register tiles of the widest matrix product of a pass
  int64_t rows = 0;   // of the larger loss
  int64_t tasks = 0;
};

struct Regime {
  int32_t executor = 0;    // BLV_WARP_PER_TASK, ...; 0: none, `reason` says why
  int32_t threads = 0;     // of a block
  int32_t cluster = 1;     // blocks of a cluster
  int64_t smem_bytes = 0;  // shared memory of a block for the task's arrays
  char reason[256] = {};
};

using cuda_tuning::RegimeTuning;
const RegimeTuning &tuning_for(const DeviceFacts &facts);

// `wanted`: BLV_EXECUTOR_AUTO, or an executor by name, which is given whatever it costs or refused with the reason.
Regime choose_regime(const Demand &demand, const DeviceFacts &facts, const RegimeTuning &tuning, int32_t wanted);

}  // namespace bilevel
