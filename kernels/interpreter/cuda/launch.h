// SPDX-License-Identifier: Apache-2.0
//
// The host side of an interpreter kernel: what a problem takes at one level of cooperation, and its launches.
#pragma once
#include <cstdio>

#include "kernels/contract/device_kernel.h"
#include "kernels/interpreter/cuda/group_run.h"
#include "kernels/machine/cuda/regime.h"

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

// PassOf: as of the interpreter.
template <class T, template <class, Lanes> class PassOf = Pass>
struct DeviceKernelOf {
  static constexpr Lanes L = Lanes::COLUMNS;
  using Run = Interpreter<T, L, PassOf>;
  using Tables = GroupTables<Run>;
  static constexpr long long unlimited = 1ll << 44;
  // For what a layout writes: the second kernel lays the interpreter out only to learn the order of its results.
  static constexpr long long layout_smem_bytes = cuda_tuning::layout_smem_bytes;
  static_assert(most_device_layers * (sizeof(LayerView) + sizeof(LayerState<T>)) +
                        most_device_arrays * sizeof(typename Run::Place) + 1024 <
                    layout_smem_bytes,
                "its layers and arrays");

  struct LayoutSizes {
    long long smem = 0, largest = 0, slab = 0, block_slab = 0;
    long long state = 0;  // bytes of a task
    long block_rows = 0, chunk_rows = 0;
    bool fits = true;  // what must be in shared memory is
  };

  static constexpr DeviceKernel entry(const char *name) { return {name, executor_of_level, &size, &enqueue}; }

  static const void *kernel() { return reinterpret_cast<const void *>(&interpreter_kernel<T, L, Run>); }
  static const void *second() { return reinterpret_cast<const void *>(&sum_kernel<T, L, Run>); }

  // The layout with smem_bytes of shared memory per block. Unlimited and no blocks: what a task would like to have there, the same at
  // every level.
  static LayoutSizes layout_sizes(const Problem &problem, long long smem_bytes, int ranks, int blocks, int threads) {
    LayerView views[most_device_layers];
    NetworkView net;
    Run run;
    Arena arena, block_arena;
    arena.ranks = block_arena.ranks = ranks, block_arena.smem_bytes = smem_bytes;
    arena.smem_bytes = BLV_CUDA_LEVEL_NUMBER == 3 && smem_bytes < unlimited ? 0 : smem_bytes;
    LayoutSizes s;
    if (BLV_CUDA_LEVEL_NUMBER == 3) {
      layout_group(arena, block_arena, problem, net, run, views, Index(blocks), threads);
      s.block_slab = block_arena.slab_used;
      s.slab = arena.slab_used + GroupKernel<T, L, Run>::reduction_bytes(blocks) + blocks * s.block_slab;
    } else {
      layout_group(block_arena, block_arena, problem, net, run, views, 1, threads);
      s.slab = block_arena.slab_used;
    }
    s.smem = block_arena.most_used() + (BLV_CUDA_LEVEL_NUMBER == 3 ? arena.most_used() : 0);
    s.largest = arena.largest > block_arena.largest ? arena.largest : block_arena.largest;
    s.block_rows = long(run.pass.block), s.chunk_rows = long(run.pass.chunk);
    s.fits = run.pass.fits;
    s.state = (long long)(run.state_packs) * (long long)(sizeof(T));
    return s;
  }

