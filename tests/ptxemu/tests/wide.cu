// SPDX-License-Identifier: Apache-2.0
//
// Registers that are wider than the type of the instruction: the low half is read, a result is extended. And operations on 64 bits
// with a result of 32, and 16 bits with one of 32.
#include "check.h"
__global__ void use(const long long *x, long long *y, int *z) {
  const int t = threadIdx.x;
  long long r;
  asm("cvt.s64.s32 %0, %1;" : "=l"(r) : "l"(x[t]));
  y[t] = r;
  asm("cvt.u64.u16 %0, %1;" : "=l"(r) : "l"(x[t]));
  y[32 + t] = r;
  asm("cvt.s32.s64 %0, %1;" : "=l"(r) : "l"(x[t]));
  y[64 + t] = r;
  asm("cvt.u32.u64 %0, %1;" : "=l"(r) : "l"(x[t]));
  y[96 + t] = r;
  asm volatile("st.global.u32 [%0], %1;" ::"l"(z + t), "l"(x[t]) : "memory");
  asm volatile("ld.global.s32 %0, [%1];" : "=l"(r) : "l"(z + t) : "memory");
  y[128 + t] = r;
  int n;
  asm("popc.b64 %0, %1;" : "=r"(n) : "l"(x[t]));
  y[160 + t] = n;
  asm("{.reg .u16 h; cvt.u16.u64 h, %1; mul.wide.u16 %0, h, h;}" : "=r"(n) : "l"(x[t]));
  y[192 + t] = (unsigned)n;
}
int main() {
  long long *x, *y;
  int *z;
  OK(cudaMallocManaged(&x, 32 * 8));
  OK(cudaMallocManaged(&y, 224 * 8));
  OK(cudaMallocManaged(&z, 32 * 4));
  for (int t = 0; t < 32; ++t) x[t] = (long long)(0x9E3779B97F4A7C15ull * (unsigned long long)(t + 1));
  use<<<1, 32>>>(x, y, z);
  OK(cudaDeviceSynchronize());
  for (int t = 0; t < 32; ++t) {
    CHECK(y[t] == (long long)(int)x[t]);
    CHECK(y[32 + t] == (long long)(unsigned short)x[t]);
    CHECK(y[64 + t] == (long long)(int)x[t]);
    CHECK(y[96 + t] == (long long)(unsigned)x[t]);
    CHECK(z[t] == (int)x[t] && y[128 + t] == (long long)(int)x[t]);
    CHECK(y[160 + t] == __builtin_popcountll((unsigned long long)x[t]));
    CHECK(y[192 + t] == (long long)((unsigned)(unsigned short)x[t] * (unsigned short)x[t]));
  }
  RESULT();
}
