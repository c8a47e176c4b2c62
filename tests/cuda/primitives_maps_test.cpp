// SPDX-License-Identifier: Apache-2.0
//
// Maps, reductions and loops on the device, against plain loops in long double; u = eps / 2. Rows and results lie in shared or device
// memory. Every thread's result of a reduction is looked at.
#include <algorithm>
#include <cmath>
#include <memory>

#include "primitives_arrays.h"

namespace primitives {
namespace {

// ---- Maps ----------------------------------------------------------------------------------------------------------------------------

template <class T>
struct MapTrial {
  MapCase call = {};
  Array<T> in, of_columns, row, put, add, most, totals;

  MapTrial(Random &random, int mode, int rows, int columns, int threads) {
    const bool planes = mode != VALUE, tangent = planes && !random.one_in(3);
    call.mode = mode, call.rows = rows, call.columns = columns, call.planes = planes ? 1 + random.below(3) : 0;
    call.i0 = random.below(rows), call.i1 = call.i0 + 1 + random.below(rows - call.i0);
    call.j0 = random.below(columns), call.j1 = call.j0 + 1 + random.below(columns - call.j0);
    const auto shape = [&](Array<T> &x, int r, int c, bool d) {
      x.operand.in_shared = random.one_in(2);
      x.shape(r, c, call.planes, true, d, random.below(3), c + random.below(3), true);
    };
    shape(in, rows, columns, tangent), shape(of_columns, 1, columns, tangent), shape(row, 1, rows, planes);
    shape(put, rows, columns, planes), shape(add, rows, columns, planes);
    most.shape(1, rows, 0, true, false, 0, rows, true), totals.shape(1, threads, 0, true, false, 0, threads, true);
    for (Array<T> *x : {&in, &of_columns, &row, &add}) x->fill(random);
    for (Array<T> *x : all())
      if (x->shared_bytes() > most_shared / 5) x->operand.in_shared = 0;
    for (Array<T> *x : all()) x->send();
    call.in = in.operand, call.of_columns = of_columns.operand, call.row = row.operand, call.put = put.operand;
    call.add = add.operand, call.most = most.operand, call.totals = totals.operand;
  }
  std::vector<Array<T> *> all() { return {&in, &of_columns, &row, &put, &add, &most, &totals}; }
  int shared_bytes() {
    int bytes = 0;
    for (const Array<T> *x : all()) bytes += x->shared_bytes();
    return bytes;
  }

