// SPDX-License-Identifier: Apache-2.0
//
// A pass over rows so short that a thread holds one in registers: products, loss and rank-one update of the thread's
// own gradient need no other thread; once per pass the gradients are added up, by shuffles in a warp and then
// through shared memory. For up to 32 inputs and few outputs; one tangent.
#pragma once
#include "kernels/special/linear/linear_loss.h"

namespace bilevel {
namespace BLV_ISA_NAMESPACE {

// Compile-time sizes: rows of up to `Quads` quads, exactly `Outputs` outputs.
template <class T, Mode M, int Quads, int Outputs>
struct NarrowTile {
  static constexpr int V = Quad<T>::size, columns = Quads * V, size = sizeof(T);
  static constexpr int lines_out = Outputs, lines_in = Outputs * (M == Mode::JET ? 2 : 1);
  // Bytes of a staged row: an odd number of quads, so that lanes on different rows meet no bank conflict.
  static constexpr int stride = (Quads | 1) * 16;
  static constexpr int sums = lines_out * (columns + 1);  // of a thread: the gradient of W, then of b
  static constexpr int lane_sums = spread_rest<sums, 1>;
};

struct NarrowCut {
  int bytes = 0;  // of scratch
  BLV_HOST_DEVICE bool fits() const { return bytes > 0; }
};

template <class T, Mode M, int Quads, int Outputs>
BLV_HOST_DEVICE inline NarrowCut narrow_cut(int inputs, int outputs, int planes, int threads, bool x_in_smem,
                                            long long smem_bytes) {
  using Tile = NarrowTile<T, M, Quads, Outputs>;
  NarrowCut c;
  const int bytes = threads * (Tile::lane_sums * Tile::size + (x_in_smem ? 0 : 2 * Tile::stride));
  if (inputs < 1 || inputs > Tile::columns || outputs != Outputs || (M != Mode::VALUE && planes != 1)) return c;
  if (bytes <= smem_bytes) c.bytes = bytes;
  return c;
}

template <class T, Mode M, int Quads, int Outputs>
struct LinearNarrow {
  using Tile = NarrowTile<T, M, Quads, Outputs>;
  using X = RegisterMap<T, M, Outputs, 1>;
  using S = typename X::S;
  static constexpr int V = Tile::V, NI = Tile::lines_in, NO = Tile::lines_out, size = sizeof(T);
  using A = LinearArguments<T>;
  static constexpr bool value = M == Mode::VALUE;

  const A &a;
  unsigned sums, stage;  // addresses of: the warps' gradients, rows
  T w[NI][Tile::columns], g[NO][Tile::columns], bias_gradient[NO];
  S bias[Outputs];

  BLV_INLINE LinearNarrow(const A &arguments, T *scratch) : a(arguments) {
    sums = shared_address(scratch);
    stage = sums + PassThreads::threads() * Tile::lane_sums * size;
    BLV_UNROLLED for (int n = 0; n < NI; n++) {
      const T *from = (value || (M == Mode::JET && n < Outputs) ? a.theta.v : a.theta.d) + a.theta_weight +
                      n % Outputs * a.theta_ld;
      load_line(from, w[n]);
    }
    BLV_UNROLLED for (int j = 0; j < Outputs; j++) {
      bias[j] = X::zero(), bias_gradient[j] = T(0);
      if (a.theta_bias < 0) continue;
      bias[j] = X::constant(a.theta.v[a.theta_bias + j]);
      if constexpr (!value) bias[j].d = a.theta.d[a.theta_bias + j];
    }
    BLV_UNROLLED for (int n = 0; n < NO; n++) BLV_UNROLLED for (int c = 0; c < Tile::columns; c++) g[n][c] = T(0);
  }

