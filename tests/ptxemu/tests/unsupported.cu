// SPDX-License-Identifier: Apache-2.0
//
// Unsupported instructions must fail at the launch, with a message, and not before.
#include <cuda_fp16.h>
#include "check.h"
__global__ void half_add(__half2 *p) { p[threadIdx.x] = __hadd2(p[threadIdx.x], p[threadIdx.x + 1]); }
__device__ int fact(int n) { return n < 2 ? 1 : n * fact(n - 1) + (n & 1 ? fact(n - 2) : 0); }
__global__ void recursive(int *p) { *p = fact(*p); }
__global__ void fine(int *p) { *p = 3; }
int main() {
  int *p;
  OK(cudaMallocManaged(&p, 1024));
  *p = 5;
  half_add<<<1, 1>>>((__half2 *)p);
  FAILS(cudaGetLastError(), cudaErrorInvalidKernelImage);
  recursive<<<1, 1>>>(p);
  FAILS(cudaGetLastError(), cudaErrorInvalidKernelImage);
  fine<<<1, 1>>>(p);
  OK(cudaDeviceSynchronize());
  CHECK(*p == 3);
  int v;
  FAILS(cudaDeviceGetAttribute(&v, (cudaDeviceAttr)9999, 0), cudaErrorNotSupported);
  RESULT();
}
