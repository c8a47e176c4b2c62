// SPDX-License-Identifier: Apache-2.0
//
// Runs all tasks of a call: groups of tasks (a pack of them, or single tasks) in batches, batches over the threads.
// What tasks share is summed within a batch and then over batches; batches are cut by the number of tasks alone.
//
// A Method is a plain struct with
//   static tangent_planes(problem), most_rows(problem), progress(problem)
//   pass                            laid out, and given its thread's scratch, by GroupRun
//   layout(arena, problem, net)     its arrays for one group
//   visit(visitor)                  its results, see outputs.h
//   run(move, call, status)         false if cancelled
//   report(lane, info)              loss, gradient norm
#pragma once
#include <cstdlib>

#include "kernels/task/cpu/outputs.h"
#include "kernels/task/cpu/pass.h"
#include "kernels/task/cpu/side_gradients.h"

namespace bilevel {
namespace BLV_ISA_NAMESPACE {

inline bool is_cancelled(const Call &call) { return call.cancel && __atomic_load_n(call.cancel, __ATOMIC_RELAXED); }
inline void count_progress(const Call &call, int64_t steps) {
  if (call.done) __atomic_fetch_add(call.done, steps, __ATOMIC_RELAXED);
}

template <class T, Lanes L, class Method>
struct GroupRun {
  static constexpr long width = Transfer<T, L>::width;
  static constexpr long most_batches = 64, most_shared_bytes = 64 << 20;

  const Problem *problem = nullptr;
  const Call *call = nullptr;
  NetworkView net;
  RowPartition partition;
  bool parallel = false;  // the threads share the rows of one task
  long shared_scalars = 0, groups = 0, batches = 0;
  T *partials = nullptr;
  Method *methods = nullptr;  // one per thread, or one for all
  BlockScratch<T, L> *scratch = nullptr;
  int64_t next_batch = 0;
  int32_t cancelled = 0;

  static long least(long a, long b) { return a < b ? a : b; }
  static long group_count(long tasks) { return (tasks + width - 1) / width; }
  long batch_count(long tasks) const {
    long most = group_count(tasks);
    if (shared_scalars == 0) return most;
    if (most > most_batches) most = most_batches;
    const long room = most_shared_bytes / (shared_scalars * long(sizeof(T)));
    return most <= room ? most : room > 1 ? room : most < 1 ? most : 1;
  }

  // The whole workspace, in order. `views` is room for the layers while there is no workspace.
  void layout(Arena &arena, const Problem &p, LayerView *views, Measure *measure) {
    problem = &p;
    parallel = L == Lanes::COLUMNS && p.executor == BLV_ROWS_OVER_CORES;
    const long owners = parallel ? 1 : p.threads, tangents = Method::tangent_planes(p);
    partition = partition_rows<T, L>(p.network, Method::most_rows(p), tangents);
    net.layers = arena.take<LayerView>(p.network.n_layers);
    if (!arena.base) net.layers = views;
    make_network_view<T, L>(p.network, least(partition.block, Method::most_rows(p)), net);
    const long begin_scratch = arena.used;
    layout_scratch(arena, tangents);
    const long begin_tasks = arena.used;
    methods = arena.take<Method>(owners);
    Method method;
    for (long t = 0; t < owners; t++) {
      method = Method();
      method.pass.partition = partition;
      method.pass.layout(arena, net, Method::most_rows(p), tangents, parallel);
      method.layout(arena, p, net);
      if (arena.base) methods[t] = method;
    }
    measure->scratch_bytes = (begin_tasks - begin_scratch) / p.threads;
    measure->task_bytes = (arena.used - begin_tasks) / owners;
    SharedCounter counter;
    method.visit(counter);
    shared_scalars = counter.scalars;
    partials = arena.take<T>(shared_scalars * batch_count(p.tasks));
    measure->lanes = lanes<T>, measure->chunk_rows = partition.chunk, measure->block_rows = partition.block;
    measure->workspace_bytes = arena.used;
  }

