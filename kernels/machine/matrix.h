// SPDX-License-Identifier: Apache-2.0
//
// Matrices with planes: a value plane and K tangent planes, each row-major with leading dimension ld. A missing plane
// is a null pointer: as an operand it means a constant (tangent zero), as a result it means that nobody wants it. An
// element is a pack of the same entry of several tasks (tasks in lanes) or one scalar (lanes within a task).
#pragma once
#include "kernels/machine/machine.h"

namespace bilevel {
namespace BLV_ISA_NAMESPACE {

template <class Element>
struct Matrix {
  Element *v = nullptr, *d = nullptr;
  Index plane = 0;  // elements between tangent planes
  Index ld = 0;     // elements between rows

  BLV_INLINE Element *tangent(Index k) const { return d + k * plane; }
  // The matrix that begins `offset` elements further on, rows ld apart.
  BLV_INLINE Matrix at(Index offset, Index new_ld) const {
    return {v ? v + offset : nullptr, d ? d + offset : nullptr, plane, new_ld};
  }
  BLV_INLINE Matrix row_block(Index row) const { return at(row * ld, ld); }
  explicit BLV_INLINE operator bool() const { return v || d; }
  BLV_INLINE bool has_tangent() const { return d; }
};

// VALUE: values. JET: values and tangents. TAPED: tangents; the values of products are on the tape, those of maps are
// recomputed.
enum class Mode { VALUE, JET, TAPED };

// How a matrix product writes its result. on_tape: in mode TAPED its value is there already. accumulate: it is added to what is there.
struct ProductRequest {
  bool on_tape = false, accumulate = false;
};

// What a SIMD lane stands for, see map.h. On a CUDA device a task has a group of threads, which is COLUMNS with packs of one.
enum class Lanes { TASKS, COLUMNS, ROWS };

// n > 0 cut into the fewest pieces of at most `most`, as even as that allows; the longer ones first.
struct EvenCut {
  long count, shorter, n_longer;
  BLV_INLINE EvenCut(long n, long most) : count((n + most - 1) / most), shorter(n / count), n_longer(n % count) {}
  BLV_INLINE long length(long piece) const { return shorter + (piece < n_longer); }
};

template <bool Condition, class A, class B>
struct Choose {
  using type = A;
};
template <class A, class B>
struct Choose<false, A, B> {
  using type = B;
};

}  // namespace BLV_ISA_NAMESPACE
}  // namespace bilevel