  BLV_INLINE void run(Index begin, Index end, CompensatedSum<T> &total) {
    const Own own(a);
    if (!a.x_in_smem)
      run_staged(own, begin, end, total);
    else if (a.inputs != Tile::columns || !(a.bits & A::X_QUADS))
      run_in_smem<false>(own, begin, end, total);
    else if (!own.plain())
      run_in_smem<true>(own, begin, end, total);
    else if (Outputs == 1 && a.loss == BLV_LOGISTIC)
      run_plain<BLV_LOGISTIC>(own, begin, end);
    else if (a.loss == BLV_SQUARED)
      run_plain<BLV_SQUARED>(own, begin, end);
    else
      run_in_smem<true>(own, begin, end, total);
    if (a.bits & A::THETA_GRADIENT) finish();
  }

 private:
  BLV_INLINE void load_line(const T *from, T (&to)[Tile::columns]) const {
    if (a.bits & A::THETA_QUADS) {
      BLV_UNROLLED for (int q = 0; q < Quads; q++) {
        Quad<T> quad = {};
        if (q * V < a.inputs) quad = reinterpret_cast<const Quad<T> *>(from)[q];
        BLV_UNROLLED for (int v = 0; v < V; v++) to[q * V + v] = quad.x[v];
      }
    } else {
      BLV_UNROLLED for (int c = 0; c < Tile::columns; c++) to[c] = c < a.inputs ? from[c] : T(0);
    }
  }

  // What every row needs, in registers.
  struct Own {
    const LossTerms<T> terms;
    const T *y, *weight;
    T *tape;
    Index y_ld;
    int tape_ld;
    explicit BLV_INLINE Own(const LinearArguments<T> &a)
        : terms(a),
          y(a.y.v),
          weight(a.weight.v),
          tape(a.tape),
          y_ld(terms.index_targets() ? 1 : a.y.ld),
          tape_ld(a.tape_ld) {}
    // Only e is wanted, of rows without weights whose targets are no indices: a step of an unroll.
    BLV_INLINE bool plain() const {
      return !(terms.bits & (A::MORE | A::WEIGHTED | A::INDEXED | A::X_GRADIENT)) && (tape || M == Mode::JET);
    }
  };

  template <int Loss>
  BLV_INLINE void run_plain(const Own &own, Index begin, Index end) {
    const int threads = PassThreads::threads(), x_step = threads * int(a.x_ld) * size;
    const Index first = begin + PassThreads::thread();
    const ptrdiff_t y_step = ptrdiff_t(threads * own.y_ld) * size, tape_step = ptrdiff_t(threads * own.tape_ld) * size;
    unsigned x_at = shared_address(a.x + first * a.x_ld);
    const char *y_at = reinterpret_cast<const char *>(own.y + first * own.y_ld);
    char *tape_at = reinterpret_cast<char *>(own.tape + first * own.tape_ld);
#pragma unroll 1
    for (Index i = first; i < end; i += threads, x_at += x_step, y_at += y_step, tape_at += tape_step) {
      const T *y = reinterpret_cast<const T *>(y_at);
      T *tape = reinterpret_cast<T *>(tape_at);
      T x[Tile::columns], z[NI];
      load_row<true>(x_at, x);
      multiply(x, z);
      X map;
      map.outputs = Outputs;
      RowLoss<X> loss;
      BLV_UNROLLED for (int j = 0; j < Outputs; j++) {
        if (value) tape[j] = z[j];
        T taped = T(0);
        if (M == Mode::TAPED) taped = tape[j];
        loss.z[j] = bias[j] + z_of(j, z, taped);
        loss.y[j] = X::constant(y[j]);
      }
      loss.run_plain(map, Loss, own.terms.inverse_n);
      accumulate(x, loss.e);
    }
  }

  template <bool Whole>
  BLV_INLINE void run_in_smem(const Own &own, Index begin, Index end, CompensatedSum<T> &total) {
    const int threads = PassThreads::threads(), step = threads * int(a.x_ld) * size;
    unsigned x = shared_address(a.x + (begin + PassThreads::thread()) * a.x_ld);
#pragma unroll 1
    for (Index i = begin + PassThreads::thread(); i < end; i += threads, x += step) run_row<Whole>(own, x, i, total);
  }

