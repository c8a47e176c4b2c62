// SPDX-License-Identifier: Apache-2.0
//
// The host side of a group kernel: what a problem takes at one level of cooperation, and its launches. A launch file
// says BLV_DEFINE_DEVICE_KERNEL(unroll, Unroll), which defines, with BLV_KERNEL_DTYPE f32 and BLV_CUDA_LEVEL block, the
// table entry bilevel::unroll_f32_block.
#pragma once
#include <cstdio>

#include "kernels/contract/device_kernel.h"
#include "kernels/machine/cuda/regime.h"
#include "kernels/task/cuda/group_run.h"

namespace bilevel {
namespace BLV_ISA_NAMESPACE {

constexpr int32_t executor_of_level = BLV_WARP_PER_TASK + BLV_CUDA_LEVEL_NUMBER;

// A launch with the attributes of its level; returns the error of the launch alone.
inline cudaError_t launch(const void *kernel, dim3 blocks, int threads, long long shared_bytes, void *stream,
                          void *arguments, int cluster, bool cooperative) {
  cudaLaunchAttribute attributes[2];
  unsigned n = 0;
  if (cluster > 1) {
    attributes[n].id = cudaLaunchAttributeClusterDimension;
    attributes[n].val.clusterDim.x = unsigned(cluster);
    attributes[n].val.clusterDim.y = attributes[n].val.clusterDim.z = 1;
    n++;
  }
  if (cooperative) {
    attributes[n].id = cudaLaunchAttributeCooperative;
    attributes[n].val.cooperative = 1;
    n++;
  }
  cudaLaunchConfig_t config = {};
  config.gridDim = blocks, config.blockDim = dim3(unsigned(threads)), config.dynamicSmemBytes = size_t(shared_bytes);
  config.stream = static_cast<cudaStream_t>(stream), config.attrs = attributes, config.numAttrs = n;
  void *parameters[] = {arguments};
  return cudaLaunchKernelExC(&config, kernel, parameters);
}

template <class T, Lanes L, class Method>
struct DeviceKernelOf {
  using Control = GroupControl<Method>;
  static constexpr long long unlimited = 1ll << 44;
  // The second kernel lays the method out only to learn the order of its results: room for what a layout writes.
  static constexpr long long control_room = 16 << 10;
  static_assert(most_device_layers * (sizeof(LayerView) + sizeof(LayerState<T>)) + 1024 < control_room, "its layers");

  struct Sizes {
    long long chip = 0, largest = 0, slab = 0, near_slab = 0, scalars = 0;
    long block_rows = 0, chunk_rows = 0;
    bool fits = true;  // what must be on chip is
  };

  static constexpr DeviceKernel entry(const char *name) { return {name, executor_of_level, &measure, &enqueue}; }

  static const void *kernel() { return reinterpret_cast<const void *>(&group_kernel<T, L, Method>); }
  static const void *second() { return reinterpret_cast<const void *>(&sum_kernel<T, L, Method>); }

  // The layout with so much room on chip per block; unlimited room and no blocks: what a task would like to have there,
  // the same at every level.
  static Sizes sizes(const Problem &problem, long long room, int ranks, int blocks, int threads) {
    LayerView views[most_device_layers];
    NetworkView net;
    Method method;
    Arena arena, near;
    arena.ranks = near.ranks = ranks, near.room = room;
    arena.room = BLV_CUDA_LEVEL_NUMBER == 3 && room < unlimited ? 0 : room;
    Sizes s;
    if (BLV_CUDA_LEVEL_NUMBER == 3) {
      layout_group(arena, near, problem, net, method, views, Index(blocks), threads);
      s.near_slab = near.slab_used;
      s.slab = arena.slab_used + GroupKernel<T, L, Method>::reduction_bytes(blocks) + blocks * s.near_slab;
    } else {
      layout_group(near, near, problem, net, method, views, 1, threads);
      s.slab = near.slab_used;
    }
    s.chip = near.most_used() + (BLV_CUDA_LEVEL_NUMBER == 3 ? arena.most_used() : 0);
    s.largest = arena.largest > near.largest ? arena.largest : near.largest;
    s.block_rows = long(method.pass.block), s.chunk_rows = long(method.pass.chunk);
    s.fits = method.pass.fits;
    SharedCounter counter;
    method.visit(counter);
    s.scalars = counter.scalars;
    return s;
  }

