// SPDX-License-Identifier: Apache-2.0
//
// The choice of a regime, from the rows of kernels/contract/cuda_tuning.h.
#include "kernels/machine/cuda/regime.h"

#include <algorithm>
#include <cstdio>

namespace bilevel {
namespace {

constexpr int64_t reserved_bytes = 1024;  // shared memory that the system takes per block
constexpr int64_t reduction_bytes = 512;  // statically allocated by the kernels
constexpr int32_t most_blocks = 32;       // on a multiprocessor

int64_t smem_for(const Demand &demand, const DeviceFacts &facts, int32_t blocks) {
  const int64_t share = facts.shared_per_multiprocessor / blocks - reserved_bytes;
  return (std::min(share, facts.shared_per_block) - reduction_bytes - demand.table_bytes) / 128 * 128;
}

// How many blocks with `bytes` of shared memory each fit a multiprocessor, at most `most`; 0: not even one.
int32_t blocks_that_hold(const Demand &demand, const DeviceFacts &facts, int64_t bytes, int32_t most) {
  int32_t blocks = most;
  while (blocks > 0 && smem_for(demand, facts, blocks) < bytes) --blocks;
  return blocks;
}

template <class... Values>
Regime explained(Regime regime, const char *pattern, Values... values) {
  std::snprintf(regime.reason, sizeof regime.reason, pattern, values...);
  return regime;
}

int32_t threads_for(const Demand &demand, const RegimeTuning &tuning) {
  if (demand.tiles <= tuning.block_tiles[0]) return tuning.block_threads[0];
  return demand.tiles <= tuning.block_tiles[1] ? tuning.block_threads[1] : tuning.block_threads[2];
}

long long kib(int64_t bytes) { return static_cast<long long>((bytes + 1023) / 1024); }

Regime one_warp(const Demand &demand, const DeviceFacts &facts, int32_t least_blocks) {
  const int32_t blocks = blocks_that_hold(demand, facts, demand.smem_bytes, most_blocks);
  if (blocks < least_blocks)
    return explained({},
                     "a task needs %lld KiB of shared memory, and %d warps with as much do not fit a multiprocessor",
                     kib(demand.smem_bytes), least_blocks);
  Regime regime{BLV_WARP_PER_TASK, 32, 1, smem_for(demand, facts, std::max(blocks, 1)), {}};
  return explained(regime, "a task needs %lld KiB: %d warps fit a multiprocessor", kib(demand.smem_bytes), blocks);
}

Regime one_block(const Demand &demand, const DeviceFacts &facts, const RegimeTuning &tuning, bool may_spill) {
  const int32_t threads = threads_for(demand, tuning);
  const int32_t blocks = blocks_that_hold(demand, facts, demand.smem_bytes,
                                          std::min(most_blocks, cuda_tuning::resident_threads / threads));
  if (blocks == 0 && !may_spill)
    return explained({}, "a task needs %lld KiB of shared memory; a block has %lld", kib(demand.smem_bytes),
                     kib(smem_for(demand, facts, 1)));
  Regime regime{BLV_BLOCK_PER_TASK, threads, 1, smem_for(demand, facts, std::max(blocks, 1)), {}};
  return explained(regime, "a task needs %lld KiB: %d blocks of %d threads fit a multiprocessor",
                   kib(demand.smem_bytes), blocks, threads);
}

Regime one_cluster(const Demand &demand, const DeviceFacts &facts, const RegimeTuning &tuning, bool may_spill) {
  if (tuning.most_cluster < 2)
    return explained({}, "compute capability %d.%d has no thread block clusters; accepted: 9.0 and newer", facts.major,
                     facts.minor);
  const int64_t smem = smem_for(demand, facts, 1);
  int32_t cluster = 2;
  // Arrays lie whole in one block's memory: one and a half times their sum is enough to place them.
  while (cluster < tuning.most_cluster && cluster * smem < demand.smem_bytes + demand.smem_bytes / 2) cluster *= 2;
  const bool fits = cluster * smem >= demand.smem_bytes && demand.largest_array_bytes <= smem;
  if (!fits && !may_spill)
    return explained({}, "a task needs %lld KiB of shared memory, its largest array %lld; %d blocks have %lld KiB each",
                     kib(demand.smem_bytes), kib(demand.largest_array_bytes), cluster, kib(smem));
  Regime regime{BLV_CLUSTER_PER_TASK, tuning.block_threads[2], cluster, smem, {}};
  return explained(regime, "a task needs %lld KiB: a cluster of %d blocks", kib(demand.smem_bytes), cluster);
}

Regime whole_grid(const Demand &demand, const DeviceFacts &facts, const RegimeTuning &tuning) {
  if (!facts.cooperative) return explained({}, "the device does not support cooperative launches");
  Regime regime{BLV_GRID, tuning.grid_threads, 1, smem_for(demand, facts, 1), {}};
  return explained(regime, "%lld rows over all multiprocessors, one task after another",
                   static_cast<long long>(demand.rows));
}

}  // namespace

const RegimeTuning &tuning_for(const DeviceFacts &facts) {
  const RegimeTuning *best = cuda_tuning::regimes;
  for (const RegimeTuning &row : cuda_tuning::regimes)
    if (facts.major > row.major || (facts.major == row.major && facts.minor >= row.minor)) best = &row;
  return *best;
}

Regime choose_regime(const Demand &demand, const DeviceFacts &facts, const RegimeTuning &tuning, int32_t wanted) {
  switch (wanted) {
    case BLV_WARP_PER_TASK:
      return one_warp(demand, facts, 0);
    case BLV_BLOCK_PER_TASK:
      return one_block(demand, facts, tuning, true);
    case BLV_CLUSTER_PER_TASK:
      return one_cluster(demand, facts, tuning, true);
    case BLV_GRID:
      return whole_grid(demand, facts, tuning);
  }
  // Few tasks with many rows: one task at a time over the whole device, if the groups would leave most of it idle.
  if (demand.rows >= tuning.grid_rows && demand.tasks < facts.multiprocessors && facts.cooperative)
    return whole_grid(demand, facts, tuning);
  Regime regime = one_warp(demand, facts, tuning.warp_blocks);
  if (regime.executor) return regime;
  regime = one_block(demand, facts, tuning, false);
  if (regime.executor) return regime;
  regime = one_cluster(demand, facts, tuning, false);
  if (regime.executor) return regime;
  if (demand.tasks >= facts.multiprocessors) return one_block(demand, facts, tuning, true);
  return facts.cooperative ? whole_grid(demand, facts, tuning) : one_block(demand, facts, tuning, true);
}

}  // namespace bilevel
