// SPDX-License-Identifier: Apache-2.0
//
// One pass of the gradient program over the rows of a loss, on the device. A block of rows has its matrices in shared memory, as far as
// they fit; a tape lies in global memory and is copied, so that products read shared memory only. A warp, block or cluster takes all
// blocks of rows in order. On the grid every thread block takes chunks of rows of its own, and their sums are added in order of the chunk:
// chunks are cut by the plan, so the bits do not depend on timing.
#pragma once
#include "kernels/contract/cuda_tuning.h"
#include "kernels/task/cuda/side_gradients.h"
#include "kernels/task/rows.h"

namespace bilevel {
namespace BLV_ISA_NAMESPACE {

// Rows of the matrix that holds `rows` of them, padding included.
template <class T, Lanes L>
BLV_HOST_DEVICE Index round_rows(long long rows) {
  return Index(rows);
}

template <class T, Lanes L>
struct Pass {
  using Mat = Matrix<T>;

  const NetworkView *net = nullptr;
  Index block = 0, chunk = 0, chunks = 1;  // rows; and how many chunks of them
  Index planes = 1;                        // most of a request
  LayerState<T> *state = nullptr;          // of a block of rows; a copy per thread block
  T *partials = nullptr;                   // grid: chunks x planes x size

  using Request = PassRequest<RowView<T, T>>;

  static bool suits(const Problem &) { return true; }
  static constexpr int most_threads = cuda_tuning::most_threads(BLV_CUDA_LEVEL_NUMBER);
  static int threads_of_block(int wanted) { return wanted < most_threads ? wanted : most_threads; }
  static constexpr bool fits = true;
  BLV_HOST_DEVICE void layout_tables(Arena &arena, Index n_layers) {
    state = arena.template take_table<LayerState<T>>(n_layers);
  }
  // `arena`: of the task's arrays. `block_arena`: of a thread block's own matrices; another one on the grid only.
  BLV_HOST_DEVICE void layout(Arena &arena, Arena &block_arena, const NetworkView &network, long long most_rows,
                              Index tangents, Index blocks, int) {
    net = &network, planes = tangents > 0 ? tangents : 1;
    layout_chunks(arena, most_rows, blocks);
    block = rows_of_a_block(block_arena, chunk, tangents);
    for (Index l = 0; l < net->n_layers; l++) {
      const LayerView &layer = net->layers[l];
      const Index size = layer.output_ld * block;
      LayerState<T> s;
      s.e = matrix(block_arena, size, layer.output_ld, tangents);
      if (l + 1 == net->n_layers) {
        s.z = matrix(block_arena, size, layer.output_ld, tangents);
      } else {
        // The activation is applied in place; with several tangents each needs the value of z, so that has memory of its own.
        s.z = s.h = matrix(block_arena, size, layer.output_ld, tangents);
        if (tangents > 1) s.z.v = block_arena.template take<T>(size);
        s.c = {block_arena.template take<T>(size), s.e.d, s.e.plane,
               s.e.ld};  // its tangents become those of e in place
      }
      if (block_arena.assigns()) state[l] = s;
    }
  }

  // Before the passes of a task.
  BLV_INLINE void begin() const {
#if BLV_CUDA_LEVEL_NUMBER == 3
    clear(partials, (long long)(chunks)*planes * net->size);  // the padding stays zero
#endif
  }

  template <Mode M>
  BLV_FUNCTION BLV_NOINLINE void run(const Request &r) {
    CompensatedSum<T> sum, *own = r.total ? &sum : nullptr;
    if (r.view.n == 0) {
      if (!r.add && r.theta_gradient) clear(M == Mode::VALUE ? r.theta_gradient.v : r.theta_gradient.d, size_of<M>(r));
    } else {
#if BLV_CUDA_LEVEL_NUMBER == 3
      run_chunks<M>(r, own);
#else
      run_rows<M>(r, 0, r.view.n, r.theta_gradient, own, r.add);
#endif
    }
    if (r.total) *r.total = sum_over_threads(sum.value);
  }

 private:
  static BLV_HOST_DEVICE Mat matrix(Arena &arena, Index size, Index ld, Index tangents) {
    Mat m{arena.template take<T>(size), nullptr, size, ld};
    if (tangents) m.d = arena.template take<T>((long long)(size)*tangents);
    return m;
  }
  template <Mode M>
  BLV_INLINE long long size_of(const Request &r) const {
    return (long long)(M == Mode::VALUE ? 1 : r.planes) * net->size;
  }

