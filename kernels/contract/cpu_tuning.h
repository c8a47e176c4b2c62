// SPDX-License-Identifier: Apache-2.0
//
// What was chosen by hand for speed on a CPU, in one table. Each says how: measured (one core of an AMD EPYC, Zen 5, AVX-512, unless it
// says otherwise) or reasoned. Sizes of blocks, chunks and batches decide the order of sums: a change changes bits, not correctness.
#pragma once
#include <cstdint>

namespace bilevel::cpu_tuning {

// ---- Register tiles, by level of the instruction set: accumulators and operands fill 32 registers at v4, else 16 ------------------

// Products within a task. Columns of a dot product. Measured: up to ten at once, so that the rows of a classifier of ten classes, or of
// eight Hessian-vector products, are read once: 3 % faster than six. Its rows, and the tile of a broadcast product: reasoned.
constexpr int dot_columns(int level) { return level >= 4 ? 10 : 4; }
constexpr int dot_rows(int level, int columns) { return level < 4 ? 3 : columns <= 6 ? 4 : columns <= 9 ? 3 : 2; }
constexpr int broadcast_rows(int level) { return level >= 4 ? 6 : 3; }
constexpr int broadcast_packs = 4;
// Products over packs of tasks: rows for 1 to 4 columns. Reasoned.
constexpr int tasks_tile_columns = 4;
constexpr int tasks_tile_rows(int level, int columns) {
  constexpr int wide[] = {12, 10, 7, 5}, narrow[] = {8, 5, 4, 2};
  return (level >= 4 ? wide : narrow)[columns - 1];
}
// Rows ahead whose cache lines a dot product asks for. Measured, logistic HVP 1e5 x 1e3: 16.0 to 14.5 ms with one vector, 29.7 to 25.5
// with eight; 4 and 16 rows do as well.
constexpr long prefetch_rows = 8;

// ---- Rows of a task: blocks that stay in the caches, chunks whose sums are added in order ----------------------------------------

// Bytes of a block's matrices. Measured: 48 KiB keep a block of packs near L1; 128 KiB keep a block of rows in L2, where a product reads
// it from at no loss.
constexpr long block_bytes_in_lanes = 48 << 10, block_bytes_of_rows = 128 << 10;
constexpr long fewest_block_rows = 16, most_block_rows = 64, fewest_chunk_rows = 256;  // reasoned
// Chunks of a task. In lanes, reasoned: f32 sums over 4096 chunks keep their digits. Of rows, reasoned: enough for 128 threads, and no more
// partial sums than fit an outer cache.
constexpr long most_chunks_in_lanes = 4096, most_chunks_of_rows = 128, most_partial_bytes = 64 << 20;
// Partial sums of at least this many elements are added by all threads, in pieces that stay in L1. Reasoned.
constexpr long parallel_sum_elements = 1 << 16, sum_piece = 1024;
// Batches of tasks with sums over tasks of their own, and the bytes of those. Reasoned: enough to balance 16 threads.
constexpr long most_batches = 64, most_shared_bytes = 64 << 20;

// ---- The choice of an executor ---------------------------------------------------------------------------------------------------

// Measured over unrolls of 27 networks, f32 and f64: the time of full lanes, relative to that of lanes within a task, grows from a
// quarter for tiny tasks to 1 where the group's state is about cache_bytes. Lanes without a task cost as much as the others.
constexpr double lanes_cache_bytes = 1.25 * (1 << 20), least_relative_time = 0.25;
// What a group's state is counted from. Reasoned: matrices of a layer and plane that a block keeps; rows are read in order, once a pass,
// and weigh a quarter of what is read in any order.
constexpr int64_t matrices_of_a_layer = 4, reads_in_order = 4;

// ---- The prediction of a plan's time, from which AUTO store chooses --------------------------------------------------------------

// Measured: products of small networks within a task, elementwise work of a unit, streams through the caches, and the first use of memory
// at 1.2 ns a byte, shared by four executes with the same workspace. A few MiB are never new for long: caches and heap keep them.
constexpr double seconds_per_flop_f32 = 1 / 60e9, seconds_per_unit_f32 = 1e-9, seconds_per_stream_byte = 1 / 8e9,
                 seconds_per_new_byte = 1.2e-9 / 4, bytes_that_stay = 4 << 20;
// AUTO store takes no more than this share of the machine's memory where a smaller storage does. Reasoned.
constexpr double most_of_memory = 0.25;

// ---- The thread pool -------------------------------------------------------------------------------------------------------------

// A thread spins for longer than the serial stretch between two jobs of an unroll, and for less than a person or a battery would notice
// (reasoned). Every 32 looks it offers its core to others. Measured: where both sides share a core, or other programs keep the
// cores busy, a fork and join takes 4 us instead of 105 (2 cores under a load of 12); where cores are free it is 0.6 us either way.
constexpr int spin_microseconds = 50, looks_between_yields = 32;

}  // namespace bilevel::cpu_tuning
