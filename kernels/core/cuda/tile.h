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
#include "kernels/core/cuda/machine.h"

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
  BLV_INLINE void read(const T *p) {
    constexpr int v = Quad<T>::size;
    BLV_UNROLLED for (int q = 0; q < run_length / v; q++) {
      const Quad<T> quad = reinterpret_cast<const Quad<T> *>(p)[q];
      BLV_UNROLLED for (int i = 0; i < v; i++) x[q * v + i] = quad.x[i];
    }
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

  BLV_INLINE void add(Segment<T> s, Index lda, Index ldb, Index depth) {
    Index k = 0;
    if constexpr (has_runs) {
      if (run_aligned(s.a, lda) && run_aligned(s.b, ldb)) k = add_runs(s, lda, ldb, depth);
    }
    if (k < depth) add_one_by_one(s, lda, ldb, k, depth);
  }

 private:
  BLV_INLINE Index row(int i) const { return Down::clamped(down, downs, i, m); }
  BLV_INLINE Index column(int j) const { return Across::clamped(across, acrosses, j, n); }

  BLV_INLINE void add_one_by_one(Segment<T> s, Index lda, Index ldb, Index k, Index depth) {
    const T *a[MR], *b[NR];
    BLV_UNROLLED for (int i = 0; i < MR; i++) a[i] = s.a + (K == Kind::TN ? row(i) + k * lda : row(i) * lda + k);
    BLV_UNROLLED for (int j = 0; j < NR; j++) b[j] = s.b + (K == Kind::NT ? column(j) * ldb + k : column(j) + k * ldb);
    const Index step_a = K == Kind::TN ? lda : 1, step_b = K == Kind::NT ? 1 : ldb;
#pragma unroll 1
    for (; k < depth; k++) {
      T x[MR], y[NR];
      BLV_UNROLLED for (int i = 0; i < MR; i++) x[i] = *a[i], a[i] += step_a;
      BLV_UNROLLED for (int j = 0; j < NR; j++) y[j] = *b[j], b[j] += step_b;
      BLV_UNROLLED for (int i = 0; i < MR; i++) BLV_UNROLLED for (int j = 0; j < NR; j++) c[i][j] += x[i] * y[j];
    }
  }

  // Returns how many k it has done.
  BLV_INLINE Index add_runs(Segment<T> s, Index lda, Index ldb, Index depth) {
    if constexpr (K == Kind::TN) {
      return add_tn(s, lda, ldb, depth);
    } else {
      const T *a[MR];
      BLV_UNROLLED for (int i = 0; i < MR; i++) a[i] = s.a + row(i) * lda;
      if constexpr (K == Kind::NT)
        return add_nt(a, s.b, ldb, depth);
      else
        return add_nn(a, s.b, ldb, depth);
    }
  }

  BLV_INLINE Index add_nt(const T *const (&a)[MR], const T *from, Index ldb, Index depth) {
    const T *b[NR];
    BLV_UNROLLED for (int j = 0; j < NR; j++) b[j] = from + column(j) * ldb;
    Index k = 0;
#pragma unroll 1
    for (; k + run_length <= depth; k += run_length) {
      Run<T> x[MR], y[NR];
      BLV_UNROLLED for (int i = 0; i < MR; i++) x[i].read(a[i] + k);
      BLV_UNROLLED for (int j = 0; j < NR; j++) y[j].read(b[j] + k);
      BLV_UNROLLED for (int v = 0; v < run_length; v++) BLV_UNROLLED for (int i = 0; i < MR; i++)
          BLV_UNROLLED for (int j = 0; j < NR; j++) c[i][j] += x[i].x[v] * y[j].x[v];
    }
    return k;
  }

  BLV_INLINE Index add_nn(const T *const (&a)[MR], const T *from, Index ldb, Index depth) {
    constexpr int runs = NR >= run_length ? NR / run_length : 1;
    const T *b[runs];
    BLV_UNROLLED for (int u = 0; u < runs; u++) b[u] = from + Across::run_start(across, acrosses, u * run_length, n);
    Index k = 0;
#pragma unroll 1
    for (; k + run_length <= depth; k += run_length) {
      Run<T> x[MR];
      BLV_UNROLLED for (int i = 0; i < MR; i++) x[i].read(a[i] + k);
      BLV_UNROLLED for (int v = 0; v < run_length; v++) {
        Run<T> y[runs];
        BLV_UNROLLED for (int u = 0; u < runs; u++) y[u].read(b[u]), b[u] += ldb;
        BLV_UNROLLED for (int i = 0; i < MR; i++) BLV_UNROLLED for (int j = 0; j < NR; j++) c[i][j] +=
            x[i].x[v] * y[j / run_length].x[j % run_length];
      }
    }
    return k;
  }

  BLV_INLINE Index add_tn(Segment<T> s, Index lda, Index ldb, Index depth) {
    constexpr int runs_a = MR >= run_length ? MR / run_length : 1, runs_b = NR >= run_length ? NR / run_length : 1;
    const T *a[runs_a], *b[runs_b];
    BLV_UNROLLED for (int u = 0; u < runs_a; u++) a[u] = s.a + Down::run_start(down, downs, u * run_length, m);
    BLV_UNROLLED for (int u = 0; u < runs_b; u++) b[u] = s.b + Across::run_start(across, acrosses, u * run_length, n);
#pragma unroll 2
    for (Index k = 0; k < depth; k++) {
      Run<T> x[runs_a], y[runs_b];
      BLV_UNROLLED for (int u = 0; u < runs_a; u++) x[u].read(a[u]), a[u] += lda;
      BLV_UNROLLED for (int u = 0; u < runs_b; u++) y[u].read(b[u]), b[u] += ldb;
      BLV_UNROLLED for (int i = 0; i < MR; i++) BLV_UNROLLED for (int j = 0; j < NR; j++) c[i][j] +=
          x[i / run_length].x[i % run_length] * y[j / run_length].x[j % run_length];
    }
    return depth;
  }
};

}  // namespace BLV_ISA_NAMESPACE
}  // namespace bilevel
