// SPDX-License-Identifier: Apache-2.0
//
// Register tiles of a matrix product C[m][n] (+)= sum over segments, sum over k of A B, one tile per thread. What is
// contiguous decides how operands are read, four elements at a time where alignment allows:
//   NT  A[m][k], B[n][k]   both along k
//   NN  A[m][k], B[k][n]   A along k, B along n
//   TN  A[k][m], B[k][n]   A along m, B along n
// Tiles are interleaved: tile t of `tiles` has the rows (or runs of four rows, where these are contiguous) t, t + tiles,
// ..., so that neighbouring threads read neighbouring addresses. Positions beyond the matrix are clamped when read and
// not written; a run of four may be read to its end, since rows are padded to runs of four.
// Cooperation level: thread.
#pragma once
#include "kernels/machine/cuda/shared_memory.h"

namespace bilevel {
namespace BLV_ISA_NAMESPACE {

enum class Kind { NT, NN, TN };

template <class T>
struct Segment {
  const T *a, *b;
};

constexpr int run_length = 4;  // elements read together

template <class T>
BLV_INLINE bool run_aligned(const T *p, Index ld) {
  return reinterpret_cast<uintptr_t>(p) % 16 == 0 && ld % run_length == 0;
}

template <class T>
struct Run {
  T x[run_length];
};
// From quad(0), quad(1), ...
template <class T, class F>
BLV_INLINE Run<T> make_run(F quad) {
  constexpr int v = Quad<T>::size;
  Run<T> r;
  BLV_UNROLLED for (int q = 0; q < run_length / v; q++) {
    const Quad<T> of_run = quad(q);
    BLV_UNROLLED for (int i = 0; i < v; i++) r.x[q * v + i] = of_run.x[i];
  }
  return r;
}

// An address of an operand. AnyAddress: a generic pointer. SmemAddress: in this block's shared memory, where 32 bits are enough and loads
// need not find out which memory it is.
template <class T>
struct AnyAddress {
  static constexpr bool in_smem = false;
  const T *at;
  static BLV_INLINE AnyAddress to(const T *p) { return {p}; }
  BLV_INLINE void step(Index elements) { at += elements; }
  BLV_INLINE AnyAddress operator+(Index elements) const { return {at + elements}; }
  BLV_INLINE T one() const { return *at; }
  BLV_INLINE Run<T> run() const {
    return make_run<T>([&](int q) { return reinterpret_cast<const Quad<T> *>(at)[q]; });
  }
};
template <class T>
struct SmemAddress {
  static constexpr bool in_smem = true;
  unsigned at;
  static BLV_INLINE SmemAddress to(const T *p) { return {shared_address(p)}; }
  BLV_INLINE void step(Index elements) { at += unsigned(elements) * unsigned(sizeof(T)); }
  BLV_INLINE SmemAddress operator+(Index elements) const { return {at + unsigned(elements) * unsigned(sizeof(T))}; }
  BLV_INLINE T one() const { return Shared<T>::load(at); }
  BLV_INLINE Run<T> run() const {
    return make_run<T>([&](int q) { return Shared<T>::load_quad(at + q * 16); });
  }
};

// N positions along one dimension of C, in runs of U.
template <int N, int U>
struct Positions {
  static BLV_HOST_DEVICE Index tiles(Index extent) { return (extent + N - 1) / N; }
  static BLV_INLINE Index at(Index tile, Index tiles, int q) { return U * (tile + q / U * tiles) + q % U; }
  static BLV_INLINE Index clamped(Index tile, Index tiles, int q, Index extent) {
    const Index i = at(tile, tiles, q);
    return i < extent ? i : extent - 1;
  }
  // Of run q / U.
  static BLV_INLINE Index run_start(Index tile, Index tiles, int q, Index extent) {
    const Index i = at(tile, tiles, q), last = (extent - 1) / U * U;
    return i < last ? i : last;
  }
};

template <class T, Kind K, int MR, int NR>
struct Tile {
  using Down = Positions<MR, K == Kind::TN && MR >= run_length ? run_length : 1>;
  using Across = Positions<NR, K != Kind::NT && NR >= run_length ? run_length : 1>;
  static constexpr bool has_runs = K == Kind::NT || (NR % run_length == 0 && (K == Kind::NN || MR % run_length == 0));

  T c[MR][NR];
  Index down, downs, m, across, acrosses, n;

  BLV_INLINE void clear() {
    BLV_UNROLLED for (int i = 0; i < MR; i++) BLV_UNROLLED for (int j = 0; j < NR; j++) c[i][j] = T(0);
  }
  // f(i, j, row, column) for what lies inside the matrix.
  template <class F>
  BLV_INLINE void entries(F f) {
    BLV_UNROLLED for (int i = 0; i < MR; i++) BLV_UNROLLED for (int j = 0; j < NR; j++) {
      const Index r = Down::at(down, downs, i), q = Across::at(across, acrosses, j);
      if (r < m && q < n) f(i, j, r, q);
    }
  }

