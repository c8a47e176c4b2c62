// SPDX-License-Identifier: Apache-2.0
//
// A pass over rows that many threads share. A team of warps covers a row: every lane keeps its columns of W (and of the
// tangents) and of the gradient in registers, for `Outputs` outputs and `Tangents` tangents at a time. Batches of rows
// pass through shared memory, three phases each:
//   1  partial products of a lane's columns, summed over the warp:        z_parts[part][row][line]
//   2  per row the sum of the parts, in order, and the loss:              e[row][group][line]
//   3  gradient += e x^T, from the same rows in shared memory
// A line is one output of one plane. In phase 1 slot s of lane l works on row s ^ (l mod R): so the first sums over
// lanes need no select, and rows whose length is a multiple of 32 bytes meet no bank conflict.
#pragma once
#include "kernels/special/linear/linear_loss.h"
#include "kernels/special/linear/linear_wide_part.h"

namespace bilevel {
namespace BLV_ISA_NAMESPACE {

template <class T, Mode M, int Outputs, int Tangents>
struct LinearWide : WidePart<T, M, Outputs, Tangents> {
  using Part = WidePart<T, M, Outputs, Tangents>;
  using Tile = typename Part::Tile;
  using A = LinearArguments<T>;
  using Part::column, Part::next_column, Part::lane, Part::own_quads, Part::part, Part::team, Part::output_group,
      Part::tangent_group;
  static constexpr int V = Tile::V, NI = Tile::lines_in, NO = Tile::lines_out, R = Tile::rows, size = Tile::size;
  static constexpr bool value = M == Mode::VALUE;

  const A &a;
  const WideCut &cut;
  unsigned stage, z_parts, e;  // addresses in scratch
  typename Part::ThetaTile w;
  typename Part::GradientTile g;
  T bias, bias_gradient;  // of this thread's output in the losses; of one line, by the first threads

  BLV_INLINE LinearWide(const A &arguments, const WideCut &c, T *scratch)
      : Part(arguments, c), a(arguments), cut(c), bias(T(0)), bias_gradient(T(0)) {
    stage = shared_address(scratch);
    e = stage + cut.e, z_parts = stage + cut.z;
    const int j = int(threadIdx.x % Tile::loss_lanes);
    if (a.theta_bias >= 0 && j < cut.outputs.by) bias = a.theta.v[a.theta_bias + j];
    this->load_theta(a, cut, w);
    BLV_UNROLLED for (int n = 0; n < NO; n++) BLV_UNROLLED for (int c = 0; c < Tile::columns; c++) g[n][c] = T(0);
  }

  BLV_INLINE void run(Index begin, Index end, CompensatedSum<T> &total) {
    run_batches(begin, end, total);
    if (a.bits & A::THETA_GRADIENT) finish();
    PassThreads::sync();
  }

 private:
  BLV_INLINE void run_batches(Index begin, Index end, CompensatedSum<T> &total) {
    const int batch = even_batch(end - begin);
    unsigned x = stage, next = stage + cut.stage;
    if (begin < end) {
      RowStage<T>(a, cut.stride).clear_padding(a, stage, 2 * cut.batch, round_up(a.inputs, V));
      fetch(begin, count_at(begin, end, batch), x);
    }
#pragma unroll 1
    for (; begin < end; begin += batch) {
      const int count = count_at(begin, end, batch);
      RowStage<T>::wait();
      PassThreads::sync();
      if (begin + batch < end) fetch(begin + batch, count_at(begin + batch, end, batch), next);
      multiply(x, count);
      PassThreads::sync();
      losses(begin, count, total);
      PassThreads::sync();
      if (a.bits & A::THETA_GRADIENT) accumulate(x, count);
      if (a.bits & A::X_GRADIENT) add_x_gradient(begin, count);
      const unsigned done = x;
      x = next, next = done;
    }
  }
  // Rows up to a whole number of R, so that none needs a check: their e will be zero. The stage is made again for every batch, so that its
  // registers are free for the products.
  BLV_INLINE void fetch(Index row, int count, unsigned to) const {
    const RowStage<T> rows(a, cut.stride);
    rows.begin(a, row, count, to);
    if (count % R) rows.clear_rows(a, to, count, round_up(count, R));
  }

