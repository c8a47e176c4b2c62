// SPDX-License-Identifier: Apache-2.0
//
// The losses of losses.h on registers: an executor's Map for one row, whose outputs are dealt out to `LanesOfRow`
// neighbouring lanes, `Columns` to each (lane l has outputs l, l + LanesOfRow, ...). The matrices of a row are arrays of
// the thread.
#pragma once
#include "kernels/machine/scalars.h"
#include "kernels/models/losses.h"
#include "kernels/special/linear/linear_arguments.h"

namespace bilevel {
namespace BLV_ISA_NAMESPACE {

// A row of a matrix: null, or the thread's own entries.
template <class S>
struct RegisterRow {
  S *at = nullptr;
  explicit BLV_INLINE operator bool() const { return at; }
  // Targets move in forward mode only, which these kernels do not run.
  static constexpr BLV_INLINE bool has_tangent() { return false; }
};

template <class T, Mode M, int Columns, int LanesOfRow>
struct RegisterMap : Scalars<T, M> {
  using typename Scalars<T, M>::P;
  using typename Scalars<T, M>::S;
  using Scalars<T, M>::value;
  using Mat = RegisterRow<S>;
  static constexpr int column_step = LanesOfRow, columns = Columns * LanesOfRow;

  int lane = 0, outputs = 0;  // outputs of a row that exist: at most `columns`
  bool first = true;          // this thread is the row's first, and the current tangent is the first

  BLV_INLINE S get(const Mat &m, Index, Index j) const { return m.at[j / LanesOfRow]; }
  BLV_INLINE S row_entry(const Mat &m, Index) const { return m.at[0]; }
  BLV_INLINE S column_entry(const Mat &m, Index j) const { return m.at[j / LanesOfRow]; }
  BLV_INLINE T column_index(Index j) const { return T(int(j) + lane); }

  BLV_INLINE void put(const Mat &m, Index, Index j, S x) const { m.at[j / LanesOfRow] = x; }
  BLV_INLINE void add(const Mat &m, Index, Index j, S x) const { m.at[j / LanesOfRow] = x; }
  BLV_INLINE void add_row_entry(const Mat &m, Index, S x) const { m.at[0] = x; }
  BLV_INLINE void add_to_total(CompensatedSum<T> *total, Index, S x) const {
    if (first) total->add(value(x));
  }

  template <class F>
  BLV_INLINE auto row_sum(F f) const {
    decltype(f(0)) total = {};
    BLV_UNROLLED for (int j = 0; j < columns; j += column_step) {
      const auto x = f(j);
      if (exists(j)) total = total + x;
    }
    BLV_UNROLLED for (int distance = LanesOfRow / 2; distance > 0; distance /= 2) total =
        total + shuffled(total, distance);
    return total;
  }
  template <class F>
  BLV_INLINE T row_max(F f) const {
    T most = f(0);  // a lane's first output may not exist
    if (LanesOfRow > 1 && !exists(0)) most = -T(INFINITY);
    BLV_UNROLLED for (int j = column_step; j < columns; j += column_step) {
      const T x = f(j);
      most = exists(j) ? max(x, most) : most;
    }
    BLV_UNROLLED for (int distance = LanesOfRow / 2; distance > 0; distance /= 2) {
      const T other = __shfl_xor_sync(0xffffffffu, most, distance);
      most = max(other, most);
    }
    return most;
  }

 private:
  BLV_INLINE bool exists(int j) const { return columns == 1 || j + lane < outputs; }
  static BLV_INLINE T shuffled(T x, int distance) { return __shfl_xor_sync(0xffffffffu, x, distance); }
  static BLV_INLINE Jet<T> shuffled(Jet<T> x, int distance) {
    return {shuffled(x.v, distance), shuffled(x.d, distance)};
  }
};

// What the rows of a block have in common, in registers: arguments in memory would be read again after every store.
template <class T>
struct LossTerms {
  using A = LinearArguments<T>;
  int loss, bits;
  T inverse_n;
  explicit BLV_INLINE LossTerms(const A &a) : loss(a.loss), bits(a.bits), inverse_n(a.inverse_n) {}
  BLV_INLINE bool index_targets() const { return bits & A::INDEXED; }
  BLV_INLINE bool weighted() const { return bits & A::WEIGHTED; }
  BLV_INLINE bool y_gradient() const { return bits & A::Y_GRADIENT; }
  BLV_INLINE bool weight_gradient() const { return bits & A::WEIGHT_GRADIENT; }
  BLV_INLINE bool x_gradient() const { return bits & A::X_GRADIENT; }
  BLV_INLINE bool total() const { return bits & A::TOTAL; }
  // Whether more than e is wanted.
  BLV_INLINE bool more() const { return bits & A::MORE; }
};

// One row's loss for one tangent. Cooperation level: the warp, where a row has several lanes.
template <class X>
struct RowLoss {
  static constexpr int columns = X::columns / X::column_step;
  using T = typename X::Scalar;
  using S = typename X::S;
  using Row = RegisterRow<S>;

  // In: z (bias added), y, w. Out: e, and the contributions to the leaf gradients.
  S z[columns], y[columns], w, e[columns], y_gradient[columns], weight_gradient;

  template <bool More>
  BLV_INLINE void run(X &x, const LossTerms<T> &terms, CompensatedSum<T> *total) {
    LossArguments<Row, T> l;
    l.index_targets = terms.index_targets();
    l.inverse_n = terms.inverse_n;
    l.z = {z}, l.y = {y}, l.e = {e};
    if (terms.weighted()) l.weight = {&w};
    if (More && terms.y_gradient()) l.y_gradient = {y_gradient};
    if (More && terms.weight_gradient()) l.weight_gradient = {&weight_gradient};
    if (More && terms.total()) l.total = total;
    run_loss(x, l, terms.loss);
  }
  // e alone, rows without weights, targets that are no indices.
  BLV_INLINE void run_plain(X &x, int loss, T inverse_n) {
    LossArguments<Row, T> l;
    l.inverse_n = inverse_n;
    l.z = {z}, l.y = {y}, l.e = {e};
    run_loss(x, l, loss);
  }

 private:
  static BLV_INLINE void run_loss(X &x, const LossArguments<Row, T> &l, int loss) {
    if (loss == BLV_LOGISTIC)
      logistic_row(x, l, 0);
    else if (loss == BLV_SQUARED)
      squared_row(x, l, 0);
    else if (loss == BLV_CROSS_ENTROPY)
      cross_entropy_row(x, l, 0);
  }
};

}  // namespace BLV_ISA_NAMESPACE
}  // namespace bilevel
