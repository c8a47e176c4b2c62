// SPDX-License-Identifier: Apache-2.0
//
// Which executor of a device a task gets, with how much of its memory: by what the functions promise, for devices of 2020, 2022 and
// 2024, whatever the tuning table says.
#include "kernels/machine/cuda/regime.h"

#include <gtest/gtest.h>

#include <string>

namespace bilevel {
namespace {

constexpr int64_t kib = 1024, reserved = 1024;  // bytes that the system takes of each block

DeviceFacts device(int32_t major, int32_t minor) {
  DeviceFacts facts;
  facts.major = major, facts.minor = minor;
  facts.multiprocessors = major == 8 ? 108 : 132;
  facts.cooperative = 1;
  facts.shared_per_multiprocessor = (major == 8 ? 164 : 228) * kib;
  facts.shared_per_block = facts.shared_per_multiprocessor - reserved;
  return facts;
}

Demand task(int64_t smem_bytes, int64_t tasks, int64_t rows = 10) {
  Demand demand;
  demand.table_bytes = 2048;
  demand.smem_bytes = smem_bytes;
  demand.largest_array_bytes = smem_bytes / 8;
  demand.tiles = smem_bytes / 64;
  demand.rows = rows, demand.tasks = tasks;
  return demand;
}

Regime choose(const Demand &demand, const DeviceFacts &facts, int32_t wanted = BLV_EXECUTOR_AUTO) {
  return choose_regime(demand, facts, tuning_for(facts), wanted);
}

TEST(Regime, ARowOfTheTableForEachArchitecture) {
  const auto row = [](int32_t major, int32_t minor) { return tuning_for(device(major, minor)).major; };
  EXPECT_EQ(row(8, 0), 8);
  EXPECT_EQ(row(8, 9), 8);
  EXPECT_EQ(row(9, 0), 9);
  EXPECT_EQ(row(10, 0), 10);
  EXPECT_EQ(row(12, 1), 10) << "what comes later is as the newest that is known";
}

// From a small task to one that nothing holds: more threads of a group, and never back.
TEST(Regime, LargerTasksGetLargerGroups) {
  for (const DeviceFacts &facts : {device(8, 0), device(9, 0), device(10, 0)}) {
    int32_t before = BLV_WARP_PER_TASK;
    for (int64_t bytes = 256; bytes <= 64 * kib * kib; bytes += bytes / 8) {
      const int32_t executor = choose(task(bytes, 20), facts).executor;
      EXPECT_GE(executor, before) << bytes << " bytes, compute capability " << facts.major;
      before = executor;
    }
    EXPECT_EQ(choose(task(256, 20), facts).executor, BLV_WARP_PER_TASK);
    EXPECT_EQ(before, BLV_GRID);
  }
}

// What is promised of shared memory: a block fits a multiprocessor, as many warps as one was chosen for fit together, and a group has
// memory for its task if it was chosen for that.
TEST(Regime, SharedMemoryIsEnough) {
  for (const DeviceFacts &facts : {device(8, 0), device(9, 0), device(10, 0)})
    for (int64_t bytes = 256; bytes <= kib * kib; bytes += bytes / 8)
      for (const int32_t wanted :
           {BLV_EXECUTOR_AUTO, BLV_WARP_PER_TASK, BLV_BLOCK_PER_TASK, BLV_CLUSTER_PER_TASK, BLV_GRID}) {
        const Demand demand = task(bytes, 4096);
        const Regime regime = choose(demand, facts, wanted);
        if (regime.executor == 0) continue;
        SCOPED_TRACE(std::to_string(bytes) + " bytes, executor " + std::to_string(regime.executor) + ": " +
                     regime.reason);
        const int64_t block = regime.smem_bytes + demand.table_bytes;
        EXPECT_LE(block, facts.shared_per_block);
        EXPECT_LE(block + reserved, facts.shared_per_multiprocessor);
        EXPECT_LE(regime.threads, 1024);
        EXPECT_EQ(regime.threads % 32, 0);
        EXPECT_EQ(regime.smem_bytes % 128, 0);
        EXPECT_STRNE(regime.reason, "");
        if (wanted == BLV_EXECUTOR_AUTO && regime.executor == BLV_WARP_PER_TASK) {
          EXPECT_GE(regime.smem_bytes, bytes);
          EXPECT_LE(tuning_for(facts).warp_blocks * (block + reserved), facts.shared_per_multiprocessor);
        }
        if (wanted == BLV_EXECUTOR_AUTO && regime.executor == BLV_CLUSTER_PER_TASK) {
          EXPECT_GE(regime.smem_bytes * regime.cluster, bytes);
          EXPECT_GE(regime.smem_bytes, demand.largest_array_bytes);
        }
      }
}

TEST(Regime, ManyTasksThatNothingHoldsGetABlockEach) {
  for (const DeviceFacts &facts : {device(8, 0), device(9, 0)}) {
    EXPECT_EQ(choose(task(64 * kib * kib, 4096), facts).executor, BLV_BLOCK_PER_TASK);
    EXPECT_EQ(choose(task(64 * kib * kib, 1), facts).executor, BLV_GRID);
  }
}

TEST(Regime, FewTasksWithManyRowsGetTheGrid) {
  const DeviceFacts facts = device(9, 0);
  const int64_t rows = tuning_for(facts).grid_rows;
  EXPECT_EQ(choose(task(4 * kib, 1, rows), facts).executor, BLV_GRID);
  EXPECT_NE(choose(task(4 * kib, 1, rows - 1), facts).executor, BLV_GRID);
  EXPECT_NE(choose(task(4 * kib, facts.multiprocessors, rows), facts).executor, BLV_GRID);
}

TEST(Regime, WithoutCooperativeLaunchesThereIsNoGrid) {
  DeviceFacts facts = device(9, 0);
  facts.cooperative = 0;
  for (const int64_t bytes : {4 * kib, 64 * kib * kib}) {
    const Regime regime = choose(task(bytes, 1, 1 << 20), facts);
    EXPECT_NE(regime.executor, BLV_GRID);
    EXPECT_NE(regime.executor, 0) << regime.reason;
  }
  const Regime regime = choose(task(kib, 1), facts, BLV_GRID);
  EXPECT_EQ(regime.executor, 0);
  EXPECT_NE(std::string(regime.reason).find("cooperative"), std::string::npos) << regime.reason;
}

TEST(Regime, AnExecutorByNameIsGivenWhateverItCosts) {
  const DeviceFacts facts = device(9, 0);
  for (const int32_t wanted : {BLV_WARP_PER_TASK, BLV_BLOCK_PER_TASK, BLV_CLUSTER_PER_TASK, BLV_GRID})
    for (const int64_t bytes : {int64_t{256}, 100 * kib, 64 * kib * kib})
      EXPECT_EQ(choose(task(bytes, 7), facts, wanted).executor, wanted) << bytes;
}

TEST(Regime, ClustersAreOf2022) {
  const Regime regime = choose(task(kib, 1), device(8, 0), BLV_CLUSTER_PER_TASK);
  EXPECT_EQ(regime.executor, 0);
  EXPECT_NE(std::string(regime.reason).find("8.0"), std::string::npos) << regime.reason;
  for (int64_t bytes = 256; bytes <= 64 * kib * kib; bytes *= 2)
    EXPECT_NE(choose(task(bytes, 20), device(8, 6)).executor, BLV_CLUSTER_PER_TASK) << bytes;
  EXPECT_EQ(choose(task(400 * kib, 20), device(9, 0)).executor, BLV_CLUSTER_PER_TASK);
}

}  // namespace
}  // namespace bilevel