  static Demand demand_of(const Problem &problem) {
    const LayoutSizes s = layout_sizes(problem, unlimited, 1, 0, Run::PassOfRows::most_threads);
    Demand demand;
    demand.table_bytes = sizeof(Tables);
    demand.smem_bytes = s.smem - optional_bytes(problem);
    demand.largest_array_bytes = s.largest;
    demand.rows = Run::most_rows(problem), demand.tasks = problem.tasks;
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
      if (!side.present || SideData<T, L>::must_copy_x(side, problem.network.diagonal)) return 0ll;
      return (long long)(side.rows) * padded(problem.network.features) * (long long)(sizeof(T));
    };
    const long long inner = rows_of(problem.inner);
    return rows_of(problem.outer) + (inner > cuda_tuning::most_inner_bytes ? inner : 0);
  }

  static bool refuse(BackendMessage *message, const char *why) {
    std::snprintf(message->text, sizeof message->text, "%s", why);
    return false;
  }

  // What a kernel gets by value.
  static bool fits(int32_t count, int32_t most, const char *what, BackendMessage *message) {
    if (count <= most) return true;
    std::snprintf(message->text, sizeof message->text,
                  "the method's program has %d %s; accepted on a device: at most %d", count, what, most);
    return false;
  }

  static bool size(const Problem &problem, const DeviceFacts &facts, DevicePlan *plan, BackendMessage *message) {
    if (problem.dtype != (sizeof(T) == 8 ? BLV_F64 : BLV_F32)) return refuse(message, "");
    if (!Run::PassOfRows::suits(problem)) return refuse(message, "");
    if (problem.network.n_layers > most_device_layers)
      return refuse(message, "the network has more than 16 layers; accepted on a device: at most 16");
    const Program &program = problem.program;
    if (!fits(program.n_ops, most_device_ops, "operations", message) ||
        !fits(program.n_arrays, most_device_arrays, "arrays", message) ||
        !fits(program.n_inputs, most_device_inputs, "inputs", message) ||
        !fits(program.n_outputs, most_device_outputs, "outputs", message) ||
        !fits(program.n_numbers, most_device_numbers, "numbers", message) ||
        !fits(program.n_counters, most_device_counters, "counters", message))
      return false;
    if (problem.flags & BLV_SPLIT_TF32)
      return refuse(message, "BLV_SPLIT_TF32 is for the kernels of small tanh networks; see docs/cuda.md");
    if (BLV_CUDA_LEVEL_NUMBER != 3 && most_elements(problem) >= 2147483648.)
      return refuse(message, "an array of a task has 2^31 elements or more; accepted by executor BLV_GRID");
    const Regime regime = choose_regime(demand_of(problem), facts, tuning_for(facts), problem.executor);
    if (regime.executor != executor_of_level) return refuse(message, regime.reason);
    int blocks = 1;
    plan->threads = Run::PassOfRows::threads_of_block(regime.threads);
    const cudaError_t error = prepare(facts, *plan, sizeof(Tables) + regime.smem_bytes, &blocks);
    if (error != cudaSuccess) return refuse(message, cudaGetErrorString(error));
    plan->executor = regime.executor;
    plan->cluster = BLV_CUDA_LEVEL_NUMBER == 3 ? grid_blocks(problem, blocks * facts.multiprocessors, plan->threads)
                                               : regime.cluster;
    const LayoutSizes s = layout_sizes(problem, regime.smem_bytes, regime.cluster, plan->cluster, plan->threads);
    if (!s.fits) return refuse(message, "what the pass keeps in shared memory does not fit beside the task");
    const int64_t resident = int64_t(facts.multiprocessors) * blocks / regime.cluster;
    plan->batches = BLV_CUDA_LEVEL_NUMBER == 3 ? 1 : problem.tasks < resident ? problem.tasks : resident;
    if (plan->batches < 1) plan->batches = 1;
    plan->shared_bytes = (int64_t(sizeof(Tables)) + s.smem + 127) / 128 * 128;
    plan->slab_bytes = (s.slab + 255) / 256 * 256;
    plan->block_slab_bytes = s.block_slab;
    plan->smem_bytes = regime.smem_bytes;
    plan->sizes = {};
    plan->sizes.workspace_bytes = plan->batches * (plan->slab_bytes + problem.shared_scalars * int64_t(sizeof(T)));
    plan->sizes.task_bytes = s.smem + plan->slab_bytes;
    plan->sizes.state_bytes = problem.tasks * s.state;
    plan->sizes.lanes = 32, plan->sizes.chunk_rows = s.chunk_rows, plan->sizes.block_rows = s.block_rows;
    std::snprintf(plan->reason, sizeof plan->reason, "%s", regime.reason);
    return true;
  }

  // A bound on the elements of the largest array of a task, in floating point: positions are 32-bit numbers below the level of the grid.
  static double most_elements(const Problem &problem) {
    const Network &network = problem.network;
    const Program &program = problem.program;
    double parameters = 0, columns = 0;
    for (int64_t l = 0; l < network.n_layers; l++) {
      const Layer &layer = network.layers[l];
      parameters += double(layer.outputs) * double(padded(layer.inputs)) + double(layer.outputs) + 8;
      columns += 2. * double(padded(layer.outputs));
    }
    double rows = double(problem.batch_rows), stride = double(padded(network.layers[0].inputs));
    for (const Side *side : {&problem.inner, &problem.outer}) {
      if (!side->present) continue;
      rows = double(side->rows) > rows ? double(side->rows) : rows;
      for (const Leaf *leaf : {&side->x, &side->y, &side->weight})
        stride = double(leaf->value.row_stride) > stride ? double(leaf->value.row_stride) : stride;
    }
    const double planes =
        double(program.tangent_planes > program.leaf_planes ? program.tangent_planes : program.leaf_planes);
    double most = rows * (stride > columns ? stride : columns) * planes;
    const auto at_least = [&](double elements) { most = elements > most ? elements : most; };
    at_least(parameters * planes);
    at_least(double(program.tape_entries) * double(program.tape_rows) * columns);
    for (int i = 0; i < program.n_arrays; i++)
      at_least(double(program.arrays[i].count) * double(program.arrays[i].planes) * parameters);
    for (int i = 0; i < problem.n_step_leaves; i++) {
      const Leaf &leaf = problem.step_leaves[i];
      const bool per_step = leaf.value.step_stride || leaf.gradient.step_stride;
      at_least((per_step ? double(problem.steps) : 1.) * planes *
               (leaf.value.extent == BLV_PER_PARAMETER ? parameters : 1.));
    }
    at_least(double(problem.steps));
    return most;
  }

  // Blocks of the grid that have something to do: a chunk of rows, or parameters of their own.
  static int grid_blocks(const Problem &problem, int most, int threads) {
    const int64_t planes = problem.program.tangent_planes > 0 ? problem.program.tangent_planes : 1;
    const int64_t rows = cuda_tuning::fewest_chunk_rows, parameters = cuda_tuning::parameters_per_thread * threads;
    const int64_t by_rows = (int64_t(Run::most_rows(problem)) + rows - 1) / rows,
                  by_parameters = (problem.network.parameters * planes + parameters - 1) / parameters;
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
    const Program &program = problem.program;
    for (int i = 0; i < program.n_ops; i++) a.ops[i] = program.ops[i];
    for (int i = 0; i < program.n_arrays; i++) a.arrays[i] = program.arrays[i];
    for (int i = 0; i < program.n_inputs; i++) a.inputs[i] = program.inputs[i];
    for (int i = 0; i < program.n_outputs; i++) a.outputs[i] = program.outputs[i];
    for (int64_t i = 0; i < call.slots; i++) a.data[i] = call.data[i];
    a.workspace = call.workspace, a.state = call.state, a.info = call.info, a.tasks = call.tasks;
    a.batches = call.tasks < plan.batches ? call.tasks : plan.batches;
    a.slab_bytes = plan.slab_bytes, a.block_slab_bytes = plan.block_slab_bytes,
    a.shared_scalars = problem.shared_scalars;
    a.smem_bytes = plan.smem_bytes, a.ranks = BLV_CUDA_LEVEL_NUMBER == 2 ? plan.cluster : 1;
    if (a.batches > 0) {
      const unsigned blocks = unsigned(a.batches * (BLV_CUDA_LEVEL_NUMBER >= 2 ? plan.cluster : 1));
      const cudaError_t error = launch(kernel(), dim3(blocks), plan.threads, plan.shared_bytes, call.stream, &a,
                                       a.ranks, BLV_CUDA_LEVEL_NUMBER == 3);
      if (error != cudaSuccess) return int(error);
    }
    if (a.shared_scalars == 0) return 0;
    a.smem_bytes = layout_smem_bytes;
    const cudaError_t error = launch(second(), dim3(unsigned((a.shared_scalars + 31) / 32)), 256,
                                     sizeof(Tables) + layout_smem_bytes, call.stream, &a, 1, false);
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

// The entry `name` of the plugin's table, for a DeviceKernelOf. Within namespace bilevel.
#define BLV_DEVICE_KERNEL_ENTRY(name, ...) \
  extern const DeviceKernel name;          \
  const DeviceKernel name = __VA_ARGS__::entry(BLV_TEXT(name));
