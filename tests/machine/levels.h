// SPDX-License-Identifier: Apache-2.0
//
// What math_level.cpp and pack_level.cpp, compiled once per ISA level, offer to the tests, which are compiled for the
// baseline: plain function pointers, so that no template of GoogleTest or std ever holds instructions the CPU may lack.
#pragma once
#include <vector>

namespace core_test {

enum Function { EXP, EXPM1, LOG, LOG1P, TANH, SIGMOID, SOFTPLUS, N_FUNCTIONS };
constexpr const char *function_names[N_FUNCTIONS] = {"exp", "expm1", "log", "log1p", "tanh", "sigmoid", "softplus"};

// The largest error seen and where. A wrong NaN, a missing NaN or a wrong sign counts as infinitely many ulp.
struct Worst {
  double ulps = 0, x = 0, got = 0, expected = 0;
};

// Every n is a multiple of 16.
struct MathLevel {
  void (*apply_float)(int function, const float *x, float *y, long n);
  void (*apply_double)(int function, const double *x, double *y, long n);
  // The function in double by glibc's vector math library (libmvec), which shares nothing with kernels/machine/cpu/math.h.
  void (*reference)(int function, const float *x, double *y, long n);
  // |got - expected| in units of the last place of the float next to expected.
  void (*compare)(const float *x, const float *got, const double *expected, long n, Worst *worst);
};

// Told the outcome of every check.
using Expect = void (*)(bool holds, const char *what, int line);

struct PackLevel {
  // page_end: the first byte of an inaccessible page; at least 4096 bytes before it are accessible.
  void (*check_float)(Expect expect, char *page_end);
  void (*check_double)(Expect expect, char *page_end);
};

extern const MathLevel math_v2, math_v3, math_v4;
extern const PackLevel pack_v2, pack_v3, pack_v4;

struct Level {
  const char *name;
  bool supported;
  const MathLevel *math;
  const PackLevel *pack;
};

// The widest level first.
inline std::vector<Level> levels() {
  __builtin_cpu_init();
  const bool v4 = __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
                  __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl");
  const bool v3 = __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") && __builtin_cpu_supports("bmi2");
  const bool v2 = __builtin_cpu_supports("sse4.2") && __builtin_cpu_supports("popcnt");
  return {{"v4", v4, &math_v4, &pack_v4}, {"v3", v3, &math_v3, &pack_v3}, {"v2", v2, &math_v2, &pack_v2}};
}

}  // namespace core_test
