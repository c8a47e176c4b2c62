// SPDX-License-Identifier: Apache-2.0
//
// One pass over the rows of a linear model (one layer, no hidden one) in hand-written form: what it is given, and the
// parts that its two kernels share. For rows i, outputs j, tangents k, with theta = (W, b):
//     z_i = W x_i, e_i = r dloss/dz (losses.h), dL/dW = sum of e_i x_i^T, dL/db = sum of e_i,
// so that a row of X, once in shared memory, serves both products. See linear_narrow.h and linear_wide.h.
#pragma once
#include "kernels/contract/cuda_tuning.h"
#include "kernels/machine/cuda/shared_memory.h"
#include "kernels/machine/matrix.h"

namespace bilevel {
namespace BLV_ISA_NAMESPACE {

// Matrices follow losses.h and matrix.h. Leaf gradients are added to: in mode VALUE their `v`, else their `d`.
template <class T>
struct LinearArguments {
  int loss = 0;
  bool index_targets = false;
  int inputs = 0, outputs = 0, planes = 0;  // d, C, K
  const T *x = nullptr;                     // [n][d], rows x_ld apart
  Index x_ld = 0;
  // Whether x lies in this block's shared memory. For linear_wide.h its rows are padded to whole quads, by finite numbers.
  bool x_in_smem = false;
  Matrix<T> y, weight;  // y: [n][C], or [n] class indices; weight: null if all one
  T inverse_n = {};
  Matrix<T> theta;                     // the parameter vector's planes (d: null in mode VALUE)
  int theta_weight = 0, theta_ld = 0;  // W begins there, rows theta_ld apart
  int theta_bias = -1;                 // b begins there; -1: none
  T *tape = nullptr;                   // z's values, rows tape_ld apart: VALUE writes them, TAPED reads them
  int tape_ld = 0;
  Matrix<T> theta_gradient;  // laid out as theta; VALUE: v, else d; neither: not wanted
  bool add = false;          // to theta_gradient, instead of overwriting it
  bool wants_total = false;
  Matrix<T> x_gradient, y_gradient, weight_gradient;
  int bits = 0;  // what `seal` found

  // Once all else is set, by one thread: what every thread would else find out again. linear_rows does it if need be.
  template <Mode M>
  BLV_INLINE void seal() {
    constexpr int V = Quad<T>::size;
    const bool value = M == Mode::VALUE,
               planes_aligned = value || (aligned(theta.d) && (planes == 1 || theta.plane % V == 0));
    const bool weight_aligned = theta_weight % V == 0 && theta_ld % V == 0 && inputs % V == 0;
    const T *gradient = value ? theta_gradient.v : theta_gradient.d;
    bits =
        SEALED | (index_targets ? INDEXED : 0) | (weight ? WEIGHTED : 0) | (wants_total ? TOTAL : 0) |
        (y_gradient ? Y_GRADIENT : 0) | (weight_gradient ? WEIGHT_GRADIENT : 0) | (x_gradient ? X_GRADIENT : 0) |
        (gradient ? THETA_GRADIENT : 0) | (aligned(x) && x_ld % V == 0 ? X_QUADS : 0) |
        (weight_aligned && aligned(theta.v) && planes_aligned ? THETA_QUADS : 0) |
        (weight_aligned && aligned(gradient) && (value || planes == 1 || theta_gradient.plane % V == 0) ? GRADIENT_QUADS
                                                                                                        : 0);
  }
  enum Bits {
    INDEXED = 1,
    WEIGHTED = 2,
    TOTAL = 4,
    Y_GRADIENT = 8,
    WEIGHT_GRADIENT = 16,
    X_GRADIENT = 32,
    THETA_GRADIENT = 64,
    X_QUADS = 128,         // rows of x are aligned to 16 bytes
    THETA_QUADS = 256,     // rows of W are, and they are whole quads
    GRADIENT_QUADS = 512,  // rows of its gradient
    SEALED = 1024,
    MORE = TOTAL | Y_GRADIENT | WEIGHT_GRADIENT
  };

  template <Mode M>
  BLV_INLINE T *gradient_plane(int k) const {
    return M == Mode::VALUE ? theta_gradient.v : theta_gradient.d ? theta_gradient.tangent(k) : nullptr;
  }

