// SPDX-License-Identifier: Apache-2.0
//
// Products of small matrices on tensor cores, about as accurate as fp32: every factor is split into a high part, exact
// in TF32, and the rest, and a product is high high + high low + low high. What is left out is about 2^-21 of |a| |b|.
// Called by all lanes of a warp.
//
// A matrix as the accumulators hold it is the left factor of the next product as it stands, since a sum may run in any
// order: row 2 t of the right factor goes with index t of the contraction, row 2 t + 1 with t + 4.
#pragma once
#include "kernels/special/small_network/small_network_matrix.h"

namespace bilevel {
namespace small_network {

// x becomes its high part; returns the rest, so that the two add up to x exactly.
BLV_DEVICE float split(uint32_t high_part, float &x) {
  const float high = __uint_as_float(__float_as_uint(x) & high_part), low = x - high;
  x = high;
  return low;
}

BLV_DEVICE void multiply_add(float (&c)[4], const float (&a)[4], float b0, float b1) {
  const auto bits = [](float x) { return __float_as_uint(x); };
  asm("mma.sync.aligned.m16n8k8.row.col.f32.tf32.tf32.f32 {%0,%1,%2,%3}, {%4,%5,%6,%7}, {%8,%9}, {%0,%1,%2,%3};"
      : "+f"(c[0]), "+f"(c[1]), "+f"(c[2]), "+f"(c[3])
      : "r"(bits(a[0])), "r"(bits(a[1])), "r"(bits(a[2])), "r"(bits(a[3])), "r"(bits(b0)), "r"(bits(b1)));
}

// Eight rows of a right factor, split.
template <int tiles>
struct Right {
  float high[tiles][2], low[tiles][2];
  BLV_DEVICE void split_all(uint32_t high_part) {
#pragma unroll
    for (int n = 0; n < tiles; n++) {
      low[n][0] = split(high_part, high[n][0]);
      low[n][1] = split(high_part, high[n][1]);
    }
  }
};

// c += a b for eight indices of the contraction; products in a row do not wait for one another.
template <int tiles>
BLV_DEVICE void multiply_add_split(float (&c)[tiles][4], uint32_t high_part, float (&a)[4], const Right<tiles> &b) {
  float low[4];
#pragma unroll
  for (int i = 0; i < 4; i++) low[i] = split(high_part, a[i]);
#pragma unroll
  for (int n = 0; n < tiles; n++) multiply_add(c[n], low, b.high[n][0], b.high[n][1]);
#pragma unroll
  for (int n = 0; n < tiles; n++) multiply_add(c[n], a, b.low[n][0], b.low[n][1]);
#pragma unroll
  for (int n = 0; n < tiles; n++) multiply_add(c[n], a, b.high[n][0], b.high[n][1]);
}

enum class Middle { AS_IT_IS, TRANSPOSED };

// c += a M or a M^T; M the middle layer of a state in shared memory.
template <Middle as, class S>
BLV_DEVICE void product(MmaLane lane, uint32_t high_part, Matrix<S> &c, const Matrix<S> &a, const float *state) {
  constexpr int tiles = S::width / 8;
#pragma unroll
  for (int k = 0; k < tiles; k++) {
    float left[4] = {a.v[k][0], a.v[k][2], a.v[k][1], a.v[k][3]};
    Right<tiles> right;
    // row(8 k + 2 t + i) = row(8 k) + row(2 t) + i stride: all but a constant is computed once.
    const float *m = as == Middle::TRANSPOSED ? state + S::row(lane.g) + 2 * lane.t + 8 * k
                                              : state + S::row(2 * lane.t) + lane.g + S::row(8 * k);
#pragma unroll
    for (int n = 0; n < tiles; n++) {
      if (as == Middle::TRANSPOSED) {
        const float2 w = *reinterpret_cast<const float2 *>(m + S::row(8 * n));
        right.high[n][0] = w.x, right.high[n][1] = w.y;
      } else {
        right.high[n][0] = m[8 * n], right.high[n][1] = m[8 * n + S::stride];
      }
    }
    right.split_all(high_part);
    multiply_add_split(c.v, high_part, left, right);
  }
}

// One term of a gradient with respect to the middle layer: h^T e, and the sums of e times `one` for the bias. Both in
// shared memory.
struct Term {
  const float *h, *e;
  float one;
};

// The rows of e as right factors: eight or sixteen through tensor cores, up to seven more by fp32 arithmetic, which is
// cheaper than a product that is mostly padding.
template <class S>
struct RowsOfE {
  static constexpr int tiles = S::width / 8, blocks = S::points / 8, rest = S::points % 8;
  Right<tiles> right[blocks];
  float2 last[rest + 1][tiles];
  BLV_DEVICE void load(MmaLane lane, uint32_t high_part, const float *e) {
#pragma unroll
    for (int p = 0; p < blocks; p++) {
#pragma unroll
      for (int n = 0; n < tiles; n++) {
        right[p].high[n][0] = e[(8 * p + lane.t) * S::stride + 8 * n + lane.g];
        right[p].high[n][1] = e[(8 * p + lane.t + 4) * S::stride + 8 * n + lane.g];
      }
      right[p].split_all(high_part);
    }
#pragma unroll
    for (int p = 0; p < rest; p++) {
#pragma unroll
      for (int n = 0; n < tiles; n++)
        last[p][n] = *reinterpret_cast<const float2 *>(e + (8 * blocks + p) * S::stride + 8 * n + 2 * lane.t);
    }
  }
};

// c, rows 16 m + g and 16 m + g + 8 of the gradient, += the term's part.
template <class S>
BLV_DEVICE void add_term(MmaLane lane, uint32_t high_part, float (&c)[S::width / 8][4], int m, const Term &term,
                         const RowsOfE<S> &e) {
  constexpr int tiles = S::width / 8, blocks = S::points / 8;
  const float one = lane.g == 0 ? term.one : 0.f;
  const auto entry = [&](int p, int group) {  // of h, extended by the always-one feature
    return group < tiles ? term.h[p * S::stride + 8 * group + lane.g] : group == tiles ? one : 0.f;
  };
#pragma unroll
  for (int p = 0; p < blocks; p++) {
    float left[4];
#pragma unroll
    for (int i = 0; i < 4; i++) left[i] = entry(8 * p + lane.t + 4 * (i >> 1), 2 * m + (i & 1));
    multiply_add_split(c, high_part, left, e.right[p]);
  }
#pragma unroll
  for (int p = 0; p < S::points % 8; p++) {
    const float upper = entry(8 * blocks + p, 2 * m), lower = entry(8 * blocks + p, 2 * m + 1);
#pragma unroll
    for (int n = 0; n < tiles; n++) {
      const float2 x = e.last[p][n];
      c[n][0] = fmaf(upper, x.x, c[n][0]), c[n][1] = fmaf(upper, x.y, c[n][1]);
      c[n][2] = fmaf(lower, x.x, c[n][2]), c[n][3] = fmaf(lower, x.y, c[n][3]);
    }
  }
}

// The middle layer of `state` = (add ? itself : 0) + the terms.
template <class S, bool add, int terms>
BLV_DEVICE void outer_products(MmaLane lane, uint32_t high_part, float *state, const Term (&term)[terms]) {
  constexpr int tiles = S::width / 8;
  RowsOfE<S> e[terms];
#pragma unroll
  for (int s = 0; s < terms; s++) e[s].load(lane, high_part, term[s].e);
#pragma unroll
  for (int m = 0; 2 * m <= tiles; m++) {
    float c[tiles][4] = {};
    float *upper = state + S::row(lane.g) + 2 * lane.t + S::row(16 * m), *lower = upper + S::row(8);
    // The rows that are the bias have one that exists; beyond them there is none.
    const bool has_upper = 2 * m < tiles || lane.g == 0;
    const bool has_lower = 2 * m + 1 < tiles || (2 * m + 1 == tiles && lane.g == 0);
#pragma unroll
    for (int n = 0; add && n < tiles; n++) {
      const float2 x = has_upper ? *reinterpret_cast<const float2 *>(upper + 8 * n) : float2{};
      const float2 y = has_lower ? *reinterpret_cast<const float2 *>(lower + 8 * n) : float2{};
      c[n][0] = x.x, c[n][1] = x.y, c[n][2] = y.x, c[n][3] = y.y;
    }
#pragma unroll
    for (int s = 0; s < terms; s++) add_term<S>(lane, high_part, c, m, term[s], e[s]);
#pragma unroll
    for (int n = 0; n < tiles; n++) {
      if (has_upper) *reinterpret_cast<float2 *>(upper + 8 * n) = {c[n][0], c[n][1]};
      if (has_lower) *reinterpret_cast<float2 *>(lower + 8 * n) = {c[n][2], c[n][3]};
    }
  }
}

}  // namespace small_network
}  // namespace bilevel
