// SPDX-License-Identifier: Apache-2.0
//
// A pass over rows so short that a thread holds one in registers: products, loss and rank-one update of the thread's own
// gradient need no word with other threads; once a pass the gradients are added up through shared memory. For up to
// 32 inputs and few outputs; one tangent.
#pragma once
#include "kernels/core/cuda/linear_loss.h"

namespace bilevel {
namespace BLV_ISA_NAMESPACE {

// Compile-time sizes: rows of up to `Quads` quads, exactly `Outputs` outputs.
template <class T, Mode M, int Quads, int Outputs>
struct NarrowTile {
  static constexpr int V = Quad<T>::size, columns = Quads * V;
  static constexpr int lines_out = Outputs, lines_in = Outputs * (M == Mode::JET ? 2 : 1);
  static constexpr int stride = Quads | 1;  // quads, of staged rows: an odd number meets no bank conflict
  static constexpr int sum_quads = lines_out * Quads + (lines_out + V - 1) / V, sum_stride = sum_quads | 1;
};

struct NarrowCut {
  int slices = 0;  // of the threads, when their gradients are added up; 0: does not fit
  Divisor quads;   // of a thread's gradient
  int bytes = 0;   // of scratch

  BLV_HOST_DEVICE bool fits() const { return slices > 0; }
};

template <class T, Mode M, int Quads, int Outputs>
BLV_HOST_DEVICE inline NarrowCut narrow_cut(int inputs, int outputs, int planes, int threads, bool x_on_chip,
                                            long long room) {
  using Tile = NarrowTile<T, M, Quads, Outputs>;
  NarrowCut c;
  c.bytes = (threads * (Tile::sum_stride + 1) + (x_on_chip ? 0 : 2 * threads * Tile::stride)) * 16;
  if (inputs < 1 || inputs > Tile::columns || outputs != Outputs || (M != Mode::VALUE && planes != 1)) return c;
  if (c.bytes > room) return c;
  c.quads = Divisor(Tile::sum_quads);
  c.slices = threads > Tile::sum_quads ? threads / Tile::sum_quads : 1;
  return c;
}

template <class T, Mode M, int Quads, int Outputs>
struct LinearNarrow {
  using Tile = NarrowTile<T, M, Quads, Outputs>;
  using X = RegisterMap<T, M, Outputs, 1>;
  using S = typename X::S;
  static constexpr int V = Tile::V, NI = Tile::lines_in, NO = Tile::lines_out, size = sizeof(T);
  static constexpr bool value = M == Mode::VALUE;

  const LinearArguments<T> &a;
  const NarrowCut &cut;
  unsigned sums, slices, stage;  // addresses of: the threads' gradients, sums of some, rows
  T w[NI][Tile::columns], g[NO][Tile::columns], bias_gradient[NO];
  S bias[Outputs];

  BLV_INLINE LinearNarrow(const LinearArguments<T> &arguments, const NarrowCut &c, T *scratch) : a(arguments), cut(c) {
    sums = shared_address(scratch);
    slices = sums + PassTeam::threads() * Tile::sum_stride * 16;
    stage = slices + PassTeam::threads() * 16;
    BLV_UNROLLED for (int n = 0; n < NI; n++) {
      const T *from = (value || (M == Mode::JET && n < Outputs) ? a.theta.v : a.theta.d) + a.theta_weight +
                      n % Outputs * a.theta_ld;
      BLV_UNROLLED for (int c = 0; c < Tile::columns; c++) w[n][c] = c < a.inputs ? from[c] : T(0);
    }
    BLV_UNROLLED for (int j = 0; j < Outputs; j++) {
      bias[j] = X::zero(), bias_gradient[j] = T(0);
      if (a.theta_bias < 0) continue;
      bias[j] = X::constant(a.theta.v[a.theta_bias + j]);
      if constexpr (!value) bias[j].d = a.theta.d[a.theta_bias + j];
    }
    BLV_UNROLLED for (int n = 0; n < NO; n++) BLV_UNROLLED for (int c = 0; c < Tile::columns; c++) g[n][c] = T(0);
  }

  BLV_INLINE void run(Index begin, Index end, T &total) {
    const Own own(a);
    if (!a.x_on_chip)
      run_staged(own, begin, end, total);
    else if (a.inputs <= Tile::columns - V)
      run_on_chip<false, true>(own, begin, end, total);
    else if (own.terms.more())
      run_on_chip<true, true>(own, begin, end, total);
    else
      run_on_chip<true, false>(own, begin, end, total);
    if (a.bits & LinearArguments<T>::THETA_GRADIENT) finish();
  }

 private:
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
  };

  template <bool Whole, bool More>
  BLV_INLINE void run_on_chip(const Own &own, Index begin, Index end, T &total) {
    const int threads = PassTeam::threads(), step = threads * int(a.x_ld) * size;
    unsigned x = shared_address(a.x + (begin + PassTeam::thread()) * a.x_ld);
#pragma unroll 1
    for (Index i = begin + PassTeam::thread(); i < end; i += threads, x += step) run_row<Whole, More>(own, x, i, total);
  }

  BLV_INLINE void run_staged(const Own &own, Index begin, Index end, T &total) {
    const int threads = PassTeam::threads(), thread = PassTeam::thread(), bytes = threads * Tile::stride * 16;
    const RowStage<T> rows(a, Tile::stride * 16);
    const auto count_at = [&](Index row) { return end - row < threads ? int(end - row) : threads; };
    rows.clear_padding(a, stage, 2 * threads, Tile::columns);
    unsigned x = stage, next = stage + bytes;
    if (begin < end) rows.begin(a, begin, count_at(begin), x);
#pragma unroll 1
    for (Index row = begin; row < end; row += threads) {
      rows.wait();
      PassTeam::sync();
      if (row + threads < end) rows.begin(a, row + threads, count_at(row + threads), next);
      if (thread < count_at(row)) run_row<true, true>(own, x + thread * Tile::stride * 16, row + thread, total);
      const unsigned done = x;
      x = next, next = done;
    }
  }

