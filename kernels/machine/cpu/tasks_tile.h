// SPDX-License-Identifier: Apache-2.0
//
// Matrix product over packs of tasks: C[m][n] (+)= sum over segments, sum over k of A[m][k] B[k][n], every entry a
// pack. One micro-kernel holds an MR x NR tile of C in registers and is not inlined; strides are in packs and
// arbitrary.
#pragma once
#include "kernels/contract/cpu_tuning.h"
#include "kernels/machine/matrix.h"

namespace bilevel {
namespace BLV_ISA_NAMESPACE {

template <class T>
struct Segment {
  const Pack<T> *a, *b;
};

// Strides of one product, shared by all its tiles and segments.
struct ProductStrides {
  long depth;     // k
  long a_m, a_k;  // A
  long b_k, b_n;  // B
  long c_m, c_n;  // C
};

template <class T, int MR, int NR>
__attribute__((noinline)) void tasks_tile(int segments, const Segment<T> *segment, const ProductStrides &s, Pack<T> *c,
                                          bool accumulate) {
  using P = Pack<T>;
  const long c_m = s.c_m, c_n = s.c_n;
  P sum[MR][NR];
  BLV_UNROLLED for (int m = 0; m < MR; m++) BLV_UNROLLED for (int n = 0; n < NR; n++) sum[m][n] = P{};
  const long a_m = s.a_m, b_n = s.b_n;
  for (int q = 0; q < segments; q++) {
    const P *a = segment[q].a, *b = segment[q].b;
    for (long k = s.depth; k > 0; k--, a += s.a_k, b += s.b_k) {
      P right[NR];
      BLV_UNROLLED for (int n = 0; n < NR; n++) right[n] = b[n * b_n];
      const P *left = a;
      BLV_UNROLLED for (int m = 0; m < MR; m++, left += a_m) {
        P x = *left;
        hold(x);
        BLV_UNROLLED for (int n = 0; n < NR; n++) sum[m][n] += x * right[n];
      }
    }
  }
  // What C holds comes in last: it may be a sum over many blocks of rows or steps, and is rounded once.
  if (accumulate) {
    P *row = c;
    BLV_UNROLLED for (int m = 0; m < MR; m++, row += c_m) BLV_UNROLLED for (int n = 0; n < NR; n++) sum[m][n] =
        row[n * c_n] + sum[m][n];
  }
  BLV_UNROLLED for (int m = 0; m < MR; m++, c += c_m) BLV_UNROLLED for (int n = 0; n < NR; n++) c[n * c_n] = sum[m][n];
}

// Tallest tile for each width: accumulators, NR operands and one more must fit the register file.
constexpr int tasks_tile_columns = cpu_tuning::tasks_tile_columns;
constexpr int tasks_tile_rows(int columns) { return cpu_tuning::tasks_tile_rows(BLV_ISA_LEVEL, columns); }

template <class T>
using TasksTile = void (*)(int, const Segment<T> *, const ProductStrides &, Pack<T> *, bool);

template <class T, int NR, int MR = tasks_tile_rows(NR)>
BLV_INLINE TasksTile<T> tasks_tile_of_height(long rows) {
  if constexpr (MR == 1)
    return tasks_tile<T, 1, NR>;
  else
    return rows == MR ? tasks_tile<T, MR, NR> : tasks_tile_of_height<T, NR, MR - 1>(rows);
}

template <class T>
__attribute__((noinline)) TasksTile<T> find_tasks_tile(long rows, long columns) {
  switch (columns) {
    case 1:
      return tasks_tile_of_height<T, 1>(rows);
    case 2:
      return tasks_tile_of_height<T, 2>(rows);
    case 3:
      return tasks_tile_of_height<T, 3>(rows);
    default:
      return tasks_tile_of_height<T, 4>(rows);
  }
}

// How a product is cut: into tiles of `columns` columns. swapped: C is computed as its transpose.
struct Tiling {
  long columns = 1;
  bool swapped = false;
};

// Eighths of a clock per unit of depth of one tile, were two loads and two multiply-adds issued per clock; fewer than 8
// accumulators leave the latency of a multiply-add open; loads from beyond L1 and the tile's beginning and end count a
// little. Measured on 1-40-40-1: 5x4 tiles 13.2 us per task, 10x2 tiles 14.9.
inline long tile_cost(long height, long width) {
  const long loads = height + width;
  long clocks = height * width > loads ? height * width : loads;
  if (clocks < 8) clocks = 8;
  return 4 * clocks + loads + 4;
}

inline long tiling_cost(long m, long n, long columns) {
  const EvenCut down(m, tasks_tile_rows(int(columns))), across(n, columns);
  const auto row_of_tiles = [&](long height) {
    return across.n_longer * tile_cost(height, across.shorter + 1) +
           (across.count - across.n_longer) * tile_cost(height, across.shorter);
  };
  return down.n_longer * row_of_tiles(down.shorter + 1) + (down.count - down.n_longer) * row_of_tiles(down.shorter);
}

inline Tiling choose_tiling(long m, long n) {
  Tiling best;
  long best_cost = 0;
  for (int swapped = 0; swapped < 2; swapped++) {
    const long rows = swapped ? n : m, wide = swapped ? m : n;
    for (long columns = 1; columns <= tasks_tile_columns && columns <= wide; columns++) {
      const long cost = tiling_cost(rows, wide, columns);
      if (best_cost == 0 || cost < best_cost) best_cost = cost, best = {columns, swapped != 0};
    }
  }
  return best;
}

}  // namespace BLV_ISA_NAMESPACE
}  // namespace bilevel
