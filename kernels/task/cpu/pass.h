// SPDX-License-Identifier: Apache-2.0
//
// One pass of the gradient program over the rows of a loss. Rows are independent but for sums, so they are cut into blocks
// that stay in the caches, and (lanes within a task) into chunks whose sums are added in order of the chunk. Blocks and
// chunks are cut by the problem alone: whoever runs the chunks, and on how many threads, the bits are the same.
#pragma once
#include "kernels/task/cpu/row_blocks.h"
#include "kernels/task/cpu/side_data.h"
#include "kernels/task/rows.h"

namespace bilevel {
namespace BLV_ISA_NAMESPACE {

// The threads that share the rows of one task. `run` null: the caller's thread alone.
struct RowThreads {
  void (*run)(void *self, int64_t n, void (*fn)(void *arg, int64_t i), void *arg) = nullptr;
  void *self = nullptr;
  int64_t threads = 1;
};

template <class T, Lanes L>
struct Pass {
  using Element = typename Transfer<T, L>::Element;
  using Mat = Matrix<Element>;
  using P = Pack<T>;
  using Request = PassRequest<GroupRows<Element, P>>;
  template <Mode M>
  using Executor = typename Choose<L == Lanes::TASKS, TasksExecutor<T, M>, RowsExecutor<T, M>>::type;

  const NetworkView *net = nullptr;
  RowPartition partition;
  BlockScratch<T, L> *scratch = nullptr;  // one per thread of row_threads
  RowThreads row_threads;
  Element *partials = nullptr;          // chunks x planes x size, or 1 x planes x size without row_threads
  Element *lost = nullptr;              // planes x size: what the sum over chunks has lost (sum.h)
  CompensatedSum<P> *totals = nullptr;  // one per chunk
  long planes = 1;                      // most of a request

  struct Arguments : Request {
    Pass *pass = nullptr;
    int64_t chunks = 0, next_chunk = 0;
  };

  void layout(Arena &arena, const NetworkView &network, long most_rows, long tangent_planes, bool parallel) {
    net = &network, planes = tangent_planes > 0 ? tangent_planes : 1;
    const long chunks = partition.chunks(most_rows);
    partials = chunks > 1 ? arena.take<Element>((parallel ? chunks : 1) * planes * network.size) : nullptr;
    lost = chunks > 1 ? arena.take<Element>(planes * network.size) : nullptr;
    totals = arena.take<CompensatedSum<P>>(chunks);
  }

  // Before the passes of a group of tasks.
  void begin() const {}

  template <Mode M>
  void run(const Request &request) {
    const long chunks = partition.chunks(request.view.n);
    P *total = request.total;
    Arguments a{request, this, chunks};
    for (long c = 0; total && c < chunks; c++) totals[c] = {};
    if (chunks == 1) {
      run_chunk<M>(a, 0, a.view.n, a.theta_gradient, total ? &totals[0] : nullptr, scratch[0], a.add);
    } else if (row_threads.run) {
      row_threads.run(row_threads.self, row_threads.threads, &worker<M>, &a);
      sum_partials<M>(a);
    } else {
      if (!a.add) clear<M>(a, a.theta_gradient);
      if (a.theta_gradient) clear_lost(0, planes_of<M>(a) * net->size);
      for (long c = 0; c < chunks; c++) {
        run_chunk<M>(a, c * partition.chunk, chunk_end(a, c), partial<M>(a, 0), total ? &totals[c] : nullptr,
                     scratch[0], false);
        add_partial<M>(a, 0, 0, planes_of<M>(a) * net->size);
      }
    }
    if (!total) return;
    *total = thread_sum<P>(chunks, [&](long c) BLV_LAMBDA { return totals[c].value; });
    if (L != Lanes::TASKS) *total = broadcast<T>(sum(*total));
  }

 private:
  static long chunk_end(const Arguments &a, long c) {
    const long end = (c + 1) * a.pass->partition.chunk;
    return end < a.view.n ? end : a.view.n;
  }

  template <Mode M>
  static long planes_of(const Arguments &a) {
    return M == Mode::VALUE ? 1 : a.planes;
  }

  template <Mode M>
  static void worker(void *arg, int64_t thread) {
    Arguments &a = *static_cast<Arguments *>(arg);
    Pass &pass = *a.pass;
    for (;;) {
      const long c = __atomic_fetch_add(&a.next_chunk, 1, __ATOMIC_RELAXED);
      if (c >= a.chunks) return;
      pass.template run_chunk<M>(a, c * pass.partition.chunk, chunk_end(a, c), pass.template partial<M>(a, c),
                                 a.total ? &pass.totals[c] : nullptr, pass.scratch[thread], false);
    }
  }

  // A gradient has a value plane (VALUE) or tangent planes, never both.
  template <Mode M>
  Mat partial(const Arguments &a, long c) const {
    if (!a.theta_gradient) return {};
    Element *at = partials + c * planes * net->size;
    return M == Mode::VALUE ? Mat{at, nullptr, net->size, 0} : Mat{nullptr, at, net->size, 0};
  }

