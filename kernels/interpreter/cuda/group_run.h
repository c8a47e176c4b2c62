// SPDX-License-Identifier: Apache-2.0
//
// Runs all tasks of a call on the device: batches of tasks, one per group of threads; a group runs its tasks one after another, and a
// second kernel adds up what tasks share. The host side counts bytes with the layout that the device assigns.
//
// The interpreter lies in shared memory, a copy per block; one thread per block writes what changes in it. The program stays in the
// kernel's parameters, which all threads read at the speed of constants.
#pragma once
#include <cuda_runtime_api.h>

#include <new>

#include "kernels/contract/backend.h"
#include "kernels/contract/cuda_tuning.h"
#include "kernels/interpreter/interpreter.h"

namespace bilevel {
namespace BLV_ISA_NAMESPACE {

// All that a kernel gets, by value; pointers to what follows are set on the device.
struct GroupArguments {
  TaskProblem problem;
  Op ops[most_device_ops];
  ProgramArray arrays[most_device_arrays];
  ProgramInput inputs[most_device_inputs];
  ProgramOutput outputs[most_device_outputs];
  Layer layers[most_device_layers];
  void *data[most_device_slots];
  char *workspace, *state;
  blv_task_info *info;
  long long tasks, batches;
  long long slab_bytes, block_slab_bytes;  // of a batch; of a thread block of the grid, at the slab's end
  long long shared_scalars;
  long long smem_bytes;  // dynamic shared memory after GroupTables
  int ranks;             // blocks of a cluster
};
static_assert(sizeof(GroupArguments) <= 32764, "parameters of a kernel");

// The tables that every block keeps in shared memory, before the task's arrays.
template <class Run>
struct alignas(16) GroupTables {
  TaskProblem problem;
  NetworkView net;
  Run run;
};

// The program where a kernel's parameters have it.
BLV_INLINE Program program_of(const GroupArguments &a) {
  Program program = a.problem.program;
  program.ops = a.ops, program.arrays = a.arrays, program.inputs = a.inputs, program.outputs = a.outputs;
  return program;
}

// Lays out everything, on the host or by one thread of a block. `views` holds the layers on the host.
template <class Run>
BLV_HOST_DEVICE void layout_group(Arena &arena, Arena &block_arena, const TaskProblem &problem, NetworkView &net,
                                  Run &run, LayerView *views, Index blocks, int threads) {
  net.layers = block_arena.take_table<LayerView>(problem.network.n_layers);
  if (!block_arena.assigns()) net.layers = views;
  make_network_view(problem.network, net);
  run.layout_table(block_arena, problem);
  run.pass.layout_tables(block_arena, net.n_layers);
  run.pass.layout(arena, block_arena, net, Run::most_rows(problem), Index(problem.program.tangent_planes), blocks,
                  threads);
  run.layout(arena, problem, net);
}

template <class T, Lanes L, class Run>
struct GroupKernel {
  const GroupArguments &a;
  GroupTables<Run> &tables;

  BLV_INLINE void run(char *smem) const {
    copy_problem();
    if (threadIdx.x == 0) lay_out(smem);
    TaskThreads::sync();
    const long long batch = batch_of_group();
    T *partial = reinterpret_cast<T *>(a.workspace + a.batches * a.slab_bytes) + batch * a.shared_scalars;
    const long long first = batch * a.tasks / a.batches, end = (batch + 1) * a.tasks / a.batches;
    for (long long task = first; task < end; task++) run_task(task, task == first, partial);
  }

 private:
  static BLV_INLINE long long batch_of_group() {
#if BLV_CUDA_LEVEL_NUMBER == 3
    return 0;
#elif BLV_CUDA_LEVEL_NUMBER == 2
    return blockIdx.x / cooperative_groups::this_cluster().num_blocks();
#else
    return blockIdx.x;
#endif
  }

  BLV_INLINE void copy_problem() const {
    static_assert(sizeof(TaskProblem) % 8 == 0, "whole words");
    for (int i = int(threadIdx.x); i < int(sizeof(TaskProblem) / 8); i += int(blockDim.x))
      reinterpret_cast<long long *>(&tables.problem)[i] = reinterpret_cast<const long long *>(&a.problem)[i];
    BlockThreads::sync();
  }

