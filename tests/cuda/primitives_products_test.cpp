// SPDX-License-Identifier: Apache-2.0
//
// Products of matrices with planes on the device, against plain loops in long double: sizes on both sides of tiles, runs and warps,
// operands in shared or device memory, on multiples of 16 bytes or not. Modes, planes, missing planes and accumulation are drawn.
//
// Bound: as of tests/machine/products_test.cpp, n u sum |a b| for n products, u = eps / 2.
#include <algorithm>
#include <memory>

#include "primitives_arrays.h"

namespace primitives {
namespace {

template <class T>
struct Trial {
  ProductCase call = {};
  Array<T> a, b, c, seen;

  void draw(Random &random, int product, int m, int n, int depth) {
    ProductCase &p = call;
    p.product = product, p.m = m, p.n = n, p.depth = depth;
    p.mode = random.below(N_MODES), p.planes = p.mode == VALUE ? 0 : 1 + random.below(3);
    p.accumulate = product != NT && random.one_in(2), p.on_tape = product == NN && random.one_in(2);
    const bool planes = p.mode != VALUE, ad = planes && !random.one_in(4), bd = planes && !random.one_in(4),
               cd = planes && !random.one_in(8), cv = !cd || !random.one_in(4);
    const bool tn = product == TN || product == SUM_ROWS;
    const bool near = random.one_in(2);  // both operands in shared memory
    a.operand.in_shared = near || random.one_in(4), b.operand.in_shared = near;
    c.operand.in_shared = random.one_in(2);
    // Rows that are read by runs of four across columns are padded; those that are read along k, and those of the caller that may be B of
    // TN, end with their last column.
    const bool a_runs = random.one_in(2), b_runs = random.one_in(2);
    const auto shape = [&](Array<T> &x, int rows, int columns, bool d, bool runs, bool padded) {
      const int ld = runs ? (columns + 3) / 4 * 4 + 4 * random.below(2) : columns + random.below(3);
      x.shape(rows, columns, p.planes, true, d, runs ? 0 : random.below(4), ld, !padded);
      x.fill(random);
    };
    if (product == SUM_ROWS)
      shape(a, depth, n, ad, a_runs, true);
    else
      shape(a, tn ? depth : m, tn ? m : depth, ad, a_runs, product == TN);
    shape(b, product == NT ? n : depth, product == NT ? depth : n, bd, b_runs,
          product == NN || (product == TN && a.operand.in_shared && b.operand.in_shared));
    c.shape(product == SUM_ROWS ? 1 : m, n, p.planes, cv, cd, random.below(4), n + random.below(3), true);
    if (p.accumulate) c.fill(random);  // else NaN, so that what is there cannot be read
    seen.shape(1, c.operand.count, 0, true, false, 0, c.operand.count, true);
    for (Array<T> *x : {&a, &b, &c})  // what does not fit stays where it is
      if (x->shared_bytes() > most_shared / 3) x->operand.in_shared = 0;
  }
  int shared_bytes() const { return a.shared_bytes() + b.shared_bytes() + c.shared_bytes(); }
  void send() {
    for (Array<T> *x : {&a, &b, &c, &seen}) x->send();
    call.a = a.operand, call.b = b.operand, call.c = c.operand, call.seen = seen.operand;
  }
  bool written(int p) const {
    const bool taped = call.mode == TAPED && (call.product == NT || (call.product == NN && call.on_tape));
    return c.has(p) && !(p < 0 && taped);
  }

