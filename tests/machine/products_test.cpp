// SPDX-License-Identifier: Apache-2.0
//
// Products of matrices with planes by the CPU's executors, against plain loops in long double, at sizes on both sides of every tile and
// pack. Modes, tangent planes, missing planes, tilings and accumulation are drawn per size. Operands end at an inaccessible page and have
// NaN between their rows where the executor promises not to look; what a product must not write keeps its bits.
//
// Bound: a sum of n products in any order is off by at most n u sum |a b| to first order, u = eps / 2; what C held counts as one more.
#include <gtest/gtest.h>

#include <cstring>
#include <limits>
#include <random>
#include <string>
#include <tuple>

#include "tests/machine/guarded.h"
#include "tests/machine/levels.h"

namespace core_test {
namespace {

constexpr size_t room = size_t{1} << 20;
constexpr long watched_before = 256;  // scalars before an array

// A matrix with planes whose last element is the last before an inaccessible page. Element (p, i, j), p = -1 the values, has `width`
// scalars; there may be gaps between rows and planes.
template <class T>
class Planes {
 public:
  Planes() : memory_(room) {}

  long rows = 0, columns = 0, planes = 0, ld = 0, width = 1;
  bool has_v = false, has_d = false;

  // All of it a NaN that no arithmetic makes.
  void shape(long r, long c, long n_planes, long leading, long plane_gap, long w) {
    rows = r, columns = c, planes = n_planes, ld = leading, width = w;
    plane_ = rows * ld + plane_gap;
    data_ = memory_.last<T>(static_cast<size_t>((planes * plane_ + (rows - 1) * ld + columns) * width));
    watched_ = data_ - watched_before;
    for (T *x = watched_; x < end(); ++x) *x = guard();
  }
  T *at(long p, long i, long j) const { return data_ + (((p + 1) * plane_) + i * ld + j) * width; }
  template <class F>
  void for_scalars(F f) const {
    for (long p = -1; p < planes; ++p)
      for (long i = 0; i < rows; ++i)
        for (long j = 0; j < columns; ++j)
          for (long l = 0; l < width; ++l) f(p, i, j, l);
  }
  AnyMatrix any() const { return {has_v ? data_ : nullptr, has_d ? at(0, 0, 0) : nullptr, plane_, ld}; }
  bool wants(long p) const { return p < 0 ? has_v : has_d; }
  void keep() { copy_.assign(watched_, end()); }
  // The scalar that stood here.
  T kept(const T *now) const { return copy_[static_cast<size_t>(now - watched_)]; }
  // What was there everywhere, with the scalars of `changed` (a function of p, i, j) taken back.
  template <class F>
  bool unchanged_but(F changed) {
    for_scalars([&](long p, long i, long j, long l) {
      if (changed(p, i, j)) at(p, i, j)[l] = kept(at(p, i, j) + l);
    });
    return std::memcmp(copy_.data(), watched_, copy_.size() * sizeof(T)) == 0;
  }
  static T guard() {
    T x = std::numeric_limits<T>::quiet_NaN();
    unsigned char bytes[sizeof(T)];
    std::memcpy(bytes, &x, sizeof x);
    bytes[0] = 0x5A;
    std::memcpy(&x, bytes, sizeof x);
    return x;
  }

 private:
  Guarded memory_;
  T *end() const { return reinterpret_cast<T *>(memory_.end()); }
  std::vector<T> copy_;
  T *data_ = nullptr, *watched_ = nullptr;
  long plane_ = 0;
};

// What the epilogue was told: every entry once, and finished.
template <class T>
struct Visits {
  const Planes<T> *c;
  std::vector<int> count;
  std::vector<T> seen;
  static void see(void *object, long i0, long i1, long j0, long j1) {
    Visits &self = *static_cast<Visits *>(object);
    const Planes<T> &c = *self.c;
    for (long i = i0; i < i1; ++i)
      for (long j = j0; j < j1; ++j) {
        ++self.count[static_cast<size_t>(i * c.columns + j)];
        for (long p = -1; p < c.planes; ++p)
          for (long l = 0; l < c.width; ++l) self.seen[self.index(p, i, j, l)] = c.at(p, i, j)[l];
      }
  }
  size_t index(long p, long i, long j, long l) const {
    return static_cast<size_t>((((p + 1) * c->rows + i) * c->columns + j) * c->width + l);
  }
};

template <class T>
class Bench {
 public:
  Bench(const Level &level, bool tasks, Product product)
      : level_(*level.product), tasks_(tasks), product_(product), random_(unsigned(product) * 2 + tasks) {}
  long lanes() const { return sizeof(T) == 4 ? level_.lanes_of_float : level_.lanes_of_double; }

