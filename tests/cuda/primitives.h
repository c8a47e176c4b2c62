// SPDX-License-Identifier: Apache-2.0
//
// Kernels over the primitives of kernels/machine/cuda, for tests: what primitives_warp.cu and primitives_block.cu, one level of
// cooperation each, offer. A block of threads works on one case; the cases of a launch lie in device memory.
#pragma once
#include <cuda_runtime_api.h>

namespace primitives {

// A matrix with planes in an array of `count` scalars: element (i, j) of the values is scalar v + i ld + j, and of tangent k it is
// d + k plane + i ld + j; -1: there are none. in_shared: the kernel works on a copy in shared memory.
struct Operand {
  void *base = nullptr;
  int count = 0, v = -1, d = -1, plane = 0, ld = 0, in_shared = 0;
};

enum Product { NT, NN, TN, SUM_ROWS, N_PRODUCTS };
enum AnyMode { VALUE, JET, TAPED, N_MODES };

// C[m][n] (+)= A B over `depth`; sum of rows: C[0][n] (+)= the sum over `depth` rows of A.
struct ProductCase {
  int product, mode, planes, m, n, depth, accumulate, on_tape;
  Operand a, b, c;
  Operand seen;  // NT, NN: what the epilogue found in C
};

// For every row i: row (+)= the sum of `in`, most[i] its maximum, put = in * columns[j] + j. Then, over the tile from (i0, j0) to
// (i1, j1): add += put + row.
struct MapCase {
  int mode, planes, rows, columns, i0, i1, j0, j1;
  Operand in, of_columns, row, put, add, most;
  Operand totals;  // per thread: the sum of all of `in`
};

// Per thread, in double, so that all may be compared.
enum Reduction {
  OF_WARP,   // the sum of x[thread] over the warp
  OF_TASK,   // over the task
  ANY,       // whether some thread is `picked`
  LEAST,     // the least of 2^40 - 3 thread
  OF_ARRAY,  // the sum of x
  NORM,      // of x
  LOOPS,     // scalars that loops with a barrier behind them left wrong
  BY_ONE,    // how often what one thread is to do was done, and whether all saw it
  N_REDUCTIONS
};
struct ReductionCase {
  int n, picked;  // n: at least as many as threads
  Operand x, out;
};

struct Level {
  const char *name;
  int most_threads;
  cudaError_t (*products)(bool f64, const ProductCase *cases, int count, int threads, int shared, cudaStream_t stream);
  cudaError_t (*maps)(bool f64, const MapCase *cases, int count, int threads, int shared, cudaStream_t stream);
  cudaError_t (*reductions)(bool f64, const ReductionCase *cases, int count, int threads, cudaStream_t stream);
};
extern const Level warp_level, block_level;

}  // namespace primitives
