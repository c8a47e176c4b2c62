// SPDX-License-Identifier: Apache-2.0
//
// cp.async: two buffers in flight, zero fill, and what happens if a wait is left out (argument "missing": stale data must show).
#include <cuda_pipeline_primitives.h>
#include <cstring>
#include "check.h"
constexpr int threads = 64, tiles = 5;
template <bool WAIT>
__global__ void twice(const float4 *x, float *y) {
  __shared__ __align__(16) float4 buffer[2][threads];
  const int t = threadIdx.x;
  auto fetch = [&](int tile) {
    if (tile < tiles) __pipeline_memcpy_async(&buffer[tile & 1][t], &x[tile * threads + t], 16);
    __pipeline_commit();
  };
  fetch(0);
  for (int tile = 0; tile < tiles; ++tile) {
    fetch(tile + 1);
    if (WAIT) __pipeline_wait_prior(1);
    __syncthreads();
    const float4 v = buffer[tile & 1][(t + 1) % threads];
    y[tile * threads + t] = v.x + v.y + v.z + v.w;
    __syncthreads();
  }
}
__global__ void short_copy(const int *x, int *y) {
  __shared__ __align__(16) int s[4];
  for (int k = 0; k < 4; ++k) s[k] = 9;
  __pipeline_memcpy_async(s, x, 16, 8);  // the last 8 bytes are written as zero
  __pipeline_commit();
  __pipeline_wait_prior(0);
  for (int k = 0; k < 4; ++k) y[k] = s[k];
}
int main(int argc, char **argv) {
  const bool missing = argc > 1 && !strcmp(argv[1], "missing");
  float *x, *y;
  int *z;
  const int n = threads * tiles;
  OK(cudaMallocManaged(&x, n * 16));
  OK(cudaMallocManaged(&y, n * 4));
  OK(cudaMallocManaged(&z, 32));
  for (int k = 0; k < 4 * n; ++k) x[k] = k;
  if (missing)
    twice<false><<<1, threads>>>((float4 *)x, y);
  else
    twice<true><<<1, threads>>>((float4 *)x, y);
  OK(cudaDeviceSynchronize());
  int wrong = 0;
  for (int tile = 0; tile < tiles; ++tile)
    for (int t = 0; t < threads; ++t) {
      const float first = 4 * (tile * threads + (t + 1) % threads);
      wrong += !(y[tile * threads + t] == 4 * first + 6);
    }
  CHECK(missing ? wrong > 0 : wrong == 0);
  for (int k = 0; k < 8; ++k) z[k] = k + 1;
  short_copy<<<1, 1>>>(z, z + 4);
  OK(cudaDeviceSynchronize());
  CHECK(z[4] == 1 && z[5] == 2 && z[6] == 0 && z[7] == 0);
  RESULT();
}
