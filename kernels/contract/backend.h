// SPDX-License-Identifier: Apache-2.0
//
// The contract between the library and its CUDA plugin: plain structs and one table of functions, without a CUDA type.
// The library finds the plugin, checks that both were built from the same contract (the ABI hash, made by the build of
// bilevel.h and the structs of this folder, cmake/BilevelBackendAbi.cmake), and asks it for everything that happens on a device.
#pragma once
#include <bilevel/bilevel.h>

#include <cstdint>

#include "kernels/contract/problem.h"

namespace bilevel {

// Limits of what a kernel gets by value, so that an execute copies nothing to the device.
constexpr int64_t most_device_layers = 16, most_device_slots = 40;
constexpr int32_t most_device_ops = 192, most_device_arrays = 48, most_device_inputs = 4, most_device_outputs = 8;
constexpr int32_t most_device_numbers = 64, most_device_counters = 8;

// What a refusal or a failure says: the argument, its value, what is accepted; or the CUDA error and where it came from.
struct BackendMessage {
  char text[512] = {};
};

struct DeviceFacts {
  int32_t ordinal = 0, major = 0, minor = 0;  // compute capability major.minor
  int32_t multiprocessors = 0;
  int32_t cooperative = 0;          // cooperative launches are supported
  int32_t driver = 0, runtime = 0;  // CUDA versions, as 13000 for 13.0
  int32_t reserved = 0;
  int64_t shared_per_block = 0;  // bytes, opted in
  int64_t shared_per_multiprocessor = 0;
  int64_t memory_bytes = 0;
  char name[128] = {};
};

// How a problem runs on a device. Made by Backend::plan, kept in the library's plan, read by Backend::enqueue.
struct DevicePlan {
  int32_t executor = 0;          // BLV_WARP_PER_TASK, BLV_BLOCK_PER_TASK, BLV_CLUSTER_PER_TASK, BLV_GRID
  int32_t kernel = 0;            // position in the plugin's own table
  int32_t threads = 0;           // of a block
  int32_t cluster = 1;           // blocks that run one task together
  int64_t batches = 0;           // of tasks, each run by one warp, block, cluster or grid
  int64_t shared_bytes = 0;      // dynamic shared memory of a block
  int64_t slab_bytes = 0;        // workspace of a batch: what does not fit into shared memory
  int64_t block_slab_bytes = 0;  // the part of slab_bytes that each thread block of the grid has to itself
  int64_t smem_bytes = 0;        // shared memory of a block that the task's arrays may take, at most
  DeviceFacts device;
  Sizes sizes;            // workspace_bytes is exact; task_bytes: shared memory and slab together
  char name[64] = {};     // of the kernel
  char reason[256] = {};  // why this regime
};

struct DeviceCall {
  int64_t tasks = 0, slots = 0;
  void *const *data = nullptr;    // host array of `slots` device pointers
  char *workspace = nullptr;      // device
  char *state = nullptr;          // device, or null
  blv_task_info *info = nullptr;  // device, or null
  void *stream = nullptr;
};

// Where a pointer points.
enum MemoryKind : int32_t { MEMORY_UNKNOWN = 0, MEMORY_HOST = 1, MEMORY_DEVICE = 2, MEMORY_MANAGED = 3 };

// Functions return BLV_OK or a status with a message; none throws. The wanted executor is problem.executor. `limit`: the most bytes of
// workspace (0: no limit); more is BLV_TOO_SMALL, with the bytes in plan->sizes.
struct Backend {
  const char *abi = nullptr;
  blv_status (*open)(int32_t ordinal, DeviceFacts *facts, BackendMessage *message) = nullptr;
  blv_status (*check_stream)(int32_t ordinal, void *stream, BackendMessage *message) = nullptr;
  blv_status (*plan)(const Problem &problem, const DeviceFacts &facts, int64_t limit, DevicePlan *plan,
                     BackendMessage *message) = nullptr;
  blv_status (*where)(const void *pointer, int32_t *kind, int32_t *ordinal, BackendMessage *message) = nullptr;
  // Enqueues and returns: no allocation, no synchronisation, may be captured. An earlier fault of the device is
  // BLV_DEVICE_FAULT.
  blv_status (*enqueue)(const Problem &problem, const DevicePlan &plan, const DeviceCall &call,
                        BackendMessage *message) = nullptr;
};

// The plugin's only exported symbol: extern "C" const Backend *bilevel_cuda_backend(void).
constexpr const char *backend_symbol = "bilevel_cuda_backend";
using BackendEntry = const Backend *(*)();

}  // namespace bilevel