  BLV_INLINE void run_staged(const Own &own, Index begin, Index end, CompensatedSum<T> &total) {
    const int threads = PassThreads::threads(), thread = PassThreads::thread(), bytes = threads * Tile::stride;
    const RowStage<T> rows(a, Tile::stride);
    const auto count_at = [&](Index row) { return end - row < threads ? int(end - row) : threads; };
    rows.clear_padding(a, stage, 2 * threads, Tile::columns);
    unsigned x = stage, next = stage + bytes;
    if (begin < end) rows.begin(a, begin, count_at(begin), x);
#pragma unroll 1
    for (Index row = begin; row < end; row += threads) {
      rows.wait();
      PassThreads::sync();
      if (row + threads < end) rows.begin(a, row + threads, count_at(row + threads), next);
      if (thread < count_at(row)) run_row<true>(own, x + thread * Tile::stride, row + thread, total);
      const unsigned done = x;
      x = next, next = done;
    }
  }

  template <bool Whole>
  BLV_INLINE void run_row(const Own &own, unsigned row, Index i, CompensatedSum<T> &total) {
    T x[Tile::columns], z[NI];
    load_row<Whole>(row, x);
    multiply(x, z);
    S e[Outputs];
    row_loss(own, i, z, e, total);
    accumulate(x, e);
  }
  // Whole: all columns exist, in aligned quads; else what is no column becomes zero, whatever is there.
  template <bool Whole, int Q = 0>
  BLV_INLINE void load_row(unsigned row, T (&x)[Tile::columns]) const {
    if constexpr (Q < Quads) {
      if (Whole || (Q * V < a.inputs && (a.bits & A::X_QUADS))) {
        const Quad<T> quad = Shared<T>::template load_quad<Q * 16>(row);
        BLV_UNROLLED for (int v = 0; v < V; v++) x[Q * V + v] = Whole || Q * V + v < a.inputs ? quad.x[v] : T(0);
      } else {
        BLV_UNROLLED for (int v = 0; v < V; v++) {
          x[Q * V + v] = T(0);
          if (Q * V + v < a.inputs) x[Q * V + v] = Shared<T>::load(row + (Q * V + v) * size);
        }
      }
      load_row<Whole, Q + 1>(row, x);
    }
  }
  BLV_INLINE void multiply(const T (&x)[Tile::columns], T (&z)[NI]) const {
    BLV_UNROLLED for (int n = 0; n < NI; n++) {
      T even = w[n][0] * x[0], odd = w[n][1] * x[1];  // two chains, to wait half as long
      BLV_UNROLLED for (int c = 2; c < Tile::columns; c += 2) even += w[n][c] * x[c], odd += w[n][c + 1] * x[c + 1];
      z[n] = even + odd;
    }
  }
  BLV_INLINE void accumulate(const T (&x)[Tile::columns], const S (&e)[Outputs]) {
    BLV_UNROLLED for (int n = 0; n < NO; n++) {
      T of_line;
      if constexpr (value)
        of_line = e[n];
      else
        of_line = e[n].d;
      bias_gradient[n] += of_line;
      BLV_UNROLLED for (int c = 0; c < Tile::columns; c++) g[n][c] += of_line * x[c];
    }
  }