  // All rows if their matrices fit into their part of the shared memory, else half as many until they do.
  BLV_HOST_DEVICE Index rows_of_a_block(const Arena &block_arena, Index most, Index tangents) const {
    long long columns = 0;
    for (Index l = 0; l < net->n_layers; l++)
      columns +=
          net->layers[l].output_ld * (l + 1 < net->n_layers ? (tangents > 1 ? 4 : 3) + 2 * tangents : 2 + 2 * tangents);
    constexpr Index fewest = cuda_tuning::fewest_block_rows;
    Index rows = most > 0 ? most : 1;
    const long long most_bytes =
        block_arena.ranks * block_arena.smem_bytes / cuda_tuning::smem_parts(BLV_CUDA_LEVEL_NUMBER);
    while (rows > fewest &&
           block_arena.most_used() + columns * rows * (long long)(sizeof(T)) + 64 * net->n_layers > most_bytes)
      rows = (rows / 2 + fewest - 1) / fewest * fewest;
    return rows;
  }

  // Chunks of the grid: enough to keep its blocks busy, within the bounds of cuda_tuning.h.
  BLV_HOST_DEVICE void layout_chunks(Arena &arena, long long most_rows, Index blocks) {
    chunk = Index(most_rows > 0 ? most_rows : 1);
#if BLV_CUDA_LEVEL_NUMBER == 3
    const long long bytes = (long long)(planes)*net->size * (long long)(sizeof(T)),
                    most_bytes = cuda_tuning::most_partial_bytes;
    long long most_chunks = blocks > 0 ? cuda_tuning::chunks_per_block * blocks : 1;
    if (most_chunks * bytes > most_bytes) most_chunks = most_bytes / bytes;
    if (most_chunks < 1) most_chunks = 1;
    chunk = (chunk + most_chunks - 1) / most_chunks;
    if (chunk < cuda_tuning::fewest_chunk_rows) chunk = cuda_tuning::fewest_chunk_rows;
    chunks = ((most_rows > 0 ? Index(most_rows) : 1) + chunk - 1) / chunk;
    partials = arena.template stream<T>(chunks * planes * net->size);
#else
    (void)arena, (void)blocks;
#endif
  }

#if BLV_CUDA_LEVEL_NUMBER == 3
  template <Mode M>
  BLV_INLINE void run_chunks(const Request &r, CompensatedSum<T> *own) {
    const Index count = (r.view.n + chunk - 1) / chunk;
    const long long size = size_of<M>(r);
    for (Index c = blockIdx.x; c < count; c += gridDim.x) {
      T *to = r.theta_gradient ? partials + c * (long long)(planes)*net->size : nullptr;
      const Mat part = M == Mode::VALUE ? Mat{to, nullptr, net->size, 0} : Mat{nullptr, to, net->size, 0};
      const Index begin = c * chunk, end = begin + chunk < r.view.n ? begin + chunk : r.view.n;
      run_rows<M>(r, begin, end, part, own, false);
    }
    TaskThreads::sync();
    if (!r.theta_gradient) return;
    T *to = M == Mode::VALUE ? r.theta_gradient.v : r.theta_gradient.d;
    strided_for_then_sync(size, [&](Index i) {
      CompensatedSum<T> sum;
      for (Index c = 0; c < count; c++) sum.add(partials[c * (long long)(planes)*net->size + i]);
      to[i] = r.add ? to[i] + sum.value : sum.value;
    });
  }
#endif

  template <Mode M>
  BLV_INLINE void run_rows(const Request &r, Index begin, Index end, const Mat &theta_gradient, CompensatedSum<T> *own,
                           bool add) {
    const auto &view = r.view;
    NetworkBlock<T, T> b;
    b.theta = r.theta, b.theta_gradient = theta_gradient, b.state = state;
    b.loss.loss = view.loss, b.loss.index_targets = view.index_targets;
    b.loss.inverse_n = r.inverse_n, b.loss.total = own;
    for (Index row = begin; row < end; row += block) {
      b.loss.n = end - row < block ? end - row : block;
      b.accumulate = add || row > begin, b.row = row;
      bind_rows<M>(r, row, b);
      if (M == Mode::TAPED) copy_tape<false>(view.rows, row, b.loss.n, r.tape);
      GroupExecutor<T, M> executor(M == Mode::VALUE ? 0 : r.planes);
      model_gradient(executor, *net, b);
      PassThreads::sync();
      if (M == Mode::VALUE && r.tape) copy_tape<true>(view.rows, row, b.loss.n, r.tape);
    }
  }
  // The values of h, c and the last z, to the tape or back.
  template <bool Save>
  BLV_INLINE void copy_tape(Index rows, Index row, Index n, T *tape) const {
    const auto one = [&](T *matrix, Index ld) {
      T *taped = tape + (long long)(row)*ld;
      strided_for<PassThreads>(n * ld, [&](Index i) { (Save ? taped : matrix)[i] = (Save ? matrix : taped)[i]; });
      tape += (long long)(rows)*ld;
    };
    for (Index l = 0; l < net->n_layers; l++) {
      const Index ld = net->layers[l].output_ld;
      if (l + 1 == net->n_layers) {
        one(state[l].z.v, ld);
      } else {
        one(state[l].h.v, ld);
        one(state[l].c.v, ld);
      }
    }
    PassThreads::sync();
  }
};

}  // namespace BLV_ISA_NAMESPACE
}  // namespace bilevel