  static Demand demand_of(const Problem &problem) {
    const Sizes s = sizes(problem, unlimited, 1, 0, Method::PassOfRows::most_threads);
    Demand demand;
    demand.control_bytes = sizeof(Control);
    demand.chip_bytes = s.chip - optional_bytes(problem);
    demand.largest_array_bytes = s.largest;
    demand.rows = Method::most_rows(problem), demand.tasks = problem.tasks;
    for (int64_t l = 0; l < problem.network.n_layers; l++) {
      const Layer &layer = problem.network.layers[l];
      const int64_t forward = (demand.rows + 3) / 4 * ((layer.outputs + 3) / 4),
                    weight = (layer.inputs + 3) / 4 * ((layer.outputs + 3) / 4);
      if (forward > demand.tiles) demand.tiles = forward;
      if (weight > demand.tiles) demand.tiles = weight;
    }
    return demand;
  }

  // Rows that may stay in the caller's memory: the outer ones, read once, and the inner ones if they are many.
  static long long optional_bytes(const Problem &problem) {
    const auto rows_of = [&](const Side &side) {
      if (!side.present || side.x.value.link || side.x.gradient) return 0ll;
      return (long long)(side.rows) * padded(problem.network.layers[0].inputs) * (long long)(sizeof(T));
    };
    const long long inner = rows_of(problem.inner), most_inner = 64 << 10;
    return (problem.kind == BLV_UNROLL ? rows_of(problem.outer) : 0) + (inner > most_inner ? inner : 0);
  }

  static bool refuse(BackendMessage *message, const char *why) {
    std::snprintf(message->text, sizeof message->text, "%s", why);
    return false;
  }

  static bool measure(const Problem &problem, const DeviceFacts &facts, DevicePlan *plan, BackendMessage *message) {
    if (!Method::runs(problem.kind) || problem.dtype != (sizeof(T) == 8 ? BLV_F64 : BLV_F32))
      return refuse(message, "");
    if (!Method::PassOfRows::suits(problem)) return refuse(message, "");
    if (problem.network.n_layers > most_device_layers)
      return refuse(message, "the network has more than 16 layers; accepted on a device: at most 16");
    if (problem.flags & BLV_SPLIT_TF32)
      return refuse(message, "BLV_SPLIT_TF32 is for the kernels of small tanh networks; see docs/cuda.md");
    if (BLV_CUDA_LEVEL_NUMBER != 3 && most_elements(problem) >= 2147483648.)
      return refuse(message, "an array of a task has 2^31 elements or more; accepted by executor BLV_GRID");
    const Regime regime = choose_regime(demand_of(problem), facts, tuning_for(facts), problem.executor);
    if (regime.executor != executor_of_level) return refuse(message, regime.reason);
    int blocks = 1;
    plan->threads = Method::PassOfRows::threads_of_block(regime.threads);
    const cudaError_t error = prepare(facts, *plan, sizeof(Control) + regime.room_bytes, &blocks);
    if (error != cudaSuccess) return refuse(message, cudaGetErrorString(error));
    plan->executor = regime.executor;
    plan->cluster = BLV_CUDA_LEVEL_NUMBER == 3 ? grid_blocks(problem, blocks * facts.multiprocessors, plan->threads)
                                               : regime.cluster;
    const Sizes s = sizes(problem, regime.room_bytes, regime.cluster, plan->cluster, plan->threads);
    if (!s.fits) return refuse(message, "what the pass keeps on chip does not fit beside the task");
    const int64_t resident = int64_t(facts.multiprocessors) * blocks / regime.cluster;
    plan->batches = BLV_CUDA_LEVEL_NUMBER == 3 ? 1 : problem.tasks < resident ? problem.tasks : resident;
    if (plan->batches < 1) plan->batches = 1;
    plan->shared_bytes = (int64_t(sizeof(Control)) + s.chip + 127) / 128 * 128;
    plan->slab_bytes = (s.slab + 255) / 256 * 256;
    plan->near_slab_bytes = s.near_slab;
    plan->shared_scalars = s.scalars;
    plan->room_bytes = regime.room_bytes;
    plan->measure = {};
    plan->measure.workspace_bytes = plan->batches * (plan->slab_bytes + s.scalars * int64_t(sizeof(T)));
    plan->measure.task_bytes = s.chip + plan->slab_bytes;
    plan->measure.lanes = 32, plan->measure.chunk_rows = s.chunk_rows, plan->measure.block_rows = s.block_rows;
    std::snprintf(plan->reason, sizeof plan->reason, "%s", regime.reason);
    return true;
  }

