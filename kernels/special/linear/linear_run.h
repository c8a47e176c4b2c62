// SPDX-License-Identifier: Apache-2.0
//
// The one-pass kernels of linear models in the place of the general pass (pass.h): the same interface, for a shape of
// linear_pass.h. A block takes all rows of its task; on the grid each block takes one chunk, and the chunks' sums are added in
// their order.
#pragma once
#include "kernels/special/allow.h"
#include "kernels/special/linear/linear_pass.h"
#include "kernels/task/cuda/pass.h"

namespace bilevel {
namespace BLV_ISA_NAMESPACE {

// Threads: of a block.
template <class T, Lanes L, class Shape, int Threads>
struct LinearPass {
  using Mat = Matrix<T>;
  using Cut = typename Shape::Cut;

  const NetworkView *net = nullptr;
  Index block = 0, chunk = 0, chunks = 1;  // rows; and how many chunks of them
  Index planes = 1;
  LinearArguments<T> *arguments = nullptr;  // of the current run; a copy per thread block
  bool fits = true;                         // into shared memory
  Cut cuts[3][2];                           // [mode][x_in_smem]
  T *scratch = nullptr, *partials = nullptr;

  // Losses that LossTerms has; leaves as the general pass has them but for tangents of a side's.
  static constexpr Allowed allowed = [] {
    constexpr uint32_t rows = bits_of(BLV_X, BLV_Y, BLV_WEIGHT, BLV_PENALTY);
    constexpr uint32_t value = rows | bits_of(BLV_ROWS);
    constexpr uint32_t steps = bits_of(BLV_RATE, BLV_MOMENTUM), theta = bits_of(BLV_THETA0, BLV_THETA);
    return Allowed{
        {0, value | bits_of(BLV_BATCH), rows},
        {0, value, rows},
        {0, value, rows},
        {0, theta | steps | bits_of(BLV_VECTOR, BLV_TOLERANCE, BLV_ITERATIONS, BLV_PRECONDITIONER), theta | steps,
         theta | bits_of(BLV_LOSS, BLV_LOSS_TANGENT, BLV_THETA_TANGENT, BLV_RESIDUAL, BLV_SOLUTION, BLV_STOP,
                         BLV_CURVATURE, BLV_CONTRACTION, BLV_STATIONARITY),
         bits_of(BLV_THETA0) | steps},
        bits_of(BLV_SQUARED, BLV_LOGISTIC, BLV_CROSS_ENTROPY),
        bits_of(BLV_SGD, BLV_HEAVY_BALL),
        bits_of(OP_GRADIENT, OP_TANGENT, OP_LINEAR, OP_MAP, OP_DOT, OP_SIDE_DOT, OP_STEP_LEAF, OP_NUMBER, OP_CHECK,
                OP_FAIL, OP_COUNT, OP_END, OP_BREAK),
        FLAG_OUTER | FLAG_LEAVES | FLAG_ADD | FLAG_TAPE | FLAG_BATCH | FLAG_TANGENTS | FLAG_CHECK | FLAG_ROOT |
            FLAG_ACTIVE | FLAG_REPORT | FLAG_RARE,
        BLV_SKIP_FAILED | BLV_SPLIT_TF32};
  }();

  // Whether a problem has this pass at all; whether it fits is known when it is laid out.
  static bool suits(const Problem &problem) {
    if (refusal_of(problem, allowed) != nullptr || problem.network.n_layers != 1) return false;
    const Layer &layer = problem.network.layers[0];
    if (layer.inputs > cuda_tuning::linear_most_inputs || layer.outputs > cuda_tuning::linear_most_outputs)
      return false;
    const int tangents = problem.program.tangent_planes > 0 ? problem.program.tangent_planes : 1;
    if (!Shape::is_filled(int(layer.outputs), tangents)) return false;
    const Cut cut = linear_cut<Shape, T, Mode::JET>(int(layer.inputs), int(layer.outputs), tangents, Threads, false,
                                                    cuda_tuning::linear_suits_bytes);
    return cut.fits();
  }
  static constexpr int most_threads = Threads;
  static int threads_of_block(int) { return Threads; }

  BLV_HOST_DEVICE void layout_tables(Arena &block_arena, Index) {
    arguments = block_arena.template take_table<LinearArguments<T>>(1);
  }
  BLV_HOST_DEVICE void layout(Arena &arena, Arena &block_arena, const NetworkView &network, long long most_rows,
                              Index tangents, Index blocks, int threads) {
    net = &network, planes = tangents > 0 ? tangents : 1;
    block = chunk = Index(most_rows > 0 ? most_rows : 1);
#if BLV_CUDA_LEVEL_NUMBER == 3
    if (blocks > 0) chunk = block = (chunk + blocks - 1) / blocks;
    chunks = ((most_rows > 0 ? Index(most_rows) : 1) + chunk - 1) / chunk;
    partials = arena.template stream<T>(chunks * planes * net->size);
#else
    (void)arena, (void)blocks;
#endif
    // On the grid the rest of the shared memory is the pass's; a task's block shares it with the task's arrays.
    const long long smem_bytes =
        BLV_CUDA_LEVEL_NUMBER == 3 ? block_arena.smem_bytes - block_arena.most_used() : cuda_tuning::linear_block_bytes;
    long long bytes = threads * (long long)(sizeof(T));
    for (int in_smem = 0; in_smem < (BLV_CUDA_LEVEL_NUMBER == 3 ? 1 : 2); in_smem++) {
      cut_mode<Mode::VALUE>(in_smem, threads, smem_bytes, &bytes);
      if (tangents == 0) continue;
      cut_mode<Mode::JET>(in_smem, threads, smem_bytes, &bytes);
      cut_mode<Mode::TAPED>(in_smem, threads, smem_bytes, &bytes);
    }
    fits = fits && block_arena.template fits<T>((bytes + sizeof(T) - 1) / sizeof(T));
    scratch = block_arena.template take<T>((bytes + sizeof(T) - 1) / sizeof(T));
  }

