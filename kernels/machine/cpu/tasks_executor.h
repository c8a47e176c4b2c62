// SPDX-License-Identifier: Apache-2.0
//
// Executor "tasks in lanes": a pack holds the same entry of lanes<T> tasks, so every matrix product is one over packs.
// A product of matrices with planes obeys the product rule as further segments of one accumulation: C.d = A.v B.d + A.d
// B.v.
#pragma once
#include "kernels/machine/cpu/map.h"
#include "kernels/machine/cpu/tasks_tile.h"

namespace bilevel {
namespace BLV_ISA_NAMESPACE {

// What happens to a finished tile while it is in L1: called with its rows [i0, i1) and columns [j0, j1). A reference to
// a function object, so that the loops over tiles exist once and not per epilogue.
class Epilogue {
 public:
  Epilogue() = default;
  template <class F>
  Epilogue(const F &f) : object_(&f), call_(&forward<F>) {}
  BLV_INLINE void operator()(long i0, long i1, long j0, long j1) const {
    if (call_) call_(object_, i0, i1, j0, j1);
  }

 private:
  template <class F>
  static void forward(const void *object, long i0, long i1, long j0, long j1) {
    (*static_cast<const F *>(object))(i0, i1, j0, j1);
  }
  const void *object_ = nullptr;
  void (*call_)(const void *, long, long, long, long) = nullptr;
};

template <class T, Mode M>
struct TasksExecutor : Map<T, M, Lanes::TASKS> {
  using Base = Map<T, M, Lanes::TASKS>;
  using typename Base::Mat;
  using typename Base::P;
  static constexpr Lanes lanes_are = Lanes::TASKS;
  static constexpr Lanes lanes_of_one_column = Lanes::TASKS;
  using Base::Base;

  // Z[n][out] = H[n][in] W[out][in]^T, whose value is on the tape.
  void product_nt(long n, long out, long in, Tiling tiling, const Mat &H, const Mat &W, const Mat &Z,
                  const Epilogue &epilogue) {
    product({in, H.ld, 1, 1, W.ld, Z.ld, 1}, n, out, tiling, H, W, Z, {.on_tape = true}, epilogue);
  }
  // C[n][in] (+)= E[n][out] W[out][in].
  void product_nn(long n, long in, long out, Tiling tiling, const Mat &E, const Mat &W, const Mat &C,
                  ProductRequest request, const Epilogue &epilogue) {
    product({out, E.ld, 1, W.ld, 1, C.ld, 1}, n, in, tiling, E, W, C, request, epilogue);
  }
  // G[out][in] (+)= E[n][out]^T H[n][in].
  void product_tn(long out, long in, long n, Tiling tiling, const Mat &E, const Mat &H, const Mat &G,
                  ProductRequest request) {
    product({n, 1, E.ld, H.ld, 1, G.ld, 1}, out, in, tiling, E, H, G, request, Epilogue());
    if (this->row_counts && !request.accumulate) clear_signs_of_zero(out, in, G);
  }
  // Results of products may be read and written one by one.
  BLV_INLINE void finish_products() const {}
  // g[out] (+)= sum over rows of E[n][out].
  void sum_rows(long n, long out, const Mat &E, const Mat &g, bool accumulate) const {
    this->for_planes(E, g, [&](auto *e, auto *to) { sum_plane(n, out, e, E.ld, to, accumulate); });
  }

 private:
  // Products that underflow may add up to -0, which the rows that a task lacks, +0, would make +0.
  void clear_signs_of_zero(long rows, long columns, const Mat &m) const {
    this->for_planes(m, m, [&](auto *, auto *x) {
      for (long i = 0; i < rows; i++)
        for (long j = 0; j < columns; j++) x[i * m.ld + j] += P{};
    });
  }

  static void sum_plane(long n, long out, const P *e, long ld, P *g, bool accumulate) {
    for (long j = 0; j < out; j++) {
      const P total = thread_sum<P>(e ? n : 0, [&](long i) BLV_LAMBDA { return e[i * ld + j]; });
      g[j] = accumulate ? g[j] + total : total;
    }
  }

  __attribute__((noinline)) void product(ProductStrides s, long m, long n, Tiling tiling, const Mat &A, const Mat &B,
                                         const Mat &C, ProductRequest request, const Epilogue &epilogue) {
    if (tiling.swapped) s = {s.depth, s.b_n, s.b_k, s.a_k, s.a_m, s.c_n, s.c_m};
    const Mat &left = tiling.swapped ? B : A, &right = tiling.swapped ? A : B;
    const long rows = tiling.swapped ? n : m, columns = tiling.swapped ? m : n,
               most = tasks_tile_rows(int(tiling.columns));
    // The longer operand is read once, each piece of it while it is in L1 with all of the other.
    const auto one = [&](long i, long height, long j, long width) __attribute__((always_inline)) {
      tile(find_tasks_tile<T>(height, width), s, i, j, left, right, C, request);
      if (tiling.swapped)
        epilogue(j, j + width, i, i + height);
      else
        epilogue(i, i + height, j, j + width);
    };
    const EvenCut down(rows, most), across(columns, tiling.columns);
    if (rows < columns) {
      for (long q = 0, j = 0; q < across.count; j += across.length(q++))
        for (long r = 0, i = 0; r < down.count; i += down.length(r++)) one(i, down.length(r), j, across.length(q));
    } else {
      for (long r = 0, i = 0; r < down.count; i += down.length(r++))
        for (long q = 0, j = 0; q < across.count; j += across.length(q++)) one(i, down.length(r), j, across.length(q));
    }
  }

  BLV_INLINE void tile(TasksTile<T> run, const ProductStrides &s, long i, long j, const Mat &A, const Mat &B,
                       const Mat &C, ProductRequest request) {
    const long a = i * s.a_m, b = j * s.b_n, c = i * s.c_m + j * s.c_n;
    if (C.v && !(M == Mode::TAPED && request.on_tape)) {
      const Segment<T> value{A.v + a, B.v + b};
      run(1, &value, s, C.v + c, request.accumulate);
    }
    if constexpr (M != Mode::VALUE) {
      for (long k = 0; C.d && k < this->planes; k++) {
        Segment<T> segment[2];
        int segments = 0;
        if (B.d) segment[segments++] = {A.v + a, B.tangent(k) + b};
        if (A.d) segment[segments++] = {A.tangent(k) + a, B.v + b};
        run(segments, segment, s, C.tangent(k) + c, request.accumulate);
      }
    }
  }
};

}  // namespace BLV_ISA_NAMESPACE
}  // namespace bilevel