  template <Mode M>
  void add_partial(const Arguments &a, long c, long begin, long end) const {
    if (!a.theta_gradient) return;
    const P *from = reinterpret_cast<const P *>(partials + c * planes * net->size);
    P *to = reinterpret_cast<P *>(M == Mode::VALUE ? a.theta_gradient.v : a.theta_gradient.d);
    const long per_pack = L == Lanes::TASKS ? 1 : lanes<T>;
    P *lost_packs = reinterpret_cast<P *>(lost);
    for (long i = begin / per_pack; i < end / per_pack; i++) add_compensated(to[i], lost_packs[i], from[i]);
  }
  void clear_lost(long begin, long end) const {
    for (long i = begin; i < end; i++) lost[i] = Element{};
  }

  // theta_gradient = the sum of all partials in the order of the chunks; long vectors are split over the row_threads.
  template <Mode M>
  void sum_partials(Arguments &a) {
    if (!a.theta_gradient) return;
    const long size = planes_of<M>(a) * net->size;
    if (size * a.chunks < cpu_tuning::parallel_sum_elements) return sum_range<M>(a, 0, size);
    row_threads.run(row_threads.self, row_threads.threads, &sum_worker<M>, &a);
  }
  template <Mode M>
  static void sum_worker(void *arg, int64_t thread) {
    Arguments &a = *static_cast<Arguments *>(arg);
    const long align = 16, size = planes_of<M>(a) * a.pass->net->size;
    const long share = (size / a.pass->row_threads.threads + align) / align * align;
    const long begin = thread * share, end = begin + share < size ? begin + share : size;
    if (begin < end) a.pass->template sum_range<M>(a, begin, end);
  }
  template <Mode M>
  void sum_range(const Arguments &a, long begin, long end) const {
    const long step = cpu_tuning::sum_piece;  // the result stays in L1 over the chunks
    Element *to = M == Mode::VALUE ? a.theta_gradient.v : a.theta_gradient.d;
    for (long from = begin; from < end; from += step) {
      const long until = from + step < end ? from + step : end;
      for (long i = from; !a.add && i < until; i++) to[i] = Element{};
      clear_lost(from, until);
      for (long c = 0; c < a.chunks; c++) add_partial<M>(a, c, from, until);
    }
  }

  template <Mode M>
  void run_chunk(const Arguments &a, long begin, long end, const Mat &theta_gradient, CompensatedSum<P> *total,
                 BlockScratch<T, L> &block, bool add) {
    NetworkBlock<Element, P> b;
    b.theta = a.theta;
    b.theta_gradient = theta_gradient;
    b.state = block.state;
    b.loss.loss = a.view.loss;
    b.loss.index_targets = a.view.index_targets;
    b.loss.inverse_n = a.inverse_n;
    b.loss.total = total;
    if (begin == end && !add) clear<M>(a, theta_gradient);
    for (long row = begin; row < end; row += partition.block) {
      b.loss.n = end - row < partition.block ? end - row : partition.block;
      b.accumulate = add || row > begin;
      b.row = row;
      bind_rows<M>(a, row, b);
      bind_tape(a, row, block);
      if constexpr (L == Lanes::TASKS) {
        Executor<M> executor(M == Mode::VALUE ? 0 : a.planes);
        Integers<T> left = {};  // rows of each task from `row` on, or as many as the block has
        for (long lane = 0; a.view.ragged && lane < lanes<T>; lane++) {
          const long count = a.view.row_counts[lane] - row;
          left[lane] = Integer<T>(count < b.loss.n ? count < 0 ? 0 : count : b.loss.n);
        }
        if (a.view.ragged) executor.row_counts = &left;
        model_gradient(executor, *net, b);
      } else {
        Executor<M> executor(M == Mode::VALUE ? 0 : a.planes, block.lines);
        model_gradient(executor, *net, b);
      }
    }
  }

  template <Mode M>
  void clear(const Arguments &a, const Mat &gradient) const {
    Element *to = M == Mode::VALUE ? gradient.v : gradient.d;
    for (long i = 0; to && i < planes_of<M>(a) * net->size; i++) to[i] = Element{};
  }

  // Points the values of h, c and the last z at the tape, or at the thread's own matrices.
  void bind_tape(const Arguments &a, long row, BlockScratch<T, L> &block) const {
    Element *at = a.tape;
    for (long l = 0; l < net->n_layers; l++) {
      LayerState<Element> &s = block.state[l];
      s = block.own[l];
      if (!a.tape) continue;
      const long ld = net->layers[l].output_ld;
      if (l + 1 == net->n_layers) {
        s.z.v = at + row * ld;
      } else {
        s.h.v = at + row * ld, at += a.view.rows * ld;
        s.c.v = at + row * ld, at += a.view.rows * ld;
      }
    }
  }
};

}  // namespace BLV_ISA_NAMESPACE
}  // namespace bilevel
