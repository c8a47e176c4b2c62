// SPDX-License-Identifier: Apache-2.0
//
// The minibatch of one step: rows gathered by index before a pass, and their gradients added back to the rows they came
// from, in the order of the batch (an index may occur more than once). An index out of range fails its task; row 0
// stands in for it.
#pragma once
#include "kernels/task/cpu/pass.h"
#include "kernels/task/minibatch_rows.h"

namespace bilevel {
namespace BLV_ISA_NAMESPACE {

template <class T, Lanes L>
struct Minibatch : MinibatchRows<GroupRows<typename Transfer<T, L>::Element, Pack<T>>> {
  using Move = Transfer<T, L>;
  using Element = typename Move::Element;
  using Mat = Matrix<Element>;
  using P = Pack<T>;
  using Rows = SideData<T, L>;
  static constexpr long width = Move::width;

  using Base = MinibatchRows<GroupRows<Element, P>>;
  using Base::indices, Base::view, Base::n, Base::planes;

  void layout(Arena &arena, const TaskProblem &problem, const NetworkView &, const Rows &inner) {
    this->layout_rows(arena, problem, inner, round_rows<T, L>(problem.batch_rows));
  }

  void gather(const Move &move, const Rows &side, long t, TaskStatus *status) {
    T inverse[lanes<T>] = {};
    for (long lane = 0; lane < move.count; lane++) {
      inverse[lane] = T(1) / T(n);
      for (long i = 0; i < n; i++) gather_row(side, i, row_of(move, side, t, lane, i, status), lane);
    }
    for (long lane = move.count; lane < width; lane++)
      for (long i = 0; i < n; i++) gather_row(side, i, -1, lane);
    view.inverse_n = L == Lanes::TASKS ? load_unaligned(inverse) : broadcast<T>(inverse[0]);
    clear(view.x_gradient), clear(view.y_gradient), clear(view.weight_gradient);
  }

  void scatter(const Move &move, const Rows &side, long t, TaskStatus *status) const {
    for (long lane = 0; lane < move.count; lane++)
      for (long i = 0; i < n; i++) {
        const long row = row_of(move, side, t, lane, i, status);
        if (row < 0) continue;
        add_row(view.x_gradient, side.x_gradient, i, row, lane, side.net->features);
        add_row(view.y_gradient, side.y_gradient, i, row, lane, side.y_gradient.ld);
        add_row(view.weight_gradient, side.weight_gradient, i, row, lane, 1);
      }
  }

 private:
  // -1: the task has no row at all.
  long row_of(const Move &move, const Rows &side, long t, long lane, long i, TaskStatus *status) const {
    const int64_t row = move.integer(*indices, lane, t, i);
    if (row >= 0 && row < side.row_counts[lane]) return long(row);
    status[lane].fail(BLV_TASK_BAD_INDEX, BLV_INNER, t + 1, i);
    return side.row_counts[lane] ? 0 : -1;
  }

  static BLV_INLINE T *scalars(const Mat &m) { return reinterpret_cast<T *>(m.v); }

  void copy_row(const Mat &to, const Mat &from, long i, long row, long lane, long columns) const {
    copy_plane(scalars(to), to.ld, scalars(from), from.ld, i, row, lane, columns);
    for (long k = 0; to.d && k < planes; k++)
      copy_plane(reinterpret_cast<T *>(to.tangent(k)), to.ld, reinterpret_cast<const T *>(from.tangent(k)), from.ld, i,
                 row, lane, columns);
  }
  static BLV_INLINE void copy_plane(T *to, long to_ld, const T *from, long from_ld, long i, long row, long lane,
                                    long columns) {
    for (long j = 0; j < to_ld; j++)
      to[(i * to_ld + j) * width + lane] = row < 0 || j >= columns ? T(0) : from[(row * from_ld + j) * width + lane];
  }
  void gather_row(const Rows &side, long i, long row, long lane) const {
    copy_row(view.x, side.x, i, row, lane, side.net->features);
    copy_row(view.y, side.y, i, row, lane, view.y.ld);
    if (view.weight) copy_row(view.weight, side.weight, i, row, lane, 1);
  }
  static void add_row(const Mat &from, const Mat &to, long i, long row, long lane, long columns) {
    if (!from) return;
    for (long j = 0; j < columns; j++)
      scalars(to)[(row * to.ld + j) * width + lane] += scalars(from)[(i * from.ld + j) * width + lane];
  }
  void clear(const Mat &m) const {
    for (long i = 0; m && i < view.rows * m.ld; i++) m.v[i] = Element{};
  }
};

}  // namespace BLV_ISA_NAMESPACE
}  // namespace bilevel
