// SPDX-License-Identifier: Apache-2.0
//
// kernels/machine/cpu/pack.h, lane by lane against scalar code, at one ISA level. Partial loads and stores run against a page
// that must not be touched.
#include "kernels/machine/cpu/pack.h"
#include "tests/machine/levels.h"

namespace bilevel {
namespace BLV_ISA_NAMESPACE {
namespace {

#define CHECK(condition) expect(condition, #condition, __LINE__)

using core_test::Expect;

template <class T>
struct Special {
  static constexpr T nan = static_cast<T>(__builtin_nan("")), infinity = static_cast<T>(__builtin_inf());
  static constexpr T largest = static_cast<T>(sizeof(T) == 4 ? 0x1.fffffep127 : 0x1.fffffffffffffp1023);
  static constexpr T smallest = static_cast<T>(sizeof(T) == 4 ? 0x1p-149 : 0x1p-1074);
};

bool same_bits(float a, float b) { return __builtin_memcmp(&a, &b, sizeof a) == 0; }
bool same_bits(double a, double b) { return __builtin_memcmp(&a, &b, sizeof a) == 0; }
template <class T>
bool is_nan(T x) {
  return x != x;
}

// Values of both signs over many binades, whose sums depend on the order of the additions.
template <class T>
Pack<T> sample(int seed) {
  Pack<T> x;
  uint32_t state = 12345u + static_cast<uint32_t>(seed) * 977u;
  for (int l = 0; l < lanes<T>; ++l) {
    state = state * 1664525u + 1013904223u;
    const T fraction = static_cast<T>(static_cast<int32_t>(state)) / static_cast<T>(1 << 30);
    x[l] = fraction * static_cast<T>(1 << (l * 7 + seed) % 11);
  }
  return x;
}

template <class T>
void check_layout(Expect expect) {
  CHECK(sizeof(Pack<T>) == BLV_PACK_BYTES);
  CHECK(alignof(Pack<T>) == BLV_PACK_BYTES);
  CHECK(sizeof(Mask<T>) == sizeof(Pack<T>));
  CHECK(lanes<T> * sizeof(T) == BLV_PACK_BYTES);
}

template <class T>
void check_broadcast_and_iota(Expect expect) {
  using S = Special<T>;
  for (const T value : {T(0), T(-0.0), T(1.5), S::infinity, -S::infinity, S::smallest}) {
    for (int l = 0; l < lanes<T>; ++l) CHECK(same_bits(broadcast(value)[l], value));
  }
  for (int l = 0; l < lanes<T>; ++l) {
    CHECK(is_nan(broadcast(S::nan)[l]));
    CHECK(iota<T>()[l] == T(l));
  }
}

template <class T>
void check_unaligned(Expect expect) {
  constexpr int L = lanes<T>;
  T source[L + 4];
  for (int i = 0; i < L + 4; ++i) source[i] = T(i + 1);
  for (int offset = 0; offset < 4; ++offset) {
    const Pack<T> x = load_unaligned(source + offset);
    T target[L + 6];
    for (T &t : target) t = T(-7);
    store_unaligned(target + offset + 1, x);
    for (int i = 0; i < L + 6; ++i) {
      const int l = i - offset - 1;
      CHECK(target[i] == (l >= 0 && l < L ? T(offset + 1 + l) : T(-7)));
    }
  }
}

template <class T>
void check_partial(Expect expect, char *page_end) {
  constexpr int L = lanes<T>;
  const Pack<T> x = sample<T>(3);
  for (long count = 0; count <= L; ++count) {
    T *p = reinterpret_cast<T *>(page_end) - count;  // the element after the last one is out of reach
    for (long i = -4; i < count; ++i) p[i] = T(-7);
    store_partial(p, x, count);
    const Pack<T> back = load_partial<T>(p, count);
    for (int l = 0; l < L; ++l) CHECK(same_bits(back[l], l < count ? x[l] : T(0)));
    for (long i = -4; i < 0; ++i) CHECK(p[i] == T(-7));
  }
}

template <class T>
void check_partial_clamps_counts(Expect expect, char *page_end) {
  constexpr int L = lanes<T>;
  const Pack<T> x = sample<T>(4);
  T *all = reinterpret_cast<T *>(page_end) - L, *none = reinterpret_cast<T *>(page_end);
  for (const long count : {long{L} + 1, 1000L, (1L << 32) + 1, INT64_MAX}) {
    for (int l = 0; l < L; ++l) all[l] = T(-7);
    store_partial(all, x, count);
    const Pack<T> back = load_partial<T>(all, count);
    for (int l = 0; l < L; ++l) CHECK(same_bits(all[l], x[l]) && same_bits(back[l], x[l]));
  }
  for (const long count : {-1L, -(1L << 32), INT64_MIN}) {
    store_partial(none, x, count);
    const Pack<T> back = load_partial<T>(none, count);
    for (int l = 0; l < L; ++l) CHECK(same_bits(back[l], T(0)));
  }
}

template <class T>
void check_select(Expect expect) {
  const Pack<T> index = iota<T>(), x = select(index < T(1), index + T(5), broadcast(Special<T>::nan));
  for (int l = 0; l < lanes<T>; ++l) CHECK(l == 0 ? x[l] == T(5) : is_nan(x[l]));
  for (long count = 0; count <= lanes<T>; ++count) {
    const Pack<T> y = select(first_lanes<T>(count), index, -index - T(1));
    for (int l = 0; l < lanes<T>; ++l) CHECK(y[l] == (l < count ? T(l) : T(-l - 1)));
  }
}

template <class T>
void check_signs(Expect expect) {
  const T magnitudes[] = {T(0), T(3), Special<T>::infinity, Special<T>::smallest};
  for (const T a : magnitudes) {
    for (const T b : magnitudes) {
      const Pack<T> plus = broadcast(a), minus = -plus, other = broadcast(b);
      for (int l = 0; l < lanes<T>; ++l) {
        CHECK(same_bits(abs(plus)[l], a) && same_bits(abs(minus)[l], a));
        CHECK(same_bits(copysign(plus, other)[l], a) && same_bits(copysign(minus, other)[l], a));
        CHECK(same_bits(copysign(plus, -other)[l], -a) && same_bits(copysign(minus, -other)[l], -a));
      }
    }
  }
}

template <class T>
void check_max_and_min(Expect expect) {
  const Pack<T> one = broadcast(T(1)), two = broadcast(T(2)), nan = broadcast(Special<T>::nan);
  for (int l = 0; l < lanes<T>; ++l) {
    CHECK(max(one, two)[l] == T(2) && max(two, one)[l] == T(2));
    CHECK(min(one, two)[l] == T(1) && min(two, one)[l] == T(1));
    CHECK(is_nan(max(one, nan)[l]) && is_nan(min(one, nan)[l]));
    CHECK(max(nan, one)[l] == T(1) && min(nan, one)[l] == T(1));
    Pack<T> x = -iota<T>() - T(3);
    x[l] = T(-1);
    CHECK(max(x) == T(-1));
  }
}

template <class T>
void check_not_finite(Expect expect) {
  using S = Special<T>;
  for (const T value : {T(0), T(-0.0), T(1), S::largest, -S::largest, S::smallest}) {
    CHECK(!any(is_not_finite_bits(broadcast(value))));
  }
  for (const T value : {S::nan, -S::nan, S::infinity, -S::infinity}) {
    for (int l = 0; l < lanes<T>; ++l) {
      Pack<T> x = sample<T>(1);
      x[l] = value;
      const Integers<T> bits = is_not_finite_bits(x);
      CHECK(any(bits));
      for (int other = 0; other < lanes<T>; ++other) CHECK((bits[other] != 0) == (other == l));
    }
  }
}

template <class T>
void check_any(Expect expect) {
  CHECK(!any(Mask<T>{}));
  CHECK(!any(iota<T>() == T(lanes<T>)));
  for (int l = 0; l < lanes<T>; ++l) CHECK(any(iota<T>() == T(l)));
}

// The tree that sum() promises, in scalar code: neighbours first.
template <class T>
T tree(const T *x, int n) {
  return n == 1 ? x[0] : tree(x, n / 2) + tree(x + n / 2, n / 2);
}

template <class T>
void check_sums(Expect expect) {
  constexpr int N = sums_at_once<T>;
  for (int seed = 0; seed < 50; ++seed) {
    Pack<T> x[N];
    for (int q = 0; q < N; ++q) {
      x[q] = sample<T>(N * seed + q);
      T values[lanes<T>];
      store_unaligned(values, x[q]);
      CHECK(same_bits(sum(x[q]), tree(values, lanes<T>)));
    }
    const Pack<T> sums = transposed_sums<T>(x);
    for (int l = 0; l < lanes<T>; ++l) CHECK(same_bits(sums[l], sum(x[l % N])));
  }
}

template <class T>
void check(Expect expect, char *page_end) {
  check_layout<T>(expect);
  check_broadcast_and_iota<T>(expect);
  check_unaligned<T>(expect);
  check_partial<T>(expect, page_end);
  check_partial_clamps_counts<T>(expect, page_end);
  check_select<T>(expect);
  check_signs<T>(expect);
  check_max_and_min<T>(expect);
  check_not_finite<T>(expect);
  check_any<T>(expect);
  check_sums<T>(expect);
}

}  // namespace
}  // namespace BLV_ISA_NAMESPACE
}  // namespace bilevel

BLV_DEFINE_CHECKS(pack_)
