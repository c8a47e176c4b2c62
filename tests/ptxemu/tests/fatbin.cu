// SPDX-License-Identifier: Apache-2.0
//
// A kernel and a variable in a fat binary: built uncompressed and with each compression, and damaged by check_fatbin.py. The kernel is
// unrolled, so that its PTX is long enough to be worth compressing.
#include "check.h"

__device__ int offset = 5;

__global__ void polynomial(int *p) {
  int sum = offset;
#pragma unroll
  for (int i = 0; i < 64; ++i) sum = sum * (int)threadIdx.x + i;
  p[threadIdx.x] = sum;
}

int main() {
  int *p;
  OK(cudaMallocManaged(&p, 2 * sizeof(int)));
  polynomial<<<1, 2>>>(p);
  OK(cudaGetLastError());
  OK(cudaDeviceSynchronize());
  CHECK(p[0] == 63);
  CHECK(p[1] == 5 + 63 * 64 / 2);
  RESULT();
}
