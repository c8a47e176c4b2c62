// SPDX-License-Identifier: Apache-2.0
//
// Instructions with a part that the emulator does not implement must fail at the launch; none may run as if it were not there. And
// the forms of cvt with .ftz and .sat that it does implement.
#include <cmath>
#include <cstring>
#include "check.h"
#define REFUSED(name, text)                        \
  __global__ void name(float *p) {                 \
    float x = p[0], y = p[1];                      \
    asm volatile("{" text "}" : "+f"(x) : "f"(y)); \
    p[0] = x;                                      \
  }
REFUSED(setp_ftz, ".reg .pred q; setp.lt.ftz.f32 q, %0, %1; selp.f32 %0, %0, %1, q;")
REFUSED(set_ftz, "set.lt.ftz.f32.f32 %0, %0, %1;")
REFUSED(fma_relu, ".reg .b32 h; mov.b32 h, %0; fma.rn.relu.f16x2 h, h, h, h; mov.b32 %0, h;")
REFUSED(min_nan, "min.NaN.f32 %0, %0, %1;")
REFUSED(min_xorsign, "min.xorsign.abs.f32 %0, %0, %1;")
REFUSED(cvt_half_ftz, ".reg .b16 h; cvt.rn.f16.f32 h, %1; cvt.ftz.f32.f16 %0, h;")
REFUSED(cvt_half_sat, ".reg .b16 h; cvt.rn.sat.f16.f32 h, %1; cvt.f32.f16 %0, h;")
REFUSED(cvt_half_rz, ".reg .b16 h; cvt.rz.f16.f32 h, %1; cvt.f32.f16 %0, h;")
REFUSED(cvt_int_sat, ".reg .s32 n; cvt.rzi.s32.f32 n, %1; cvt.rn.sat.f32.s32 %0, n;")
REFUSED(add_sat_int,
        ".reg .s32 n, m; cvt.rzi.s32.f32 n, %0; cvt.rzi.s32.f32 m, %1; add.sat.s32 n, n, m; cvt.rn.f32.s32 %0, n;")
REFUSED(slct_ftz, "slct.ftz.f32.f32 %0, %0, %1, %1;")
REFUSED(fence_proxy, "fence.proxy.alias;")
REFUSED(
    lop3_bool,
    ".reg .b32 n; .reg .pred q; mov.b32 n, %1; setp.ne.u32 q, n, 0; lop3.or.b32 n|q, n, n, n, 0xf0, q; mov.b32 %0, n;")
REFUSED(mul24_hi, ".reg .u32 n; mov.b32 n, %1; mul24.hi.u32 n, n, n; mov.b32 %0, n;")
using Function = void (*)(float *);
struct Case {
  const char *name;
  Function kernel;
};

// d: f64 in, out f32 with .ftz, f32 with .ftz.sat, f64 from a subnormal f32 with .ftz, f32 rounded to an integer and saturated
__global__ void conversions(const double *d, float *f, double *g) {
  const int t = threadIdx.x;
  asm("cvt.rn.ftz.f32.f64 %0, %1;" : "=f"(f[4 * t]) : "d"(d[t]));
  asm("cvt.rn.ftz.sat.f32.f64 %0, %1;" : "=f"(f[4 * t + 1]) : "d"(d[t]));
  asm("cvt.rpi.sat.f32.f32 %0, %1;" : "=f"(f[4 * t + 2]) : "f"((float)d[t]));
  asm("cvt.rz.f32.f64 %0, %1;" : "=f"(f[4 * t + 3]) : "d"(d[t]));
  asm("cvt.ftz.f64.f32 %0, %1;" : "=d"(g[t]) : "f"((float)d[t]));
}
int main() {
  float *p;
  OK(cudaMallocManaged(&p, 1024));
  p[0] = p[1] = 1;
  const Case cases[] = {{"setp.ftz", setp_ftz},         {"set.ftz", set_ftz},         {"fma.relu", fma_relu},
                        {"min.NaN", min_nan},           {"min.xorsign", min_xorsign}, {"cvt.ftz half", cvt_half_ftz},
                        {"cvt.sat half", cvt_half_sat}, {"cvt.rz half", cvt_half_rz}, {"cvt.sat of int", cvt_int_sat},
                        {"add.sat", add_sat_int},       {"slct.ftz", slct_ftz},       {"fence.proxy", fence_proxy},
                        {"lop3.or", lop3_bool},         {"mul24.hi", mul24_hi}};
  for (const Case &c : cases) {
    c.kernel<<<1, 1>>>(p);
    const cudaError_t e = cudaGetLastError();
    if (e != cudaErrorInvalidKernelImage) {
      ++g_failed;
      printf("%s was not refused: %s\n", c.name, cudaGetErrorName(e));
    }
  }
  const double values[] = {1e-40, -1e-40, 0.3, -0.3, 1.7, 1 / 3., NAN, 1e300};
  double *d, *g;
  OK(cudaMallocManaged(&d, sizeof values));
  OK(cudaMallocManaged(&g, sizeof values));
  memcpy(d, values, sizeof values);
  conversions<<<1, 8>>>(d, p, g);
  OK(cudaDeviceSynchronize());
  for (int t = 0; t < 8; ++t) {
    const double v = values[t];
    const float f = (float)v;
    const float flushed = std::fabs(f) < 0x1p-126f ? std::copysign(0.f, f) : f;
    auto saturated = [](float x) { return x > 0 ? (x < 1 ? x : 1) : 0; };
    auto same = [](double a, double b) { return (a != a && b != b) || (a == b && std::signbit(a) == std::signbit(b)); };
    CHECK(same(p[4 * t], flushed));
    CHECK(same(p[4 * t + 1], saturated(flushed)));
    CHECK(same(p[4 * t + 2], saturated(std::ceil(f))));
    CHECK(std::isnan(v) || std::fabs((double)p[4 * t + 3]) <= std::fabs(v));
    CHECK(same(g[t], flushed));
  }
  RESULT();
}
