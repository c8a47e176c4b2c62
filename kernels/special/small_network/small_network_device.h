// SPDX-License-Identifier: Apache-2.0
//
// Device functions of the kernels for small tanh networks that no layout of theirs is in. Called by all lanes of a
// warp.
#pragma once
#include <cuda_runtime.h>

#include "kernels/special/small_network/small_network.h"

#define BLV_DEVICE __device__ __forceinline__

namespace bilevel {
namespace small_network {

constexpr unsigned all_lanes = 0xffffffffu;

BLV_DEVICE float quiet_nan() { return __int_as_float(0x7fffffff); }

// x, hidden from the optimiser. For what is done once per task: the compiler would hoist what depends on the lane alone out of all loops,
// and keep it in registers that the passes need.
BLV_DEVICE int opaque(int x) {
  asm volatile("" : "+r"(x));
  return x;
}

template <class T>
BLV_DEVICE T sum_over_warp(T x) {
  for (int distance = 16; distance > 0; distance /= 2) x += __shfl_xor_sync(all_lanes, x, distance);
  return x;
}

// f(i) for i = lane, lane + 32, ... < n, without a barrier. The last iteration is the only one that not all lanes take.
template <int n, class F>
BLV_DEVICE void strided_for(int lane, F f) {
#pragma unroll 7
  for (int i = 0; i + 32 <= n; i += 32) f(i + lane);
  if (n % 32 != 0 && lane < n % 32) f(n / 32 * 32 + lane);
}

// The lane's part of a sum of squares, and zero times the entries that it saw: zero, or NaN if one is not finite.
struct Check {
  double squares = 0;  // of floats, in double: neither end of their range is left
  float zero = 0;
  BLV_DEVICE void see(float x) {
    squares = fma(static_cast<double>(x), static_cast<double>(x), squares), zero = fmaf(x, 0.f, zero);
  }
  BLV_DEVICE void see(float4 x) { see(x.x), see(x.y), see(x.z), see(x.w); }
  BLV_DEVICE bool is_finite() const { return __all_sync(all_lanes, zero == 0) != 0; }
};

// tanh to a few ulp and without branches: an odd polynomial near 0, else (1 - e) / (1 + e), e = exp(-2 |x|).
BLV_DEVICE float fast_tanh(float x) {
  const float z = x * x;
  float e, r, result;
  asm("ex2.approx.ftz.f32 %0, %1;" : "=f"(e) : "f"(-2.88539008f * fabsf(x)));
  asm("rcp.approx.ftz.f32 %0, %1;" : "=f"(r) : "f"(1.f + e));
  float p = fmaf(fmaf(-5.70498872745e-3f, z, 2.06390887954e-2f), z, -5.37397155531e-2f);
  p = fmaf(p, z, 1.33314422036e-1f);
  p = fmaf(x * z, fmaf(p, z, -3.33332819422e-1f), x);
  const float large = copysignf(fmaf(-e, r, r), x);
  asm("{.reg .pred q; setp.lt.f32 q, %1, 0f3EC80000; selp.f32 %0, %2, %3, q;}"  // z < 0.625^2
      : "=f"(result)
      : "f"(z), "f"(p), "f"(large));
  return result;
}
BLV_DEVICE float slope(float h) { return fmaf(-h, h, 1.f); }

}  // namespace small_network
}  // namespace bilevel
