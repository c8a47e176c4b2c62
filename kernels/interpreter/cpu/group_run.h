// SPDX-License-Identifier: Apache-2.0
//
// Runs all tasks of a call: groups of tasks (a pack of them, or single tasks) in batches, batches over the threads. What tasks share is
// summed within a batch and then over batches; batches are cut by the number of tasks alone.
//
// The workspace: layers, the threads' scratch, the threads' tasks, partial sums. Every thread has the same layout, a stride apart, so
// that measuring is as quick for many threads as for one, and a thread lays its part out when it begins to work.
#pragma once
#include <cstdlib>

#include "kernels/interpreter/interpreter.h"

namespace bilevel {
namespace BLV_ISA_NAMESPACE {

template <class T, Lanes L>
struct GroupRun {
  using Run = Interpreter<T, L>;
  static constexpr long width = Transfer<T, L>::width;
  static constexpr long most_batches = cpu_tuning::most_batches, most_shared_bytes = cpu_tuning::most_shared_bytes;

  const Problem *problem = nullptr;
  const Call *call = nullptr;
  NetworkView net;
  RowPartition partition;
  Arena workspace;
  bool parallel = false;  // the threads share the rows of one task
  long tangents = 0, groups = 0, batches = 0;
  long scratch_at = 0, scratch_stride = 0, tasks_at = 0, tasks_stride = 0;
  T *partials = nullptr;
  BlockScratch<T, L> *scratch = nullptr;
  int64_t next_batch = 0;
  int32_t cancelled = 0;

  static long least(long a, long b) { return a < b ? a : b; }
  static long group_count(long tasks) { return (tasks + width - 1) / width; }
  long batch_count(long tasks) const {
    long most = group_count(tasks);
    if (problem->shared_scalars == 0) return most;
    if (most > most_batches) most = most_batches;
    const long fitting = most_shared_bytes / (problem->shared_scalars * long(sizeof(T)));
    return most <= fitting ? most : fitting > 1 ? fitting : most < 1 ? most : 1;
  }

  // The whole workspace, in order. `views` holds the layers while there is no workspace.
  void layout(Arena &arena, const Problem &p, LayerView *views, Sizes *sizes) {
    problem = &p, workspace = arena;
    parallel = L == Lanes::COLUMNS && p.executor == BLV_ROWS_OVER_CORES;
    tangents = p.program.tangent_planes;
    partition = partition_rows<T, L>(p.network, Run::most_rows(p), tangents);
    net.layers = arena.take<LayerView>(p.network.n_layers);
    if (!arena.base) net.layers = views;
    make_network_view<T, L>(p.network, least(partition.block, Run::most_rows(p)), net);
    scratch = arena.take<BlockScratch<T, L>>(p.threads);
    scratch_at = arena.used;
    scratch_stride = lay_out_scratch(0, nullptr);
    tasks_at = scratch_at + p.threads * scratch_stride;
    Run run;
    tasks_stride = lay_out_task(0, run, false);
    sizes->state_bytes = group_count(p.tasks) * run.state_packs * long(sizeof(Pack<T>));
    arena.used = tasks_at + (parallel ? 1 : p.threads) * tasks_stride;
    partials = arena.take<T>(p.shared_scalars * batch_count(p.tasks));
    sizes->scratch_bytes = scratch_stride, sizes->task_bytes = tasks_stride;
    sizes->lanes = lanes<T>, sizes->chunk_rows = partition.chunk, sizes->block_rows = partition.block;
    sizes->workspace_bytes = arena.used;
  }

  blv_status run(const Call &c) {
    call = &c;
    groups = group_count(c.tasks), batches = batch_count(c.tasks);
    for (long t = 0; parallel && t < c.threads; t++) lay_out_scratch(t, scratch + t);
    if (parallel || c.threads < 2 || batches < 2) {
      worker(this, 0);
    } else {
      c.parallel_for(c.parallel_self, c.threads < batches ? c.threads : batches, &worker, this);
    }
    if (cancelled) return BLV_CANCELLED;
    Run any;
    lay_out_task(0, any, true);
    SharedWriter<T> writer{c.data, partials, batches, long(problem->shared_scalars)};
    any.visit(writer);
    return BLV_OK;
  }