  std::string run(long m, long n, long depth) {
    draw(m, n, depth);
    lay_out();
    Visits<T> visits{&c_, std::vector<int>(static_cast<size_t>(c_.rows * c_.columns)), {}};
    visits.seen.resize(static_cast<size_t>((1 + call_.planes) * c_.rows * c_.columns * c_.width));
    const bool has_epilogue = product_ == NT || product_ == NN;
    call_.a = a_.any(), call_.b = b_.any(), call_.c = c_.any();
    if (has_epilogue) call_.epilogue = &Visits<T>::see, call_.object = &visits;
    a_.keep(), b_.keep(), c_.keep();
    if (!(sizeof(T) == 4 ? level_.run_float(call_) : level_.run_double(call_))) return "scratch overrun";
    std::string what = compare();
    if (has_epilogue) what += compare(visits);
    if (!a_.unchanged_but([](long, long, long) { return false; })) what += " A changed";
    if (!b_.unchanged_but([](long, long, long) { return false; })) what += " B changed";
    if (!c_.unchanged_but([&](long p, long, long j) { return written(p) && j < c_.columns; })) what += " beside C";
    return what.empty() ? "" : describe() + what;
  }

 private:
  bool one_in(unsigned k) { return random_() % k == 0; }
  long up_to(long n) { return static_cast<long>(random_() % static_cast<unsigned>(n + 1)); }

  void draw(long m, long n, long depth) {
    call_ = {};
    call_.product = product_, call_.tasks_in_lanes = tasks_;
    call_.m = m, call_.n = n, call_.depth = depth;
    call_.mode = AnyMode(random_() % N_MODES);
    call_.planes = call_.mode == VALUE ? 0 : 1 + up_to(2);
    call_.accumulate = product_ != NT && one_in(2);
    call_.on_tape = product_ == NN && one_in(2);
    if (tasks_ && one_in(2)) call_.tile_columns = 1 + up_to(3), call_.swapped = one_in(2);
    call_.counts_rows = tasks_ && one_in(4);
    const bool planes = call_.mode != VALUE;
    a_.has_v = b_.has_v = true;
    a_.has_d = planes && !one_in(4), b_.has_d = planes && !one_in(4);
    c_.has_d = planes && !one_in(8), c_.has_v = !c_.has_d || !one_in(4);
  }

  // Results of broadcast products and sums of rows come in whole packs; operands of sums are padded with zeros.
  bool whole_packs() const { return !tasks_ && product_ != NT; }
  long padded(long x) const { return (x + lanes() - 1) / lanes() * lanes(); }

  void lay_out() {
    const auto [m, n, depth] = std::tuple(call_.m, call_.n, call_.depth);
    const long width = tasks_ ? lanes() : 1;
    const bool sum = product_ == SUM_ROWS, tn = product_ == TN || sum;
    const bool one_column = sum && !tasks_ && n == 1 && one_in(2);  // lanes run along its rows
    const auto shape = [&](Planes<T> &x, long rows, long columns) {
      x.shape(rows, columns, call_.planes, columns + up_to(2), up_to(3), width);
    };
    const auto fill = [&](Planes<T> &x) {
      std::uniform_real_distribution<double> from(-1, 1);
      x.for_scalars([&](long p, long i, long j, long l) {
        if (x.wants(p)) x.at(p, i, j)[l] = T(from(random_));
      });
    };
    if (sum && !tasks_) {  // reads and writes whole packs
      const long rows = one_column ? padded(depth) : depth, columns = one_column ? 1 : padded(n);
      a_.shape(rows, columns, call_.planes, columns, lanes() * up_to(1), 1);
      fill(a_);
      a_.for_scalars([&](long p, long i, long j, long) {
        if (i >= depth || j >= n) *a_.at(p, i, j) = 0;
      });
    } else {
      shape(a_, tn ? depth : m, tn ? m : depth);
      if (sum) shape(a_, depth, n);
      fill(a_);
    }
    shape(b_, product_ == NT ? n : depth, product_ == NT ? depth : n);
    fill(b_);
    c_.shape(sum ? 1 : m, whole_packs() ? padded(n) : n, call_.planes, 0, 0, width);
    const long ld = c_.columns + up_to(2);
    c_.shape(c_.rows, c_.columns, call_.planes, ld, up_to(3), width);
    // Without accumulation a result holds NaN before, so that it cannot be read.
    if (call_.accumulate) fill(c_);
    c_.for_scalars([&](long p, long i, long j, long l) {
      if (j >= n && c_.wants(p) && (call_.accumulate || pads_nothing(p))) c_.at(p, i, j)[l] = 0;
    });
  }

