// SPDX-License-Identifier: Apache-2.0
//
// The minibatch of one step on the device: rows gathered by index before a pass, and their gradients added back in the
// order of the batch (an index may occur more than once, so a thread owns columns and not rows). An index out of range
// fails its task; row 0 stands in for it.
#pragma once
#include "kernels/task/cuda/pass.h"
#include "kernels/task/minibatch_rows.h"

namespace bilevel {
namespace BLV_ISA_NAMESPACE {

template <class T, Lanes L>
struct Minibatch : MinibatchRows<RowView<T, T>> {
  using Move = Transfer<T, L>;
  using Mat = Matrix<T>;
  using Rows = SideData<T, L>;

  using Base = MinibatchRows<RowView<T, T>>;
  using Base::indices, Base::view, Base::n, Base::planes;

  BLV_HOST_DEVICE void layout(Arena &arena, const TaskProblem &problem, const NetworkView &, const Rows &inner) {
    this->layout_rows(arena, problem, inner, Index(problem.batch_rows));
    if (n > 0) view.inverse_n = T(1) / T(n);
  }

  BLV_FUNCTION BLV_NOINLINE void gather(const Move &move, const Rows &side, long long t, TaskStatus *status) {
    report_bad_index(move, side, t, status);
    gather_rows(move, side, t, view.x, side.x, side.net->features);
    gather_rows(move, side, t, view.y, side.y, side.spec->index_targets ? 1 : last(side).outputs);
    if (view.weight) gather_rows(move, side, t, view.weight, side.weight, 1);
    clear_rows(view.x_gradient), clear_rows(view.y_gradient), clear_rows(view.weight_gradient);
    TaskThreads::sync();
  }

  BLV_FUNCTION BLV_NOINLINE void scatter(const Move &move, const Rows &side, long long t, TaskStatus *) const {
    if (side.n == 0) return;
    add_rows(move, side, t, view.x_gradient, side.x_gradient, side.net->features);
    add_rows(move, side, t, view.y_gradient, side.y_gradient, last(side).outputs);
    add_rows(move, side, t, view.weight_gradient, side.weight_gradient, 1);
    TaskThreads::sync();
  }

 private:
  static BLV_INLINE const LayerView &last(const Rows &side) { return side.net->layers[side.net->n_layers - 1]; }

  BLV_INLINE bool is_bad(long long row, const Rows &side) const { return row < 0 || row >= side.n; }
  BLV_INLINE Index row_of(const Move &move, const Rows &side, long long t, Index i) const {
    const long long row = move.integer(*indices, t, i);
    return is_bad(row, side) ? 0 : Index(row);
  }
  BLV_INLINE void report_bad_index(const Move &move, const Rows &side, long long t, TaskStatus *status) const {
    long long first = n;
    strided_for(n, [&](Index i) {
      if (is_bad(move.integer(*indices, t, i), side) && i < first) first = i;
    });
    first = least_over_threads(first);
    if (first < n) status->fail(BLV_TASK_BAD_INDEX, BLV_INNER, t + 1, first);
  }
  BLV_INLINE void gather_rows(const Move &move, const Rows &side, long long t, const Mat &to, const Mat &from,
                              Index columns) const {
    strided_for_matrix(n, columns, [&](Index i, Index j) {
      const Index row = row_of(move, side, t, i);
      to.v[i * to.ld + j] = side.n ? from.v[row * from.ld + j] : T(0);
      for (Index k = 0; to.d && k < planes; k++)
        to.tangent(k)[i * to.ld + j] = side.n ? from.tangent(k)[row * from.ld + j] : T(0);
    });
  }
  BLV_INLINE void add_rows(const Move &move, const Rows &side, long long t, const Mat &from, const Mat &to,
                           Index columns) const {
    if (!from) return;
    strided_for(columns, [&](Index j) {
      for (Index i = 0; i < n; i++) to.v[row_of(move, side, t, i) * to.ld + j] += from.v[i * from.ld + j];
    });
  }
  BLV_INLINE void clear_rows(const Mat &m) const {
    if (m) strided_for(m.plane, [&](Index i) { m.v[i] = T(0); });
  }
};

}  // namespace BLV_ISA_NAMESPACE
}  // namespace bilevel