  BLV_INLINE void begin() const {
#if BLV_CUDA_LEVEL_NUMBER == 3
    T *own = partials + blockIdx.x * (long long)(planes)*net->size;  // the padding stays zero
    if (blockIdx.x < chunks) strided_for<PassThreads>(planes * net->size, [&](Index i) { own[i] = T(0); });
    TaskThreads::sync();
#endif
  }

  using Request = PassRequest<RowView<T, T>>;

  template <Mode M>
  BLV_FUNCTION BLV_NOINLINE void run(const Request &r) {
    const auto &view = r.view;
    const Mat &theta_gradient = r.theta_gradient;
    CompensatedSum<T> sum;
    const Cut &cut = cuts[int(M)][BLV_CUDA_LEVEL_NUMBER == 3 ? 0 : int(__isShared(view.x.v) != 0)];
#if BLV_CUDA_LEVEL_NUMBER == 3
    T *own = theta_gradient && blockIdx.x < chunks ? partials + blockIdx.x * (long long)(planes)*net->size : nullptr;
    const Mat part = M == Mode::VALUE ? Mat{own, nullptr, net->size, 0} : Mat{nullptr, own, net->size, 0};
    one_thread_per_block_then_sync([&] { describe<M>(r, part, false); });
    const Index begin = blockIdx.x * chunk, end = begin + chunk < view.n ? begin + chunk : view.n;
    if (begin < end) linear_rows<Shape, M>(*arguments, cut, begin, end, sum, scratch);
    TaskThreads::sync();
    if (theta_gradient) {
      T *to = M == Mode::VALUE ? theta_gradient.v : theta_gradient.d;
      const Index size = (M == Mode::VALUE ? 1 : r.planes) * net->size;
      sum_partials(partials, planes * net->size, int((view.n + chunk - 1) / chunk), size, to, r.add, int(blockIdx.x),
                   int(gridDim.x), scratch);
      TaskThreads::sync();
    }
#else
    one_thread_per_block_then_sync([&] { describe<M>(r, theta_gradient, r.add); });
    linear_rows<Shape, M>(*arguments, cut, Index(0), view.n, sum, scratch);
    TaskThreads::sync();
#endif
    if (r.total) *r.total = sum_over_threads(sum.value);
  }

 private:
  template <Mode M>
  BLV_HOST_DEVICE void cut_mode(int in_smem, int threads, long long smem_bytes, long long *bytes) {
    Cut &cut = cuts[int(M)][in_smem];
    cut = linear_cut<Shape, T, M>(int(net->layers[0].inputs), int(net->layers[0].outputs), int(planes), threads,
                                  in_smem != 0, smem_bytes);
    fits = fits && cut.fits();
    if (cut.bytes > *bytes) *bytes = cut.bytes;
  }
  // Cooperation level: thread.
  template <Mode M>
  BLV_INLINE void describe(const Request &r, const Mat &theta_gradient, bool add) const {
    const auto &view = r.view;
    const LayerView &layer = net->layers[0];
    LinearArguments<T> &a = *arguments;
    a = LinearArguments<T>();
    a.loss = view.loss, a.index_targets = view.index_targets;
    a.inputs = int(layer.inputs), a.outputs = int(layer.outputs), a.planes = M == Mode::VALUE ? 1 : int(r.planes);
    a.x = view.x.v, a.x_ld = view.x.ld, a.x_in_smem = BLV_CUDA_LEVEL_NUMBER != 3 && __isShared(view.x.v);
    a.y = view.y, a.weight = view.weight, a.inverse_n = r.inverse_n;
    a.theta = r.theta, a.theta_weight = int(layer.weight), a.theta_ld = int(layer.ld);
    a.theta_bias = net->bias ? int(layer.bias) : -1;
    a.tape = M == Mode::JET ? nullptr : r.tape, a.tape_ld = int(layer.output_ld);
    a.theta_gradient = theta_gradient, a.add = add, a.wants_total = r.total != nullptr;
    if (!r.leaf_gradients) return;
    a.x_gradient = accumulators<M>(view.x_gradient), a.y_gradient = accumulators<M>(view.y_gradient);
    a.weight_gradient = accumulators<M>(view.weight_gradient);
  }
};

}  // namespace BLV_ISA_NAMESPACE
}  // namespace bilevel
