// SPDX-License-Identifier: Apache-2.0
//
// Corner cases of conversions, shifts, bit fields, rounding modes and carries, against values from the PTX
// manual.
#include <cuda_runtime.h>
#include <cmath>
#include <cstdio>
#include <cstring>
__global__ void edge(unsigned *o, float nan, float inf, double dn, int s40, unsigned neg) {
  int k = 0;
  auto P = [&](unsigned v) { o[k++] = v; };
  P(__float2int_rn(nan));
  P(__float2int_rn(inf));
  P(__float2int_rn(-inf));
  P(__float2uint_rz(-3.f + nan * 0 + inf * 0));
  P((unsigned)__double2int_rn(dn));
  P(__float2int_rn(2.5f + s40 - 40));
  P(__float2int_rn(3.5f + s40 - 40));
  P(__float2int_rd(-1.5f - (s40 - 40)));
  unsigned r;
  asm("shl.b32 %0, %1, %2;" : "=r"(r) : "r"(1u), "r"(s40));
  P(r);
  asm("shr.s32 %0, %1, %2;" : "=r"(r) : "r"(neg), "r"(s40));
  P(r);
  asm("shr.u32 %0, %1, %2;" : "=r"(r) : "r"(neg), "r"(s40));
  P(r);
  asm("bfe.s32 %0, %1, 4, 4;" : "=r"(r) : "r"(0xf0u));
  P(r);
  asm("bfe.u32 %0, %1, 28, 8;" : "=r"(r) : "r"(neg));
  P(r);
  asm("bfe.s32 %0, %1, 28, 8;" : "=r"(r) : "r"(neg));
  P(r);
  asm("prmt.b32 %0, %1, %2, 0x7c40;" : "=r"(r) : "r"(0x80818283u), "r"(0x90919293u));
  P(r);
  P(__float_as_uint(fminf(nan, 2.f)));
  P(__float_as_uint(fmaxf(-0.0f * s40, 0.0f)));
  P(__float_as_uint(__fadd_rz(1.f, 1e-9f * s40)));
  P(__float_as_uint(__fadd_ru(1.f, 1e-9f * s40)));
  P(__float_as_uint(__fmul_rd(1.1f, 1.1f * s40)));
  P(__float_as_uint(__fsqrt_rn(2.f * s40)));
  P(__float_as_uint(__fdiv_rn(1.f * s40, 3.f)));
  P(__float_as_uint(__double2float_rd(0.1 * s40)));
  P(__float_as_uint(__saturatef(nan)));
  P((unsigned)(int)(signed char)(neg + 0x7f));
  P(__clz(0 * s40));
  P(__ffs(0 * s40));
  asm("bfind.u32 %0, %1;" : "=r"(r) : "r"(0 * s40));
  P(r);
  asm("lop3.b32 %0, %1, %2, %3, 0xE8;" : "=r"(r) : "r"(0xff00ff00u), "r"(0xf0f0f0f0u), "r"(0xccccccccu));
  P(r);
  asm("{ .reg .pred p, q; setp.lt.and.s32 p|q, %1, 3, 1; selp.u32 %0, 1, 0, p; @q add.u32 %0, %0, 10; }"
      : "=r"(r)
      : "r"(s40));
  P(r);
  asm("sub.cc.u32 %0, 0, 1; subc.u32 %0, 5, 0;" : "=r"(r));
  P(r);
  asm("add.cc.u32 %0, 0xffffffff, 1; addc.u32 %0, 5, 0;" : "=r"(r));
  P(r);
  P((unsigned)(0x8000000000000000ull >> 63));
  P(-7 / (s40 - 37));
  P(-7 % (s40 - 37));
  P(__float_as_uint(1e-40f * s40));
  asm("add.ftz.f32 %0, %1, 0f00000000;" : "=r"(r) : "r"(0x000116c2));
  P(r);
}
int main() {
  unsigned *o;
  cudaMallocManaged(&o, 4096);
  edge<<<1, 1>>>(o, NAN, INFINITY, (double)NAN, 40, 0x80000000u);
  printf("%d\n", cudaDeviceSynchronize());
  auto fb = [](float f) {
    unsigned u;
    memcpy(&u, &f, 4);
    return u;
  };
  unsigned w[] = {0,
                  0x7fffffff,
                  0x80000000,
                  0,
                  0x80000000,
                  2,
                  4,
                  (unsigned)-2,
                  0,
                  0xffffffff,
                  0,
                  0xffffffff,
                  8,
                  0xfffffff8,
                  0x90ff9383 & 0xff000000 ? 0x90ff9383u : 0u,
                  fb(2.f),
                  0,
                  fb(1.f),
                  fb(1.0000001f),
                  0x42419999,
                  fb(sqrtf(80.f)),
                  fb(40.f / 3.f),
                  0x40800000,
                  0,
                  0x7f,
                  32,
                  0,
                  0xffffffff,
                  0xfcc0fcc0 & 0,
                  10,
                  4,
                  6,
                  1,
                  (unsigned)-2,
                  (unsigned)-1,
                  fb(1e-40f * 40),
                  0};
  w[28] = (0xff00ff00u & 0xf0f0f0f0u) | (0xff00ff00u & 0xccccccccu) | (0xf0f0f0f0u & 0xccccccccu);
  int bad = 0;
  for (unsigned i = 0; i < sizeof w / 4; ++i)
    if (o[i] != w[i]) {
      ++bad;
      printf("edge %u: got %08x want %08x\n", i, o[i], w[i]);
    }
  printf("edge: %d of %zu differ\n", bad, sizeof w / 4);
  return bad;
}