  BLV_INLINE void lay_out(char *smem) const {
    tables.problem.network.layers = a.layers;
    tables.problem.program = program_of(a);
    new (&tables.net) NetworkView();
    new (&tables.run) Run();
    char *slab = a.workspace + batch_of_group() * a.slab_bytes;
    Arena arena;
    arena.smem = smem, arena.smem_bytes = a.smem_bytes, arena.ranks = a.ranks, arena.slab = slab;
#if BLV_CUDA_LEVEL_NUMBER == 3
    // The task's arrays are in the workspace; shared memory holds the blocks' own.
    Arena task;
    task.smem = smem, task.slab = slab + reduction_bytes(gridDim.x);
    arena.slab = slab + a.slab_bytes - (gridDim.x - blockIdx.x) * a.block_slab_bytes;
    grid_reduction() = {reinterpret_cast<double *>(slab), 0};
    layout_group(task, arena, tables.problem, tables.net, tables.run, nullptr, Index(gridDim.x), int(blockDim.x));
#else
    layout_group(arena, arena, tables.problem, tables.net, tables.run, nullptr, 1, int(blockDim.x));
#endif
  }

 public:
  static BLV_HOST_DEVICE long long reduction_bytes(long long blocks) { return (2 * blocks * 8 + 127) / 128 * 128; }

 private:
  BLV_INLINE void run_task(long long task, bool first, T *partial) const {
    const Transfer<T, L> move{a.data, task};
    TaskStatus status;
    Call call;
    tables.run.bind_state(program_of(a), reinterpret_cast<T *>(a.state) + task * tables.run.state_packs);
    tables.run.run(move, call, program_of(a), &status);
    TaskWriter<T, L> writer{move,
                            status.status != BLV_TASK_OK,
                            status.is_of_solver(),
                            (tables.problem.flags & BLV_SKIP_FAILED) != 0,
                            first,
                            partial};
    tables.run.visit(writer);
    if (a.info && TaskThreads::thread() == 0) report(status, a.info[task]);
    TaskThreads::sync();
  }

  BLV_INLINE void report(const TaskStatus &status, blv_task_info &info) const {
    blv_task_info result{status.status,
                         status.side,
                         status.step,
                         status.row,
                         tables.problem.steps,
                         __longlong_as_double(0x7ff8000000000000ll),
                         __longlong_as_double(0x7ff8000000000000ll)};
    if (status.status == BLV_TASK_OK || status.is_of_solver()) tables.run.report(program_of(a), 0, result);
    info = result;
  }
};

template <class T, Lanes L, class Run>
__global__ void __launch_bounds__(Run::PassOfRows::most_threads, cuda_tuning::least_blocks(BLV_CUDA_LEVEL_NUMBER))
    interpreter_kernel(const __grid_constant__ GroupArguments a) {
  extern __shared__ __align__(16) char dynamic_smem[];
  auto &tables = *reinterpret_cast<GroupTables<Run> *>(dynamic_smem);
  const GroupKernel<T, L, Run> kernel{a, tables};
  kernel.run(dynamic_smem + sizeof(GroupTables<Run>));
}

// The second stage: 32 shared scalars a block, warp w adds the batches w, w + 8, ..., then the eight sums in order.
template <class T, Lanes L, class Run>
__global__ void __launch_bounds__(256) sum_kernel(const __grid_constant__ GroupArguments a) {
  __shared__ T sums[8][32];
  extern __shared__ __align__(16) char dynamic_smem[];
  auto &tables = *reinterpret_cast<GroupTables<Run> *>(dynamic_smem);
  const unsigned lane = threadIdx.x % 32, warp = threadIdx.x / 32;
  const long long wanted = blockIdx.x * 32ll + lane;
  const T *partials = reinterpret_cast<const T *>(a.workspace + a.batches * a.slab_bytes);
  T sum = 0;
  if (wanted < a.shared_scalars) {
#pragma unroll 4
    for (long long b = warp; b < a.batches; b += 8) sum += partials[b * a.shared_scalars + wanted];
  }
  sums[warp][lane] = sum;
  if (threadIdx.x == 0) {
    tables.problem = a.problem;
    tables.problem.network.layers = a.layers;
    tables.problem.program = program_of(a);
    new (&tables.net) NetworkView();
    new (&tables.run) Run();
    Arena arena, block_arena;
    arena.smem = block_arena.smem = dynamic_smem + sizeof(GroupTables<Run>);
    block_arena.smem_bytes = a.smem_bytes;
    layout_group(arena, block_arena, tables.problem, tables.net, tables.run, nullptr, 1, 32);
  }
  __syncthreads();
  if (warp != 0 || wanted >= a.shared_scalars) return;
  for (int w = 1; w < 8; w++) sum += sums[w][lane];
  SharedWriter<T> writer{a.data, wanted, sum};
  tables.run.visit(writer);
}

}  // namespace BLV_ISA_NAMESPACE
}  // namespace bilevel
