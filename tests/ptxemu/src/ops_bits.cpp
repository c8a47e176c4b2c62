// SPDX-License-Identifier: Apache-2.0
//
// Shifts, bit fields and bit counts (PTX 9.7.1, 9.7.8).
#include "decode.h"
#include "lanes.h"

namespace ptxemu {

// Shift counts are clamped to the register width: larger counts give 0 (or the sign for shr.s).
template <class T>
static const Ins *h_shl(const Ins *i, Warp &w) {
  using S = Sto<T>;
  auto A = OPERAND(S, 1);
  auto B = OPERAND(u32, 2);
  each<S>(w, i->o[0], [&](int l) {
    u32 s = B[l];
    return (S)(T)(s >= 8 * sizeof(T) ? (T)0 : (T)(A[l] << (s & 63)));
  });
  return i + 1;
}
template <class T>
static const Ins *h_shr(const Ins *i, Warp &w) {
  using S = Sto<T>;
  auto A = OPERAND(S, 1);
  auto B = OPERAND(u32, 2);
  each<S>(w, i->o[0], [&](int l) {
    u32 s = B[l];
    T a = (T)A[l];
    u32 n = 8 * sizeof(T);
    s = s > n - 1 ? (std::is_signed_v<T> ? n - 1 : n) : s;
    return (S)(T)(s >= n ? (T)0 : (T)(a >> s));
  });
  return i + 1;
}
// shf: funnel shift of b:a; .wrap takes the count modulo 32, .clamp limits it to 32.
static const Ins *h_shf(const Ins *i, Warp &w) {
  auto A = OPERAND(u32, 1), B = OPERAND(u32, 2), C = OPERAND(u32, 3);
  bool left = i->aux & 1, clamp = i->aux & 2;
  each<u32>(w, i->o[0], [&](int l) {
    u32 s = clamp ? std::min(C[l], 32u) : C[l] & 31;
    u64 v = (u64)B[l] << 32 | A[l];
    return left ? (u32)((v << s) >> 32) : (u32)(v >> s);
  });
  return i + 1;
}
// lop3: the truth table of the 8 input combinations is expanded into masks once per instruction.
static const Ins *h_lop3(const Ins *i, Warp &w) {
  auto A = OPERAND(u32, 1), B = OPERAND(u32, 2), C = OPERAND(u32, 3);
  u32 k = i->aux;
  u32 t[8];
  for (int n = 0; n < 8; ++n) t[n] = (k >> n & 1) ? ~0u : 0;
  each<u32>(w, i->o[0], [&](int l) {
    u32 a = A[l], b = B[l], c = C[l];
    return (t[0] & ~a & ~b & ~c) | (t[1] & ~a & ~b & c) | (t[2] & ~a & b & ~c) | (t[3] & ~a & b & c) |
           (t[4] & a & ~b & ~c) | (t[5] & a & ~b & c) | (t[6] & a & b & ~c) | (t[7] & a & b & c);
  });
  return i + 1;
}
// prmt: four byte selectors; bit 3 of a selector replicates the sign of the selected byte.
static const Ins *h_prmt(const Ins *i, Warp &w) {
  auto A = OPERAND(u32, 1), B = OPERAND(u32, 2), C = OPERAND(u32, 3);
  each<u32>(w, i->o[0], [&](int l) {
    u64 v = (u64)B[l] << 32 | A[l];
    u32 r = 0, c = C[l];
    for (int n = 0; n < 4; ++n) {
      u32 s = c >> (4 * n);
      u32 b = (v >> (8 * (s & 7))) & 255;
      if (s & 8) b = (b & 128) ? 255 : 0;
      r |= b << (8 * n);
    }
    return r;
  });
  return i + 1;
}
// bfe: a field that runs over the top of the register is filled with its top bit (s32, s64).
template <class T>
static const Ins *h_bfe(const Ins *i, Warp &w) {
  auto A = OPERAND(T, 1);
  auto B = OPERAND(u32, 2), C = OPERAND(u32, 3);
  each<T>(w, i->o[0], [&](int l) {
    using U = std::make_unsigned_t<T>;
    u32 n = 8 * sizeof(T), p = B[l] & 255, k = C[l] & 255;
    if (k == 0) return (T)0;
    T a = A[l];
    bool sgn = std::is_signed_v<T> && ((a >> std::min(p + k - 1, n - 1)) & 1);
    U r = p >= n ? 0 : (U)a >> p;
    if (k < n) {
      r &= ((U)1 << k) - 1;
      if (sgn) r |= ~(U)0 << std::min(k, n - 1);
    }
    if (sgn && p + k > n && p > 0) r |= p >= n ? ~(U)0 : ~(U)0 << (n - p);
    return (T)r;
  });
  return i + 1;
}
// bfi: inserts the low bits of a into b; nothing happens if the position is outside the register.
template <class T>
static const Ins *h_bfi(const Ins *i, Warp &w) {
  auto A = OPERAND(T, 1), B = OPERAND(T, 2);
  auto C = OPERAND(u32, 3), D = OPERAND(u32, 4);
  each<T>(w, i->o[0], [&](int l) {
    u32 n = 8 * sizeof(T), p = C[l] & 255, k = D[l] & 255;
    if (p >= n || k == 0) return B[l];
    T m = (k >= n ? ~(T)0 : ((T)1 << k) - 1) << p;
    return (B[l] & ~m) | ((A[l] << p) & m);
  });
  return i + 1;
}
// OP: 0 popc, 1 clz, 2 brev, 3 bfind, 4 bfind.shiftamt.
template <class T, int OP>
static const Ins *h_bits(const Ins *i, Warp &w) {
  auto A = OPERAND(T, 1);
  auto f = [&](int l) {
    T a = A[l];
    using U = std::make_unsigned_t<T>;
    U u = (U)a;
    const int n = 8 * sizeof(T);
    u32 r = 0;
    if (OP == 0) r = sizeof(T) == 8 ? __builtin_popcountll(u) : __builtin_popcount((u32)u);
    if (OP == 1) r = u == 0 ? n : (sizeof(T) == 8 ? __builtin_clzll(u) : __builtin_clz((u32)u));
    if (OP == 3 || OP == 4) {
      if (std::is_signed_v<T> && a < 0) u = ~u;
      r = u == 0 ? ~0u : n - 1 - (sizeof(T) == 8 ? __builtin_clzll(u) : __builtin_clz((u32)u));
      if (OP == 4 && r != ~0u) r = n - 1 - r;
    }
    return r;
  };
  if constexpr (OP == 2)
    each<T>(w, i->o[0], [&](int l) {
      T a = A[l], r = 0;
      for (unsigned k = 0; k < 8 * sizeof(T); ++k) r |= ((a >> k) & 1) << (8 * sizeof(T) - 1 - k);
      return r;
    });
  else
    each<u32>(w, i->o[0], f);
  return i + 1;
}

bool Decoder::bit_ops() {
  if (t.k == 'f' || t.k == 'p' || t.k == 'h' || t.x2) return false;
  auto count = [&](Handler f) {  // the result has 32 bits, whatever the source has
    i32 s = src(a[1], sz), dd = dst(a[0], 4);
    Ins &i = emit(f);
    i.o[0] = dd;
    i.o[1] = s;
  };
  if (o == "shl" || o == "shr") {
    i32 s1 = src(a[1], sz), s2 = src(a[2], 4), dd = dst(a[0], sz);
    Handler f = o == "shl" ? sel_int(Ty{'u', t.sz}, line, [](auto tag) -> Handler { return h_shl<TT>; })
                           : sel_int(t, line, [](auto tag) -> Handler { return h_shr<TT>; });
    Ins &i = emit(f);
    i.o[0] = dd;
    i.o[1] = s1;
    i.o[2] = s2;
  } else if (o == "shf") {
    Ins &i = E(h_shf, 3);
    i.aux = (has("l") ? 1 : 0) | (has("clamp") ? 2 : 0);
  } else if (o == "lop3" && a.size() == 5) {
    Ins &i = E(h_lop3, 3);
    i.aux = (u32)parse_num(a[4], line);
  } else if (o == "prmt" && d.size() == 2)
    E(h_prmt, 3);
  else if (o == "bfe") {
    i32 s1 = src(a[1], sz), s2 = src(a[2], 4), s3 = src(a[3], 4), dd = dst(a[0], sz);
    Ins &i = emit(sel_int48(t, line, [](auto tag) -> Handler { return h_bfe<TT>; }));
    i.o[0] = dd;
    i.o[1] = s1;
    i.o[2] = s2;
    i.o[3] = s3;
  } else if (o == "bfi") {
    i32 s1 = src(a[1], sz), s2 = src(a[2], sz), s3 = src(a[3], 4), s4 = src(a[4], 4), dd = dst(a[0], sz);
    Ins &i = emit(sz == 8 ? h_bfi<u64> : h_bfi<u32>);
    i.o[0] = dd;
    i.o[1] = s1;
    i.o[2] = s2;
    i.o[3] = s3;
    i.o[4] = s4;
  } else if (o == "popc")
    count(sz == 8 ? h_bits<u64, 0> : h_bits<u32, 0>);
  else if (o == "clz")
    count(sz == 8 ? h_bits<u64, 1> : h_bits<u32, 1>);
  else if (o == "brev")
    E(sz == 8 ? h_bits<u64, 2> : h_bits<u32, 2>, 1);
  else if (o == "bfind") {
    if (has("shiftamt"))
      count(sel_int48(t, line, [](auto tag) -> Handler { return h_bits<TT, 4>; }));
    else
      count(sel_int48(t, line, [](auto tag) -> Handler { return h_bits<TT, 3>; }));
  } else
    return false;
  return true;
}

}  // namespace ptxemu