  blv_status run(const Call &c) {
    call = &c;
    groups = group_count(c.tasks), batches = batch_count(c.tasks);
    if (parallel || c.threads < 2 || batches < 2) {
      worker(this, 0);
    } else {
      c.parallel_for(c.parallel_self, c.threads < batches ? c.threads : batches, &worker, this);
    }
    if (cancelled) return BLV_CANCELLED;
    SharedWriter<T> writer{c.data, partials, batches, shared_scalars};
    methods[0].visit(writer);
    return BLV_OK;
  }

 private:
  void layout_scratch(Arena &arena, long tangents) {
    scratch = arena.take<BlockScratch<T, L>>(problem->threads);
    for (long t = 0; t < problem->threads; t++) {
      BlockScratch<T, L> s;
      s.layout(arena, net, partition.block, tangents);
      if (arena.base) scratch[t] = s;
    }
  }

  static void worker(void *self, int64_t thread) {
    GroupRun &r = *static_cast<GroupRun *>(self);
    for (;;) {
      const long batch = __atomic_fetch_add(&r.next_batch, 1, __ATOMIC_RELAXED);
      if (batch >= r.batches || __atomic_load_n(&r.cancelled, __ATOMIC_RELAXED)) return;
      if (!r.run_batch(batch, thread)) __atomic_store_n(&r.cancelled, 1, __ATOMIC_RELAXED);
    }
  }

  bool run_batch(long batch, long thread) {
    T *partial = partials + batch * shared_scalars;
    for (long i = 0; i < shared_scalars; i++) partial[i] = 0;
    Method &method = methods[parallel ? 0 : thread];
    Team team;
    if (parallel && call->threads > 1) team = {call->parallel_for, call->parallel_self, call->threads};
    const long end = (batch + 1) * groups / batches;
    for (long group = batch * groups / batches; group < end; group++) {
      const long first = group * width, left = call->tasks - first;
      const Transfer<T, L> move{call->data, first, left < width ? left : width};
      TaskStatus status[width];
      method.pass.scratch = scratch + (parallel ? 0 : thread), method.pass.team = team;
      if (!method.run(move, *call, status)) return false;
      GroupWriter<T, L> writer{move, status, (problem->flags & BLV_SKIP_FAILED) != 0, partial};
      method.visit(writer);
      for (long lane = 0; call->info && lane < move.count; lane++)
        report(method, status[lane], lane, call->info[first + lane]);
    }
    return true;
  }

  void report(const Method &method, const TaskStatus &status, long lane, blv_task_info &info) const {
    info = {status.status, status.side, status.step, status.row, problem->steps, __builtin_nan(""), __builtin_nan("")};
    if (status.status == BLV_TASK_OK) method.report(lane, info);
  }
};

// The entries of a kernel table for one method.
template <class T, Lanes L, class Method>
struct KernelOf {
  using Run = GroupRun<T, L, Method>;

  static void measure(const Problem &problem, Measure *measure) {
    *measure = Measure();
    auto *views = static_cast<LayerView *>(std::malloc(sizeof(LayerView) * problem.network.n_layers));
    measure->workspace_bytes = -1;
    if (!views) return;
    for (long l = 0; l < problem.network.n_layers; l++) views[l] = LayerView();
    Arena arena;
    Run run;
    run.layout(arena, problem, views, measure);
    std::free(views);
  }
  static int64_t progress_total(const Problem &problem, int64_t tasks) {
    return Method::progress(problem) * Run::group_count(tasks);
  }
  static blv_status run(const Problem &problem, const Call &call) {
    Arena arena{call.workspace};
    Measure measure;
    Run run;
    run.layout(arena, problem, nullptr, &measure);
    return run.run(call);
  }
};

}  // namespace BLV_ISA_NAMESPACE
}  // namespace bilevel
