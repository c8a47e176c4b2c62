// SPDX-License-Identifier: Apache-2.0
//
// kernels/machine/sum.h, kernels/machine/cpu/sum.h and what kernels/task/cpu makes of them over parameters, at one ISA level: every term
// once, within the bounds that the headers promise, against plain loops in long double; u = eps / 2.
#include "kernels/task/cpu/side_gradients.h"
#include "tests/machine/levels.h"

namespace bilevel {
namespace BLV_ISA_NAMESPACE {
namespace {

#define CHECK(condition) expect(condition, #condition, __LINE__)

using core_test::Expect;
using Wide = long double;

// ---- What this file uses of the headers, by the names it knows them by --------------------------------------------------------------

template <class P, class F>
P tree_sum(long n, F f) {
  return thread_sum<P>(n, f);
}
template <class T>
Pack<T> norm_per_lane(const Pack<T> *x, long packs) {
  return norm_over_parameters<T, Lanes::TASKS>(x, packs);
}
template <class T>
Pack<T> norm_of_all(const Pack<T> *x, long packs) {
  return norm_over_parameters<T, Lanes::COLUMNS>(x, packs);
}

// ---- Tools ---------------------------------------------------------------------------------------------------------------------------

constexpr long million = 1000000, most_scalars = million + 64;
template <class T>
constexpr Wide u = sizeof(T) == 4 ? 0x1p-24L : 0x1p-53L;
template <class T>
T *room() {
  alignas(64) static T scalars[most_scalars];
  return scalars;
}

template <class T>
T sample(long i) {  // between -1 and 1
  const uint32_t bits = uint32_t(i) * 2654435761u + 12345u;
  return T(int32_t(bits ^ bits >> 15)) / T(2147483648.0);
}
// The reference: a sum of doubles in long double has eleven bits to spare, which a million terms would use up.
struct Reference {
  Wide sum = 0, lost = 0;
  void operator+=(Wide x) {
    const Wide y = x - lost, next = sum + y;
    lost = (next - sum) - y, sum = next;
  }
};
Wide magnitude(Wide x) { return x < 0 ? -x : x; }
template <class T>
bool near(T got, Wide expected, Wide bound) {
  return magnitude(got - expected) <= bound;  // false for NaN
}
template <class T>
bool same_bits(T a, T b) {
  return __builtin_memcmp(&a, &b, sizeof a) == 0;
}

// ---- Trees ---------------------------------------------------------------------------------------------------------------------------

// Whole numbers, whose sums are exact: a term that is left out or met twice shows.
template <class T>
void check_every_term(Expect expect) {
  static int met[600];
  for (long n = 0; n < 600; n++) {
    for (int &m : met) m = 0;
    const Pack<T> total = tree_sum<Pack<T>>(n, [&](long i) {
      met[i]++;
      return broadcast<T>(T(i + 1)) + iota<T>();
    });
    const T one = tree_sum<T>(n, [&](long i) { return T(i + 1); });
    bool once = true;
    for (long i = 0; i < 600; i++) once = once && met[i] == (i < n);
    CHECK(once);
    CHECK(one == T(n * (n + 1) / 2));
    for (long l = 0; l < lanes<T>; l++) CHECK(total[l] == T(n * (n + 1) / 2 + l * n));
  }
}

// Zeros after the last term do not change a bit.
template <class T>
void check_zeros_behind(Expect expect) {
  for (long n = 0; n < 200; n++) {
    const T alone = tree_sum<T>(n, [](long i) { return sample<T>(i); });
    for (long zeros = 1; zeros < 40; zeros++)
      CHECK(same_bits(alone, tree_sum<T>(n + zeros, [n](long i) { return i < n ? sample<T>(i) : T(0); })));
  }
}

template <class T>
void check_long_sums(Expect expect) {
  T *x = room<T>();
  for (long i = 0; i < million; i++) x[i] = T(1) + sample<T>(i) / 2;
  Reference reference;
  for (long i = 0; i < million; i++) reference += x[i];
  const Wide expected = reference.sum;
  const T scalars = tree_sum<T>(million, [x](long i) { return x[i]; });
  const T packs = sum(tree_sum<Pack<T>>(million / lanes<T>, [x](long i) { return load_unaligned(x + i * lanes<T>); }));
  // In truth about one rounding; a plain loop over floats loses three digits more.
  const Wide one = sizeof(T) == 4 ? 2e-7L : 4e-16L;
  CHECK(near(scalars, expected, one * expected) && near(packs, expected, one * expected));

  // Terms that cancel: log2(n) roundings of the sum of sizes.
  for (const long n : {10L, 1000L, million}) {
    Reference total, size;
    for (long i = 0; i < n; i++) x[i] = sample<T>(i) * T(1 << i % 20), total += x[i], size += magnitude(x[i]);
    CHECK(near(tree_sum<T>(n, [x](long i) { return x[i]; }), total.sum, 21 * u<T> * size.sum));
    for (long i = 0; i < n / 2; i++) x[n - 1 - i] = -x[i];
    if (n % 2 == 0) CHECK(near(tree_sum<T>(n, [x](long i) { return x[i]; }), 0, 21 * u<T> * size.sum));
  }
}

// ---- Compensation --------------------------------------------------------------------------------------------------------------------

template <class T>
void check_compensation(Expect expect) {
  for (const bool cancels : {false, true}) {
    CompensatedSum<Pack<T>> plain, with_zeros;
    Reference expected, size;
    const Pack<T> signs =
        select(first_lanes<T>(1), broadcast<T>(1), broadcast<T>(-1));  // lane 0 holds the sum, the others minus it
    for (long i = 0; i < million; i++) {
      const T x = cancels ? sample<T>(i) : T(0.1) + sample<T>(i) / 16;
      expected += x, size += magnitude(x);
      plain.add(signs * x), with_zeros.add(signs * x);
      if (i % 3 == 0) with_zeros.add(Pack<T>{});  // a term of zero does not show
    }
    // Two roundings, and a second-order term for each of the others (Higham, 4.3).
    const Wide bound = (2 * u<T> + 4 * million * u<T> * u<T>)*size.sum;
    for (long l = 0; l < lanes<T>; l++) {
      CHECK(near(signs[l] * plain.value[l], expected.sum, bound));
      CHECK(same_bits(T(plain.value[l]), T(with_zeros.value[l])));
    }
  }
  CompensatedSum<Pack<T>> infinite;
  for (const double x : {1.0, __builtin_inf(), 1.0, -3.0})
    infinite.add(select(first_lanes<T>(1), broadcast(T(x)), broadcast(T(1))));
  CHECK(infinite.value[0] == T(__builtin_inf()) && infinite.value[1] == 4);
}

// Over arrays: the bits of the scalar sum, and nothing written beside.
template <class T>
void check_arrays(Expect expect, char *page_end) {
  static T sum[200], lost[200];
  for (long n = 0; n <= 3 * lanes<T> + 1; n++) {
    T *x = reinterpret_cast<T *>(page_end) - n;
    for (long i = 0; i < 200; i++) sum[i] = T(-7), lost[i] = T(-8);
    for (long i = 0; i < n; i++) sum[i] = lost[i] = 0;
    CompensatedSum<Pack<T>> expected[3 * lanes<T> + 1];
    for (long turn = 0; turn < 50; turn++) {
      for (long i = 0; i < n; i++)
        x[i] = sample<T>(turn * 100 + i) * T(1 << turn % 20), expected[i].add(broadcast(x[i]));
      add_compensated<T>(sum, lost, x, n);
    }
    for (long i = 0; i < n; i++)
      CHECK(same_bits(sum[i], T(expected[i].value[0])) && same_bits(lost[i], T(expected[i].lost[0])));
    for (long i = n; i < 200; i++) CHECK(sum[i] == T(-7) && lost[i] == T(-8));
  }
}

// ---- Norms ---------------------------------------------------------------------------------------------------------------------------

// Per lane and over all lanes, where every lane has a scale of its own. Floats are added up in double and rounded once; doubles once per
// square, level of the tree and root, which halves what comes before it.
template <class T>
void check_norm(Expect expect, long packs, const double *scales) {
  Pack<T> *x = reinterpret_cast<Pack<T> *>(room<T>());
  Wide all = 0, per_lane[lanes<T>] = {};
  for (long i = 0; i < packs; i++)
    for (long l = 0; l < lanes<T>; l++) {
      x[i][l] = T(scales[l % 4] * (1.5 + sample<double>(i * lanes<T> + l)));
      per_lane[l] += Wide(x[i][l]) * x[i][l], all += Wide(x[i][l]) * x[i][l];
    }
  const Wide smallest = sizeof(T) == 4 ? 0x1p-149L : 0x1p-1074L,
             largest = sizeof(T) == 4 ? 0x1.fffffep127L : 0x1.fffffffffffffp1023L;
  const auto right = [&](T got, Wide square) {
    const Wide expected = __builtin_sqrtl(square);
    if (expected > largest * (1 + u<T>)) return got == T(__builtin_inf());
    const Wide roundings = sizeof(T) == 4 ? 1.0001L : 16;
    return near(got, expected, roundings * u<T> * expected + 0.5001L * smallest);
  };
  const Pack<T> by_lane = norm_per_lane<T>(x, packs), over_all = norm_of_all<T>(x, packs);
  for (long l = 0; l < lanes<T>; l++) CHECK(right(by_lane[l], per_lane[l]) && right(over_all[l], all));
}

template <class T>
void check_norms(Expect expect) {
  // Around the ends of the range, and in it; four neighbouring lanes are together.
  const double f32[][4] = {{1, 1, 1, 1},
                           {1e-30, 1e-30, 1e-30, 1e-30},
                           {1e30, 1e30, 1e30, 1e30},
                           {1e-30, 1e30, 1, 0},
                           {1e-40, 1e-40, 0, 1e-45},
                           {1e37, 1, 1e-37, 1e36},
                           {0, 0, 0, 0},
                           {3e38, 3e38, 1, 1}};
  const double f64[][4] = {{1, 1, 1, 1},
                           {1e-300, 1e-300, 1e-300, 1e-300},
                           {1e300, 1e300, 1e300, 1e300},
                           {1e-300, 1e300, 1, 0},
                           {1e-310, 1e-320, 0, 1},
                           {1e155, 1e-155, 1e-146, 1e154},
                           {0, 0, 0, 0},
                           {1e307, 1e307, 1, 1}};
  for (const auto &scales : sizeof(T) == 4 ? f32 : f64)
    for (const long packs : {1L, 2L, 3L, 7L, 8L, 9L, 17L, 100L, 101L}) check_norm<T>(expect, packs, scales);

  Pack<T> x[3] = {};
  CHECK(norm_of_all<T>(x, 0)[0] == 0 && norm_of_all<T>(x, 3)[0] == 0);
  for (const double bad : {__builtin_inf(), -__builtin_inf(), __builtin_nan("")}) {
    x[2] = Pack<T>{}, x[2][1] = T(bad);
    const Pack<T> lane = norm_per_lane<T>(x, 3), all = norm_of_all<T>(x, 3);
    const auto is_bad = [&](T y) { return bad == bad ? y == T(__builtin_inf()) : y != y; };
    CHECK(is_bad(lane[1]) && is_bad(all[0]) && is_bad(all[1]) && lane[0] == 0);
  }
}

template <class T>
void check_totals(Expect expect) {
  const Pack<T> x = iota<T>() + T(1), per_task = total_over_parameters<T, Lanes::TASKS>(x),
                over_all = total_over_parameters<T, Lanes::COLUMNS>(x);
  for (long l = 0; l < lanes<T>; l++) CHECK(per_task[l] == x[l] && over_all[l] == T(lanes<T> * (lanes<T> + 1) / 2));
}

template <class T>
void check(Expect expect, char *page_end) {
  check_every_term<T>(expect);
  check_zeros_behind<T>(expect);
  check_long_sums<T>(expect);
  check_compensation<T>(expect);
  check_arrays<T>(expect, page_end);
  check_norms<T>(expect);
  check_totals<T>(expect);
}

}  // namespace
}  // namespace BLV_ISA_NAMESPACE
}  // namespace bilevel

BLV_DEFINE_CHECKS(sum_)