  static BLV_INLINE int count_at(Index row, Index end, int batch) { return end - row < batch ? int(end - row) : batch; }
  // The fewest batches, of about as many rows each.
  BLV_INLINE int even_batch(Index n) const {
    const int batch = cut.batch;
    if (n <= batch || n > 4 * batch) return batch;
    const int rows = n > 3 * batch ? int(n + 3) / 4 : n > 2 * batch ? int(n + 2) / 3 : int(n + 1) / 2;
    return cut.pack.quotient(rows + cut.pack.by - 1) * cut.pack.by;
  }

  // ---- Phase 1
  BLV_INLINE void multiply(unsigned x, int count) const {
    if (team >= cut.teams) return;
    if (own_quads == Tile::quads)
      multiply_quads<Tile::quads>(x, count);
    else
      multiply_quads<1>(x, count);
  }
  template <int Q>
  BLV_INLINE void multiply_quads(unsigned x, int count) const {
    constexpr int rest = spread_rest<NI, R>;
    const int turn = lane % R, stride = cut.stride, step = cut.teams * R, x_step = step * stride,
              z_step = step * cut.z_row;
    unsigned z_at[rest];  // of the sums that this lane writes; 0: none
    BLV_UNROLLED for (int p = 0; p < rest; p++) {
      const int line = line_position(spread_line<NI, R>(lane, p));
      z_at[p] = line < 0 ? 0 : z_parts + part * cut.z_part + (team * R + turn) * cut.z_row + line * size;
    }
    x += team * R * stride + column;
#pragma unroll 1
    for (int row = team * R; row < count; row += step, x += x_step) {
      T z[R][NI];
      BLV_UNROLLED for (int s = 0; s < R; s++) {
        const unsigned at = x + (s ^ turn) * stride;
        BLV_UNROLLED for (int n = 0; n < NI; n++) z[s][n] = T(0);
        BLV_UNROLLED for (int q = 0; q < Q; q++) {
          const Quad<T> quad = Shared<T>::load_quad(q ? at + next_column : at);
          BLV_UNROLLED for (int v = 0; v < V; v++) BLV_UNROLLED for (int n = 0; n < NI; n++) z[s][n] +=
              quad.x[v] * w[n][q * V + v];
        }
      }
      BLV_UNROLLED for (int m = R / 2; m > 0; m /= 2) BLV_UNROLLED for (int s = 0; s < m; s++)
          BLV_UNROLLED for (int n = 0; n < NI; n++) z[s][n] += __shfl_xor_sync(0xffffffffu, z[s + m][n], m);
      spread_sums<NI, R>(z[0], lane);
      BLV_UNROLLED for (int p = 0; p < rest; p++) {
        if (z_at[p]) Shared<T>::store(z_at[p], z[0][p]), z_at[p] += z_step;
      }
    }
  }
  // Where line n is in a row of z; -1 if another lane writes it.
  BLV_INLINE int line_position(int n) const {
    if (n < 0) return -1;
    if (Part::is_value(n)) return tangent_group == 0 ? this->output_of(n) : -1;
    return ((M == Mode::JET ? 1 : 0) + this->tangent_of(n)) * cut.z_width + this->output_of(n);
  }

  // ---- Phase 2
  BLV_INLINE T z_of(unsigned at) const {
    const int step = cut.z_part;
    T z = Shared<T>::load(at);
#pragma unroll 4
    for (int p = cut.parts.by - 1; p > 0; p--) z += Shared<T>::load(at += step);
    return z;
  }
  // Bytes from a row's e on.
  BLV_INLINE int e_position(int k, int output) const {
    const int group = (value ? 0 : k / Tangents * cut.output_groups.by) + output / Outputs;
    return (group * Tile::lines_out_padded + (value ? 0 : k % Tangents * Outputs) + output % Outputs) * size;
  }
  BLV_INLINE int e_value_position(int output) const {
    return value ? e_position(0, output) : cut.e_value + output * size;
  }

