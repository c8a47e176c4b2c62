// SPDX-License-Identifier: Apache-2.0
//
// Device properties, attributes, dynamic shared memory limits, occupancy, sticky errors, reset, symbols.
#include <cstring>
#include "check.h"
__constant__ float c[4] = {1, 2, 3, 4};
__device__ int counter = 5;
extern __shared__ int dyn[];
__global__ void use_dyn(int n, int *out) {
  for (int i = threadIdx.x; i < n; i += blockDim.x) dyn[i] = i;
  __syncthreads();
  if (threadIdx.x == 0) *out = dyn[n - 1];
}
__global__ void scale(float *o) {
  o[threadIdx.x] = c[threadIdx.x];
  if (threadIdx.x == 0) ++counter;
}
__global__ void __launch_bounds__(64) small_block(int *p) { p[threadIdx.x] = 1; }
__global__ void oob(int *p) { p[1 << 20] = 1; }
int main() {
  int n = 0, v = 0;
  OK(cudaGetDeviceCount(&n));
  CHECK(n == 1);
  cudaDeviceProp p;
  OK(cudaGetDeviceProperties(&p, 0));
  bool h = p.major >= 9;
  CHECK(p.multiProcessorCount == (h ? 132 : 108) && p.warpSize == 32);
  OK(cudaDeviceGetAttribute(&v, cudaDevAttrMaxSharedMemoryPerBlockOptin, 0));
  CHECK(v == (h ? 227 : 163) * 1024);
  FAILS(cudaGetDeviceProperties(&p, 1), cudaErrorInvalidDevice);
  FAILS(cudaSetDevice(1), cudaErrorInvalidDevice);
  cudaGetLastError();
  int *o;
  OK(cudaMalloc(&o, 1024));
  int big = v / 4;
  use_dyn<<<1, 128, big * 4>>>(big, o);
  FAILS(cudaGetLastError(), cudaErrorInvalidValue);
  FAILS(cudaGetLastError(), cudaSuccess);
  FAILS(cudaFuncSetAttribute(use_dyn, cudaFuncAttributeMaxDynamicSharedMemorySize, v + 1), cudaErrorInvalidValue);
  cudaGetLastError();
  OK(cudaFuncSetAttribute(use_dyn, cudaFuncAttributeMaxDynamicSharedMemorySize, v));
  use_dyn<<<1, 128, big * 4>>>(big, o);
  OK(cudaGetLastError());
  int r = 0;
  OK(cudaMemcpy(&r, o, 4, cudaMemcpyDeviceToHost));
  CHECK(r == big - 1);
  cudaFuncAttributes fa;
  OK(cudaFuncGetAttributes(&fa, use_dyn));
  CHECK(fa.maxDynamicSharedSizeBytes == v && fa.sharedSizeBytes == 0);
  OK(cudaFuncGetAttributes(&fa, small_block));
  CHECK(fa.maxThreadsPerBlock == 64);
  small_block<<<1, 128>>>(o);
  CHECK(cudaGetLastError() != cudaSuccess);
  OK(cudaOccupancyMaxActiveBlocksPerMultiprocessor(&n, use_dyn, 256, 100 * 1024));
  CHECK(n == (h ? 2 : 1));
  OK(cudaOccupancyMaxActiveBlocksPerMultiprocessor(&n, use_dyn, 1024, 0));
  CHECK(n == 2);
  scale<<<1, 4>>>((float *)o);
  float f[4];
  OK(cudaMemcpy(f, o, 16, cudaMemcpyDeviceToHost));
  CHECK(f[3] == 4);
  float nc[4] = {9, 8, 7, 6};
  OK(cudaMemcpyToSymbol(c, nc, 8, 8));
  scale<<<1, 4>>>((float *)o);
  OK(cudaMemcpy(f, o, 16, cudaMemcpyDeviceToHost));
  CHECK(f[1] == 2 && f[2] == 9 && f[3] == 8);
  OK(cudaMemcpyFromSymbol(&r, counter, 4));
  CHECK(r == 7);
  FAILS(cudaMemcpyToSymbol(c, nc, 16, 8), cudaErrorInvalidValue);
  size_t sz;
  OK(cudaGetSymbolSize(&sz, c));
  CHECK(sz == 16);
  void *ap;
  OK(cudaGetSymbolAddress(&ap, counter));
  OK(cudaMemset(ap, 0, 4));
  scale<<<0, 4>>>((float *)o);
  FAILS(cudaPeekAtLastError(), cudaErrorInvalidConfiguration);
  FAILS(cudaGetLastError(), cudaErrorInvalidConfiguration);
  OK(cudaGetLastError());
  oob<<<1, 1>>>(o);  // sticky
  FAILS(cudaDeviceSynchronize(), cudaErrorIllegalAddress);
  FAILS(cudaGetLastError(), cudaErrorIllegalAddress);
  FAILS(cudaMalloc(&ap, 16), cudaErrorIllegalAddress);
  FAILS(cudaGetLastError(), cudaErrorIllegalAddress);
  OK(cudaDeviceReset());
  OK(cudaGetLastError());
  FAILS(cudaFree(o), cudaErrorInvalidValue);
  OK(cudaMemcpyFromSymbol(&r, counter, 4));
  CHECK(r == 5);
  CHECK(!strcmp(cudaGetErrorName(cudaErrorIllegalAddress), "cudaErrorIllegalAddress"));
  RESULT();
}