  // Operands by address A: AnyAddress<T> or SmemAddress<T>.
  template <class A>
  BLV_INLINE void add(Segment<T> s, Index lda, Index ldb, Index depth) {
    const A a = A::to(s.a), b = A::to(s.b);
    Index k = 0;
    if constexpr (has_runs) {
      // Rows of the caller have no padding up to a whole run; what is in shared memory is the group's own.
      const bool padded_rows = K != Kind::TN || A::in_smem || n % run_length == 0;
      if (padded_rows && run_aligned(s.a, lda) && run_aligned(s.b, ldb)) {
        if constexpr (K == Kind::NT) k = add_nt(a, b, lda, ldb, depth);
        if constexpr (K == Kind::NN) k = add_nn(a, b, lda, ldb, depth);
        if constexpr (K == Kind::TN) k = add_tn(a, b, lda, ldb, depth);
      }
    }
    if (k < depth) add_one_by_one(a, b, lda, ldb, k, depth);
  }

 private:
  BLV_INLINE Index row(int i) const { return Down::clamped(down, downs, i, m); }
  BLV_INLINE Index column(int j) const { return Across::clamped(across, acrosses, j, n); }

  template <class A>
  BLV_INLINE void add_one_by_one(A from_a, A from_b, Index lda, Index ldb, Index k, Index depth) {
    A a[MR], b[NR];
    BLV_UNROLLED for (int i = 0; i < MR; i++) a[i] = from_a + (K == Kind::TN ? row(i) + k * lda : row(i) * lda + k);
    BLV_UNROLLED for (int j = 0; j < NR; j++) b[j] =
        from_b + (K == Kind::NT ? column(j) * ldb + k : column(j) + k * ldb);
    const Index step_a = K == Kind::TN ? lda : 1, step_b = K == Kind::NT ? 1 : ldb;
#pragma unroll 1
    for (; k < depth; k++) {
      T x[MR], y[NR];
      BLV_UNROLLED for (int i = 0; i < MR; i++) x[i] = a[i].one(), a[i].step(step_a);
      BLV_UNROLLED for (int j = 0; j < NR; j++) y[j] = b[j].one(), b[j].step(step_b);
      BLV_UNROLLED for (int i = 0; i < MR; i++) BLV_UNROLLED for (int j = 0; j < NR; j++) c[i][j] += x[i] * y[j];
    }
  }

  // These return how many k they have done.
  template <class A>
  BLV_INLINE Index add_nt(A from_a, A from_b, Index lda, Index ldb, Index depth) {
    A a[MR], b[NR];
    BLV_UNROLLED for (int i = 0; i < MR; i++) a[i] = from_a + row(i) * lda;
    BLV_UNROLLED for (int j = 0; j < NR; j++) b[j] = from_b + column(j) * ldb;
    Index k = 0;
#pragma unroll 1
    for (; k + run_length <= depth; k += run_length) {
      Run<T> x[MR], y[NR];
      BLV_UNROLLED for (int i = 0; i < MR; i++) x[i] = (a[i] + k).run();
      BLV_UNROLLED for (int j = 0; j < NR; j++) y[j] = (b[j] + k).run();
      BLV_UNROLLED for (int v = 0; v < run_length; v++) BLV_UNROLLED for (int i = 0; i < MR; i++)
          BLV_UNROLLED for (int j = 0; j < NR; j++) c[i][j] += x[i].x[v] * y[j].x[v];
    }
    return k;
  }

  template <class A>
  BLV_INLINE Index add_nn(A from_a, A from_b, Index lda, Index ldb, Index depth) {
    constexpr int runs = NR / run_length;
    A a[MR], b[runs];
    BLV_UNROLLED for (int i = 0; i < MR; i++) a[i] = from_a + row(i) * lda;
    BLV_UNROLLED for (int u = 0; u < runs; u++) b[u] = from_b + Across::run_start(across, acrosses, u * run_length, n);
    Index k = 0;
#pragma unroll 1
    for (; k + run_length <= depth; k += run_length) {
      Run<T> x[MR];
      BLV_UNROLLED for (int i = 0; i < MR; i++) x[i] = (a[i] + k).run();
      BLV_UNROLLED for (int v = 0; v < run_length; v++) {
        Run<T> y[runs];
        BLV_UNROLLED for (int u = 0; u < runs; u++) y[u] = b[u].run(), b[u].step(ldb);
        BLV_UNROLLED for (int i = 0; i < MR; i++) BLV_UNROLLED for (int j = 0; j < NR; j++) c[i][j] +=
            x[i].x[v] * y[j / run_length].x[j % run_length];
      }
    }
    return k;
  }

  template <class A>
  BLV_INLINE Index add_tn(A from_a, A from_b, Index lda, Index ldb, Index depth) {
    constexpr int runs_a = MR / run_length, runs_b = NR / run_length;
    A a[runs_a], b[runs_b];
    BLV_UNROLLED for (int u = 0; u < runs_a; u++) a[u] = from_a + Down::run_start(down, downs, u * run_length, m);
    BLV_UNROLLED for (int u = 0; u < runs_b; u++) b[u] =
        from_b + Across::run_start(across, acrosses, u * run_length, n);
#pragma unroll 2
    for (Index k = 0; k < depth; k++) {
      Run<T> x[runs_a], y[runs_b];
      BLV_UNROLLED for (int u = 0; u < runs_a; u++) x[u] = a[u].run(), a[u].step(lda);
      BLV_UNROLLED for (int u = 0; u < runs_b; u++) y[u] = b[u].run(), b[u].step(ldb);
      BLV_UNROLLED for (int i = 0; i < MR; i++) BLV_UNROLLED for (int j = 0; j < NR; j++) c[i][j] +=
          x[i / run_length].x[i % run_length] * y[j / run_length].x[j % run_length];
    }
    return depth;
  }
};

}  // namespace BLV_ISA_NAMESPACE
}  // namespace bilevel