  BLV_INLINE void losses(Index first, int count, CompensatedSum<T> &total) const {
    const LossTerms<T> terms(a);
    if (terms.more())
      loss_rows<true>(terms, first, count, total);
    else
      loss_rows<false>(terms, first, count, total);
  }
  // Of this thread's rows. A warp stays together, as long as one of its rows needs an e.
  template <bool More>
  BLV_INLINE void loss_rows(const LossTerms<T> &terms, Index first, int count, CompensatedSum<T> &total) const {
    using X = RegisterMap<T, M, 1, Tile::loss_lanes>;
    const int sweep = int(unsigned(PassThreads::threads()) / Tile::loss_lanes),
              mine = int(threadIdx.x / Tile::loss_lanes), ahead = lane / Tile::loss_lanes, needed = round_up(count, R);
    const int j = int(threadIdx.x % Tile::loss_lanes), output = j < cut.outputs.by ? j : 0;
    const bool indexed = terms.index_targets(), exists = j < cut.outputs.by;
    const Index y_ld = indexed ? 1 : a.y.ld, tape_ld = a.tape_ld;
    const T *y = a.y.v + first * y_ld + (indexed ? 0 : output),
            *weight = terms.weighted() ? a.weight.v + first : nullptr;
    T *tape = a.tape ? a.tape + first * tape_ld + output : nullptr;
    X x;
    x.lane = j, x.outputs = cut.outputs.by;
#pragma unroll 1
    for (int row = mine; row - ahead < needed; row += sweep) {
      const int i = row < count ? row : count - 1;
      const unsigned z_row = z_parts + i * cut.z_row + output * size;
      const bool real = exists && row < count;
      T z;
      if constexpr (M == Mode::TAPED)
        z = tape[i * tape_ld];
      else
        z = z_of(z_row);
      if (value && tape && real) tape[i * tape_ld] = z;
      RowLoss<X> loss;
      loss.y[0] = X::constant(y[i * y_ld]);
      if (terms.weighted()) loss.w = X::constant(weight[i]);
#pragma unroll 1
      for (int k = 0; k < (value ? 1 : a.planes); k++) {
        x.first = real && j == 0 && k == 0;
        loss.z[0] = X::constant(z + bias);
        if constexpr (!value) loss.z[0].d = z_tangent(z_row, k, output);
        loss.template run<More>(x, terms, &total);
        if (exists && row < needed) put_e(e + row * cut.e_row, k, j, real, loss.e[0]);
        if (More && real) add_leaf_gradients(terms, first + i, k, j, loss);
      }
    }
  }
  BLV_INLINE T z_tangent(unsigned z_row, int k, int j) const {
    T z = z_of(z_row + (k + (M == Mode::JET ? 1 : 0)) * cut.z_width * size);
    if (a.theta_bias >= 0) z += a.theta.tangent(k)[a.theta_bias + j];
    return z;
  }
  BLV_INLINE void put_e(unsigned e_of_row, int k, int j, bool exists, T x) const {
    Shared<T>::store(e_of_row + e_position(k, j), exists ? x : T(0));
  }
  BLV_INLINE void put_e(unsigned e_of_row, int k, int j, bool exists, Jet<T> x) const {
    put_e(e_of_row, k, j, exists, x.d);
    if (a.x_gradient && k == 0) Shared<T>::store(e_of_row + e_value_position(j), x.v);
  }
  template <class Loss>
  BLV_INLINE void add_leaf_gradients(const LossTerms<T> &terms, Index i, int k, int j, const Loss &loss) const {
    if constexpr (value) {
      if (terms.y_gradient()) a.y_gradient.v[i * a.y_gradient.ld + j] += loss.y_gradient[0];
      if (terms.weight_gradient() && j == 0) a.weight_gradient.v[i] += loss.weight_gradient;
    } else {
      if (terms.y_gradient()) a.y_gradient.tangent(k)[i * a.y_gradient.ld + j] += loss.y_gradient[0].d;
      if (terms.weight_gradient() && j == 0) a.weight_gradient.tangent(k)[i] += loss.weight_gradient.d;
    }
  }

