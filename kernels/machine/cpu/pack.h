// SPDX-License-Identifier: Apache-2.0
//
// SIMD packs: Pack<T> is one native vector register of T (float or double), written with GCC's vector extensions, so
// that +, -, *, / and the comparisons are the language's own. The translation unit is compiled once per ISA level with
// BLV_ISA_NAMESPACE (v2, v3, v4) and BLV_PACK_BYTES (16, 32, 64) defined and the matching -march; everything here lives
// in that level's namespace and uses no std template, since the linker could keep one level's copy of such a member for
// all of them.
//
// Notation: L = lanes<T>, x[l] is lane l. A mask has all bits of a lane set (true) or clear (false).
//
// NaN: select, abs, copysign and the sums are lane-exact and pass NaN on. max(a, b) and min(a, b) are the machine's:
// they return b where either is NaN, so max(x, zero) drops a NaN and max(zero, x) keeps the NaN of x. The horizontal
// max(x) promises nothing about NaN; test is_not_finite_bits(x) first where it matters.
#pragma once
#include <immintrin.h>

#include <cstddef>
#include <cstdint>

#if !defined(BLV_ISA_NAMESPACE) || !defined(BLV_PACK_BYTES)
#error "compile with BLV_ISA_NAMESPACE (v2, v3, v4) and BLV_PACK_BYTES (16, 32, 64)"
#endif
#if BLV_PACK_BYTES == 64 && !(defined(__AVX512F__) && defined(__AVX512DQ__) && defined(__AVX512VL__))
#error "64-byte packs need -march=x86-64-v4"
#elif BLV_PACK_BYTES == 32 && !(defined(__AVX2__) && defined(__FMA__))
#error "32-byte packs need -march=x86-64-v3"
#elif BLV_PACK_BYTES == 16 && !defined(__SSE4_2__)
#error "16-byte packs need -march=x86-64-v2"
#endif

#define BLV_INLINE inline __attribute__((always_inline))

