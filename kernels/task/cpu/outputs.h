// SPDX-License-Identifier: Apache-2.0
//
// Results on their way to the caller. A kernel names its results as runs of elements, always in the same order, to one
// of two visitors: one writes a group of tasks (an array of its own per task) and
// adds shared results to the partial sum of the group's batch; one adds the partial sums in order and writes them.
#pragma once
#include "kernels/task/cpu/side_data.h"
#include "kernels/task/visit_side.h"

namespace bilevel {
namespace BLV_ISA_NAMESPACE {

template <class T>
constexpr T not_a_number() {
  return static_cast<T>(__builtin_nan(""));
}

template <class T, Lanes L>
struct GroupWriter {
  using Element = typename Transfer<T, L>::Element;
  using P = Pack<T>;
  static constexpr long width = Transfer<T, L>::width;
  const Transfer<T, L> &move;
  const TaskStatus *status;
  bool skip_failed;
  T *partial;  // of the batch that this group belongs to

  bool failed(long lane) const { return status[lane].status != BLV_TASK_OK; }
  bool is_lost(const Slot &slot, long lane) const {
    return failed(lane) && !(slot.diagnostic && status[lane].is_of_solver());
  }

  // n elements to the scalars offset, offset + stride, ... of array `step` of the slot.
  void run(const Slot &slot, long step, long offset, long stride, long n, const Element *from) {
    if (slot.task_stride == 0) return add(n, from);
    const T *scalars = reinterpret_cast<const T *>(from);
    for (long lane = 0; lane < move.count; lane++) {
      T *to = move.target(slot, lane, step) + offset;
      const bool lost = is_lost(slot, lane);
      for (long i = 0; i < n; i++) to[i * stride] = lost ? not_a_number<T>() : scalars[i * width + lane];
    }
  }

 private:
  void add(long n, const Element *from) {
    if constexpr (L == Lanes::TASKS) {
      add_packs(n, from);
    } else if (!failed(0)) {
      add_compensated(partial, partial + n, from, n);
    } else if (!skip_failed) {
      for (long i = 0; i < n; i++) partial[i] = not_a_number<T>();
    }
    partial += 2 * n;
  }
  void add_packs(long n, const P *from) {
    T keep[lanes<T>], poison[lanes<T>];
    for (long lane = 0; lane < width; lane++) {
      keep[lane] = T(lane < move.count && !failed(lane));
      poison[lane] = lane < move.count && failed(lane) && !skip_failed ? not_a_number<T>() : T(0);
    }
    const P kept = load_unaligned(keep), poisoned = load_unaligned(poison);
    constexpr int group = sums_at_once<T>, most = 64;
    T sums[most];
    for (long begin = 0; begin < n; begin += most) {
      const long count = n - begin < most ? n - begin : most;
      for (long i = 0; i < count; i += group) {
        P x[group];
        BLV_UNROLLED for (int q = 0; q < group; q++) x[q] =
            i + q < count ? select(kept != P{}, from[begin + i + q], poisoned) : P{};
        const P totals = transposed_sums<T>(x);
        for (int q = 0; q < group; q++) sums[i + q] = totals[q];
      }
      add_compensated(partial + begin, partial + n + begin, sums, count);
    }
  }
};

template <class T>
struct SharedWriter {
  void *const *data;
  const T *partials;
  long batches, scalars, at = 0;

  T sum_over_batches(long i) const {
    return thread_sum<T>(batches, [&](long b) BLV_LAMBDA { return partials[b * scalars + at + i]; });
  }
  template <class Element>
  void run(const Slot &slot, long step, long offset, long stride, long n, const Element *) {
    if (slot.task_stride != 0) return;
    T *to = static_cast<T *>(data[slot.index]) + step * slot.step_stride + offset;
    for (long i = 0; i < n; i++) to[i * stride] = sum_over_batches(i);
    at += 2 * n;
  }
};

// ---- Results by shape. `from` may be null where only the shape is asked for.

// n contiguous numbers of array `step`.
template <class Visitor, class Element>
void visit_scalars(Visitor &visitor, const Slot &slot, long step, long n, const Element *from) {
  if (slot) visitor.run(slot, step, 0, 1, n, from);
}

// K planes of a parameter vector.
template <class Visitor, class Element>
void visit_parameters(Visitor &visitor, const NetworkView &net, const Slot &slot, long planes, const Element *from) {
  if (!slot) return;
  for (long k = 0; k < planes; k++)
    for_parameter_runs(net, [&](long offset, long at, long count) {
      visitor.run(slot, k, offset, 1, count, from ? from + k * net.size + at : from);
    });
}

// K planes of a matrix with one row per row of the task.
template <class Visitor, class Mat>
void visit_rows(Visitor &visitor, const Slot &slot, long rows, long columns, long planes, const Mat &m) {
  if (!slot) return;
  const bool dense = slot.row_stride == columns && m.ld == columns;
  const long runs = dense ? (rows ? 1 : 0) : rows, length = dense ? rows * columns : columns;
  for (long k = 0; k < planes; k++)
    for (long i = 0; i < runs; i++)
      visitor.run(slot, k, i * slot.row_stride, 1, length, m.v ? m.v + k * m.plane + i * m.ld : m.v);
}

}  // namespace BLV_ISA_NAMESPACE
}  // namespace bilevel
