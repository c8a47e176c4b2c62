// SPDX-License-Identifier: Apache-2.0
//
// The primitives `map`, `reduce` along a row, and what a gradient program reads and writes in them. A program is
// written for one row i and one column j; what a SIMD lane stands for is a template argument:
//   TASKS    the same entry of several tasks          (i, j) steps by one entry
//   COLUMNS  neighbouring columns of one task's row    j steps by a pack
//   ROWS     neighbouring rows of a one-column matrix   i steps by a pack
// Matrices of COLUMNS and ROWS have rows padded to whole packs; the padding is written as zeros, whatever was computed
// there.
#pragma once
#include "kernels/machine/cpu/sum.h"
#include "kernels/machine/scalars.h"

namespace bilevel {
namespace BLV_ISA_NAMESPACE {

template <class T, Mode M, Lanes L>
struct Map : Scalars<T, M> {
  using typename Scalars<T, M>::P;
  using typename Scalars<T, M>::S;
  using Scalars<T, M>::value;
  using Element = typename Choose<L == Lanes::TASKS, P, T>::type;
  using Mat = Matrix<Element>;
  static constexpr long row_step = L == Lanes::ROWS ? lanes<T> : 1, column_step = L == Lanes::COLUMNS ? lanes<T> : 1;

  long planes = 0;  // tangents; the maps run once per plane
  long k = 0;       // the current plane
  long rows = 0, columns = 0;
  // TASKS: rows of each task from the block's first row on; null if all tasks have the same number. A row that a task lacks is computed
  // with its neighbours' and written as zero, whatever came out.
  const Integers<T> *row_counts = nullptr;

  Map() = default;
  explicit Map(long tangent_planes) : planes(tangent_planes) {}

  // The tasks' numbers of rows, as executor x knows them.
  template <class X>
  BLV_INLINE void with_rows_of(const X &x) {
    row_counts = x.row_counts;
  }

  // f(i) for every row, for every plane.
  template <class F>
  BLV_INLINE void for_rows(long n_rows, long n_columns, F f) {
    rows = n_rows, columns = n_columns;
    for (k = 0; k < (M == Mode::VALUE ? 1 : planes); k++)
      for (long i = 0; i < n_rows; i += row_step) f(i);
  }
  // f(i, j) for a tile of a matrix with n_columns columns, for every plane.
  template <class F>
  BLV_INLINE void for_tile(long i0, long i1, long j0, long j1, long n_columns, F f) {
    rows = i1, columns = n_columns;
    for (k = 0; k < (M == Mode::VALUE ? 1 : planes); k++)
      for (long i = i0; i < i1; i += row_step)
        for (long j = j0; j < j1; j += column_step) f(i, j);
  }

  // f(from, to) for every plane of `to` that is wanted; `from` is null where its tangent is zero.
  template <class F>
  BLV_INLINE void for_planes(const Mat &from, const Mat &to, F f) const {
    if (to.v) f(from.v, to.v);
    if constexpr (M != Mode::VALUE) {
      for (long plane = 0; to.d && plane < planes; plane++)
        f(from.d ? from.tangent(plane) : nullptr, to.tangent(plane));
    }
  }

  // ---- reading
  BLV_INLINE S get(const Mat &m, long i, long j) const { return load(m, i * m.ld + j); }
  BLV_INLINE S row_entry(const Mat &m, long i) const {  // of a vector with one entry per row
    if constexpr (L == Lanes::COLUMNS)
      return load_scalar(m, i);
    else
      return load(m, i);
  }
  BLV_INLINE S column_entry(const Mat &m, long j) const {  // of a vector with one entry per column
    if constexpr (L == Lanes::ROWS)
      return load_scalar(m, j);
    else
      return load(m, j);
  }
  BLV_INLINE P column_index(long j) const {
    if constexpr (L == Lanes::COLUMNS)
      return broadcast<T>(T(j)) + iota<T>();
    else
      return broadcast<T>(T(j));
  }

