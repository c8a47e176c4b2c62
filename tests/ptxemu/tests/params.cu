// SPDX-License-Identifier: Apache-2.0
//
// Kernel parameters passed by value: structures, and an array indexed at run time.
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
int main() {
  Layers p = {7, {1, 2, 3, 4, 5, 6}, {}, {10, 20, 30, 40, 50}};
  for (auto &o : p.out) OK(cudaMallocManaged(&o, 32 * 8));
  use<<<1, 32>>>(p, 4);
  OK(cudaDeviceSynchronize());
  for (int t = 0; t < 32; ++t) CHECK(p.out[t % 3][t] == p.scale[(t + 4) % 6] + p.tag[t % 5] + 7);
  RESULT();
}