  // ---- Phase 3
  BLV_INLINE void accumulate(unsigned x, int count) {
    if (a.theta_bias >= 0) accumulate_bias(count);
    if (team >= cut.teams) return;
    if (own_quads == Tile::quads)
      accumulate_quads<Tile::quads>(x, count);
    else
      accumulate_quads<1>(x, count);
  }
  template <int Q>
  BLV_INLINE void accumulate_quads(unsigned x, int count) {
    const int stride = cut.stride, e_row = cut.e_row, pack = cut.pack.by, x_step = pack * stride, e_step = pack * e_row;
    const int group = tangent_group * cut.output_groups.by + output_group;
    unsigned e_pack = e + team * R * e_row + group * Tile::lines_out_padded * size;
    x += team * R * stride + column;
#pragma unroll 1
    for (int row = team * R; row < count; row += pack, x += x_step, e_pack += e_step) {
      unsigned at = x, e_at = e_pack;
      BLV_UNROLLED for (int s = 0; s < R; s++) {
        T of_row[NO];
        read_lines(e_at, of_row);
        BLV_UNROLLED for (int q = 0; q < Q; q++) {
          const Quad<T> quad = Shared<T>::load_quad(q ? at + next_column : at);
          BLV_UNROLLED for (int v = 0; v < V; v++) BLV_UNROLLED for (int n = 0; n < NO; n++) g[n][q * V + v] +=
              of_row[n] * quad.x[v];
        }
        e_at += e_row;
        at += stride;
      }
    }
  }
  static BLV_INLINE void read_lines(unsigned from, T (&to)[NO]) {
    constexpr int whole = NO == 1 ? 0 : NO / V * V;
    BLV_UNROLLED for (int n = 0; n < whole; n += V) {
      const Quad<T> quad = Shared<T>::load_quad(from + n * size);
      BLV_UNROLLED for (int v = 0; v < V; v++) to[n + v] = quad.x[v];
    }
    BLV_UNROLLED for (int n = whole; n < NO; n++) to[n] = Shared<T>::load(from + n * size);
  }
  BLV_INLINE void accumulate_bias(int count) {
    const int t = PassThreads::thread(), k = cut.outputs.quotient(t);
    if (k >= (value ? 1 : a.planes)) return;
    unsigned from = e + e_position(k, t - k * cut.outputs.by);
    for (int row = 0; row < count; row++, from += cut.e_row) bias_gradient += Shared<T>::load(from);
  }

  // dL/dx_i += sum over outputs of e W, and its tangents e.d W + e W.d: from W in memory, four rows at a time.
  BLV_INLINE void add_x_gradient(Index first, int count) const {
#pragma unroll 1
    for (int k = 0; k < (value ? 1 : a.planes); k++) {
      T *to = value ? a.x_gradient.v : a.x_gradient.tangent(k);
#pragma unroll 1
      for (int row = 0; row < count; row += 4)
#pragma unroll 1
        for (int c = PassThreads::thread(); c < a.inputs; c += PassThreads::threads()) {
          T sum[4] = {};
          for (int j = 0; j < a.outputs; j++) {
            const int at = a.theta_weight + j * a.theta_ld + c;
            add_scaled(row, count, e_position(k, j), a.theta.v[at], sum);
            if constexpr (!value) add_scaled(row, count, e_value_position(j), a.theta.tangent(k)[at], sum);
          }
          BLV_UNROLLED for (int s = 0; s < 4; s++) {
            if (row + s < count) to[(first + row + s) * a.x_gradient.ld + c] += sum[s];
          }
        }
    }
  }
  BLV_INLINE void add_scaled(int row, int count, int position, T factor, T (&sum)[4]) const {
    BLV_UNROLLED for (int s = 0; s < 4; s++) {
      const int i = row + s < count ? row + s : count - 1;
      sum[s] += Shared<T>::load(e + i * cut.e_row + position) * factor;
    }
  }

  // ---- The gradient's sum over teams, in order, by the first team; scratch is free by now.
  BLV_INLINE void finish() {
    const int group = tangent_group * cut.output_groups.by + output_group, step = cut.team_warps.by * 512,
              one = step * NO * Tile::quads;  // bytes
    const unsigned mine = stage + ((group * cut.parts.by + part) * 32 + lane) * 16;
    for (int next = 1; next < cut.teams; next += cut.merged) {
      const int end = next + cut.merged < cut.teams ? next + cut.merged : cut.teams;
      PassThreads::sync();
      if (team >= next && team < end) this->store_tile(mine + (team - next) * one, step, g);
      PassThreads::sync();
      for (int t = next; team == 0 && t < end; t++) this->add_tile(mine + (t - next) * one, step, g);
    }
    if (team == 0) this->write_gradient(a, cut, g);
    const int t = int(threadIdx.x), k = cut.outputs.quotient(t);
    if (a.theta_bias >= 0 && k < (value ? 1 : a.planes)) {
      T *to = a.template gradient_plane<M>(k) + a.theta_bias + t - k * cut.outputs.by;
      *to = a.add ? *to + bias_gradient : bias_gradient;
    }
  }
};

}  // namespace BLV_ISA_NAMESPACE
}  // namespace bilevel