  // ---- writing; a plane that is not wanted is null
  BLV_INLINE void put(const Mat &m, long i, long j, S x) const {
    store<false>(m, i * m.ld + j, i, x, lanes_left(i, j));
  }
  BLV_INLINE void add(const Mat &m, long i, long j, S x) const { store<true>(m, i * m.ld + j, i, x, lanes_left(i, j)); }
  BLV_INLINE void add_row_entry(const Mat &m, long i, S x) const {
    if constexpr (L == Lanes::COLUMNS) {
      if (m.v && k == 0) m.v[i] += value(x)[0];
      if constexpr (M != Mode::VALUE) {
        if (m.d) m.tangent(k)[i] += x.d[0];
      }
    } else {
      store<true>(m, i, i, x, lanes_left(i, 0));
    }
  }
  // *total += the value of row i, held by every lane of x (COLUMNS: counted once).
  BLV_INLINE void add_to_total(CompensatedSum<P> *total, long i, S x) const {
    if (k != 0) return;
    if constexpr (L == Lanes::TASKS)
      total->add(present(i, value(x)));
    else
      total->add(select(first_lanes<T>(L == Lanes::COLUMNS ? 1 : rows - i), value(x), P{}));
  }

  // ---- along one row
  template <class F>
  BLV_INLINE auto row_sum(F f) const {  // of values or of scalars
    using Sum = decltype(f(0L));
    constexpr long piece = 64 * column_step;
    CompensatedSum<Sum> total;
    for (long j = 0;;) {
      Sum part = {};
      for (const long end = columns - j < piece ? columns : j + piece; j < end; j += column_step)
        part = part + inside(j, f(j));
      if (columns <= piece) return across(part);
      total.add(part);
      if (j >= columns) return across(total.value);
    }
  }
  template <class F>
  BLV_INLINE P row_max(F f) const {
    P most = f(0);
    if constexpr (L == Lanes::COLUMNS) {
      most = select(first_lanes<T>(columns), most, broadcast<T>(most[0]));
      for (long j = column_step; j < columns; j += column_step)
        most = max(select(first_lanes<T>(columns - j), P(f(j)), most), most);
      return broadcast<T>(max(most));
    } else {
      for (long j = 1; j < columns; j++) most = max(P(f(j)), most);
      return most;
    }
  }

 private:
  BLV_INLINE P present(long i, P x) const {
    return row_counts ? select(broadcast_integer<T>(Integer<T>(i)) < *row_counts, x, P{}) : x;
  }
  static BLV_INLINE P load(const Element *p) {
    if constexpr (L == Lanes::TASKS)
      return *p;
    else
      return load_unaligned(p);
  }
  BLV_INLINE S load(const Mat &m, long at) const {
    if constexpr (M == Mode::VALUE)
      return load(m.v + at);
    else
      return {load(m.v + at), m.d ? load(m.tangent(k) + at) : P{}};
  }
  BLV_INLINE S load_scalar(const Mat &m, long at) const {
    if constexpr (L == Lanes::TASKS)
      return load(m, at);
    else if constexpr (M == Mode::VALUE)
      return broadcast<T>(m.v[at]);
    else
      return {broadcast<T>(m.v[at]), m.d ? broadcast<T>(m.tangent(k)[at]) : P{}};
  }
  BLV_INLINE long lanes_left(long i, long j) const {
    return L == Lanes::TASKS ? lanes<T> : L == Lanes::COLUMNS ? columns - j : rows - i;
  }
  template <bool Add>
  BLV_INLINE void store(Element *p, long i, P x, long left) const {
    if constexpr (L == Lanes::TASKS) {
      x = present(i, x);
      *p = Add ? *p + x : x;
    } else {
      if (left < lanes<T>) x = select(first_lanes<T>(left), x, P{});
      store_unaligned(p, Add ? load_unaligned(p) + x : x);
    }
  }
  template <bool Add>
  BLV_INLINE void store(const Mat &m, long at, long i, S x, long left) const {
    if (m.v && (!Add || k == 0)) store<Add>(m.v + at, i, value(x), left);
    if constexpr (M != Mode::VALUE) {
      if (m.d) store<Add>(m.tangent(k) + at, i, x.d, left);
    }
  }
  BLV_INLINE P inside(long j, P x) const {
    if constexpr (L == Lanes::COLUMNS) {
      if (columns - j < lanes<T>) return select(first_lanes<T>(columns - j), x, P{});
    }
    return x;
  }
  BLV_INLINE Jet<T> inside(long j, Jet<T> x) const { return {inside(j, x.v), inside(j, x.d)}; }
  static BLV_INLINE P across(P x) { return L == Lanes::COLUMNS ? broadcast<T>(sum(x)) : x; }
  static BLV_INLINE Jet<T> across(Jet<T> x) { return {across(x.v), across(x.d)}; }
};

}  // namespace BLV_ISA_NAMESPACE
}  // namespace bilevel
