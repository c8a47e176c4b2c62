// SPDX-License-Identifier: Apache-2.0
//
// Conversion between types (PTX 9.7.9 cvt).
#include "decode.h"
#include "lanes.h"

namespace ptxemu {

// cvt: aux: bits0-3 int rounding (0 none 1 rni 2 rzi 3 rmi 4 rpi), bit4 sat, bit5 ftz, bits 8.. fp rounding
template <class F>
static INL F iround(F x, int m) {
  switch (m) {
    case 1:
      return sizeof(F) == 4 ? __builtin_nearbyintf(x) : __builtin_nearbyint(x);
    case 2:
      return sizeof(F) == 4 ? __builtin_truncf(x) : __builtin_trunc(x);
    case 3:
      return sizeof(F) == 4 ? __builtin_floorf(x) : __builtin_floor(x);
    case 4:
      return sizeof(F) == 4 ? __builtin_ceilf(x) : __builtin_ceil(x);
  }
  return x;
}
// Float to integer saturates; NaN becomes 0, or the most negative number when a 64-bit type takes part.
template <class D, class S>
static const Ins *h_cvt(const Ins *i, Warp &w) {
  using DS = Sto<D>;
  using SS = Sto<S>;
  auto A = OPERAND(SS, 1);
  u32 x = i->aux;
  if constexpr (std::is_integral_v<D> && std::is_integral_v<S>) {
    if (x & 16)
      each<DS>(w, i->o[0], [&](int l) {
        S s = (S)A[l];
        i128 v = s;
        i128 lo = std::numeric_limits<D>::min(), hi = std::numeric_limits<D>::max();
        return (DS)(D)(v < lo ? lo : v > hi ? hi : v);
      });
    else
      each<DS>(w, i->o[0], [&](int l) { return (DS)(D)(S)A[l]; });
  } else if constexpr (std::is_integral_v<D>) {
    auto body = [&](int mode) {
      each<DS>(w, i->o[0], [&](int l) {
        S s = A[l];
        if ((x & 32)) s = ftz(s);
        s = iround(s, mode);
        if (s != s) return (DS)(D)(sizeof(D) == 8 || sizeof(S) == 8 ? (D)((D)1 << (8 * sizeof(D) - 1)) : (D)0);
        const S hi = (S)std::numeric_limits<D>::max(), lo = (S)std::numeric_limits<D>::min();
        if (s >= hi && !(s < hi))
          return (DS)(D)(s == hi && (S)(D)(hi) == s && (double)std::numeric_limits<D>::max() == (double)hi &&
                                 sizeof(D) < 4
                             ? (D)s
                             : std::numeric_limits<D>::max());
        if (s <= lo) return (DS)std::numeric_limits<D>::min();
        return (DS)(D)s;
      });
    };
    switch (x & 15) {
      case 1:
        body(1);
        break;
      case 2:
        body(2);
        break;
      case 3:
        body(3);
        break;
      case 4:
        body(4);
        break;
      default:
        body(2);
    }
  } else if constexpr (std::is_integral_v<S>) {
    if (x >> 8) {
      RoundingScope c(x >> 8);
      each<D>(w, i->o[0], [&](int l) { return (D)(S)A[l]; });
    } else
      each<D>(w, i->o[0], [&](int l) { return (D)(S)A[l]; });
  } else if constexpr (sizeof(D) == sizeof(S)) {
    auto body = [&](int mode) {
      each<D>(w, i->o[0], [&](int l) {
        S s = A[l];
        if (x & 32) s = ftz(s);
        s = iround(s, mode);
        if (x & 16) s = sat(s);
        return (D)s;
      });
    };
    switch (x & 15) {
      case 1:
        body(1);
        break;
      case 2:
        body(2);
        break;
      case 3:
        body(3);
        break;
      case 4:
        body(4);
        break;
      default:
        body(0);
    }
  } else {
    RoundingScope c(x >> 8);
    each<D>(w, i->o[0], [&](int l) {
      D d = (D)(x & 32 ? ftz(A[l]) : A[l]);
      if (x & 32) d = ftz(d);
      return x & 16 ? sat(d) : d;
    });
  }
  return i + 1;
}
static const Ins *h_f16_f32(const Ins *i, Warp &w) {
  auto A = OPERAND(float, 1);
  each<u32>(w, i->o[0], [&](int l) { return (u32)(u16)_cvtss_sh(A[l], _MM_FROUND_TO_NEAREST_INT); });
  return i + 1;
}
static const Ins *h_f32_f16(const Ins *i, Warp &w) {
  auto A = OPERAND(u32, 1);
  each<float>(w, i->o[0], [&](int l) { return _cvtsh_ss((u16)A[l]); });
  return i + 1;
}
// Round to nearest even on the upper 16 bits.
static const Ins *h_bf16_f32(const Ins *i, Warp &w) {
  auto A = OPERAND(u32, 1);
  each<u32>(w, i->o[0], [&](int l) {
    u32 x = A[l];
    if ((x & 0x7fffffff) > 0x7f800000) return 0x7fffu;
    return (x + 0x7fff + (x >> 16 & 1)) >> 16;
  });
  return i + 1;
}
// cvt.rna.tf32: nearest, ties away from zero; 10 bits of mantissa remain.
static const Ins *h_tf32(const Ins *i, Warp &w) {
  auto A = OPERAND(u32, 1);
  each<u32>(w, i->o[0], [&](int l) {
    u32 x = A[l];
    if ((x & 0x7f800000) == 0x7f800000) return x;
    return (x + 0x1000) & ~0x1fffu;
  });
  return i + 1;
}

static const Ins *h_f32_bf16(const Ins *i, Warp &w) {
  auto A = OPERAND(u32, 1);
  each<float>(w, i->o[0], [&](int l) { return bitsf(A[l] << 16); });
  return i + 1;
}

template <class D>
static Handler cvt_from(Ty s) {
  bool g = s.k == 's';
  if (s.k == 'f') return s.sz == 4 ? (Handler)h_cvt<D, float> : (Handler)h_cvt<D, double>;
  switch (s.sz) {
    case 1:
      return g ? (Handler)h_cvt<D, i8> : (Handler)h_cvt<D, u8>;
    case 2:
      return g ? (Handler)h_cvt<D, i16> : (Handler)h_cvt<D, u16>;
    case 4:
      return g ? (Handler)h_cvt<D, i32> : (Handler)h_cvt<D, u32>;
    default:
      return g ? (Handler)h_cvt<D, i64> : (Handler)h_cvt<D, u64>;
  }
}

// Refuses a modifier that the handler for these types would not look at.
void Decoder::cvt_modifiers(Ty D, Ty S) {
  auto real = [](Ty x) { return x.k == 'f' && x.sz >= 4; };
  auto integer = [](Ty x) { return x.k == 'u' || x.k == 's'; };
  const bool half = !(real(D) || integer(D)) || !(real(S) || integer(S));
  const bool whole = has("rni") || has("rzi") || has("rmi") || has("rpi");
  bool fine = true;
  if (has("sat")) fine &= !half && (real(D) == real(S) || integer(D));
  if (has("ftz")) fine &= !half && real(S);
  if (whole) fine &= real(S) && (integer(D) || (real(D) && D.sz == S.sz));
  if (rnd) fine &= real(D) && (integer(S) || (real(S) && D.sz != S.sz));
  if (has("rna")) fine &= D.k == 't';
  if (D.k == 't') fine &= has("rna");
  if (!fine) perr(line, "unsupported cvt form " + op);
}

void Decoder::cvt_op() {
  std::vector<Ty> ts;
  for (size_t k = 1; k < d.size(); ++k) {
    Ty x = ty(d[k]);
    if (x.sz) ts.push_back(x);
  }
  if (ts.size() != 2 || a.size() != 2 || ts[0].x2 || ts[1].x2 || has("relu") || has("satfinite"))
    perr(line, "unsupported cvt form " + op);
  Ty D = ts[0], S = ts[1];
  i32 s = src(a[1], S.sz == 8 ? 8 : 4), dd = -1, wide = -1;
  if (auto *r = reg(a[0]); r && r->second.sz == 8 && D.sz < 8) {  // the result is extended to the register
    if (D.k != 'u' && D.k != 's') perr(line, "unsupported cvt form " + op);
    wide = dst(a[0], 8);
    dd = slot(4);
  } else {
    dd = dst(a[0], D.sz == 8 ? 8 : 4);
  }
  Handler f = nullptr;
  bool s32 = S.k == 'f' && S.sz == 4, sh = S.k == 'f' && S.sz == 2, dh = D.k == 'f' && D.sz == 2;
  if (D.k == 't' && s32)
    f = h_tf32;
  else if (D.k == 'h' && s32 && has("rn"))
    f = h_bf16_f32;
  else if (S.k == 'h' && D.k == 'f' && D.sz == 4)
    f = h_f32_bf16;
  else if (dh && s32 && has("rn"))
    f = h_f16_f32;
  else if (sh && D.k == 'f' && D.sz == 4)
    f = h_f32_f16;
  else if (sh || dh || S.k == 'h' || D.k == 'h' || D.k == 't')
    perr(line, "unsupported cvt form " + op);
  else if (D.k == 'f')
    f = D.sz == 4 ? cvt_from<float>(S) : cvt_from<double>(S);
  else {
    bool g = D.k == 's';
    switch (D.sz) {
      case 1:
        f = g ? cvt_from<i8>(S) : cvt_from<u8>(S);
        break;
      case 2:
        f = g ? cvt_from<i16>(S) : cvt_from<u16>(S);
        break;
      case 4:
        f = g ? cvt_from<i32>(S) : cvt_from<u32>(S);
        break;
      default:
        f = g ? cvt_from<i64>(S) : cvt_from<u64>(S);
    }
  }
  cvt_modifiers(D, S);
  Ins &i = emit(f);
  i.o[0] = dd;
  i.o[1] = s;
  i.aux = (has("rni")   ? 1
           : has("rzi") ? 2
           : has("rmi") ? 3
           : has("rpi") ? 4
                        : 0) |
          (has("sat") ? 16 : 0) | (has("ftz") ? 32 : 0) | rnd << 8;
  if (wide < 0) return;
  main_ins = (i32)P.code.size() - 1;
  Ins &extend = emit(D.k == 's' ? h_cvt<i64, i32> : h_cvt<u64, u32>);
  extend.o[0] = wide;
  extend.o[1] = dd;
}

}  // namespace ptxemu