  // Whole: all quads exist; else those beyond the row's last are read there, times zero.
  template <bool Whole, bool More>
  BLV_INLINE void run_row(const Own &own, unsigned row, Index i, T &total) {
    T x[Tile::columns];
    const int last = (a.inputs - 1) / V;
    BLV_UNROLLED for (int q = 0; q < Quads; q++) {
      const Quad<T> quad = Shared<T>::load_quad(row + (Whole || q < last ? q : last) * 16);
      BLV_UNROLLED for (int v = 0; v < V; v++) x[q * V + v] = quad.x[v];
    }
    T z[NI];
    BLV_UNROLLED for (int n = 0; n < NI; n++) {
      T even = w[n][0] * x[0], odd = w[n][1] * x[1];  // two chains, to wait half as long
      BLV_UNROLLED for (int c = 2; c < Tile::columns; c += 2) even += w[n][c] * x[c], odd += w[n][c + 1] * x[c + 1];
      z[n] = even + odd;
    }
    S e[Outputs];
    row_loss<More>(own, i, z, e, total);
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

  template <bool More>
  BLV_INLINE void row_loss(const Own &own, Index i, const T (&z)[NI], S (&e)[Outputs], T &total) const {
    X map;
    map.outputs = Outputs;
    RowLoss<X> loss;
    BLV_UNROLLED for (int j = 0; j < Outputs; j++) {
      loss.z[j] = bias[j] + z_of(own, i, j, z);
      loss.y[j] = X::constant(own.y[i * own.y_ld + (Outputs > 1 && !own.terms.index_targets() ? j : 0)]);
    }
    if (own.terms.weighted()) loss.w = X::constant(own.weight[i]);
    loss.template run<More>(map, own.terms, &total);
    BLV_UNROLLED for (int j = 0; j < Outputs; j++) e[j] = loss.e[j];
    if (More) add_leaf_gradients(own.terms, i, loss);
    if (own.terms.x_gradient()) add_x_gradient(i, loss.e);
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
  // The products z of row i as the loss wants them; VALUE leaves them on the tape, TAPED reads them there.
  BLV_INLINE S z_of(const Own &own, Index i, int j, const T (&z)[NI]) const {
    if constexpr (M == Mode::VALUE) {
      if (own.tape) own.tape[i * own.tape_ld + j] = z[j];
      return z[j];
    } else if constexpr (M == Mode::TAPED) {
      return {own.tape[i * own.tape_ld + j], z[j]};
    } else {
      return {z[j], z[Outputs + j]};
    }
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

  // ---- The sum over threads, in order: slices of them first, then the slices.
  BLV_INLINE void finish() {
    const int thread = PassTeam::thread(), threads = PassTeam::threads(), quads = cut.quads.by;
    put_sums(sums + thread * Tile::sum_stride * 16);
    PassTeam::sync();
#pragma unroll 1
    for (int at = thread; at < quads * cut.slices; at += threads) {
      const int slice = cut.quads.quotient(at), step = cut.slices * Tile::sum_stride * 16;
      unsigned from = sums + (at - slice * quads + slice * Tile::sum_stride) * 16;
      Quad<T> sum = Shared<T>::load_quad(from);
      for (int t = slice + cut.slices; t < threads; t += cut.slices) {
        const Quad<T> quad = Shared<T>::load_quad(from += step);
        BLV_UNROLLED for (int v = 0; v < V; v++) sum.x[v] += quad.x[v];
      }
      Shared<T>::store_quad(slices + at * 16, sum);
    }
    PassTeam::sync();
#pragma unroll 1
    for (int at = thread; at < quads * V; at += threads) {
      const int place = place_of(at);
      if (place < 0) continue;
      unsigned from = slices + at * size;
      T sum = Shared<T>::load(from);
      for (int s = 1; s < cut.slices; s++) sum += Shared<T>::load(from += quads * 16);
      T *to = a.template gradient_plane<M>(0) + place;
      *to = a.add ? *to + sum : sum;
    }
    PassTeam::sync();
  }
  BLV_INLINE void put_sums(unsigned to) const {
    Quad<T> quad;
    BLV_UNROLLED for (int n = 0; n < NO; n++) BLV_UNROLLED for (int q = 0; q < Quads; q++) {
      BLV_UNROLLED for (int v = 0; v < V; v++) quad.x[v] = g[n][q * V + v];
      Shared<T>::store_quad(to + (n * Quads + q) * 16, quad);
    }
    BLV_UNROLLED for (int q = 0; q < (NO + V - 1) / V; q++) {
      BLV_UNROLLED for (int v = 0; v < V; v++) quad.x[v] =
          q * V + v < NO ? bias_gradient[q * V + v < NO ? q * V + v : 0] : T(0);
      Shared<T>::store_quad(to + (NO * Quads + q) * 16, quad);
    }
  }
  // Where the sum at position `at` belongs in the parameter vector; -1: nowhere.
  BLV_INLINE int place_of(int at) const {
    const int n = at / Tile::columns, c = at % Tile::columns;
    if (n >= NO) return a.theta_bias >= 0 && at - NO * Tile::columns < NO ? a.theta_bias + at - NO * Tile::columns : -1;
    return c < a.inputs ? a.theta_weight + n * a.theta_ld + c : -1;
  }
};

}  // namespace BLV_ISA_NAMESPACE
}  // namespace bilevel