  void check() {
    constexpr long double u = unit<T>;
    for (Array<T> *x : all()) x->take_back();
    const auto [i0, i1, j0, j1] = std::tuple(call.i0, call.i1, call.j0, call.j1);
    const auto in_tile = [=](int, int i, int j) { return i >= i0 && i < i1 && j >= j0 && j < j1; };
    const auto everywhere = [](int, int, int) { return true; };
    EXPECT_TRUE(in.unchanged() && of_columns.unchanged() && add.unchanged_but(in_tile)) << describe();
    EXPECT_TRUE(row.unchanged_but(everywhere) && put.unchanged_but(everywhere)) << describe();
    bool right = true;
    long double total = 0, total_size = 0;
    for (int p = -1; p < call.planes; ++p)
      for (int i = 0; i < call.rows; ++i) {
        long double sum = 0, size = 0, largest = in.sent(-1, i, 0);
        for (int j = 0; j < call.columns; ++j) {
          const long double x = in.sent(p, i, j);
          sum += x, size += magnitude(x), largest = std::max(largest, in.sent(-1, i, j));
          // v c + j and its tangent: two products, three roundings.
          const long double v = in.sent(-1, i, j), c = of_columns.sent(-1, 0, j);
          const long double y = p < 0 ? v * c + j : v * of_columns.sent(p, 0, j) + x * c;
          right = right && near(put.got(p, i, j), y, 4 * u * (j + 3));
          const long double z = add.sent(p, i, j) + put.got(p, i, j) + row.got(p, 0, i);
          if (in_tile(p, i, j))
            right = right && near(add.got(p, i, j), z, 3 * u * (j + 5 + magnitude(row.got(p, 0, i))));
        }
        // Pieces of 64 additions, then a compensated sum.
        right = right && near(row.got(p, 0, i), row.sent(p, 0, i) + sum, 70 * u * (size + 1));
        if (p < 0) total += sum, total_size += size, right = right && most.got(-1, 0, i) == T(largest);
      }
    EXPECT_TRUE(right) << describe();
    for (int t = 0; t < totals.columns; ++t) {
      right = right && near(totals.got(-1, 0, t), total, 80 * u * total_size);
      right = right && totals.got(-1, 0, t) == totals.got(-1, 0, 0);
    }
    EXPECT_TRUE(right) << "totals, " << describe();
  }
  std::string describe() const {
    return "mode " + std::to_string(call.mode) + ", planes " + std::to_string(call.planes) + ", " +
           std::to_string(call.rows) + " x " + std::to_string(call.columns) + ", tile (" + std::to_string(call.i0) +
           ", " + std::to_string(call.j0) + ") to (" + std::to_string(call.i1) + ", " + std::to_string(call.j1) + ")";
  }
};

template <class T>
void run_maps(const Level &level) {
  Random random;
  for (int threads = 32; threads <= level.most_threads; threads += 96) {
    std::vector<std::unique_ptr<MapTrial<T>>> trials;
    for (int mode = 0; mode < N_MODES; ++mode)
      for (const int rows : {1, 2, 31, 33})
        for (const int columns : {1, 2, 3, 17, 40, 64, 65, 130})
          if (rows * columns <= 1400)
            trials.push_back(std::make_unique<MapTrial<T>>(random, mode, rows, columns, threads));
    std::vector<MapCase> calls;
    int shared = 0;
    for (const auto &trial : trials) calls.push_back(trial->call), shared = std::max(shared, trial->shared_bytes());
    const Cases<MapCase> cases(calls);
    ASSERT_EQ(
        error_text(level.maps(sizeof(T) == 8, cases.data(), static_cast<int>(calls.size()), threads, shared, nullptr)),
        "");
    ASSERT_EQ(error_text(cudaDeviceSynchronize()), "") << threads;
    for (const auto &trial : trials) trial->check();
  }
}

// ---- Reductions ----------------------------------------------------------------------------------------------------------------------

enum Numbers { POSITIVE, SIGNED, HUGE_ONES, TINY, MIXED, ZEROS, INFINITE, NUMBERS };

// The ends of the range, where squares leave it.
template <class T>
T number(Random &random, int numbers, int i) {
  const double large = sizeof(T) == 4 ? 1e30 : 1e300, x = random.number();
  switch (numbers) {
    case POSITIVE:
      return T(1.5 + x);
    case SIGNED:
      return T(x);
    case HUGE_ONES:
      return T(large * x);
    case TINY:
      return T(x / large);
    case MIXED:
      return T(x * (i % 3 == 0 ? 1e-20 : i % 3 == 1 ? 1e20 : 1));
    case ZEROS:
      return T(0);
    default:
      return i == 5 ? std::numeric_limits<T>::infinity() : T(x);
  }
}

template <class T>
struct ReductionTrial {
  ReductionCase call = {};
  Array<T> x;
  Array<double> out;

  ReductionTrial(Random &random, int numbers, int n, int threads) {
    x.shape(1, n, 0, true, false, 0, n, true);
    for (int i = 0; i < n; ++i) x.before[static_cast<size_t>(i)] = number<T>(random, numbers, i);
    out.shape(threads, N_REDUCTIONS, 0, true, false, 0, N_REDUCTIONS, true);
    x.send(), out.send();
    call = {n, random.one_in(3) ? -1 : random.below(threads), x.operand, out.operand};
  }
  double got(int thread, int reduction) const { return out.got(-1, thread, reduction); }

