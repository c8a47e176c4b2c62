// SPDX-License-Identifier: Apache-2.0
//
// Cooperative launch: grid.sync() between phases that read what other blocks wrote; also captured into a graph and replayed.
#include <cooperative_groups.h>
#include "check.h"
namespace cg = cooperative_groups;
__global__ void reduce(int *v, int rounds) {
  auto grid = cg::this_grid();
  int n = gridDim.x * blockDim.x, i = blockIdx.x * blockDim.x + threadIdx.x;
  for (int r = 0; r < rounds; ++r) {
    int x = v[(i + blockDim.x) % n];
    grid.sync();
    v[i] = x + 1;
    grid.sync();
  }
}
int main() {
  const int B = 20, T = 64, n = B * T, R = 5;
  int *d;
  OK(cudaMallocManaged(&d, n * 4));
  for (int i = 0; i < n; ++i) d[i] = i;
  int rounds = R;
  void *a[] = {&d, &rounds};
  OK(cudaLaunchCooperativeKernel((void *)reduce, dim3(B), dim3(T), a, 0, nullptr));
  OK(cudaDeviceSynchronize());
  for (int i = 0; i < n; ++i) CHECK(d[i] == (i + R * T) % n + R);
  FAILS(cudaLaunchCooperativeKernel((void *)reduce, dim3(100000), dim3(T), a, 0, nullptr),
        cudaErrorCooperativeLaunchTooLarge);
  cudaGetLastError();
  cudaLaunchAttribute at[1];
  at[0].id = cudaLaunchAttributeCooperative;
  at[0].val.cooperative = 1;
  cudaLaunchConfig_t c = {};
  c.gridDim = dim3(B);
  c.blockDim = dim3(T);
  c.attrs = at;
  c.numAttrs = 1;
  OK(cudaLaunchKernelEx(&c, reduce, d, rounds));
  OK(cudaDeviceSynchronize());
  CHECK(d[0] == (2 * R * T) % n + 2 * R);
  // captured, and replayed with new data
  cudaStream_t s;
  cudaGraph_t g;
  cudaGraphExec_t e;
  OK(cudaStreamCreate(&s));
  OK(cudaStreamBeginCapture(s, cudaStreamCaptureModeThreadLocal));
  OK(cudaLaunchCooperativeKernel((void *)reduce, dim3(B), dim3(T), a, 0, s));
  c.stream = s;
  OK(cudaLaunchKernelEx(&c, reduce, d, rounds));
  OK(cudaStreamEndCapture(s, &g));
  OK(cudaGraphInstantiate(&e, g, 0));
  for (int first : {0, 1000}) {
    for (int i = 0; i < n; ++i) d[i] = first + i;
    OK(cudaGraphLaunch(e, s));
    OK(cudaStreamSynchronize(s));
    for (int i = 0; i < n; ++i) CHECK(d[i] == first + (i + 2 * R * T) % n + 2 * R);
  }
  reduce<<<B, T>>>(d, 1);  // not cooperative: grid.sync() traps
  CHECK(cudaDeviceSynchronize() != cudaSuccess);
  RESULT();
}