namespace bilevel {
namespace BLV_ISA_NAMESPACE {

// ---- Types ----------------------------------------------------------------------------------------------------------

template <class T>
struct PackOf;
template <>
struct PackOf<float> {
  typedef float type __attribute__((vector_size(BLV_PACK_BYTES)));
  typedef float unaligned __attribute__((vector_size(BLV_PACK_BYTES), aligned(4), may_alias));
  typedef int32_t integers __attribute__((vector_size(BLV_PACK_BYTES)));
  typedef uint32_t naturals __attribute__((vector_size(BLV_PACK_BYTES)));
  typedef int32_t integer;
};
template <>
struct PackOf<double> {
  typedef double type __attribute__((vector_size(BLV_PACK_BYTES)));
  typedef double unaligned __attribute__((vector_size(BLV_PACK_BYTES), aligned(8), may_alias));
  typedef int64_t integers __attribute__((vector_size(BLV_PACK_BYTES)));
  typedef uint64_t naturals __attribute__((vector_size(BLV_PACK_BYTES)));
  typedef int64_t integer;
};

template <class T>
using Pack = typename PackOf<T>::type;
template <class T>
using Integers = typename PackOf<T>::integers;  // signed integers of the lane width of T
template <class T>
using Integer = typename PackOf<T>::integer;
template <class T>
using Naturals = typename PackOf<T>::naturals;  // unsigned: sums of the bits of a NaN may wrap
template <class T>
using Mask = Integers<T>;

template <class T>
inline constexpr int lanes = static_cast<int>(BLV_PACK_BYTES / sizeof(T));

// The scalar type of a pack, for functions that deduce it from their argument.
template <class P>
struct PackScalar;
template <>
struct PackScalar<Pack<float>> {
  typedef float type;
};
template <>
struct PackScalar<Pack<double>> {
  typedef double type;
};
template <class P>
using ScalarOf = typename PackScalar<P>::type;

template <int... I>
struct Indices {};
template <int N, int... I>
struct CountTo : CountTo<N - 1, N - 1, I...> {};
template <int... I>
struct CountTo<0, I...> {
  typedef Indices<I...> type;
};
template <class T>
using LaneIndices = typename CountTo<lanes<T>>::type;  // Indices<0, 1, ..., L - 1>

// Keeps a loaded pack in a register: the compiler would fold the load into every multiply-add that uses it, and load
// again.
template <class P>
BLV_INLINE void hold(P &x) {
#if BLV_PACK_BYTES == 64
  asm("" : "+v"(x));
#else
  asm("" : "+x"(x));
#endif
}

// ---- Making packs ---------------------------------------------------------------------------------------------------

template <class T>
BLV_INLINE Pack<T> broadcast(T value) {
  return value - Pack<T>{};  // x - (+0) = x for every x, -0 included
}

template <class T>
BLV_INLINE Integers<T> broadcast_integer(Integer<T> value) {
  return value - Integers<T>{};
}

template <class T, int... I>
BLV_INLINE Pack<T> iota(Indices<I...>) {
  return Pack<T>{static_cast<T>(I)...};
}
// 0, 1, 2, ..., L - 1.
template <class T>
BLV_INLINE Pack<T> iota() {
  return iota<T>(LaneIndices<T>{});
}

template <class T, int... I>
BLV_INLINE Integers<T> iota_integers(Indices<I...>) {
  return Integers<T>{I...};
}

// The bits of x, and back.
template <class P>
BLV_INLINE Integers<ScalarOf<P>> bits_of(P x) {
  return (Integers<ScalarOf<P>>)x;
}
template <class T>
BLV_INLINE Pack<T> from_bits(Integers<T> bits) {
  return (Pack<T>)bits;
}

// Lanes l < count; any count is allowed, negative ones and those above L too.
template <class T>
BLV_INLINE Mask<T> first_lanes(long count) {
  const Integer<T> limit = static_cast<Integer<T>>(count < 0 ? 0 : count < lanes<T> ? count : lanes<T>);
  return iota_integers<T>(LaneIndices<T>{}) < broadcast_integer<T>(limit);
}

// ---- Memory ---------------------------------------------------------------------------------------------------------

template <class T>
BLV_INLINE Pack<T> load_unaligned(const T *source) {
  return *reinterpret_cast<const typename PackOf<T>::unaligned *>(source);
}

template <class T>
BLV_INLINE void store_unaligned(T *target, Pack<T> x) {
  *reinterpret_cast<typename PackOf<T>::unaligned *>(target) = x;
}

#if BLV_PACK_BYTES == 64
// A write mask of the lanes l < count.
template <class T>
BLV_INLINE unsigned first_bits(long count) {
  const long limit = count < 0 ? 0 : count < lanes<T> ? count : lanes<T>;
  return _bzhi_u32(0xFFFFu, static_cast<unsigned>(limit));
}
BLV_INLINE Pack<float> load_first(const float *p, long count) {
  return (Pack<float>)_mm512_maskz_loadu_ps(static_cast<__mmask16>(first_bits<float>(count)), p);
}
BLV_INLINE Pack<double> load_first(const double *p, long count) {
  return (Pack<double>)_mm512_maskz_loadu_pd(static_cast<__mmask8>(first_bits<double>(count)), p);
}
BLV_INLINE void store_first(float *p, long count, Pack<float> x) {
  _mm512_mask_storeu_ps(p, static_cast<__mmask16>(first_bits<float>(count)), (__m512)x);
}
BLV_INLINE void store_first(double *p, long count, Pack<double> x) {
  _mm512_mask_storeu_pd(p, static_cast<__mmask8>(first_bits<double>(count)), (__m512d)x);
}
#elif BLV_PACK_BYTES == 32
BLV_INLINE Pack<float> load_first(const float *p, long count) {
  return (Pack<float>)_mm256_maskload_ps(p, (__m256i)first_lanes<float>(count));
}
BLV_INLINE Pack<double> load_first(const double *p, long count) {
  return (Pack<double>)_mm256_maskload_pd(p, (__m256i)first_lanes<double>(count));
}
BLV_INLINE void store_first(float *p, long count, Pack<float> x) {
  _mm256_maskstore_ps(p, (__m256i)first_lanes<float>(count), (__m256)x);
}
BLV_INLINE void store_first(double *p, long count, Pack<double> x) {
  _mm256_maskstore_pd(p, (__m256i)first_lanes<double>(count), (__m256d)x);
}
#endif

// x[l] = source[l] for l < count and 0 in the other lanes, whose memory is not touched.
template <class T>
BLV_INLINE Pack<T> load_partial(const T *source, long count) {
#if BLV_PACK_BYTES == 16
  Pack<T> x = {};
  for (int l = 0; l < lanes<T>; ++l) {
    if (l < count) x[l] = source[l];
  }
  return x;
#else
  return load_first(source, count);
#endif
}

// target[l] = x[l] for l < count; no other memory is touched.
template <class T>
BLV_INLINE void store_partial(T *target, Pack<T> x, long count) {
#if BLV_PACK_BYTES == 16
  for (int l = 0; l < lanes<T>; ++l) {
    if (l < count) target[l] = x[l];
  }
#else
  store_first(target, count, x);
#endif
}

// ---- Lane by lane ---------------------------------------------------------------------------------------------------

// mask ? a : b. Both sides are computed; a NaN of the side not taken doesn't leak.
template <class P>
BLV_INLINE P select(Mask<ScalarOf<P>> mask, P a, P b) {
  return mask ? a : b;
}

template <class P>
BLV_INLINE Integers<ScalarOf<P>> sign_bits() {
  return broadcast_integer<ScalarOf<P>>(
      static_cast<Integer<ScalarOf<P>>>(sizeof(ScalarOf<P>) == 4 ? INT32_MIN : INT64_MIN));
}
template <class P>
BLV_INLINE P abs(P x) {
  return from_bits<ScalarOf<P>>(bits_of(x) & ~sign_bits<P>());
}
template <class P>
BLV_INLINE P copysign(P magnitude, P sign) {
  const Integers<ScalarOf<P>> m = sign_bits<P>();
  return from_bits<ScalarOf<P>>((bits_of(magnitude) & ~m) | (bits_of(sign) & m));
}

// Non-zero in exactly those lanes that hold NaN or an infinity. OR the lanes of many packs together, then ask any()
// once.
template <class P>
BLV_INLINE Integers<ScalarOf<P>> is_not_finite_bits(P x) {
  return bits_of(x - x);
}

template <class P>
BLV_INLINE P finite_or_zero(P x) {
  return select(x - x == P{}, x, P{});
}

// Some lane is non-zero. Takes any integers, not only masks.
template <class M>
BLV_INLINE bool any(M m) {
#if BLV_PACK_BYTES == 64
  return _mm512_test_epi32_mask((__m512i)m, (__m512i)m) != 0;
#elif BLV_PACK_BYTES == 32
  return !_mm256_testz_si256((__m256i)m, (__m256i)m);
#else
  return !_mm_testz_si128((__m128i)m, (__m128i)m);
#endif
}

// The full zero-mask is the plain instruction; GCC 12's unmasked intrinsic warns of its own uninitialised operand.
#if BLV_PACK_BYTES == 64
BLV_INLINE Pack<float> max(Pack<float> a, Pack<float> b) {
  return (Pack<float>)_mm512_maskz_max_ps(0xFFFF, (__m512)a, (__m512)b);
}
BLV_INLINE Pack<float> min(Pack<float> a, Pack<float> b) {
  return (Pack<float>)_mm512_maskz_min_ps(0xFFFF, (__m512)a, (__m512)b);
}
BLV_INLINE Pack<double> max(Pack<double> a, Pack<double> b) {
  return (Pack<double>)_mm512_maskz_max_pd(0xFF, (__m512d)a, (__m512d)b);
}
BLV_INLINE Pack<double> min(Pack<double> a, Pack<double> b) {
  return (Pack<double>)_mm512_maskz_min_pd(0xFF, (__m512d)a, (__m512d)b);
}
#elif BLV_PACK_BYTES == 32
BLV_INLINE Pack<float> max(Pack<float> a, Pack<float> b) { return (Pack<float>)_mm256_max_ps((__m256)a, (__m256)b); }
BLV_INLINE Pack<float> min(Pack<float> a, Pack<float> b) { return (Pack<float>)_mm256_min_ps((__m256)a, (__m256)b); }
BLV_INLINE Pack<double> max(Pack<double> a, Pack<double> b) {
  return (Pack<double>)_mm256_max_pd((__m256d)a, (__m256d)b);
}
BLV_INLINE Pack<double> min(Pack<double> a, Pack<double> b) {
  return (Pack<double>)_mm256_min_pd((__m256d)a, (__m256d)b);
}
#else
BLV_INLINE Pack<float> max(Pack<float> a, Pack<float> b) { return (Pack<float>)_mm_max_ps((__m128)a, (__m128)b); }
BLV_INLINE Pack<float> min(Pack<float> a, Pack<float> b) { return (Pack<float>)_mm_min_ps((__m128)a, (__m128)b); }
BLV_INLINE Pack<double> max(Pack<double> a, Pack<double> b) { return (Pack<double>)_mm_max_pd((__m128d)a, (__m128d)b); }
BLV_INLINE Pack<double> min(Pack<double> a, Pack<double> b) { return (Pack<double>)_mm_min_pd((__m128d)a, (__m128d)b); }
#endif

// ---- Across lanes ---------------------------------------------------------------------------------------------------

template <int S, class P, int... I>
BLV_INLINE P exchange(P x, Indices<I...>) {
  return __builtin_shufflevector(x, x, (I ^ S)...);
}
// Lane l receives x[l ^ S].
template <int S, class P>
BLV_INLINE P exchange(P x) {
  return exchange<S>(x, LaneIndices<ScalarOf<P>>{});
}

template <int S, class P, int... I>
BLV_INLINE P fold_two(P x, P y, Indices<I...>) {
  constexpr int L = lanes<ScalarOf<P>>;
  return __builtin_shufflevector(x, y, ((I & S) ? L + I : I)...) +
         __builtin_shufflevector(x, y, ((I & S) ? L + (I ^ S) : (I ^ S))...);
}
// Lanes without bit S hold x[l] + x[l ^ S], lanes with it y[l] + y[l ^ S].
template <int S, class P>
BLV_INLINE P fold_two(P x, P y) {
  return fold_two<S>(x, y, LaneIndices<ScalarOf<P>>{});
}

// The sum over lanes l, l ^ From, l ^ 2 From, ... : every lane holds the sum of its class.
template <int From, class P>
BLV_INLINE P fold_lanes(P x) {
  if constexpr (From < lanes<ScalarOf<P>>) {
    return fold_lanes<2 * From>(x + exchange<From>(x));
  } else {
    return x;
  }
}

// The sum of all lanes, as a balanced tree over neighbours: ((x0 + x1) + (x2 + x3)) + ...
template <class P>
BLV_INLINE ScalarOf<P> sum(P x) {
  return fold_lanes<1>(x)[0];
}

template <int From, class P>
BLV_INLINE P fold_max(P x) {
  if constexpr (From < lanes<ScalarOf<P>>) {
    return fold_max<2 * From>(max(x, exchange<From>(x)));
  } else {
    return x;
  }
}
// The largest lane; of no defined value when a lane is NaN.
template <class P>
BLV_INLINE ScalarOf<P> max(P x) {
  return fold_max<1>(x)[0];
}

// How many packs transposed_sums takes: 4, or 2 where a pack has only two lanes.
template <class T>
inline constexpr int sums_at_once = lanes<T> < 4 ? lanes<T> : 4;

// Lane q = sum(x[q]) for q < N, with the very bits of sum(); the lanes from N on repeat these. Costs two shuffles a
// pack.
template <class T, int N = sums_at_once<T>>
BLV_INLINE Pack<T> transposed_sums(const Pack<T> (&x)[N]) {
  static_assert(N == sums_at_once<T>, "four packs, or two when a pack has two lanes");
  if constexpr (N == 2) {
    return fold_two<1>(x[0], x[1]);
  } else {
    return fold_lanes<4>(fold_two<2>(fold_two<1>(x[0], x[1]), fold_two<1>(x[2], x[3])));
  }
}

}  // namespace BLV_ISA_NAMESPACE
}  // namespace bilevel
