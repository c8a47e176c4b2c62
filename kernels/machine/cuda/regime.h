// SPDX-License-Identifier: Apache-2.0
//
// Which executor runs a problem on a device, with how many threads and how much shared memory: a pure function of what a
// task needs, of the device, and of one table of tuning constants, so that a choice can be tested and explained.
#pragma once
#include <cstdint>

#include "kernels/contract/backend.h"

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

// Tuning constants of an architecture.
struct Tuning {
  int32_t major, minor;      // from this compute capability on
  int32_t warp_blocks;       // fewest blocks of one warp on a multiprocessor for which a warp per task pays
  int32_t block_threads[3];  // threads of a block for few, middling and many tiles
  int64_t block_tiles[2];    // most tiles for the first two
  int32_t most_cluster;      // blocks; 1: no clusters
  int32_t grid_threads;
  int64_t grid_rows;  // fewest rows for which a single task, or few, is spread over the grid
};
const Tuning &tuning_for(const DeviceFacts &facts);

// `wanted`: BLV_EXECUTOR_AUTO, or an executor by name, which is given whatever it costs or refused with the reason.
Regime choose_regime(const Demand &demand, const DeviceFacts &facts, const Tuning &tuning, int32_t wanted);

}  // namespace bilevel