  // Terms [first, last) with a rounding per level of a tree.
  bool is_sum(double result, int first, int last, int roundings) const {
    long double sum = 0, size = 0;
    for (int i = first; i < last; ++i) sum += x.sent(-1, 0, i), size += magnitude(x.sent(-1, 0, i));
    return std::isinf(sum) ? result == static_cast<double>(sum) : near(result, sum, roundings * unit<T> * size);
  }
  bool is_norm(double result) const {
    long double square = 0;
    for (int i = 0; i < call.n; ++i) square += x.sent(-1, 0, i) * x.sent(-1, 0, i);
    if (std::isinf(square)) return std::isinf(result);
    // Floats: in double, rounded once. Doubles: per square, level of the tree and root.
    return near(result, std::sqrt(square), (sizeof(T) == 4 ? 1.001L : 16) * unit<T> * std::sqrt(square));
  }

  void check() {
    x.take_back(), out.take_back();
    EXPECT_TRUE(x.unchanged());
    const int threads = out.rows;
    std::string wrong;
    for (int t = 0; t < threads; ++t) {
      if (!is_sum(got(t, OF_WARP), t / 32 * 32, t / 32 * 32 + 32, 6)) wrong += " warp";
      if (got(t, ANY) != (call.picked >= 0 ? 4 : 0)) wrong += " any";
      if (got(t, LEAST) != static_cast<double>((1ll << 40) - 3 * (threads - 1))) wrong += " least";
      if (got(t, LOOPS) != 0) wrong += " loops";
      if (got(t, BY_ONE) != 1) wrong += " by_one";
      for (const int same : {OF_TASK, OF_ARRAY, NORM})
        if (got(t, same) != got(0, same)) wrong += " differs between threads";
    }
    if (!is_sum(got(0, OF_TASK), 0, threads, 6 + threads / 32)) wrong += " task";
    // Compensated by thread: two roundings, and those of the tree.
    if (!is_sum(got(0, OF_ARRAY), 0, call.n, 9 + threads / 32)) wrong += " array";
    if (!is_norm(got(0, NORM))) wrong += " norm " + std::to_string(got(0, NORM));
    EXPECT_EQ(wrong.substr(0, 200), "") << threads << " threads, " << call.n << " terms";
  }
};

template <class T>
void run_reductions(const Level &level) {
  Random random;
  for (int threads = 32; threads <= level.most_threads; threads = threads < 64 ? 64 : threads + 96) {
    std::vector<std::unique_ptr<ReductionTrial<T>>> trials;
    for (int numbers = 0; numbers < NUMBERS; ++numbers)
      for (const int n : {threads, threads + 1, 511, 1000, numbers == POSITIVE ? 40000 : 2000})
        trials.push_back(std::make_unique<ReductionTrial<T>>(random, numbers, n, threads));
    std::vector<ReductionCase> calls;
    for (const auto &trial : trials) calls.push_back(trial->call);
    const Cases<ReductionCase> cases(calls);
    ASSERT_EQ(
        error_text(level.reductions(sizeof(T) == 8, cases.data(), static_cast<int>(calls.size()), threads, nullptr)),
        "");
    ASSERT_EQ(error_text(cudaDeviceSynchronize()), "") << threads;
    for (const auto &trial : trials) trial->check();
  }
}

TEST(PrimitiveMaps, WarpFloat) { run_maps<float>(warp_level); }
TEST(PrimitiveMaps, WarpDouble) { run_maps<double>(warp_level); }
TEST(PrimitiveMaps, BlockFloat) { run_maps<float>(block_level); }
TEST(PrimitiveMaps, BlockDouble) { run_maps<double>(block_level); }

TEST(PrimitiveReductions, WarpFloat) { run_reductions<float>(warp_level); }
TEST(PrimitiveReductions, WarpDouble) { run_reductions<double>(warp_level); }
TEST(PrimitiveReductions, BlockFloat) { run_reductions<float>(block_level); }
TEST(PrimitiveReductions, BlockDouble) { run_reductions<double>(block_level); }

}  // namespace
}  // namespace primitives
