// SPDX-License-Identifier: Apache-2.0
//
// The kernels of primitives.h at the level of cooperation that the including source defines.
#pragma once
#include "kernels/machine/cuda/executor.h"
#include "tests/cuda/primitives.h"

namespace bilevel {
namespace BLV_ISA_NAMESPACE {

using primitives::MapCase;
using primitives::Operand;
using primitives::ProductCase;
using primitives::ReductionCase;

// ---- Operands ------------------------------------------------------------------------------------------------------------------------

extern __shared__ __align__(16) char dynamic_shared[];

template <class T>
struct Places {
  T *next = reinterpret_cast<T *>(dynamic_shared);

  // Copies an operand that is to be in shared memory; the caller waits.
  BLV_INLINE T *put(const Operand &o) {
    T *from = static_cast<T *>(o.base);
    if (!o.in_shared) return from;
    T *to = next;
    next += (o.count + 3) / 4 * 4;
    for (int i = PassThreads::thread(); i < o.count; i += PassThreads::threads()) to[i] = from[i];
    return to;
  }
  static BLV_INLINE void take_back(const Operand &o, const T *from) {
    if (!o.in_shared) return;
    for (int i = PassThreads::thread(); i < o.count; i += PassThreads::threads()) static_cast<T *>(o.base)[i] = from[i];
  }
};
template <class T>
BLV_INLINE Matrix<T> matrix(const Operand &o, T *base) {
  return {o.v < 0 ? nullptr : base + o.v, o.d < 0 ? nullptr : base + o.d, o.plane, o.ld};
}

// ---- Products ------------------------------------------------------------------------------------------------------------------------

template <class T, Mode M>
BLV_INLINE void run_product(const ProductCase &p) {
  Places<T> places;
  T *a_base = places.put(p.a), *b_base = places.put(p.b), *c_base = places.put(p.c);
  PassThreads::sync();
  const Matrix<T> a = matrix(p.a, a_base), b = matrix(p.b, b_base), c = matrix(p.c, c_base);
  T *seen = static_cast<T *>(p.seen.base);
  // Read by other threads than wrote: from the end.
  const auto epilogue = [&](Index i0, Index i1, Index j0, Index j1) {
    if (i0 != 0 || i1 != p.m || j0 != 0 || j1 != p.n) return;
    for (Index i = PassThreads::thread(); i < p.c.count; i += PassThreads::threads())
      seen[p.c.count - 1 - i] = c_base[p.c.count - 1 - i];
  };
  GroupExecutor<T, M> x(p.planes);
  switch (p.product) {
    case primitives::NT:
      x.product_nt(p.m, p.n, p.depth, Tiling(), a, b, c, epilogue);
      break;
    case primitives::NN:
      x.product_nn(p.m, p.n, p.depth, Tiling(), a, b, c,
                   ProductRequest{.on_tape = p.on_tape != 0, .accumulate = p.accumulate != 0}, epilogue);
      break;
    case primitives::TN:
      x.product_tn(p.m, p.n, p.depth, Tiling(), a, b, c, ProductRequest{.accumulate = p.accumulate != 0});
      break;
    default:
      x.sum_rows(p.depth, p.n, a, c, p.accumulate);
  }
  x.finish_products();
  places.take_back(p.c, c_base);
}

template <class T>
__global__ void products_kernel(const ProductCase *cases) {
  const ProductCase p = cases[blockIdx.x];
  if (p.mode == primitives::VALUE) run_product<T, Mode::VALUE>(p);
  if (p.mode == primitives::JET) run_product<T, Mode::JET>(p);
  if (p.mode == primitives::TAPED) run_product<T, Mode::TAPED>(p);
}

// ---- Maps ----------------------------------------------------------------------------------------------------------------------------

template <class T, Mode M>
BLV_INLINE void run_map(const MapCase &p) {
  using X = Map<T, M, Lanes::COLUMNS>;
  Places<T> places;
  T *in_base = places.put(p.in), *columns_base = places.put(p.of_columns), *row_base = places.put(p.row),
    *put_base = places.put(p.put), *add_base = places.put(p.add), *most = places.put(p.most);
  PassThreads::sync();
  const Matrix<T> in = matrix(p.in, in_base), of_columns = matrix(p.of_columns, columns_base),
                  row = matrix(p.row, row_base), put = matrix(p.put, put_base), add = matrix(p.add, add_base);
  X x(p.planes);
  CompensatedSum<T> total;
  x.for_rows(p.rows, p.columns, [&](Index i) {
    const auto sum = x.row_sum([&](Index j) { return x.get(in, i, j); });
    x.add_row_entry(row, i, sum);
    if (x.k == 0) most[i] = x.row_max([&](Index j) { return X::value(x.get(in, i, j)); });
    x.add_to_total(&total, i, sum);
    for (Index j = 0; j < p.columns; j += X::column_step)
      x.put(put, i, j, x.get(in, i, j) * x.column_entry(of_columns, j) + x.column_index(j));
  });
  x.for_tile(p.i0, p.i1, p.j0, p.j1, p.columns,
             [&](Index i, Index j) { x.add(add, i, j, x.get(put, i, j) + x.row_entry(row, i)); });
  static_cast<T *>(p.totals.base)[threadIdx.x] = sum_over_threads(total.value);
  places.take_back(p.row, row_base), places.take_back(p.put, put_base), places.take_back(p.add, add_base);
  places.take_back(p.most, most);
}

template <class T>
__global__ void maps_kernel(const MapCase *cases) {
  const MapCase p = cases[blockIdx.x];
  if (p.mode == primitives::VALUE) run_map<T, Mode::VALUE>(p);
  if (p.mode == primitives::JET) run_map<T, Mode::JET>(p);
  if (p.mode == primitives::TAPED) run_map<T, Mode::TAPED>(p);
}

// ---- Reductions and loops ------------------------------------------------------------------------------------------------------------

// How many scalars are not what a loop over them left, as threads that did not write them see it.
BLV_INLINE double wrong_after_loops(int *scalars, int n) {
  int wrong = 0;
  for (int turn = 1; turn <= 3; turn++) {
    strided_for_then_sync(n, [&](Index i) { scalars[i] = turn * 1000 + int(i); });
    strided_for(n, [&](Index i) { wrong += scalars[n - 1 - i] != turn * 1000 + n - 1 - int(i); });
    TaskThreads::sync();
  }
  return double(sum_over_threads(float(wrong)));
}

BLV_INLINE double times_done_by_one(int *scalars) {
  strided_for_then_sync(2, [&](Index i) { scalars[i] = 0; });
  one_thread_then_sync([&] { scalars[0]++; });
  const int once_done = scalars[0];
  one_thread_per_block_then_sync([&] { scalars[1] = scalars[0] + 1; });
  return once_done == 1 && scalars[1] == 2 ? 1 : 100 * once_done + scalars[1];
}

template <class T>
__global__ void reductions_kernel(const ReductionCase *cases) {
  __shared__ int scalars[512];
  const ReductionCase p = cases[blockIdx.x];
  const T *x = static_cast<const T *>(p.x.base);
  double *out = static_cast<double *>(p.out.base) + threadIdx.x * primitives::N_REDUCTIONS;
  const int thread = int(threadIdx.x);
  out[primitives::OF_WARP] = double(warp_reduce(x[thread], Plus()));
  out[primitives::OF_TASK] = double(sum_over_threads(x[thread]));
  out[primitives::ANY] = double(any_thread(thread == p.picked ? 4 : 0));
  out[primitives::LEAST] = double(least_over_threads((1ll << 40) - 3 * thread));
  out[primitives::OF_ARRAY] = double(sum_over_threads(thread_sum<T>(p.n, [&](Index i) { return x[i]; })));
  out[primitives::NORM] = double(norm_of(x, p.n));
  out[primitives::LOOPS] = wrong_after_loops(scalars, p.n < 512 ? p.n : 512);
  out[primitives::BY_ONE] = times_done_by_one(scalars);
}

// ---- Launches ------------------------------------------------------------------------------------------------------------------------

template <class Case>
cudaError_t launch(void (*kernel)(const Case *), const Case *cases, int count, int threads, int shared,
                   cudaStream_t stream) {
  kernel<<<unsigned(count), unsigned(threads), size_t(shared), stream>>>(cases);
  return cudaGetLastError();
}
inline cudaError_t launch_products(bool f64, const ProductCase *cases, int count, int threads, int shared,
                                   cudaStream_t stream) {
  return launch(f64 ? products_kernel<double> : products_kernel<float>, cases, count, threads, shared, stream);
}
inline cudaError_t launch_maps(bool f64, const MapCase *cases, int count, int threads, int shared,
                               cudaStream_t stream) {
  return launch(f64 ? maps_kernel<double> : maps_kernel<float>, cases, count, threads, shared, stream);
}
inline cudaError_t launch_reductions(bool f64, const ReductionCase *cases, int count, int threads,
                                     cudaStream_t stream) {
  return launch(f64 ? reductions_kernel<double> : reductions_kernel<float>, cases, count, threads, 0, stream);
}

}  // namespace BLV_ISA_NAMESPACE
}  // namespace bilevel