 private:
  // The scratch of one thread, whose bytes are returned; assigned to *to.
  long lay_out_scratch(long thread, BlockScratch<T, L> *to) const {
    Arena arena = workspace.at(scratch_at + thread * scratch_stride);
    const long begin = arena.used;
    if (!to) arena.base = nullptr;
    BlockScratch<T, L> s;
    s.layout(arena, net, partition.block, tangents);
    if (to) *to = s;
    return arena.used - begin;
  }
  // The same for what a thread's task needs.
  long lay_out_task(long thread, Run &run, bool assign) const {
    Arena arena = workspace.at(tasks_at + thread * tasks_stride);
    const long begin = arena.used;
    if (!assign) arena.base = nullptr;
    run.pass.partition = partition;
    run.layout_table(arena, *problem);
    run.pass.layout(arena, net, Run::most_rows(*problem), tangents, parallel);
    run.layout(arena, *problem, net);
    return arena.used - begin;
  }

  static void worker(void *self, int64_t thread) {
    GroupRun &r = *static_cast<GroupRun *>(self);
    Run run;
    r.lay_out_task(thread, run, true);
    if (!r.parallel) r.lay_out_scratch(thread, r.scratch + thread);
    run.pass.scratch = r.scratch + thread;
    if (r.parallel && r.call->threads > 1)
      run.pass.row_threads = {r.call->parallel_for, r.call->parallel_self, r.call->threads};
    for (;;) {
      const long batch = __atomic_fetch_add(&r.next_batch, 1, __ATOMIC_RELAXED);
      if (batch >= r.batches || __atomic_load_n(&r.cancelled, __ATOMIC_RELAXED)) return;
      if (!r.run_batch(batch, run)) __atomic_store_n(&r.cancelled, 1, __ATOMIC_RELAXED);
    }
  }

  bool run_batch(long batch, Run &run) {
    T *partial = partials + batch * problem->shared_scalars;
    for (long i = 0; i < problem->shared_scalars; i++) partial[i] = 0;
    const long end = (batch + 1) * groups / batches;
    for (long group = batch * groups / batches; group < end; group++) {
      const long first = group * width, left = call->tasks - first;
      const Transfer<T, L> move{call->data, first, left < width ? left : width};
      TaskStatus status[width];
      run.bind_state(problem->program, reinterpret_cast<Pack<T> *>(call->state) + group * run.state_packs);
      if (!run.run(move, *call, problem->program, status)) return false;
      GroupWriter<T, L> writer{move, status, (problem->flags & BLV_SKIP_FAILED) != 0, partial};
      run.visit(writer);
      for (long lane = 0; call->info && lane < move.count; lane++)
        report(run, status[lane], lane, call->info[first + lane]);
    }
    return true;
  }

  void report(const Run &run, const TaskStatus &status, long lane, blv_task_info &info) const {
    info = {status.status, status.side, status.step, status.row, problem->steps, __builtin_nan(""), __builtin_nan("")};
    if (status.status == BLV_TASK_OK || status.is_of_solver()) run.report(problem->program, lane, info);
  }
};

// The entries of a kernel table.
template <class T, Lanes L>
struct KernelOf {
  using Run = GroupRun<T, L>;

  static void size(const Problem &problem, Sizes *sizes) {
    *sizes = Sizes();
    auto *views = static_cast<LayerView *>(std::malloc(sizeof(LayerView) * problem.network.n_layers));
    sizes->workspace_bytes = -1;
    if (!views) return;
    for (long l = 0; l < problem.network.n_layers; l++) views[l] = LayerView();
    Arena arena;
    Run run;
    run.layout(arena, problem, views, sizes);
    std::free(views);
  }
  static int64_t progress_total(const Problem &problem, int64_t tasks) {
    return problem.program.passes * Run::group_count(tasks);
  }
  static blv_status run(const Problem &problem, const Call &call) {
    Arena arena{call.workspace};
    Sizes sizes;
    Run run;
    run.layout(arena, problem, nullptr, &sizes);
    return run.run(call);
  }
};

}  // namespace BLV_ISA_NAMESPACE
}  // namespace bilevel
