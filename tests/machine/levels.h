// SPDX-License-Identifier: Apache-2.0
//
// What the sources *_level.cpp, compiled once per ISA level, offer to the tests, which are compiled for the baseline: plain
// function pointers, so that no template of GoogleTest or std ever holds instructions the CPU may lack.
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

// A matrix with planes, as kernels/machine/matrix.h has it: plane and ld in elements of the executor.
struct AnyMatrix {
  void *v = nullptr, *d = nullptr;
  long plane = 0, ld = 0;
};

enum Product { NT, NN, TN, SUM_ROWS, N_PRODUCTS };
constexpr const char *product_names[N_PRODUCTS] = {"product_nt", "product_nn", "product_tn", "sum_rows"};
enum AnyMode { VALUE, JET, TAPED, N_MODES };

// C[m][n] (+)= A B over `depth`; sum_rows: C[0][n] (+)= the sum over `depth` rows of A.
struct ProductCall {
  Product product = NT;
  AnyMode mode = VALUE;
  bool tasks_in_lanes = false;
  long planes = 0, m = 0, n = 0, depth = 0;
  AnyMatrix a, b, c;
  bool accumulate = false, on_tape = false;
  long tile_columns = 0;  // 0: as the kernels choose
  bool swapped = false;
  bool counts_rows = false;  // with a table of rows of each task, as many as there are
  void (*epilogue)(void *object, long i0, long i1, long j0, long j1) = nullptr;
  void *object = nullptr;
};

struct ProductLevel {
  int lanes_of_float, lanes_of_double;
  // False if the executor wrote beyond its scratch.
  bool (*run_float)(const ProductCall &call);
  bool (*run_double)(const ProductCall &call);
};

// Checks that a level makes by itself. page_end: the first byte of an inaccessible page; 4 MiB before it are accessible, for pack_ 4096 bytes.
struct Checks {
  void (*check_float)(Expect expect, char *page_end);
  void (*check_double)(Expect expect, char *page_end);
};

extern const MathLevel math_v2, math_v3, math_v4;
extern const ProductLevel product_v2, product_v3, product_v4;
extern const Checks pack_v2, pack_v3, pack_v4, map_v2, map_v3, map_v4, sum_v2, sum_v3, sum_v4, transfer_v2, transfer_v3,
    transfer_v4;

// What a level defines: BLV_OF_LEVEL(map_) is map_v3 at v3.
#define BLV_JOIN_(a, b) a##b
#define BLV_JOIN(a, b) BLV_JOIN_(a, b)
#define BLV_OF_LEVEL(prefix) BLV_JOIN(prefix, BLV_ISA_NAMESPACE)
// Checks of which a level has check<float> and check<double>; at namespace scope, behind them.
#define BLV_DEFINE_CHECKS(prefix)                                                                      \
  const core_test::Checks core_test::BLV_OF_LEVEL(prefix) = {bilevel::BLV_ISA_NAMESPACE::check<float>, \
                                                             bilevel::BLV_ISA_NAMESPACE::check<double>};

struct Level {
  const char *name;
  bool supported;
  const MathLevel *math;
  const Checks *pack;
  const ProductLevel *product;
  const Checks *map, *sum, *transfer;
};

// The widest level first.
inline std::vector<Level> levels() {
  __builtin_cpu_init();
  const bool v4 = __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
                  __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl");
  const bool v3 = __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") && __builtin_cpu_supports("bmi2");
  const bool v2 = __builtin_cpu_supports("sse4.2") && __builtin_cpu_supports("popcnt");
  return {{"v4", v4, &math_v4, &pack_v4, &product_v4, &map_v4, &sum_v4, &transfer_v4},
          {"v3", v3, &math_v3, &pack_v3, &product_v3, &map_v3, &sum_v3, &transfer_v3},
          {"v2", v2, &math_v2, &pack_v2, &product_v2, &map_v2, &sum_v2, &transfer_v2}};
}

}  // namespace core_test
