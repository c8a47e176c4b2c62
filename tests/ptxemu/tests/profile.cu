// SPDX-License-Identifier: Apache-2.0
//
// Known memory patterns; run-tests compares the counters in the JSON with the values expected here.
#include "check.h"
__global__ void coalesced(const float *x, float *y) {  // 4 sectors per request, no conflicts
  int i = blockIdx.x * blockDim.x + threadIdx.x;
  y[i] = x[i] * 2.f + 1.f;
}
__global__ void strided(const float *x, float *y) {  // loads: 32 sectors per request
  int i = blockIdx.x * blockDim.x + threadIdx.x;
  y[i] = x[i * 8];
}
__global__ void conflicts(float *y) {  // stores: stride 2 words, 2 wavefronts; loads: stride 32 words, 32 wavefronts
  __shared__ float s[32 * 32];
  int t = threadIdx.x;
  s[2 * t] = t;
  __syncthreads();
  y[t] = s[32 * t] + 1.f;
}
__global__ void vec4(const float4 *x, float4 *y) { y[threadIdx.x] = x[threadIdx.x]; }  // 16 sectors per request
__global__ void spill(float *y, int k) {
  float a[16];
#pragma unroll 1
  for (int i = 0; i < 16; ++i) a[i] = i;
#pragma unroll 1
  for (int i = 0; i < 16; ++i) a[(i * k) & 15] += 1.f;
  y[threadIdx.x] = a[k & 15];
}
int main() {
  float *x, *y;
  OK(cudaMalloc(&x, 1 << 20));
  OK(cudaMalloc(&y, 1 << 20));
  OK(cudaMemset(x, 0, 1 << 20));
  coalesced<<<4, 256>>>(x, y);
  strided<<<4, 256>>>(x, y);
  conflicts<<<1, 32>>>(y);
  vec4<<<1, 32>>>((float4 *)x, (float4 *)y);
  spill<<<1, 32>>>(y, 3);
  OK(cudaDeviceSynchronize());
  RESULT();
}