  // A bound on the elements of the largest array of a task, in floating point: positions are 32-bit numbers below the
  // level of the grid.
  static double most_elements(const Problem &problem) {
    const Network &network = problem.network;
    double parameters = 0, columns = 0;
    for (int64_t l = 0; l < network.n_layers; l++) {
      const Layer &layer = network.layers[l];
      parameters += double(layer.outputs) * double(padded(layer.inputs)) + double(layer.outputs) + 8;
      columns += 2. * double(padded(layer.outputs));
    }
    double rows = double(problem.batch_rows), stride = double(padded(network.layers[0].inputs)), most = 0;
    for (const Side *side : {&problem.inner, &problem.outer}) {
      if (!side->present) continue;
      rows = double(side->rows) > rows ? double(side->rows) : rows;
      for (const Leaf *leaf : {&side->x, &side->y, &side->weight})
        stride = double(leaf->value.row_stride) > stride ? double(leaf->value.row_stride) : stride;
    }
    const double steps = double(problem.steps) + 1, segment = double(problem.storage.segment_steps) + 1,
                 vectors = double(problem.vectors > 0 ? problem.vectors : 1);
    const bool unroll = problem.kind == BLV_UNROLL;
    // Rows with tangents; vectors; states of a segment and its tape; checkpoints; leaves of every step.
    for (const double elements : {rows * (stride > columns ? stride : columns) * vectors, parameters * vectors,
                                  unroll ? segment * parameters : 0., unroll ? segment * rows * columns : 0.,
                                  unroll ? 2 * parameters * (steps / segment + 2) : 0., unroll ? steps : 0.,
                                  unroll && per_step(problem) ? steps * parameters : 0.})
      most = elements > most ? elements : most;
    return most;
  }
  static bool per_step(const Problem &problem) {
    return problem.rate.value.step_stride || problem.momentum.value.step_stride || problem.rate.gradient.step_stride ||
           problem.momentum.gradient.step_stride;
  }

  // Blocks of the grid that have something to do: a chunk of rows, or parameters of their own.
  static int grid_blocks(const Problem &problem, int most, int threads) {
    const int64_t planes = Method::tangent_planes(problem) > 0 ? int64_t(Method::tangent_planes(problem)) : 1;
    const int64_t by_rows = (int64_t(Method::most_rows(problem)) + 31) / 32,
                  by_parameters = (problem.network.parameters * planes + 4 * threads - 1) / (4 * threads);
    const int64_t wanted = by_rows > by_parameters ? by_rows : by_parameters;
    return int(wanted < 1 ? 1 : wanted < most ? wanted : most);
  }

