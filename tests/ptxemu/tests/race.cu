// SPDX-License-Identifier: Apache-2.0
//
// Block reduction with one barrier left out per mode: PTXEMU_RACECHECK=1 must report modes 0..3 and accept
// mode 4.
#include <cuda_runtime.h>
#include <cstdio>
template <int MODE>
__global__ void red(float *o) {
  __shared__ float s[128];
  int t = threadIdx.x;
  s[t] = t;
  if (MODE != 0) __syncthreads();
  for (int k = 64; k >= 32; k >>= 1) {
    if (t < k) s[t] += s[t + k];
    if (MODE != 1) __syncthreads();
  }
  if (t < 32) {
    for (int k = 16; k > 0; k >>= 1) {
      float v = s[t + k];
      if (MODE != 2) __syncwarp();
      s[t] += v;
      if (MODE != 3) __syncwarp();
    }
  }
  if (t == 0) *o = s[0];
}
template <int M>
void go() {
  float *o;
  cudaMallocManaged(&o, 4);
  red<M><<<1, 128>>>(o);
  cudaError_t e = cudaDeviceSynchronize();
  printf("mode %d: %g %s\n", M, *o, cudaGetErrorString(e));
  cudaDeviceReset();
}
int main() {
  go<4>();
  go<0>();
  go<1>();
  go<2>();
  go<3>();
}
