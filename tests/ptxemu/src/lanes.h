// SPDX-License-Identifier: Apache-2.0
//
// Lane loops and the handler templates that several instruction groups use.
//
// `each` computes a value per lane and stores it for the active lanes only: with all 32 lanes active the loop
// stores directly, otherwise it computes all lanes and blends by mask (computing an inactive lane is
// harmless).
#pragma once
#include "core.h"

namespace ptxemu {

// Type in which a PTX value of type T is stored: 16-bit values live in 32-bit slots (PTX 5.2.1).
template <class T>
struct StoT {
  using type = std::conditional_t<sizeof(T) == 8, T,
                                  std::conditional_t<std::is_floating_point_v<T> && sizeof(T) == 4, float, u32>>;
};
template <class T>
using Sto = typename StoT<T>::type;
template <class T>
static INL T get(Sto<T> s) {
  return (T)s;
}

template <class D, class F>
static INL void each(Warp &w, i32 d, F f) {
  D *p = (D *)(w.r + d);
  if (__builtin_expect(w.act == ~0u, 1)) {
#pragma GCC ivdep
    for (int l = 0; l < W; ++l) p[l] = f(l);
  } else {
    const i32 *m = w.m;
    alignas(128) D t[W];
#pragma GCC ivdep
    for (int l = 0; l < W; ++l) t[l] = f(l);
#pragma GCC ivdep
    for (int l = 0; l < W; ++l) p[l] = m[l] ? t[l] : p[l];
  }
}

// Calls f(lane) for the lanes of mask a, in order.
template <class F>
static INL void lanes(u32 a, F f) {
  if (a == ~0u) {
    for (int l = 0; l < W; ++l) f(l);
  } else {
    while (a) {
      int l = __builtin_ctz(a);
      a &= a - 1;
      f(l);
    }
  }
}

// Predicate register (0 / -1 words) to a bit mask.
static INL u32 movemask(const i32 *p) {
  u32 r = 0;
  for (int k = 0; k < 4; ++k) r |= (u32)_mm256_movemask_ps(_mm256_load_ps((const float *)(p + 8 * k))) << (8 * k);
  return r;
}

// Operand k of the current instruction as an array of 32 values of type T.
#define OPERAND(T, k) ((const T *)(w.r + i->o[k]))

// Sets the rounding mode of the CPU for a scope. mode: 0 nearest even, 1 towards zero, 2 down, 3 up.
struct RoundingScope {
  u32 old;
  explicit RoundingScope(int mode) {
    old = _mm_getcsr();
    static const u32 rc[4] = {0, 3, 1, 2};
    _mm_setcsr((old & ~0x6000u) | rc[mode] << 13);
    asm volatile("" ::: "memory");
  }
  ~RoundingScope() {
    asm volatile("" ::: "memory");
    _mm_setcsr(old);
  }
};

// Handlers for d = op(a), op(a, b), op(a, b, c) on integer-like types.
template <class T, class Op>
static const Ins *h1(const Ins *i, Warp &w) {
  using S = Sto<T>;
  auto A = OPERAND(S, 1);
  each<S>(w, i->o[0], [&](int l) { return (S)(T)Op::template f<T>(get<T>(A[l])); });
  return i + 1;
}
template <class T, class Op>
static const Ins *h2(const Ins *i, Warp &w) {
  using S = Sto<T>;
  auto A = OPERAND(S, 1), B = OPERAND(S, 2);
  each<S>(w, i->o[0], [&](int l) { return (S)(T)Op::template f<T>(get<T>(A[l]), get<T>(B[l])); });
  return i + 1;
}
template <class T, class Op>
static const Ins *h3(const Ins *i, Warp &w) {
  using S = Sto<T>;
  auto A = OPERAND(S, 1), B = OPERAND(S, 2), C = OPERAND(S, 3);
  each<S>(w, i->o[0], [&](int l) { return (S)(T)Op::template f<T>(get<T>(A[l]), get<T>(B[l]), get<T>(C[l])); });
  return i + 1;
}

struct OMov {
  template <class T>
  static INL T f(T a) {
    return a;
  }
};
struct ONot {
  template <class T>
  static INL T f(T a) {
    return ~a;
  }
};
struct OAnd {
  template <class T>
  static INL T f(T a, T b) {
    return a & b;
  }
};
struct OOr {
  template <class T>
  static INL T f(T a, T b) {
    return a | b;
  }
};
struct OXor {
  template <class T>
  static INL T f(T a, T b) {
    return a ^ b;
  }
};

// High half of a product; also used by the carry instructions.
struct OMulHi {
  template <class T>
  static INL T f(T a, T b) {
    if constexpr (sizeof(T) == 8) {
      using X = std::conditional_t<std::is_signed_v<T>, i128, u128>;
      return (T)(((X)a * (X)b) >> 64);
    } else {
      using X = std::conditional_t<std::is_signed_v<T>, i64, u64>;
      return (T)(((X)a * (X)b) >> (8 * sizeof(T)));
    }
  }
};

static INL float bitsf(u32 x) {
  float f;
  memcpy(&f, &x, 4);
  return f;
}
static INL float ftz(float x) { return __builtin_fabsf(x) < FLT_MIN ? __builtin_copysignf(0.f, x) : x; }
static INL double ftz(double x) { return x; }
template <class T>
static INL T sat(T x) {
  return x > 0 ? (x < 1 ? x : (T)1) : (T)0;
}  // NaN -> +0

}  // namespace ptxemu