  std::string verdict() {
    for (Array<T> *x : {&a, &b, &c, &seen}) x->take_back();
    std::string what;
    if (!a.unchanged() || !b.unchanged()) what += " an operand changed";
    if (!c.unchanged_but([&](int p, int, int) { return written(p); })) what += " written beside C";
    if ((call.product == NT || call.product == NN) && std::memcmp(seen.now.data(), c.now.data(), c.bytes()) != 0)
      what += " the epilogue saw something else";
    for (int p = -1; p < call.planes && what.empty(); ++p)
      for (int i = 0; written(p) && i < c.rows; ++i)
        for (int j = 0; j < call.n; ++j) {
          long double size = 0;
          const long double expected = reference(p, i, j, &size);
          if (!near(c.got(p, i, j), expected, unit<T> * (2 * call.depth + 3) * size))
            what = " plane " + std::to_string(p) + " (" + std::to_string(i) + ", " + std::to_string(j) +
                   "): " + std::to_string(c.got(p, i, j)) + " for " + std::to_string(static_cast<double>(expected));
        }
    return what;
  }
  long double reference(int p, int i, int j, long double *size) const {
    long double sum = 0;
    const auto add = [&](long double x) { sum += x, *size += magnitude(x); };
    if (call.accumulate) add(c.sent(p, i, j));
    for (int k = 0; k < call.depth; ++k) {
      if (call.product == SUM_ROWS) {
        add(a.sent(p, k, j));
        continue;
      }
      const auto A = [&](int q) { return call.product == TN ? a.sent(q, k, i) : a.sent(q, i, k); };
      const auto B = [&](int q) { return call.product == NT ? b.sent(q, j, k) : b.sent(q, k, j); };
      if (p < 0)
        add(A(-1) * B(-1));
      else
        add(A(-1) * B(p)), add(A(p) * B(-1));
    }
    return sum;
  }
  std::string describe() const {
    std::string text = "m " + std::to_string(call.m) + ", n " + std::to_string(call.n) + ", depth " +
                       std::to_string(call.depth) + ", mode " + std::to_string(call.mode) + ", planes " +
                       std::to_string(call.planes) + (call.accumulate ? ", accumulate" : "") +
                       (call.on_tape ? ", on tape" : "");
    for (const Array<T> *x : {&a, &b, &c})
      text += std::string(x->has(-1) ? " v" : " ") + (x->has(0) ? "d" : "") +
              (x->operand.in_shared ? " shared ld " : " ld ") + std::to_string(x->operand.ld);
    return text + ":";
  }
};

std::vector<int> sizes_of(int product) {
  // Rows that are added up: from 64 on by warps.
  return product == SUM_ROWS ? std::vector<int>{1, 3, 40, 63, 64, 65, 130} : std::vector<int>{1, 2, 3, 4, 5, 8, 17, 40};
}

template <class T>
void run_all(const Level &level, int product) {
  Random random;
  std::vector<std::unique_ptr<Trial<T>>> trials;
  const std::vector<int> sizes = sizes_of(product);
  const auto add = [&](int m, int n, int depth) {
    trials.push_back(std::make_unique<Trial<T>>());
    trials.back()->draw(random, product, m, n, depth);
    trials.back()->send();
  };
  if (product == SUM_ROWS) {
    for (int repeat = 0; repeat < 2; ++repeat)
      for (const int n : {1, 2, 17, 40})
        for (const int depth : sizes) add(1, n, depth);
  } else {
    const auto small = [](int a, int b, int c) { return a * b * c <= 1000 || (a == 40 && b == 40 && c <= 8); };
    for (const int m : sizes)
      for (const int n : sizes)
        for (const int depth : sizes)
          if (small(m, n, depth)) add(m, n, depth);
    add(17, 40, 17), add(40, 17, 40), add(40, 40, 40);
  }
  // A launch for every size of a block.
  for (int threads = 32, first = 0; first < static_cast<int>(trials.size());
       threads = threads < level.most_threads ? threads + 32 : 32) {
    const int last = std::min(first + 60, static_cast<int>(trials.size()));
    std::vector<ProductCase> calls;
    int shared = 0;
    for (int i = first; i < last; ++i)
      calls.push_back(trials[static_cast<size_t>(i)]->call),
          shared = std::max(shared, trials[static_cast<size_t>(i)]->shared_bytes());
    const Cases<ProductCase> cases(calls);
    ASSERT_EQ(error_text(level.products(sizeof(T) == 8, cases.data(), last - first, threads, shared, nullptr)), "");
    ASSERT_EQ(error_text(cudaDeviceSynchronize()), "") << threads << " threads, from case " << first;
    int failures = 0;
    for (int i = first; i < last && failures < 5; ++i) {
      const std::string what = trials[static_cast<size_t>(i)]->verdict();
      EXPECT_EQ(what, "") << threads << " threads, " << trials[static_cast<size_t>(i)]->describe();
      failures += !what.empty();
    }
    first = last;
  }
}

class PrimitiveProducts : public testing::TestWithParam<int> {};
TEST_P(PrimitiveProducts, WarpFloat) { run_all<float>(warp_level, GetParam()); }
TEST_P(PrimitiveProducts, WarpDouble) { run_all<double>(warp_level, GetParam()); }
TEST_P(PrimitiveProducts, BlockFloat) { run_all<float>(block_level, GetParam()); }
TEST_P(PrimitiveProducts, BlockDouble) { run_all<double>(block_level, GetParam()); }
INSTANTIATE_TEST_SUITE_P(, PrimitiveProducts, testing::Range(0, int{N_PRODUCTS}));

}  // namespace
}  // namespace primitives