  BLV_INLINE void row_loss(const Own &own, Index i, const T (&z)[NI], S (&e)[Outputs], CompensatedSum<T> &total) const {
    X map;
    map.outputs = Outputs;
    RowLoss<X> loss;
    BLV_UNROLLED for (int j = 0; j < Outputs; j++) {
      T taped = T(0);
      if (value && own.tape) own.tape[i * own.tape_ld + j] = z[j];
      if (M == Mode::TAPED) taped = own.tape[i * own.tape_ld + j];
      loss.z[j] = bias[j] + z_of(j, z, taped);
      loss.y[j] = X::constant(own.y[i * own.y_ld + (Outputs > 1 && !own.terms.index_targets() ? j : 0)]);
    }
    if (own.terms.weighted()) loss.w = X::constant(own.weight[i]);
    loss.template run<true>(map, own.terms, &total);
    BLV_UNROLLED for (int j = 0; j < Outputs; j++) e[j] = loss.e[j];
    if (own.terms.more()) add_leaf_gradients(own.terms, i, loss);
    if (own.terms.x_gradient()) add_x_gradient(i, loss.e);
  }
  // Output j of a row as the loss wants it, from its products and, if they are on the tape, the values.
  static BLV_INLINE S z_of(int j, const T (&z)[NI], T taped) {
    if constexpr (M == Mode::VALUE)
      return z[j];
    else if constexpr (M == Mode::TAPED)
      return {taped, z[j]};
    else
      return {z[j], z[Outputs + j]};
  }
  BLV_INLINE void add_leaf_gradients(const LossTerms<T> &terms, Index i, const RowLoss<X> &loss) const {
    BLV_UNROLLED for (int j = 0; j < Outputs; j++) {
      if (!terms.y_gradient()) continue;
      if constexpr (value)
        a.y_gradient.v[i * a.y_gradient.ld + j] += loss.y_gradient[j];
      else
        a.y_gradient.d[i * a.y_gradient.ld + j] += loss.y_gradient[j].d;
    }
    if (!terms.weight_gradient()) return;
    if constexpr (value)
      a.weight_gradient.v[i] += loss.weight_gradient;
    else
      a.weight_gradient.d[i] += loss.weight_gradient.d;
  }
  // dL/dx_i += W^T e, or e.d W + e W.d; W from memory, since registers hold not all of its planes.
  BLV_INLINE void add_x_gradient(Index i, const S (&e)[Outputs]) const {
    T *to = (value ? a.x_gradient.v : a.x_gradient.d) + i * a.x_gradient.ld;
    for (int c = 0; c < a.inputs; c++) {
      T sum = to[c];
      BLV_UNROLLED for (int j = 0; j < Outputs; j++) {
        const int at = a.theta_weight + j * a.theta_ld + c;
        if constexpr (value)
          sum += e[j] * a.theta.v[at];
        else
          sum += e[j].d * a.theta.v[at] + e[j].v * a.theta.d[at];
      }
      to[c] = sum;
    }
  }

  // ---- The sums over threads, in a fixed order: over the lanes of each warp, then over warps.
  BLV_INLINE void finish() {
    constexpr int columns = Tile::columns, count = Tile::sums, rest = Tile::lane_sums;
    T sum[count];
    BLV_UNROLLED for (int n = 0; n < NO; n++) {
      BLV_UNROLLED for (int c = 0; c < columns; c++) sum[n * columns + c] = g[n][c];
      sum[NO * columns + n] = bias_gradient[n];
    }
    const int thread = PassThreads::thread(), lane = thread % 32, threads = PassThreads::threads();
    spread_sums<count, 1>(sum, lane);
    if (threads > 32) {
      const unsigned mine = sums + thread * size;
      if (thread >= 32) {
        BLV_UNROLLED for (int p = 0; p < rest; p++) Shared<T>::store(mine + p * threads * size, sum[p]);
      }
      PassThreads::sync();
      if (thread < 32) {
        BLV_UNROLLED for (int p = 0; p < rest; p++) for (int t = 32; t < threads; t += 32) sum[p] +=
            Shared<T>::load(mine + (p * threads + t) * size);
      }
    }
    if (thread < 32) {
      T *plane = a.template gradient_plane<M>(0);
      BLV_UNROLLED for (int p = 0; p < rest; p++) {
        const int place = place_of(spread_line<count, 1>(lane, p));
        if (place >= 0) plane[place] = a.add ? plane[place] + sum[p] : sum[p];
      }
    }
    PassThreads::sync();
  }
  // Where a sum belongs in the parameter vector; -1: nowhere.
  BLV_INLINE int place_of(int at) const {
    if (at < 0) return -1;
    const int n = at / Tile::columns, c = at % Tile::columns, output = at - NO * Tile::columns;
    if (output >= 0) return a.theta_bias >= 0 ? a.theta_bias + output : -1;
    return c < a.inputs ? a.theta_weight + n * a.theta_ld + c : -1;
  }
};

}  // namespace BLV_ISA_NAMESPACE
}  // namespace bilevel