 private:
  static BLV_INLINE bool aligned(const T *p) { return reinterpret_cast<uintptr_t>(p) % 16 == 0; }
};

BLV_HOST_DEVICE constexpr int quotient_up(int a, int b) { return (a + b - 1) / b; }
BLV_HOST_DEVICE constexpr int round_up(int a, int b) { return quotient_up(a, b) * b; }

// Division of small numbers by a number that is known before: exact while dividend times divisor is below 2^16.
struct Divisor {
  int by = 1, factor = 1 << 16;
  Divisor() = default;
  explicit BLV_HOST_DEVICE Divisor(int b) : by(b), factor(((1 << 16) + b - 1) / b) {}
  BLV_INLINE int quotient(int a) const { return int((unsigned(a) * unsigned(factor)) >> 16); }
  BLV_INLINE int rest(int a) const { return a - quotient(a) * by; }
};

// ---- Rows into shared memory ----------------------------------------------------------------------------------------

// 4, 8 or 16 bytes from global to shared memory, `Offset` on from both, if Piece < left; not awaited.
template <int Bytes, int Offset, int Piece>
BLV_INLINE void copy_async(unsigned to, const char *from, int left) {
  if constexpr (Bytes == 16)
    asm volatile(
        "{\n.reg .pred p;\nsetp.lt.s32 p, %3, %4;\n@p cp.async.cg.shared.global [%0 + %2], [%1 + %2], 16;\n}" ::"r"(to),
        "l"(from), "n"(Offset), "n"(Piece), "r"(left)
        : "memory");
  else
    asm volatile(
        "{\n.reg .pred p;\nsetp.lt.s32 p, %3, %4;\n@p cp.async.ca.shared.global [%0 + %2], [%1 + %2], %5;\n}" ::"r"(to),
        "l"(from), "n"(Offset), "n"(Piece), "r"(left), "n"(Bytes)
        : "memory");
}
// 16 bytes, of which the last ones become zero instead.
BLV_INLINE void copy_async_some(unsigned to, const char *from, int some) {
  asm volatile("cp.async.cg.shared.global [%0], [%1], 16, %2;" ::"r"(to), "l"(from), "r"(some) : "memory");
}

// How a thread's share of a block of rows lies: pieces of 16 bytes where all rows are aligned, else elements; up to 32
// lanes share a row. Rows in shared memory are `stride` bytes apart, their padding is left as it is.
template <class T>
struct RowStage {
  static constexpr int size = sizeof(T), V = Quad<T>::size;
  int pieces = 0, rest = 0, first_row = 0, step_rows = 0, first_piece = 0;
  int stride = 0, step_to = 0;
  long long step_from = 0;
  bool quads = false;

  BLV_INLINE RowStage(const LinearArguments<T> &a, int stride_bytes) : stride(stride_bytes) {
    const unsigned thread = unsigned(PassThreads::thread()), inputs = unsigned(a.inputs);
    quads = a.bits & LinearArguments<T>::X_QUADS;
    pieces = int(quads ? inputs / V : inputs);
    rest = quads ? int(inputs % V) * size : 0;                                // bytes of a last piece that is not whole
    const int shift = pieces > 16 ? 5 : pieces > 8 ? 4 : pieces > 4 ? 3 : 2;  // lanes that share a row: 2^shift
    first_row = int(thread >> shift), first_piece = int(thread & ((1u << shift) - 1));
    step_rows = int(unsigned(PassThreads::threads()) >> shift);
    step_to = step_rows * stride, step_from = (long long)(step_rows * a.x_ld) * size;
  }

  // Begins the copy of rows [row, row + count); `wait` ends it, and a barrier shows it to the others. Cooperation
  // level: thread.
  BLV_INLINE void begin(const LinearArguments<T> &a, Index row, int count, unsigned to) const {
    const char *from = reinterpret_cast<const char *>(a.x + (row + first_row) * a.x_ld);
    to += first_row * stride;
    if (quads)
      begin_rows<16>(from, to, count);
    else
      begin_rows<size>(from, to, count);
    asm volatile("cp.async.commit_group;" ::: "memory");
  }
  static BLV_INLINE void wait() { asm volatile("cp.async.wait_group 0;" ::: "memory"); }

