// SPDX-License-Identifier: Apache-2.0
//
// Executor "lanes within a task": lanes run along the inputs of a layer. Planes that share an operand go through a
// product together, as lines of one call; the second term of the product rule, C.d += A.d B.v, is a further call.
#pragma once
#include "kernels/machine/cpu/map.h"
#include "kernels/machine/cpu/rows_tile.h"
#include "kernels/machine/cpu/tasks_executor.h"

namespace bilevel {
namespace BLV_ISA_NAMESPACE {

template <class T, Mode M>
struct RowsExecutor : Map<T, M, Lanes::COLUMNS> {
  using Base = Map<T, M, Lanes::COLUMNS>;
  using typename Base::Mat;
  using typename Base::P;
  static constexpr Lanes lanes_are = Lanes::COLUMNS;
  static constexpr Lanes lanes_of_one_column = Lanes::ROWS;

  Line<T> *lines;  // scratch: as many as the largest layer or block has rows, times 1 + planes

  RowsExecutor(long tangent_planes, Line<T> *scratch) : Base(tangent_planes), lines(scratch) {}

  void product_nt(long n, long out, long in, Tiling, const Mat &H, const Mat &W, const Mat &Z,
                  const Epilogue &epilogue) {
    long count = 0;
    if (M != Mode::TAPED && Z.v) count = list(count, out, W.v, W.ld, Z.v, 1);
    if constexpr (M != Mode::VALUE) {
      for (long k = 0; Z.d && W.d && k < this->planes; k++)
        count = list(count, out, W.tangent(k), W.ld, Z.tangent(k), 1);
    }
    dot_product<T>(n, count, {H.v, H.ld, in, lines, Z.ld, false});
    if constexpr (M != Mode::VALUE) {
      for (long k = 0; Z.d && H.d && k < this->planes; k++) {
        count = list(0, out, W.v, W.ld, Z.tangent(k), 1);
        dot_product<T>(n, count, {H.tangent(k), H.ld, in, lines, Z.ld, W.d != nullptr});
      }
      if (Z.d && !W.d && !H.d) clear_tangents(n, out, Z);
    }
    epilogue(0, n, 0, out);
  }

  void product_nn(long n, long in, long out, Tiling, const Mat &E, const Mat &W, const Mat &C, ProductRequest request,
                  const Epilogue &epilogue) {
    const bool accumulate = request.accumulate;
    long count = 0;
    if (C.v && !(M == Mode::TAPED && request.on_tape)) count = list(count, n, E.v, E.ld, C.v, C.ld);
    if constexpr (M != Mode::VALUE) {
      for (long k = 0; C.d && E.d && k < this->planes; k++)
        count = list(count, n, E.tangent(k), E.ld, C.tangent(k), C.ld);
    }
    broadcast_product<T>(count, {W.v, W.ld, in, out, 1, lines, accumulate});
    if constexpr (M != Mode::VALUE) {
      for (long k = 0; C.d && W.d && k < this->planes; k++) {
        count = list(0, n, E.v, E.ld, C.tangent(k), C.ld);
        broadcast_product<T>(count, {W.tangent(k), W.ld, in, out, 1, lines, accumulate || E.d});
      }
      if (C.d && !W.d && !E.d && !accumulate) clear_tangents(n, in, C);
    }
    epilogue(0, n, 0, in);
  }

  void product_tn(long out, long in, long n, Tiling, const Mat &E, const Mat &H, const Mat &G, ProductRequest request) {
    const bool accumulate = request.accumulate;
    long count = 0;
    if (G.v) count = list(count, out, E.v, 1, G.v, G.ld);
    if constexpr (M != Mode::VALUE) {
      for (long k = 0; G.d && E.d && k < this->planes; k++)
        count = list(count, out, E.tangent(k), 1, G.tangent(k), G.ld);
    }
    broadcast_product<T>(count, {H.v, H.ld, in, n, E.ld, lines, accumulate});
    if constexpr (M != Mode::VALUE) {
      for (long k = 0; G.d && H.d && k < this->planes; k++) {
        count = list(0, out, E.v, 1, G.tangent(k), G.ld);
        broadcast_product<T>(count, {H.tangent(k), H.ld, in, n, E.ld, lines, accumulate || E.d});
      }
      if (G.d && !H.d && !E.d && !accumulate) clear_tangents(out, in, G);
    }
  }

  // Results of products may be read and written one by one.
  BLV_INLINE void finish_products() const {}

  void sum_rows(long n, long out, const Mat &E, const Mat &g, bool accumulate) const {
    this->for_planes(E, g, [&](auto *e, auto *to) { sum_plane(n, out, e, E.ld, to, accumulate); });
  }

 private:
  BLV_INLINE long list(long count, long n, const T *operand, long operand_step, T *result, long result_step) const {
    for (long i = 0; i < n; i++) lines[count + i] = {operand + i * operand_step, result + i * result_step};
    return count + n;
  }

  void clear_tangents(long n, long columns, const Mat &m) const {
    for (long k = 0; k < this->planes; k++)
      for (long i = 0; i < n; i++)
        for (long j = 0; j < columns; j++) m.tangent(k)[i * m.ld + j] = T(0);
  }

  static void sum_plane(long n, long out, const T *e, long ld, T *g, bool accumulate) {
    if (ld == 1) {  // one column: lanes run along the rows, the padding is zero
      const P total = thread_sum<P>(e ? (n + lanes<T> - 1) / lanes<T> : 0,
                                    [&](long i) BLV_LAMBDA { return load_unaligned(e + i * lanes<T>); });
      const P sums = broadcast<T>(accumulate ? g[0] + sum(total) : sum(total));
      store_unaligned(g, select(first_lanes<T>(1), sums, P{}));
      return;
    }
    for (long j = 0; j < out; j += lanes<T>) {
      const P total = thread_sum<P>(e ? n : 0, [&](long i) BLV_LAMBDA { return load_unaligned(e + i * ld + j); });
      store_unaligned(g + j, accumulate ? load_unaligned(g + j) + total : total);
    }
  }
};

}  // namespace BLV_ISA_NAMESPACE
}  // namespace bilevel
