// SPDX-License-Identifier: Apache-2.0
//
// Micro-kernels for lanes within a task: lanes run along the inputs of a layer; what is beyond the last input is neither read nor
// used, so that the caller's rows can be read where they are. Results are padded to whole packs with zeros.
//   dot:       c_j[i] (+)= sum_k a[i][k] b_j[k]        lanes along k, a tile of rows i and columns j, summed across lanes at the end
//   broadcast: c_m[j] (+)= sum_k a_m[k] b[k][j]        lanes along j, a_m[k] is one scalar
// The left (dot: right) operands come as lists of pointers, so that the value plane and the tangent planes of one product, which
// share the other operand, pass through the registers together.
#pragma once
#include "kernels/contract/cpu_tuning.h"
#include "kernels/machine/matrix.h"

namespace bilevel {
namespace BLV_ISA_NAMESPACE {

// One line of a product: where its operand lies and where its result goes.
template <class T>
struct Line {
  const T *operand;
  T *result;
};

template <class T>
struct DotArguments {
  const T *a;
  long lda;             // scalars between rows of a
  long depth;           // k
  const Line<T> *line;  // columns
  long result_row;      // scalars between rows of a result
  bool accumulate;
};

// Sums of MR * NR accumulators, sums_at_once at a time: one transposition serves several sums.
template <class T, int MR, int NR>
BLV_INLINE void store_lane_sums(const Pack<T> (&sum)[MR * NR], const DotArguments<T> &p, long row) {
  constexpr int group = sums_at_once<T>;
  BLV_UNROLLED for (int first = 0; first < MR * NR; first += group) {
    Pack<T> x[group];
    BLV_UNROLLED for (int q = 0; q < group; q++) x[q] = first + q < MR * NR ? sum[first + q] : Pack<T>{};
    const Pack<T> totals = transposed_sums<T>(x);
    BLV_UNROLLED for (int q = 0; q < group; q++) {
      if (first + q < MR * NR) {
        T *c = p.line[(first + q) % NR].result + (row + (first + q) / NR) * p.result_row;
        *c = p.accumulate ? *c + totals[q] : totals[q];
      }
    }
  }
}

template <class T, int MR, int NR>
__attribute__((noinline)) void dot_tile(const DotArguments<T> &p, long row) {
  using P = Pack<T>;
  P sum[MR * NR] = {};
  const T *a[MR], *b[NR];
  BLV_UNROLLED for (int i = 0; i < MR; i++) a[i] = p.a + (row + i) * p.lda;
  BLV_UNROLLED for (int j = 0; j < NR; j++) b[j] = p.line[j].operand;
  const auto step = [&](auto load) __attribute__((always_inline)) {
    P left[MR];
    BLV_UNROLLED for (int i = 0; i < MR; i++) left[i] = load(a[i]);
    BLV_UNROLLED for (int j = 0; j < NR; j++) {
      P right = load(b[j]);
      hold(right);
      BLV_UNROLLED for (int i = 0; i < MR; i++) sum[i * NR + j] += left[i] * right;
    }
  };
  const long ahead = cpu_tuning::prefetch_rows * p.lda;
  long k = 0;
  for (; k + lanes<T> <= p.depth; k += lanes<T>) {
    BLV_UNROLLED for (int i = 0; i < MR; i++) __builtin_prefetch(a[i] + k + ahead);
    step([k](const T *x) __attribute__((always_inline)) { return load_unaligned(x + k); });
  }
  if (const long left_over = p.depth - k)
    step([ k, left_over ](const T *x) __attribute__((always_inline)) { return load_partial(x + k, left_over); });
  store_lane_sums<T, MR, NR>(sum, p, row);
}

template <class T>
struct BroadcastArguments {
  const T *b;
  long ldb;             // scalars between rows of b
  long columns;         // j
  long depth;           // k
  long operand_step;    // scalars between a_m[k] and a_m[k + 1]
  const Line<T> *line;  // m
  bool accumulate;
};

template <class T, int MR, int NR>
__attribute__((noinline)) void broadcast_tile(const BroadcastArguments<T> &p, long column) {
  using P = Pack<T>;
  P sum[MR][NR];
  const T *a[MR];
  BLV_UNROLLED for (int m = 0; m < MR; m++) {
    a[m] = p.line[m].operand;
    BLV_UNROLLED for (int n = 0; n < NR; n++) sum[m][n] = P{};
  }
  const auto run = [&](auto load_last) __attribute__((always_inline)) {
    const T *b = p.b + column;
    for (long k = 0, step = 0; k < p.depth; k++, step += p.operand_step, b += p.ldb) {
      P right[NR];
      BLV_UNROLLED for (int n = 0; n < NR - 1; n++) right[n] = load_unaligned(b + n * lanes<T>);
      right[NR - 1] = load_last(b + (NR - 1) * lanes<T>);
      BLV_UNROLLED for (int m = 0; m < MR; m++) {
        P left = broadcast<T>(a[m][step]);
        hold(left);
        BLV_UNROLLED for (int n = 0; n < NR; n++) sum[m][n] += left * right[n];
      }
    }
  };
  const long last = p.columns - column - (NR - 1) * lanes<T>;  // columns of the last pack
  if (last >= lanes<T>)
    run([](const T *x) __attribute__((always_inline)) { return load_unaligned(x); });
  else
    run([last](const T *x) __attribute__((always_inline)) { return load_partial(x, last); });
  // What the result holds comes in last, and is rounded once.
  BLV_UNROLLED for (int m = 0; m < MR; m++) BLV_UNROLLED for (int n = 0; n < NR; n++) {
    T *to = p.line[m].result + column + n * lanes<T>;
    store_unaligned(to, p.accumulate ? load_unaligned(to) + sum[m][n] : sum[m][n]);
  }
}

constexpr int dot_columns = cpu_tuning::dot_columns(BLV_ISA_LEVEL);
constexpr int dot_rows(int columns) { return cpu_tuning::dot_rows(BLV_ISA_LEVEL, columns); }
constexpr int broadcast_rows = cpu_tuning::broadcast_rows(BLV_ISA_LEVEL), broadcast_packs = cpu_tuning::broadcast_packs;

template <class T>
using DotTile = void (*)(const DotArguments<T> &, long);
template <class T>
using BroadcastTile = void (*)(const BroadcastArguments<T> &, long);

template <class T, int NR, int MR = dot_rows(NR)>
BLV_INLINE DotTile<T> find_dot_row(long rows) {
  if constexpr (MR == 1)
    return dot_tile<T, 1, NR>;
  else
    return rows == MR ? dot_tile<T, MR, NR> : find_dot_row<T, NR, MR - 1>(rows);
}
template <class T, int NR = dot_columns>
BLV_INLINE DotTile<T> find_dot_tile(long rows, long columns) {
  if constexpr (NR == 1)
    return find_dot_row<T, 1>(rows);
  else
    return columns == NR ? find_dot_row<T, NR>(rows) : find_dot_tile<T, NR - 1>(rows, columns);
}
template <class T, int MR, int NR>
BLV_INLINE BroadcastTile<T> find_broadcast_packs(long packs) {
  if constexpr (NR == 1)
    return broadcast_tile<T, MR, 1>;
  else
    return packs == NR ? broadcast_tile<T, MR, NR> : find_broadcast_packs<T, MR, NR - 1>(packs);
}
template <class T, int MR = broadcast_rows>
BLV_INLINE BroadcastTile<T> find_broadcast_tile(long rows, long packs) {
  if constexpr (MR == 1)
    return find_broadcast_packs<T, 1, broadcast_packs>(packs);
  else
    return rows == MR ? find_broadcast_packs<T, MR, broadcast_packs>(packs)
                      : find_broadcast_tile<T, MR - 1>(rows, packs);
}

// c_j[i] (+)= sum_k a[i][k] b_j[k] for rows i in [0, rows) and all lines j.
template <class T>
__attribute__((noinline)) void dot_product(long rows, long lines, DotArguments<T> p) {
  if (lines == 0) return;
  const EvenCut across(lines, dot_columns), down(rows, dot_rows(int(across.shorter + (across.n_longer > 0))));
  for (long q = 0; q < across.count; p.line += across.length(q++))
    for (long r = 0, i = 0; r < down.count; i += down.length(r++))
      find_dot_tile<T>(down.length(r), across.length(q))(p, i);
}

// c_m[j] (+)= sum_k a_m[k] b[k][j] for all lines m and all columns j.
template <class T>
__attribute__((noinline)) void broadcast_product(long lines, BroadcastArguments<T> p) {
  if (lines == 0) return;
  const Line<T> *first = p.line;
  const EvenCut across((p.columns + lanes<T> - 1) / lanes<T>, broadcast_packs), down(lines, broadcast_rows);
  for (long q = 0, j = 0; q < across.count; j += across.length(q++)) {
    p.line = first;
    for (long r = 0; r < down.count; p.line += down.length(r++))
      find_broadcast_tile<T>(down.length(r), across.length(q))(p, j * lanes<T>);
  }
}

}  // namespace BLV_ISA_NAMESPACE
}  // namespace bilevel