  // Zeros where `begin` writes nothing, up to column `until`: what is read there, times zero, must be no NaN.
  BLV_INLINE void clear_padding(const LinearArguments<T> &a, unsigned to, int rows, int until) const {
    const int from = quads ? round_up(a.inputs, V) : a.inputs;
    if (from >= until) return;
    for (int i = PassThreads::thread(); i < rows; i += PassThreads::threads())
      for (int j = from; j < until; j++) Shared<T>::store(to + i * stride + j * size, T(0));
  }
  // Zeros in rows [begin, end), for the same reason; not in their padding.
  BLV_INLINE void clear_rows(const LinearArguments<T> &a, unsigned to, int begin, int end) const {
    const int columns = quads ? round_up(a.inputs, V) : a.inputs;
    for (int i = begin; i < end; i++)
      for (int j = PassThreads::thread(); j < columns; j += PassThreads::threads())
        Shared<T>::store(to + i * stride + j * size, T(0));
  }

 private:
  template <int Bytes>
  BLV_INLINE void begin_rows(const char *from, unsigned to, int count) const {
    from += first_piece * Bytes, to += first_piece * Bytes;
#pragma unroll 1
    for (int i = first_row; i < count; i += step_rows, from += step_from, to += step_to) {
      begin_row<Bytes>(from, to);
      if (rest > 0 && first_piece == 0) copy_async_some(to + pieces * Bytes, from + pieces * Bytes, rest);
    }
  }
  template <int Bytes>
  BLV_INLINE void begin_row(const char *from, unsigned to) const {
    int left = pieces - first_piece;
    begin_pieces<Bytes>(from, to, left);
#pragma unroll 1
    while ((left -= 256) > 0) from += 256 * Bytes, to += 256 * Bytes, begin_pieces<Bytes>(from, to, left);
  }
  template <int Bytes>
  static BLV_INLINE void begin_pieces(const char *from, unsigned to, int left) {
    copy_async<Bytes, 0, 0>(to, from, left), copy_async<Bytes, 32 * Bytes, 32>(to, from, left);
    copy_async<Bytes, 64 * Bytes, 64>(to, from, left), copy_async<Bytes, 96 * Bytes, 96>(to, from, left);
    copy_async<Bytes, 128 * Bytes, 128>(to, from, left), copy_async<Bytes, 160 * Bytes, 160>(to, from, left);
    copy_async<Bytes, 192 * Bytes, 192>(to, from, left), copy_async<Bytes, 224 * Bytes, 224>(to, from, left);
  }
};

// ---- Sums over the lanes of a warp ----------------------------------------------------------------------------------

// N sums over the lanes that differ in bits Bit..16, spread over these lanes: afterwards lane l holds in x[0..rest) the
// sums line<N, Bit>(l, 0..rest). A value costs about one shuffle instead of one per bit.
template <int N, int Bit>
inline constexpr int spread_rest = spread_rest<(N + 1) / 2, 2 * Bit>;
template <int N>
inline constexpr int spread_rest<N, 32> = N;

template <int N, int Bit, class T, int Size>
BLV_INLINE void spread_sums(T (&x)[Size], int lane) {
  if constexpr (Bit < 32) {
    constexpr int half = (N + 1) / 2;
    const bool upper = lane & Bit;
    BLV_UNROLLED for (int i = 0; i < half; i++) {
      if (i + half < N) {
        const T send = upper ? x[i] : x[i + half], keep = upper ? x[i + half] : x[i];
        x[i] = keep + __shfl_xor_sync(0xffffffffu, send, Bit);
      } else {
        x[i] += __shfl_xor_sync(0xffffffffu, x[i], Bit);
      }
    }
    spread_sums<half, 2 * Bit>(x, lane);
  }
}
// Which sum x[p] is; -1 if another lane has it too.
template <int N, int Bit>
BLV_INLINE int spread_line(int lane, int p) {
  if constexpr (Bit >= 32) {
    return p;
  } else {
    constexpr int half = (N + 1) / 2;
    const int i = spread_line<half, 2 * Bit>(lane, p);
    if (i < 0 || !(lane & Bit)) return i;
    return i + half < N ? i + half : -1;
  }
}

}  // namespace BLV_ISA_NAMESPACE
}  // namespace bilevel
