// SPDX-License-Identifier: Apache-2.0
//
// Kernel parameters passed by value: structures, an array indexed at run time, and a __grid_constant__ parameter whose address is
// taken, which may be read through a generic pointer and not be written.
#include "check.h"
struct Layers {
  int count;
  float scale[6];
  double *out[3];
  short tag[5];
};
__global__ void use(const __grid_constant__ Layers p, int shift) {
  int t = threadIdx.x;
  p.out[t % 3][t] = p.scale[(t + shift) % 6] + p.tag[t % 5] + p.count;
}
__device__ __noinline__ double through_pointer(const Layers *p, int t) { return p->scale[t % 6] + p->tag[t % 5]; }
__global__ void by_address(const __grid_constant__ Layers p) {
  int t = threadIdx.x;
  p.out[t % 3][t] = through_pointer(&p, t);
}
__device__ __noinline__ void write_through(int *p) { *p = 3; }
__global__ void written(const __grid_constant__ Layers p) { write_through(const_cast<int *>(&p.count)); }
int main() {
  Layers p = {7, {1, 2, 3, 4, 5, 6}, {}, {10, 20, 30, 40, 50}};
  for (auto &o : p.out) OK(cudaMallocManaged(&o, 32 * 8));
  use<<<1, 32>>>(p, 4);
  OK(cudaDeviceSynchronize());
  for (int t = 0; t < 32; ++t) CHECK(p.out[t % 3][t] == p.scale[(t + 4) % 6] + p.tag[t % 5] + 7);
  for (int round = 0; round < 2; ++round) {
    p.scale[2] += round;
    by_address<<<2, 32>>>(p);
    OK(cudaDeviceSynchronize());
    for (int t = 0; t < 32; ++t) CHECK(p.out[t % 3][t] == p.scale[t % 6] + p.tag[t % 5]);
  }
  written<<<1, 1>>>(p);
  FAILS(cudaDeviceSynchronize(), cudaErrorIllegalAddress);
  RESULT();
}
