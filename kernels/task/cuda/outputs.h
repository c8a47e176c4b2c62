// SPDX-License-Identifier: Apache-2.0
//
// Results on their way to the caller, on the device; the visitors of kernels/task/cpu/outputs.h. What tasks share is summed
// within a batch of tasks, in the order of the tasks, and then over batches, in their order, by a second kernel.
#pragma once
#include "kernels/task/cuda/side_gradients.h"
#include "kernels/task/visit_side.h"

namespace bilevel {
namespace BLV_ISA_NAMESPACE {

template <class T>
BLV_INLINE T not_a_number() {
  return T(__builtin_nanf(""));
}

// Writes a task's own results, adds shared ones to its batch's partial sums (the first task of a batch overwrites them).
template <class T, Lanes L>
struct TaskWriter {
  const Transfer<T, L> &move;
  bool failed, of_solver, skip_failed, first;
  T *partial;

  // A matrix of the group, rows `ld` apart, to the scalars offset + i row_stride + j of array `step` of the slot.
  BLV_FUNCTION BLV_NOINLINE void matrix(const Slot &slot, long long step, long long offset, Index rows, Index columns,
                                        long long row_stride, const T *from, Index ld) {
    if (slot.task_stride == 0) {
      T *to = partial;
      strided_for_matrix(rows, columns, [&](Index i, Index j) {
        T &sum = to[(long long)(i)*columns + j], &lost = to[(long long)(rows + i) * columns + j];
        const T x = !failed ? from[i * ld + j] : skip_failed ? T(0) : not_a_number<T>();
        if (first)
          sum = x, lost = T(0);
        else
          add_compensated(sum, lost, x);
      });
      partial += 2ll * rows * columns;
      return;
    }
    T *to = move.target(slot, step) + offset;
    const bool lost = failed && !(of_solver && slot.diagnostic);
    strided_for_matrix(rows, columns,
                       [&](Index i, Index j) { to[i * row_stride + j] = lost ? not_a_number<T>() : from[i * ld + j]; });
  }
};

// Second kernel: writes the sum of one shared scalar, position `wanted` in the order of the visit.
template <class T>
struct SharedWriter {
  void *const *data;
  long long wanted;
  T sum;
  long long at = 0;

  template <class E>
  BLV_INLINE void matrix(const Slot &slot, long long step, long long offset, Index rows, Index columns,
                         long long row_stride, const E *, Index) {
    if (slot.task_stride != 0) return;
    const long long n = (long long)(rows)*columns, q = wanted - at;
    at += 2 * n;
    if (q < 0 || q >= n) return;
    static_cast<T *>(data[slot.index])[step * slot.step_stride + offset + q / columns * row_stride + q % columns] = sum;
  }
};

// n contiguous numbers of array `step`.
template <class Visitor, class E>
BLV_HOST_DEVICE void visit_scalars(Visitor &visitor, const Slot &slot, Index step, Index n, const E *from) {
  if (slot) visitor.matrix(slot, step, 0, Index(1), n, n, from, n);
}

// ---- Results by shape. `from` may be null where only the shape is asked for.

// K planes of a parameter vector.
template <class Visitor, class E>
BLV_HOST_DEVICE void visit_parameters(Visitor &visitor, const NetworkView &net, const Slot &slot, Index planes,
                                      const E *from) {
  if (!slot) return;
  for (Index k = 0; k < planes; k++) {
    const long long at = (long long)(k)*net.size;
    long long offset = 0;
    for (Index l = 0; l < net.n_layers; l++) {
      const LayerView &layer = net.layers[l];
      visitor.matrix(slot, k, offset, layer.outputs, layer.inputs, layer.inputs, from + at + layer.weight, layer.ld);
      offset += (long long)(layer.outputs) * layer.inputs;
      if (!net.bias) continue;
      visitor.matrix(slot, k, offset, Index(1), layer.outputs, layer.outputs, from + at + layer.bias, layer.outputs);
      offset += layer.outputs;
    }
  }
}

// K planes of a matrix with one row per row of the task.
template <class Visitor, class Mat>
BLV_HOST_DEVICE void visit_rows(Visitor &visitor, const Slot &slot, long long rows, long long columns, Index planes,
                                const Mat &m) {
  if (!slot) return;
  for (Index k = 0; k < planes; k++)
    visitor.matrix(slot, k, 0, Index(rows), Index(columns), slot.row_stride, m.v + (long long)(k)*m.plane, m.ld);
}

}  // namespace BLV_ISA_NAMESPACE
}  // namespace bilevel
