// SPDX-License-Identifier: Apache-2.0
//
// States (theta, or a gradient with respect to it) between the caller's arrays, shared memory and the workspace. One
// warp works on a task; every function is called by all its lanes and does not end with a barrier.
#pragma once
#include <cuda_runtime.h>

#include "kernels/unroll/cuda/small_network.h"

#define BLV_DEVICE __device__ __forceinline__

namespace bilevel {
namespace small_network {

constexpr unsigned all_lanes = 0xffffffffu;

// Lane 4 g + t holds rows g and g + 8 of a matrix rows x features, and of every eight features those at 2 t, 2 t + 1.
struct Lane {
  int id, g, t;
};
BLV_DEVICE Lane this_lane() {
  const int id = static_cast<int>(threadIdx.x);
  return {id, id >> 2, id & 3};
}

BLV_DEVICE float sum_over_warp(float x) {
  for (int distance = 16; distance > 0; distance /= 2) x += __shfl_xor_sync(all_lanes, x, distance);
  return x;
}

// ---- States in shared memory and in the workspace -------------------------------------------------------------------

// f(i) for i = lane, lane + 32, .. < n. All lanes take the same number of turns but for one that only some take.
template <int n, class F>
BLV_DEVICE void share(Lane lane, F f) {
#pragma unroll 7
  for (int i = 0; i + 32 <= n; i += 32) f(i + lane.id);
  if (n % 32 != 0 && lane.id < n % 32) f(n / 32 * 32 + lane.id);
}

// f(i) for the lane's share of the state, four floats from i on, padding included.
template <class S, class F>
BLV_DEVICE void each_quad(Lane lane, F f) {
  share<S::state / 4>(lane, [&](int i) { f(4 * i); });
}

template <class S>
BLV_DEVICE void copy_state(Lane lane, float *to, const float *from) {
  each_quad<S>(lane, [&](int i) { *reinterpret_cast<float4 *>(to + i) = *reinterpret_cast<const float4 *>(from + i); });
}

// From the workspace into shared memory, without passing through registers; to be waited for by each lane.
template <class S>
BLV_DEVICE void start_copy(Lane lane, float *to, const float *from) {
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
BLV_DEVICE void clear_padding(Lane lane, float *state) {
  share<S::width / 2>(lane, [&](int i) {
    *reinterpret_cast<float4 *>(state + S::row(4 * (i >> 1)) + 4 * S::stride + 4 * (i & 1)) = {};
  });
  if (S::stride > S::width) {
    share<S::width>(lane, [&](int r) {
      for (int j = S::width; j < S::stride; j += 4) *reinterpret_cast<float4 *>(state + S::row(r) + j) = {};
    });
  }
  if (lane.id < 3) state[S::middle + 3 * S::width + 1 + lane.id] = 0;
}

// The sum of squares of a state if that is wanted, and zero times its entries: zero, or NaN if one is not finite.
struct Check {
  float squares = 0, zero = 0;
  BLV_DEVICE bool is_finite() const { return __all_sync(all_lanes, zero == 0) != 0; }
};
template <class S>
BLV_DEVICE Check check_state(Lane lane, const float *state) {
  Check check;
  each_quad<S>(lane, [&](int i) {
    const float4 x = *reinterpret_cast<const float4 *>(state + i);
    check.squares = fmaf(x.x, x.x, fmaf(x.y, x.y, fmaf(x.z, x.z, fmaf(x.w, x.w, check.squares))));
    check.zero = fmaf(x.x, 0.f, fmaf(x.y, 0.f, fmaf(x.z, 0.f, fmaf(x.w, 0.f, check.zero))));
  });
  return check;
}

// ---- The caller's parameter vectors ---------------------------------------------------------------------------------

// f(position in the caller's vector, position in the state) for every parameter. A warp takes 4 rows x 8 columns of W2:
// whole sectors of the caller's array, at the price of a conflict of two lanes in shared memory.
template <class S, class F>
BLV_DEVICE void each_parameter(Lane lane, F f) {
  constexpr int H = S::width;
  const int i = lane.id & 7, j = lane.id >> 3;
  for (int n = 0; n < H; n += 4) {
#pragma unroll
    for (int k = 0; k < H; k += 8) f(2 * H + (n + j) * H + k + i, S::row(i) + S::row(k) + n + j);
  }
  share<H>(lane, [&](int q) { f(2 * H + H * H + q, S::row(H) + q); });
  share<3 * H + 1>(lane, [&](int q) { f(q < 2 * H ? q : q + H * (H + 1), S::middle + q); });
}

template <class S>
BLV_DEVICE void load_theta(Lane lane, float *state, const float *theta) {
  each_parameter<S>(lane, [&](int from, int to) { state[to] = theta[from]; });
  clear_padding<S>(lane, state);
}
template <class S>
BLV_DEVICE void store_theta(Lane lane, float *theta, const float *state, bool failed) {
  each_parameter<S>(lane, [&](int to, int from) { theta[to] = failed ? __int_as_float(0x7fffffff) : state[from]; });
}

// ---- Sums over tasks ------------------------------------------------------------------------------------------------

// The second stage: warp w of a block adds, for 32 entries of the state, the batches w, w + 32, ..; then the 32 sums are
// added in order. One thread per entry would wait for a thousand loads in turn, longer than the first stage takes.
template <class S>
BLV_DEVICE void sum_batches(const Arguments &a) {
  __shared__ float parts[32][32];
  const int column = static_cast<int>(threadIdx.x & 31), warp = static_cast<int>(threadIdx.x >> 5);
  const int i = static_cast<int>(blockIdx.x) * 32 + column;  // in a partial sum, which is a multiple of 32 long
  float sum = 0;
#pragma unroll 8
  for (int b = warp; b < a.batches; b += 32) sum += a.partials[static_cast<int64_t>(b) * S::partial + i];
  parts[warp][column] = sum;
  __syncthreads();
  if (warp != 0) return;
  for (int w = 1; w < 32; w++) sum += parts[w][column];
  constexpr int H = S::width;
  if (i >= S::middle) {
    const int q = i - S::middle;
    if (q <= 3 * H) a.gradient.data[q < 2 * H ? q : q + H * (H + 1)] = sum;
    return;
  }
  const int four = S::row(4), r = i / four * 4 + i % four / S::stride, j = i % four % S::stride;
  if (i % four >= 4 * S::stride || j >= H) return;  // padding
  a.gradient.data[r == H ? 2 * H + H * H + j : 2 * H + j * H + r] = sum;
}

}  // namespace small_network
}  // namespace bilevel
