// SPDX-License-Identifier: Apache-2.0
//
// The executor of a group of threads: matrix products with planes, cut into register tiles, one per thread of a
// pass at a time. The product rule gives a tangent plane two segments of one accumulation: C.d = A.v B.d + A.d B.v.
#pragma once
#include "kernels/contract/cuda_tuning.h"
#include "kernels/machine/cuda/map.h"
#include "kernels/machine/cuda/tile.h"

namespace bilevel {
namespace BLV_ISA_NAMESPACE {

struct Epilogue {
  BLV_INLINE void operator()(Index, Index, Index, Index) const {}
};
struct Tiling {};

// Sizes and leading dimensions of a product.
struct ProductShape {
  Index m, n, depth, lda, ldb, ldc;
};

template <class T, Mode M>
struct GroupExecutor : Map<T, M, Lanes::COLUMNS> {
  using Base = Map<T, M, Lanes::COLUMNS>;
  using typename Base::Mat;
  using typename Base::P;
  static constexpr Lanes lanes_are = Lanes::COLUMNS, lanes_of_one_column = Lanes::COLUMNS;
  using Base::Base;

  // Z[n][out] = H[n][in] W[out][in]^T, whose value is on the tape, then the epilogue on all of Z.
  template <class E>
  BLV_INLINE void product_nt(Index n, Index out, Index in, Tiling, const Mat &H, const Mat &W, const Mat &Z,
                             const E &epilogue) {
    product<Kind::NT>({n, out, in, H.ld, W.ld, Z.ld}, H, W, Z, {.on_tape = true});
    PassThreads::sync();
    epilogue(0, n, 0, out);
  }
  // C[n][in] (+)= E[n][out] W[out][in], then the epilogue on all of C.
  template <class E>
  BLV_INLINE void product_nn(Index n, Index in, Index out, Tiling, const Mat &e, const Mat &W, const Mat &C,
                             ProductRequest request, const E &epilogue) {
    product<Kind::NN>({n, in, out, e.ld, W.ld, C.ld}, e, W, C, request);
    PassThreads::sync();
    epilogue(0, n, 0, in);
  }
  // G[out][in] (+)= E[n][out]^T H[n][in]. No barrier: nothing else of a pass reads G.
  BLV_INLINE void product_tn(Index out, Index in, Index n, Tiling, const Mat &e, const Mat &H, const Mat &G,
                             ProductRequest request) {
    product<Kind::TN>({out, in, n, e.ld, H.ld, G.ld}, e, H, G, request);
  }
  // Results of products may be read and written one by one.
  BLV_INLINE void finish_products() const { PassThreads::sync(); }
  // g[out] (+)= sum over rows of E[n][out]. No barrier either.
  BLV_INLINE void sum_rows(Index n, Index out, const Mat &e, const Mat &g, bool accumulate) const {
    if (g.v) sum_plane(n, out, e.v, e.ld, g.v, accumulate);
    if constexpr (M != Mode::VALUE) {
      for (Index k = 0; g.d && k < this->planes; k++)
        sum_plane(n, out, e.d ? e.tangent(k) : nullptr, e.ld, g.tangent(k), accumulate);
    }
  }

 private:
  // Few rows: a thread per column. Many: a warp per column, lanes over the rows.
  static BLV_INLINE void sum_plane(Index n, Index out, const T *e, Index ld, T *g, bool accumulate) {
    if (n < cuda_tuning::warp_sum_rows) {
      strided_for<PassThreads>(out, [&](Index j) {
        T total = 0;
        for (Index i = 0; e && i < n; i++) total += e[i * ld + j];
        g[j] = accumulate ? g[j] + total : total;
      });
      return;
    }
    const Index lane = PassThreads::thread() % 32;
    for (Index j = PassThreads::thread() / 32; j < out; j += PassThreads::threads() / 32) {
      CompensatedSum<T> own;
      for (Index i = lane; e && i < n; i += 32) own.add(e[i * ld + j]);
      const T total = warp_reduce(own.value, Plus());
      if (lane == 0) g[j] = accumulate ? g[j] + total : total;
    }
  }

  // Thin matrices: an entry per thread.
  template <Kind K>
  BLV_INLINE void product(const ProductShape &s, const Mat &A, const Mat &B, const Mat &C, ProductRequest request) {
    if (s.m == 1 || s.n == 1)
      tiles<K, 1, 1, AnyAddress<T>>(s, A, B, C, request);
    else if (in_smem(A) && in_smem(B))
      tiles<K, 4, 4, SmemAddress<T>>(s, A, B, C, request);
    else
      tiles<K, 4, 4, AnyAddress<T>>(s, A, B, C, request);
  }
  static BLV_INLINE bool in_smem(const Mat &m) {
    return (!m.v || __isShared(m.v)) && (M == Mode::VALUE || !m.d || __isShared(m.d));
  }

  template <Kind K, int MR, int NR, class Address>
  BLV_INLINE void tiles(const ProductShape &s, const Mat &A, const Mat &B, const Mat &C, ProductRequest request) {
    using Shape = Tile<T, K, MR, NR>;
    Shape tile;
    tile.m = s.m, tile.n = s.n, tile.downs = Shape::Down::tiles(s.m), tile.acrosses = Shape::Across::tiles(s.n);
    const bool wants_value = C.v && !(M == Mode::TAPED && request.on_tape);
    const Index last = M != Mode::VALUE && C.d ? this->planes : 0;
    for (Index q = PassThreads::thread(); q < tile.downs * tile.acrosses; q += PassThreads::threads()) {
      tile.down = q / tile.acrosses, tile.across = q - tile.down * tile.acrosses;
#pragma unroll 1
      for (Index plane = wants_value ? -1 : 0; plane < last; plane++) {
        T *to = C.v;
        tile.clear();
        if constexpr (M != Mode::VALUE) {
          if (plane >= 0) to = C.tangent(plane);
        }
#pragma unroll 1
        for (int term = 0; term < (plane < 0 ? 1 : 2); term++) {
          Segment<T> segment{A.v, B.v};
          if constexpr (M != Mode::VALUE) {
            if (plane >= 0 && (term ? !A.d : !B.d)) continue;
            if (plane >= 0 && term == 0) segment.b = B.tangent(plane);
            if (plane >= 0 && term == 1) segment.a = A.tangent(plane);
          }
          tile.template add<Address>(segment, s.lda, s.ldb, s.depth);
        }
        tile.entries([&](int i, int j, Index row, Index column) {
          T *at = to + row * s.ldc + column;
          *at = request.accumulate ? *at + tile.c[i][j] : tile.c[i][j];
        });
      }
    }
  }
};

}  // namespace BLV_ISA_NAMESPACE
}  // namespace bilevel
