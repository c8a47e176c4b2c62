// SPDX-License-Identifier: Apache-2.0
//
// The probes' kernels. Each keeps enough independent work in flight to be limited by the unit that it measures, and ends in a store
// that never happens but that the compiler cannot rule out.
#include <cuda_runtime.h>

#include "bench/gpu/probes.h"

namespace bench {
namespace {

constexpr int kReadThreads = 256;
constexpr int kChains = 8;  // independent multiply-adds of a thread: latency 4, two warps and more per scheduler
constexpr int kUnroll = 16;
constexpr int kTiles = 4;  // independent products of a warp

__global__ void read_kernel(const uint4 *data, int64_t count, uint32_t *sink) {
  const int64_t stride = static_cast<int64_t>(gridDim.x) * blockDim.x;
  int64_t i = static_cast<int64_t>(blockIdx.x) * blockDim.x + threadIdx.x;
  uint32_t x = 0;
  const auto fold = [&](uint4 v) { x ^= v.x ^ v.y ^ v.z ^ v.w; };
  for (; i + 3 * stride < count; i += 4 * stride) {
    const uint4 a = data[i], b = data[i + stride], c = data[i + 2 * stride], d = data[i + 3 * stride];
    fold(a), fold(b), fold(c), fold(d);
  }
  for (; i < count; i += stride) fold(data[i]);
  if (x == 0x9E3779B9u) *sink = x;
}

__global__ void delay_kernel(long long cycles) {
  const long long end = clock64() + cycles;
  while (clock64() < end) {
  }
}

template <class T>
__global__ void __launch_bounds__(kArithmeticThreads)
    multiply_add_kernel(int iterations, T a, T b, T *sink, long long *cycles) {
  T v[kChains];
#pragma unroll
  for (int c = 0; c < kChains; ++c) v[c] = static_cast<T>(threadIdx.x + c);
  const long long start = clock64();
  for (int i = 0; i < iterations; ++i) {
#pragma unroll
    for (int u = 0; u < kUnroll; ++u) {
#pragma unroll
      for (int c = 0; c < kChains; ++c) v[c] = fma(v[c], a, b);
    }
  }
  T sum = 0;
#pragma unroll
  for (int c = 0; c < kChains; ++c) sum += v[c];
  if (sum == static_cast<T>(-1)) *sink = sum;
  if (blockIdx.x == 0 && threadIdx.x == 0) *cycles = clock64() - start;
}

__global__ void __launch_bounds__(kArithmeticThreads) tf32_kernel(int iterations, float *sink, long long *cycles) {
  uint32_t a[4], b[2];
  float d[kTiles][4];
#pragma unroll
  for (int i = 0; i < 4; ++i) a[i] = __float_as_uint(0.01f * static_cast<float>(threadIdx.x + i)) & 0xFFFFE000u;
#pragma unroll
  for (int i = 0; i < 2; ++i) b[i] = __float_as_uint(0.02f * static_cast<float>(threadIdx.x + i)) & 0xFFFFE000u;
#pragma unroll
  for (int t = 0; t < kTiles; ++t) d[t][0] = d[t][1] = d[t][2] = d[t][3] = 0;
  const long long start = clock64();
  for (int i = 0; i < iterations; ++i) {
#pragma unroll
    for (int u = 0; u < kUnroll; ++u) {
#pragma unroll
      for (int t = 0; t < kTiles; ++t)
        asm volatile(
            "mma.sync.aligned.m16n8k8.row.col.f32.tf32.tf32.f32 {%0,%1,%2,%3}, {%4,%5,%6,%7}, {%8,%9}, {%0,%1,%2,%3};"
            : "+f"(d[t][0]), "+f"(d[t][1]), "+f"(d[t][2]), "+f"(d[t][3])
            : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b[0]), "r"(b[1]));
    }
  }
  float sum = 0;
#pragma unroll
  for (int t = 0; t < kTiles; ++t) sum += d[t][0] + d[t][1] + d[t][2] + d[t][3];
  if (sum == -1.0f) *sink = sum;
  if (blockIdx.x == 0 && threadIdx.x == 0) *cycles = clock64() - start;
}

}  // namespace

cudaError_t launch_read(const void *data, int64_t bytes, void *sink, int blocks, cudaStream_t stream) {
  read_kernel<<<blocks, kReadThreads, 0, stream>>>(static_cast<const uint4 *>(data), bytes / 16,
                                                   static_cast<uint32_t *>(sink));
  return cudaGetLastError();
}

cudaError_t launch_delay(int64_t cycles, cudaStream_t stream) {
  delay_kernel<<<1, 1, 0, stream>>>(cycles);
  return cudaGetLastError();
}

cudaError_t launch_arithmetic(Arithmetic kind, int iterations, void *sink, long long *cycles, int blocks,
                              cudaStream_t stream) {
  if (kind == Arithmetic::kF32)
    multiply_add_kernel<float>
        <<<blocks, kArithmeticThreads, 0, stream>>>(iterations, 0.999f, 0.001f, static_cast<float *>(sink), cycles);
  else if (kind == Arithmetic::kF64)
    multiply_add_kernel<double>
        <<<blocks, kArithmeticThreads, 0, stream>>>(iterations, 0.999, 0.001, static_cast<double *>(sink), cycles);
  else
    tf32_kernel<<<blocks, kArithmeticThreads, 0, stream>>>(iterations, static_cast<float *>(sink), cycles);
  return cudaGetLastError();
}

double operations_per_turn(Arithmetic kind) {
  if (kind == Arithmetic::kTf32) return 2.0 * 16 * 8 * 8 / 32 * kTiles * kUnroll;
  return 2.0 * kChains * kUnroll;
}

}  // namespace bench
