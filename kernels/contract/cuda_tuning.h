// SPDX-License-Identifier: Apache-2.0
//
// What was chosen by hand for speed on a GPU, in one table. All of it is reasoned, from instruction counts, registers and occupancy: nothing
// was measured on a GPU yet. Whoever measures writes the gain and the GPU beside the number. Sizes of chunks and blocks decide the order
// of sums: a change changes bits, not correctness. `level`: BLV_CUDA_LEVEL_NUMBER, 0 warp, 1 block, 2 cluster, 3 grid.
#pragma once
#include <cstdint>

namespace bilevel::cuda_tuning {

// ---- The choice of an executor (kernels/machine/cuda/regime.cpp), a row per architecture ------------------------------------------

struct RegimeTuning {
  int32_t major, minor;      // from this compute capability on
  int32_t warp_blocks;       // fewest blocks of one warp on a multiprocessor for which a warp per task pays
  int32_t block_threads[3];  // threads of a block for few, middling and many tiles
  int64_t block_tiles[2];    // most tiles for the first two
  int32_t most_cluster;      // blocks; 1: no clusters
  int32_t grid_threads;
  int64_t grid_rows;  // fewest rows for which a single task, or few, is spread over the grid
};
// Reasoned. 8 blocks of one warp: two warps per scheduler hide some latency, fewer leave a multiprocessor idle. Threads: two tiles a
// thread, so that the last round of tiles is not the only one. Clusters: 8 blocks is what every device with clusters must support.
// Grid: 384 threads of 168 registers fill the registers of a multiprocessor; 4096 rows are a chunk of 32 for each of 128 blocks.
//   compute capability | warp blocks | threads | tiles | cluster | grid threads, rows
constexpr RegimeTuning regimes[] = {
    {8, 0, 8, {64, 128, 256}, {128, 512}, 1, 384, 4096},
    {9, 0, 8, {64, 128, 256}, {128, 512}, 8, 384, 4096},
    {10, 0, 8, {64, 128, 256}, {128, 512}, 8, 384, 4096},
};
// A multiprocessor's shared memory is divided among blocks of at most this many threads together. Reasoned: more warps than 32 do not
// issue faster, and shared memory is what a task lacks.
constexpr int32_t resident_threads = 1024;
// Rows of the inner loss above this many bytes do not count when the executor is chosen: they may stay in global memory. Reasoned: a
// third of a block's shared memory; rows are read in order, once a pass, through the caches.
constexpr long long most_inner_bytes = 64 << 10;

// ---- Launch bounds ----------------------------------------------------------------------------------------------------------------

// Most threads of a block of the interpreter, and resident blocks asked of the compiler. Reasoned: both leave 168 registers a thread, which
// a pass needs without spilling.
constexpr int most_threads(int level) { return level == 0 ? 32 : 384; }
constexpr int least_blocks(int level) { return level == 0 ? 12 : 1; }
// Shared memory of the kernel that sums over batches, for a layout's tables. Reasoned: 16 layers and 48 arrays take 13 KiB (asserted).
constexpr long long layout_smem_bytes = 16 << 10;

// ---- Rows of a task ---------------------------------------------------------------------------------------------------------------

// A block of rows is halved until its matrices fit, and is a multiple of 8 rows. Reasoned: two register tiles of rows, so that a product
// still reads each weight for eight rows.
constexpr int fewest_block_rows = 8;
// The part of a block's shared memory that the matrices of a block of rows may take: all of it on the grid, whose tasks have none; else
// half, the task's arrays have the other. Reasoned.
constexpr int smem_parts(int level) { return level == 3 ? 1 : 2; }
// Chunks of rows on the grid. Reasoned: two for each block even out what one waits for; of at least a warp's 32 rows; and no more partial
// sums than a small part of a device's memory.
constexpr int fewest_chunk_rows = 32;
constexpr long long chunks_per_block = 2, most_partial_bytes = 256ll << 20;
// Parameters for which a thread of the grid is worth having: one 128-bit access of floats. Reasoned.
constexpr int parameters_per_thread = 4;
// Rows from which on a sum over rows has a warp per column instead of a thread. Reasoned: a thread then adds fewer than 64 terms one after
// another, and a warp has two terms a lane to begin with.
constexpr int warp_sum_rows = 64;

// ---- Linear models (kernels/special/linear) ---------------------------------------------------------------------------------------

// Largest model. Reasoned: a row of more inputs does not fit into shared memory; more outputs do not fit a lane's registers.
constexpr int linear_most_inputs = 1 << 20;
constexpr int linear_most_outputs = 16, linear_most_tangents = 8;
// Shared memory for which a plan may have these kernels at all; whether a device has as much is known when the pass is laid out.
// Reasoned: a block of compute capability 8.0 has 163 KiB.
constexpr long long linear_suits_bytes = 160 << 10;
// Shared memory of the pass where a block also holds its task's arrays. Reasoned: staged rows, with more than half left to the task.
constexpr long long linear_block_bytes = 64 << 10;
// Rows between two barriers. Reasoned: enough to hide a barrier, few enough for two stages.
constexpr int linear_most_batch = 64;
// A tile of up to this many outputs is taken for fewer outputs, too. Reasoned: what it computes for nothing costs less than the reads.
constexpr int linear_cheap_outputs = 5;
// Quads of columns and rows of a lane's tile, for its lines of theta (and their bytes per column). Reasoned: accumulators, theta and
// gradient together stay below 168 registers.
constexpr int linear_tile_quads(int lines) { return lines > 10 ? 1 : 2; }
constexpr int linear_tile_rows(int bytes) { return bytes <= 8 ? 8 : bytes <= 40 ? 4 : 2; }

}  // namespace bilevel::cuda_tuning