  // Opts in to all shared memory once, at plan time (which loads the module, too); counts resident blocks.
  static cudaError_t prepare(const DeviceFacts &facts, const DevicePlan &plan, long long shared_bytes, int *blocks) {
    cudaFuncAttributes attributes;
    cudaError_t error = cudaFuncGetAttributes(&attributes, second());
    if (error == cudaSuccess) error = cudaFuncGetAttributes(&attributes, kernel());
    if (error != cudaSuccess) return error;
    const int most = int(facts.shared_per_block - int64_t(attributes.sharedSizeBytes));
    if (shared_bytes > most) return cudaErrorLaunchOutOfResources;
    error = cudaFuncSetAttribute(kernel(), cudaFuncAttributeMaxDynamicSharedMemorySize, most);
    if (error != cudaSuccess || BLV_CUDA_LEVEL_NUMBER == 2) return error;
    error = cudaOccupancyMaxActiveBlocksPerMultiprocessor(blocks, kernel(), plan.threads, size_t(shared_bytes));
    return error == cudaSuccess && *blocks == 0 ? cudaErrorLaunchOutOfResources : error;
  }

  static int enqueue(const Problem &problem, const DevicePlan &plan, const DeviceCall &call) {
    GroupArguments a = {};
    a.problem = problem;
    for (int64_t l = 0; l < problem.network.n_layers; l++) a.layers[l] = problem.network.layers[l];
    for (int64_t i = 0; i < call.slots; i++) a.data[i] = call.data[i];
    a.workspace = call.workspace, a.info = call.info, a.tasks = call.tasks;
    a.batches = call.tasks < plan.batches ? call.tasks : plan.batches;
    a.slab_bytes = plan.slab_bytes, a.near_slab_bytes = plan.near_slab_bytes, a.shared_scalars = plan.shared_scalars;
    a.room = plan.room_bytes, a.ranks = BLV_CUDA_LEVEL_NUMBER == 2 ? plan.cluster : 1;
    if (a.batches > 0) {
      const unsigned blocks = unsigned(a.batches * (BLV_CUDA_LEVEL_NUMBER >= 2 ? plan.cluster : 1));
      const cudaError_t error = launch(kernel(), dim3(blocks), plan.threads, plan.shared_bytes, call.stream, &a,
                                       a.ranks, BLV_CUDA_LEVEL_NUMBER == 3);
      if (error != cudaSuccess) return int(error);
    }
    if (a.shared_scalars == 0) return 0;
    a.room = control_room;
    const cudaError_t error = launch(second(), dim3(unsigned((a.shared_scalars + 31) / 32)), 256,
                                     sizeof(Control) + control_room, call.stream, &a, 1, false);
    // The first kernel is on its way: this is no refusal before any work.
    return int(error == cudaSuccess || a.batches == 0 ? error : cudaErrorUnknown);
  }
};

}  // namespace BLV_ISA_NAMESPACE
}  // namespace bilevel

#define BLV_JOIN_(a, b, c) a##_##b##_##c
#define BLV_JOIN(a, b, c) BLV_JOIN_(a, b, c)
#define BLV_TEXT_(x) #x
#define BLV_TEXT(x) BLV_TEXT_(x)

#define BLV_DEVICE_KERNEL_OF(Method)                                                      \
  BLV_ISA_NAMESPACE::DeviceKernelOf<BLV_KERNEL_SCALAR, BLV_ISA_NAMESPACE::Lanes::COLUMNS, \
                                    BLV_ISA_NAMESPACE::Method<BLV_KERNEL_SCALAR, BLV_ISA_NAMESPACE::Lanes::COLUMNS>>

// The entry `name` of the table, for a DeviceKernelOf. Within namespace bilevel.
#define BLV_DEVICE_KERNEL_ENTRY(name, ...) \
  extern const DeviceKernel name;          \
  const DeviceKernel name = __VA_ARGS__::entry(BLV_TEXT(name));

#define BLV_DEFINE_DEVICE_KERNEL(name, Method)                                                            \
  namespace bilevel {                                                                                     \
  BLV_DEVICE_KERNEL_ENTRY(BLV_JOIN(name, BLV_KERNEL_DTYPE, BLV_CUDA_LEVEL), BLV_DEVICE_KERNEL_OF(Method)) \
  }