  // A tangent that is zero since both operands are constants is cleared without its padding.
  bool pads_nothing(long p) const { return p >= 0 && product_ != SUM_ROWS && !a_.has_d && !b_.has_d; }
  bool written(long p) const {
    const bool taped = call_.mode == TAPED && (product_ == NT || (product_ == NN && call_.on_tape));
    return c_.wants(p) && !(p < 0 && taped);
  }

  std::string compare() const {
    const long n = call_.n, depth = call_.depth;
    std::string what;
    c_.for_scalars([&](long p, long i, long j, long l) {
      if (!written(p) || !what.empty()) return;
      const T got = c_.at(p, i, j)[l];
      if (j >= n) {
        if (!(got == 0)) what = " padding";
        return;
      }
      long double expected = 0, size = 0;
      const auto add = [&](long double x) { expected += x, size += x < 0 ? -x : x; };
      if (call_.accumulate) add(c_.kept(c_.at(p, i, j) + l));
      for (long k = 0; k < depth; ++k) {
        if (product_ == SUM_ROWS) {
          if (a_.wants(p)) add(*(a_.at(p, k, j) + l));
          continue;
        }
        const auto a = [&](long q) -> long double { return *((product_ == TN ? a_.at(q, k, i) : a_.at(q, i, k)) + l); };
        const auto b = [&](long q) -> long double { return *((product_ == NT ? b_.at(q, j, k) : b_.at(q, k, j)) + l); };
        if (p < 0) add(a(-1) * b(-1));
        if (p >= 0 && b_.has_d) add(a(-1) * b(p));
        if (p >= 0 && a_.has_d) add(a(p) * b(-1));
      }
      const long double u = std::numeric_limits<T>::epsilon() / 2, bound = u * (2 * depth + 3) * size;
      const long double error = got < expected ? expected - got : got - expected;
      if (!(error <= bound))
        what = " plane " + std::to_string(p) + " (" + std::to_string(i) + ", " + std::to_string(j) + ") lane " +
               std::to_string(l) + ": " + std::to_string(got) + " for " + std::to_string(double(expected));
    });
    return what;
  }

  std::string compare(const Visits<T> &visits) const {
    std::string what;
    c_.for_scalars([&](long p, long i, long j, long l) {
      if (j >= call_.n) return;
      if (visits.count[static_cast<size_t>(i * c_.columns + j)] != 1)
        what = " an entry missed or met twice by the epilogue";
      if (std::memcmp(&visits.seen[visits.index(p, i, j, l)], c_.at(p, i, j) + l, sizeof(T)) != 0)
        what = " an epilogue before the end";
    });
    return what;
  }

  std::string describe() const {
    std::string text = "m " + std::to_string(call_.m) + ", n " + std::to_string(call_.n) + ", depth " +
                       std::to_string(call_.depth) + ", mode " + std::to_string(call_.mode) + ", planes " +
                       std::to_string(call_.planes) + (call_.accumulate ? ", accumulate" : "");
    if (call_.on_tape) text += ", on tape";
    if (call_.tile_columns) text += ", tiles of " + std::to_string(call_.tile_columns);
    for (const auto *x : {&a_, &b_, &c_}) text += x->has_v ? (x->has_d ? " vd" : " v") : " d";
    return text + ":";
  }

  const ProductLevel &level_;
  bool tasks_;
  Product product_;
  std::mt19937 random_;
  ProductCall call_;
  Planes<T> a_, b_, c_;
};

using Case = std::tuple<int, bool, int>;  // level, tasks in lanes, product

class Products : public testing::TestWithParam<Case> {
 protected:
  template <class T>
  void run_all() {
    const auto [index, tasks, product] = GetParam();
    const Level level = levels()[static_cast<size_t>(index)];
    if (!level.supported) GTEST_SKIP() << "this processor lacks x86-64-" << level.name;
    Bench<T> bench(level, tasks, Product(product));
    const long L = bench.lanes(), sizes[] = {1, 2, 3, L - 1, L, L + 1, 17, 40};
    int failures = 0;
    for (const long m : sizes)
      for (const long n : sizes)
        for (const long depth : sizes) {
          const std::string what = failures < 5 ? bench.run(m, n, depth) : "";
          EXPECT_EQ(what, "");
          failures += !what.empty();
        }
  }
};

TEST_P(Products, Float) { run_all<float>(); }
TEST_P(Products, Double) { run_all<double>(); }

std::string case_name(const testing::TestParamInfo<Case> &info) {
  const auto [level, tasks, product] = info.param;
  return std::string(levels()[static_cast<size_t>(level)].name) + (tasks ? "_tasks_" : "_rows_") +
         product_names[product];
}

INSTANTIATE_TEST_SUITE_P(, Products,
                         testing::Combine(testing::Range(0, 3), testing::Bool(), testing::Range(0, int{N_PRODUCTS})),
                         case_name);

}  // namespace
}  // namespace core_test
