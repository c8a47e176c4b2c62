// SPDX-License-Identifier: Apache-2.0
//
// Matrices rows x features of one task, spread over a warp as the accumulators of m16n8k8 products lie: lane 4 g + t
// has rows g and g + 8, features 8 k + 2 t and 8 k + 2 t + 1. Elementwise work needs no exchange; sums over features
// are two shuffles, sums over rows go through shared memory, in a fixed order. Called by all lanes of a warp.
#pragma once
#include "kernels/special/small_network/small_network_state.h"

namespace bilevel {
namespace small_network {

template <class S>
struct Matrix {
  static constexpr int tiles = S::width / 8;
  float v[tiles][4] = {};  // (g, 2t) (g, 2t+1) (g+8, 2t) (g+8, 2t+1)
};

// A vector over features, as far as the lane has them.
template <class S>
struct Features {
  float v[S::width / 8][2];
  BLV_DEVICE Features(MmaLane lane, const float *from) {
#pragma unroll
    for (int k = 0; k < S::width / 8; k++) {
      const float2 x = *reinterpret_cast<const float2 *>(from + 8 * k + 2 * lane.t);
      v[k][0] = x.x, v[k][1] = x.y;
    }
  }
};

// m = f(k, i): entry i of tile k; i & 1 is the feature, i >> 1 the row.
template <class S, class F>
BLV_DEVICE void fill(Matrix<S> &m, F f) {
#pragma unroll
  for (int k = 0; k < S::width / 8; k++) {
#pragma unroll
    for (int i = 0; i < 4; i++) m.v[k][i] = f(k, i);
  }
}

// Into shared memory as [row][stride], where lanes of a product read it otherwise.
template <class S>
BLV_DEVICE void store(MmaLane lane, float *to, const Matrix<S> &m) {
  float *first = to + lane.g * S::stride + 2 * lane.t;
#pragma unroll
  for (int k = 0; k < S::width / 8; k++) {
    *reinterpret_cast<float2 *>(first + 8 * k) = {m.v[k][0], m.v[k][1]};
    if (lane.g < S::points - 8) *reinterpret_cast<float2 *>(first + 8 * k + 8 * S::stride) = {m.v[k][2], m.v[k][3]};
  }
}
template <class S>
BLV_DEVICE void load(MmaLane lane, Matrix<S> &m, const float *from) {
  const float *first = from + lane.g * S::stride + 2 * lane.t;
#pragma unroll
  for (int k = 0; k < S::width / 8; k++) {
    const float2 x = *reinterpret_cast<const float2 *>(first + 8 * k);
    const float2 y =
        lane.g < S::points - 8 ? *reinterpret_cast<const float2 *>(first + 8 * k + 8 * S::stride) : float2{};
    m.v[k][0] = x.x, m.v[k][1] = x.y, m.v[k][2] = y.x, m.v[k][3] = y.y;
  }
}

// On the tape as [tile][lane][2] for the rows g, then for those of the rows g + 8 that there are: whole lines. Each
// lane reads what it wrote.
template <class S>
BLV_DEVICE void store_tape(MmaLane lane, float *to, const Matrix<S> &m) {
#pragma unroll
  for (int k = 0; k < S::width / 8; k++) {
    float *tile = to + 8 * S::points * k + 2 * lane.id;
    *reinterpret_cast<float2 *>(tile) = {m.v[k][0], m.v[k][1]};
    if (lane.g < S::points - 8) *reinterpret_cast<float2 *>(tile + 64) = {m.v[k][2], m.v[k][3]};
  }
}
template <class S>
BLV_DEVICE void load_tape(MmaLane lane, Matrix<S> &m, const float *from) {
#pragma unroll
  for (int k = 0; k < S::width / 8; k++) {
    const float *tile = from + 8 * S::points * k + 2 * lane.id;
    const float2 x = *reinterpret_cast<const float2 *>(tile);
    const float2 y = lane.g < S::points - 8 ? *reinterpret_cast<const float2 *>(tile + 64) : float2{};
    m.v[k][0] = x.x, m.v[k][1] = x.y, m.v[k][2] = y.x, m.v[k][3] = y.y;
  }
}

// 1 / n for the lane's rows if there are, else 0: what lacks in a task has no part in any sum.
struct RowWeights {
  float of[2];
  BLV_DEVICE RowWeights(MmaLane lane, const Arguments &a, int side) {
    of[0] = lane.g < a.rows[side] ? a.inverse_rows[side] : 0.f;
    of[1] = lane.g + 8 < a.rows[side] ? a.inverse_rows[side] : 0.f;
  }
};

// ---- Sums -----------------------------------------------------------------------------------------------------------

// sum over features of f(k, i), for the lane's two rows; valid in all four lanes of a row.
template <class S, class F>
BLV_DEVICE void row_sums(float (&sums)[2], F f) {
  float a = 0, b = 0;
#pragma unroll
  for (int k = 0; k < S::width / 8; k++) a += f(k, 0) + f(k, 1), b += f(k, 2) + f(k, 3);
  for (int distance = 1; distance < 4; distance *= 2) {
    a += __shfl_xor_sync(all_lanes, a, distance);
    b += __shfl_xor_sync(all_lanes, b, distance);
  }
  sums[0] = a, sums[1] = b;
}

// The sums over rows of f(k, i), as eight vectors over features in shared memory: of rows g and g + 8.
template <class S, class F>
BLV_DEVICE void store_partial_sums(MmaLane lane, float *to, F f) {
#pragma unroll
  for (int k = 0; k < S::width / 8; k++)
    *reinterpret_cast<float2 *>(to + lane.g * S::stride + 8 * k + 2 * lane.t) = {f(k, 0) + f(k, 2), f(k, 1) + f(k, 3)};
}
template <class S>
BLV_DEVICE float2 sum_of_eight(MmaLane lane, const float *from) {
  float2 sum = {};
#pragma unroll
  for (int p = 0; p < 8; p++) {
    const float2 x = *reinterpret_cast<const float2 *>(from + p * S::stride + 2 * lane.id);
    sum.x += x.x, sum.y += x.y;
  }
  return sum;
}

// small = (add ? small : 0) + the sums over rows, for (W1, b1, W3, b3); from three partial sums and the lane's e3.
// Begins and ends with a barrier.
template <class S>
BLV_DEVICE void update_small(MmaLane lane, float *small, bool add, const float *w1, const float *b1, const float *w3,
                             float e3) {
  constexpr int H = S::width;
  __syncwarp();
  if (lane.id < H / 2) {
    const float *sums[3] = {w1, b1, w3};
#pragma unroll
    for (int i = 0; i < 3; i++) {
      const float2 s = sum_of_eight<S>(lane, sums[i]);
      auto *to = reinterpret_cast<float2 *>(small + i * H + 2 * lane.id);
      const float2 old = add ? *to : float2{};
      *to = {old.x + s.x, old.y + s.y};
    }
  }
  for (int distance = 4; distance < 32; distance *= 2) e3 += __shfl_xor_sync(all_lanes, e3, distance);
  if (lane.id == 0) small[3 * H] = add ? small[3 * H] + e3 : e3;
  __syncwarp();
}

}  // namespace small_network
}  // namespace bilevel
