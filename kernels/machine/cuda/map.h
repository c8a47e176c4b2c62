// SPDX-License-Identifier: Apache-2.0
//
// The primitives `map` and `reduce` along a row on the device, with the interface of kernels/machine/cpu/map.h: the elements of
// a tile are split over the threads of a pass, and so are rows. What one thread computes for an element or a row it alone writes; a
// barrier ends every loop.
#pragma once
#include "kernels/machine/cuda/sum.h"
#include "kernels/machine/scalars.h"

namespace bilevel {
namespace BLV_ISA_NAMESPACE {

template <class T, Mode M, Lanes L>
struct Map : Scalars<T, M> {
  using typename Scalars<T, M>::P;
  using typename Scalars<T, M>::S;
  using Scalars<T, M>::value;
  using Element = T;
  using Mat = Matrix<T>;
  static constexpr Index row_step = 1, column_step = 1;

  Index planes = 0;  // tangents; the maps run once per plane
  Index k = 0;       // the current plane
  Index rows = 0, columns = 0;

  Map() = default;
  explicit BLV_INLINE Map(Index tangent_planes) : planes(tangent_planes) {}

  // A task on the device has no rows beyond its own.
  template <class X>
  BLV_INLINE void with_rows_of(const X &) {}

  template <class F>
  BLV_INLINE void for_rows(Index n_rows, Index n_columns, F f) {
    rows = n_rows, columns = n_columns;
    for (k = 0; k < (M == Mode::VALUE ? 1 : planes); k++) strided_for<PassThreads>(n_rows, f);
    PassThreads::sync();
  }
  template <class F>
  BLV_INLINE void for_tile(Index i0, Index i1, Index j0, Index j1, Index n_columns, F f) {
    rows = i1, columns = n_columns;
    // Row and column of an element advance together: one division a loop instead of one an element.
    const Index width = j1 - j0, step_i = PassThreads::threads() / width, step_j = PassThreads::threads() % width;
    for (k = 0; k < (M == Mode::VALUE ? 1 : planes); k++) {
      Index i = i0 + PassThreads::thread() / width, j = j0 + PassThreads::thread() % width;
      while (i < i1) {
        f(i, j);
        i += step_i, j += step_j;
        if (j >= j1) j -= width, i++;
      }
    }
    PassThreads::sync();
  }

  // ---- reading
  BLV_INLINE S get(const Mat &m, Index i, Index j) const { return load(m, i * m.ld + j); }
  BLV_INLINE S row_entry(const Mat &m, Index i) const { return load(m, i); }
  BLV_INLINE S column_entry(const Mat &m, Index j) const { return load(m, j); }
  BLV_INLINE P column_index(Index j) const { return T(j); }

  // ---- writing; a plane that is not wanted is null
  BLV_INLINE void put(const Mat &m, Index i, Index j, S x) const {
    if (m.v) m.v[i * m.ld + j] = value(x);
    if constexpr (M != Mode::VALUE) {
      if (m.d) m.tangent(k)[i * m.ld + j] = x.d;
    }
  }
  BLV_INLINE void add(const Mat &m, Index i, Index j, S x) const { add_at(m, i * m.ld + j, x); }
  BLV_INLINE void add_row_entry(const Mat &m, Index i, S x) const { add_at(m, i, x); }
  // *total is the thread's own: the caller adds up.
  BLV_INLINE void add_to_total(CompensatedSum<P> *total, Index, S x) const {
    if (k == 0) total->add(value(x));
  }

  // ---- along one row, by one thread
  template <class F>
  BLV_INLINE auto row_sum(F f) const {  // of values or of scalars
    using Sum = decltype(f(Index(0)));
    CompensatedSum<Sum> total;
    for (Index j = 0;;) {
      Sum part = {};
      for (const Index end = columns - j < 64 ? columns : j + 64; j < end; j++) part = part + f(j);
      if (columns <= 64) return part;
      total.add(part);
      if (j >= columns) return total.value;
    }
  }
  template <class F>
  BLV_INLINE P row_max(F f) const {
    P most = f(0);
    for (Index j = 1; j < columns; j++) most = max(P(f(j)), most);
    return most;
  }

 private:
  BLV_INLINE S load(const Mat &m, Index at) const {
    if constexpr (M == Mode::VALUE)
      return m.v[at];
    else
      return {m.v[at], m.d ? m.tangent(k)[at] : T(0)};
  }
  BLV_INLINE void add_at(const Mat &m, Index at, S x) const {
    if (m.v && k == 0) m.v[at] += value(x);
    if constexpr (M != Mode::VALUE) {
      if (m.d) m.tangent(k)[at] += x.d;
    }
  }
};

}  // namespace BLV_ISA_NAMESPACE
}  // namespace bilevel
