// SPDX-License-Identifier: Apache-2.0
//
// States of the kernel on tensor cores: theta = (W1, b1, W2, b2, W3, b3), or a gradient with respect to it, in shared
// memory and in the workspace. First W2 transposed (row = input, column = output), rows skewed so that W2 and its
// transpose are read without bank conflicts, with b2 as row H; then W1, b1, W3, b3. One warp works on a task; every
// function is called by all its lanes and does not end with a barrier.
#pragma once
#include "kernels/special/small_network/small_network_device.h"

namespace bilevel {
namespace small_network {

// Points: the most rows of a side. All counts are of floats; those that begin a copy are multiples of four.
template <int width_, int points_>
struct Shape {
  static constexpr int width = width_, points = points_;
  static_assert(width % 8 == 0 && width >= 8 && width <= 40, "one row of W2 is eight banks from the next");
  static_assert(points >= 8 && points <= 16, "rows lie in the two halves of an m16n8k8 product");
  static constexpr int stride = width == 8 ? 8 : 40;  // between rows of a matrix: 8 modulo the 32 banks
  static constexpr int parameters = 3 * width + 1 + width * (width + 1);

  // The skew: eight floats more before every fourth row.
  static __host__ __device__ constexpr int row(int r) { return stride * r + 8 * (r >> 2); }
  static constexpr int middle = stride * width + 8 * (width >> 2) + width;  // W2 and, as its last row, b2
  static constexpr int small = 3 * width + 4;                               // W1, b1, W3, b3, padding
  static constexpr int state = middle + small;
  static constexpr int matrix = points * stride;  // rows x features in shared memory
  static constexpr int plane = points * width;    // the same on the tape
  static constexpr int tape = 3 * plane + 16;     // h1, h2, c1 = e2 W2; then e3
  static constexpr int step = (state + tape + 31) / 32 * 32;
  static constexpr int partial = (state + 31) / 32 * 32;

  // Which parameter of the caller's vector entry i of a state is; -1: none, padding.
  static BLV_DEVICE int parameter(int i) {
    if (i >= middle) {
      const int q = i - middle;
      return q > 3 * width ? -1 : q < 2 * width ? q : q + width * (width + 1);
    }
    constexpr int four = 4 * stride + 8;  // rows
    const int r = i / four * 4 + i % four / stride, j = i % four % stride;
    if (i % four >= 4 * stride || j >= width) return -1;
    return 2 * width + (r == width ? width * width + j : j * width + r);
  }
};

// Lane 4 g + t holds rows g and g + 8 of a matrix rows x features, and of every eight features those at 2 t, 2 t + 1.
struct MmaLane {
  int id, g, t;
};
BLV_DEVICE MmaLane this_lane() {
  const int id = static_cast<int>(threadIdx.x);
  return {id, id >> 2, id & 3};
}

// ---- States in shared memory and in the workspace -------------------------------------------------------------------

// f(i) for the lane's share of the state, four floats from i on, padding included.
template <class S, class F>
BLV_DEVICE void each_quad(MmaLane lane, F f) {
  strided_for<S::state / 4>(lane.id, [&](int i) { f(4 * i); });
}

template <class S>
BLV_DEVICE void copy_state(MmaLane lane, float *to, const float *from) {
  each_quad<S>(lane, [&](int i) { *reinterpret_cast<float4 *>(to + i) = *reinterpret_cast<const float4 *>(from + i); });
}

// From the workspace into shared memory, without passing through registers; to be waited for by each lane.
template <class S>
BLV_DEVICE void start_copy(MmaLane lane, float *to, const float *from) {
  const auto shared = static_cast<uint32_t>(__cvta_generic_to_shared(to));
  each_quad<S>(lane, [&](int i) {
    asm volatile("cp.async.cg.shared.global [%0], [%1], 16;" ::"r"(shared + 4 * i), "l"(from + i) : "memory");
  });
}
BLV_DEVICE void wait_for_copy() {
  asm volatile("cp.async.wait_all;" ::: "memory");
  __syncwarp();
}

// Zeros what lies between the rows and at the end, so that sums over a state may run over all of it.
template <class S>
BLV_DEVICE void clear_padding(MmaLane lane, float *state) {
  const int id = opaque(lane.id);
  strided_for<S::width / 2>(
      id, [&](int i) { *reinterpret_cast<float4 *>(state + S::row(4 * (i >> 1)) + 4 * S::stride + 4 * (i & 1)) = {}; });
  if (S::stride > S::width) {
    strided_for<S::width>(id, [&](int r) {
      for (int j = S::width; j < S::stride; j += 4) *reinterpret_cast<float4 *>(state + S::row(r) + j) = {};
    });
  }
  if (id < 3) state[S::middle + 3 * S::width + 1 + id] = 0;
}

template <class S>
BLV_DEVICE Check check_state(MmaLane lane, const float *state) {
  Check check;
  each_quad<S>(lane, [&](int i) { check.see(*reinterpret_cast<const float4 *>(state + i)); });
  return check;
}

// to = (first ? 0 : to) + state.
template <class S>
BLV_DEVICE void add_state(MmaLane lane, float *to, const float *state, bool first) {
  each_quad<S>(lane, [&](int i) {
    const float4 x = *reinterpret_cast<const float4 *>(state + i);
    const float4 y = first ? float4{} : *reinterpret_cast<const float4 *>(to + i);
    *reinterpret_cast<float4 *>(to + i) = {x.x + y.x, x.y + y.y, x.z + y.z, x.w + y.w};
  });
}

// ---- The caller's parameter vectors ---------------------------------------------------------------------------------

// f(position in the caller's vector, position in the state) for every parameter. A warp takes 4 rows x 8 columns of W2:
// whole sectors of the caller's array, at the price of a conflict of two lanes in shared memory.
template <class S, class F>
BLV_DEVICE void each_parameter(MmaLane lane, F f) {
  constexpr int H = S::width;
  const int id = opaque(lane.id), i = id & 7, j = id >> 3;
  for (int n = 0; n < H; n += 4) {
#pragma unroll
    for (int k = 0; k < H; k += 8) f(2 * H + (n + j) * H + k + i, S::row(i) + S::row(k) + n + j);
  }
  strided_for<H>(id, [&](int q) { f(2 * H + H * H + q, S::row(H) + q); });
  strided_for<3 * H + 1>(id, [&](int q) { f(q < 2 * H ? q : q + H * (H + 1), S::middle + q); });
}

template <class S>
BLV_DEVICE void load_theta(MmaLane lane, float *state, const float *theta) {
  each_parameter<S>(lane, [&](int from, int to) { state[to] = theta[from]; });
  clear_padding<S>(lane, state);
}
template <class S>
BLV_DEVICE void store_theta(MmaLane lane, float *theta, const float *state, bool failed) {
  each_parameter<S>(lane, [&](int to, int from) { theta[to] = failed ? quiet_nan() : state[from]; });
}

}  // namespace small_network
}  // namespace bilevel
