// SPDX-License-Identifier: Apache-2.0
//
// Speed of the emulator: run with PTXEMU_TRACE=1 and look at thread instructions per second.
#include <cuda_runtime.h>
#include <chrono>
#include <cmath>
#include <cstdio>
#include <vector>
template <typename T>
__global__ void fmachain(T *o, int it) {
  int i = blockIdx.x * blockDim.x + threadIdx.x;
  T a = i * T(1e-3), b = a + 1, c = b + 1, d = c + 1;
  const T m = T(0.999), k = T(0.001);
  for (int j = 0; j < it; ++j) {
    a = a * m + k;
    b = b * m + k;
    c = c * m + k;
    d = d * m + k;
  }
  o[i] = a + b + c + d;
}
__global__ void inthash(unsigned *o, int it) {
  unsigned i = blockIdx.x * blockDim.x + threadIdx.x, h = i;
  for (int j = 0; j < it; ++j) {
    h ^= h << 13;
    h ^= h >> 17;
    h ^= h << 5;
    h += i;
  }
  o[i] = h;
}
__global__ void trans(float *o, int it) {
  int i = blockIdx.x * blockDim.x + threadIdx.x;
  float a = i * 1e-4f;
  for (int j = 0; j < it; ++j) a = tanhf(a) + __expf(-a) + sqrtf(a + 1.0f);
  o[i] = a;
}
// register-blocked SGEMM: 64x64 tile, 16x16 threads, 4x4 per thread, K step 16
template <typename T>
__global__ void gemm(const T *A, const T *B, T *C, int n) {
  __shared__ T as[16][64 + 4], bs[16][64 + 4];
  int tx = threadIdx.x & 15, ty = threadIdx.x >> 4, r0 = blockIdx.y * 64, c0 = blockIdx.x * 64;
  T acc[4][4] = {};
  for (int k0 = 0; k0 < n; k0 += 16) {
    for (int e = threadIdx.x; e < 1024; e += 256) {
      as[e & 15][e >> 4] = A[(r0 + (e >> 4)) * n + k0 + (e & 15)];
      bs[e >> 6][e & 63] = B[(k0 + (e >> 6)) * n + c0 + (e & 63)];
    }
    __syncthreads();
#pragma unroll
    for (int k = 0; k < 16; ++k) {
      T a[4], b[4];
      for (int q = 0; q < 4; ++q) {
        a[q] = as[k][ty * 4 + q];
        b[q] = bs[k][tx * 4 + q];
      }
      for (int x = 0; x < 4; ++x)
        for (int y = 0; y < 4; ++y) acc[x][y] += a[x] * b[y];
    }
    __syncthreads();
  }
  for (int x = 0; x < 4; ++x)
    for (int y = 0; y < 4; ++y) C[(r0 + ty * 4 + x) * n + c0 + tx * 4 + y] = acc[x][y];
}
__global__ void strided(const float *x, float *y, int n, int s) {
  for (int i = blockIdx.x * blockDim.x + threadIdx.x; i < n; i += gridDim.x * blockDim.x)
    y[i] = x[(long long)i * s % n] * 2.f + y[i];
}
__global__ void diverge(int *o, int n) {
  int i = blockIdx.x * blockDim.x + threadIdx.x;
  if (i >= n) return;
  unsigned v = i + 1;
  int c = 0;
  while (v != 1 && c < 300) {
    if (v & 1)
      v = 3 * v + 1;
    else
      v >>= 1;
    if ((v ^ c) & 4)
      c += 2;
    else
      c += 1;
  }
  o[i] = c;
}
int main() {
  float *f;
  double *d;
  float *A, *B;
  double *DA, *DB;
  int n = 256;
  cudaMalloc(&f, 4 << 20);
  cudaMalloc(&d, 8 << 20);
  cudaMalloc(&A, n * n * 4);
  cudaMalloc(&B, n * n * 4);
  cudaMalloc(&DA, n * n * 8);
  cudaMalloc(&DB, n * n * 8);
  cudaMemset(A, 0, n * n * 4);
  cudaMemset(B, 0, n * n * 4);
  cudaMemset(DA, 0, n * n * 8);
  cudaMemset(DB, 0, n * n * 8);
  cudaMemset(f, 0, 4 << 20);
  fmachain<float><<<64, 256>>>(f, 4000);
  fmachain<double><<<64, 256>>>(d, 2000);
  inthash<<<64, 256>>>((unsigned *)f, 2000);
  trans<<<16, 256>>>(f, 100);
  gemm<float><<<dim3(4, 4), 256>>>(A, B, f, n);
  gemm<double><<<dim3(4, 4), 256>>>(DA, DB, d, n);
  cudaMemset(f, 0, 4 << 20);
  strided<<<64, 256>>>(f, f, 1 << 20, 1);
  strided<<<64, 256>>>(f, f, 1 << 20, 33);
  diverge<<<64, 256>>>((int *)f, 16384);
  return (int)cudaDeviceSynchronize();
}
