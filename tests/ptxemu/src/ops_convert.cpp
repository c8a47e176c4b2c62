// SPDX-License-Identifier: Apache-2.0
//
// Data movement between registers and conversion (PTX 9.7.9: mov, cvt, cvta, isspacep, pack/unpack, mapa).
#include "access.h"
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
static const Ins *h_pack(const Ins *i, Warp &w) {
  int n = i->aux & 15, eb = i->aux >> 4;
  if (n * eb == 8) {
    each<u64>(w, i->o[0], [&](int l) {
      u64 v = 0;
      for (int k = 0; k < n; ++k) {
        u64 e = OPERAND(u32, 1 + k)[l];
        if (eb == 2) e &= 0xffff;
        v |= e << (8 * eb * k);
      }
      return v;
    });
  } else
    each<u32>(w, i->o[0], [&](int l) {
      u32 v = 0;
      for (int k = 0; k < n; ++k) v |= (OPERAND(u32, 1 + k)[l] & (eb == 2 ? 0xffffu : 0xffu)) << (8 * eb * k);
      return v;
    });
  return i + 1;
}
static const Ins *h_unpack(const Ins *i, Warp &w) {
  int n = i->aux & 15, eb = i->aux >> 4;
  alignas(128) u64 v[W];
  if (n * eb == 8)
    memcpy(v, OPERAND(u64, 0), sizeof v);
  else
    for (int l = 0; l < W; ++l) v[l] = OPERAND(u32, 0)[l];
  u64 mk = eb == 4 ? ~0u : eb == 2 ? 0xffff : 0xff;
  for (int k = 0; k < n; ++k) each<u32>(w, i->o[1 + k], [&](int l) { return (u32)((v[l] >> (8 * eb * k)) & mk); });
  return i + 1;
}
// Generic address of a shared or local offset, or back (aux bit 4): see access.h.
static const Ins *h_cvta(const Ins *i, Warp &w) {
  auto A = OPERAND(u64, 1);
  int sp = i->aux & 15;
  bool to = i->aux & 16;
  each<u64>(w, i->o[0], [&](int l) {
    u64 b = sp == SHR   ? (u64)w.cta->sh
            : sp == PRM ? (u64)w.cta->params
            : sp == LOC ? (u64)w.local + (u64)l * w.lstride
                        : 0;
    return to ? A[l] - b : A[l] + b;
  });
  return i + 1;
}
static const Ins *h_isspace(const Ins *i, Warp &w) {
  auto A = OPERAND(u64, 1);
  each<i32>(w, i->o[0], [&](int l) {
    bool sh = A[l] - (u64)w.cta->sh < w.cta->shsize, lc = A[l] - (u64)w.local < (u64)w.lstride * W;
    bool r = i->aux == SHR ? sh : i->aux == LOC ? lc : !sh && !lc;
    return r ? -1 : 0;
  });
  return i + 1;
}

// mapa: address of the same shared variable in another block of the cluster (PTX 9.7.9 mapa).
static const Ins *h_mapa(const Ins *i, Warp &w) {
  auto Rk = OPERAND(u32, 2);
  Cluster &cl = *w.cta->cluster;
  lanes(w.act, [&](int l) {
    if (Rk[l] >= cl.ctas.size()) fault(i, w, "mapa: block rank outside the cluster");
  });
  if (i->aux == 2) {
    auto A = OPERAND(u32, 1);
    each<u32>(w, i->o[0], [&](int l) { return A[l] | (Rk[l] + 1) << RANK_SHIFT; });
    return i + 1;
  }
  if (i->aux == 1) {
    auto A = OPERAND(u64, 1);
    each<u64>(w, i->o[0], [&](int l) { return A[l] | (u64)(Rk[l] + 1) << RANK_SHIFT; });
    return i + 1;
  }
  alignas(128) u64 t[W] = {};
  auto A = OPERAND(u64, 1);
  lanes(w.act, [&](int l) { t[l] = A[l] - (u64)w.cta->sh + (u64)cl.ctas[Rk[l]]->sh; });
  each<u64>(w, i->o[0], [&](int l) { return t[l]; });
  return i + 1;
}
// getctarank: rank of the block that owns a shared::cluster or generic address.
static const Ins *h_getctarank(const Ins *i, Warp &w) {
  alignas(128) u32 t[W] = {};
  Cluster &cl = *w.cta->cluster;
  lanes(w.act, [&](int l) {
    u64 x = i->aux & 2 ? OPERAND(u32, 1)[l] : OPERAND(u64, 1)[l];
    if (i->aux) {
      u32 r = (u32)x >> RANK_SHIFT;
      t[l] = r ? r - 1 : w.cta->rank;
      return;
    }
    for (Cta *c : cl.ctas)
      if (x - (u64)c->sh < c->shsize) t[l] = c->rank;
  });
  each<u32>(w, i->o[0], [&](int l) { return t[l]; });
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
  i32 s = src(a[1], S.sz == 8 ? 8 : 4), dd = dst(a[0], D.sz == 8 ? 8 : 4);
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
}

void Decoder::mov_op() {
  Handler mv = sz == 8 ? h1<u64, OMov> : h1<u32, OMov>;
  if (a[0][0] == '{' || a[1][0] == '{') {  // pack or unpack a vector of smaller registers
    bool un = a[0][0] == '{';
    auto v = vec(un ? a[0] : a[1]);
    int eb = t.sz / (int)v.size();
    if (t.sz > 8 || eb < 1 || v.size() > 4) perr(line, "unsupported instruction " + op);
    std::vector<i32> r;
    for (auto &x : v) r.push_back(un ? dst(x, 4) : src(x, 4));
    i32 full = un ? src(a[1], sz) : dst(a[0], sz);
    Ins &i = emit(un ? h_unpack : h_pack);
    i.o[0] = full;
    for (size_t k = 0; k < r.size(); ++k) i.o[1 + k] = r[k];
    i.aux = (u32)v.size() | eb << 4;
  } else if (a[1] == "%clock" || a[1] == "%clock64" || a[1] == "%globaltimer") {
    i32 dd = dst(a[0], sz);
    Ins &i = emit(h_clock);
    i.o[0] = dd;
    i.aux = sz == 8;
  } else if (t.k == 'p') {
    i32 s = predpos(a[1]), dd = dst(a[0], 4);
    Ins &i = emit(h1<u32, OMov>);
    i.o[0] = dd;
    i.o[1] = s;
  } else {
    u64 v;
    int sp;
    bool name = isalpha(a[1][0]) || a[1][0] == '_' || a[1][0] == '$';
    if (name && !reg(a[1]) && special_kind(a[1]) < 0 && symaddr(a[1], v, sp) && sp == SHR && v >= DYN_SHARED) {
      // address of dynamic shared memory: known only after all static shared variables are placed
      i32 dd = dst(a[0], sz), s = slot(sz);
      P.dynfix.push_back((i32)P.consts.size());
      P.consts.push_back({s, sz, v});
      Ins &i = emit(mv);
      i.o[0] = dd;
      i.o[1] = s;
    } else {
      E(mv, 1);
    }
  }
}

bool Decoder::convert_ops() {
  bool shared = has("shared") || has("shared::cta");
  if (o == "mov")
    mov_op();
  else if (o == "cvt")
    cvt_op();
  else if (o == "cvta") {
    bool param = has("param") || has("param::entry");
    int sp = shared ? SHR : has("shared::cluster") ? SCL : has("local") ? LOC : param ? PRM : GLB;
    if (sp == SCL || (sp == PRM && !fn->entry)) perr(line, "unsupported instruction " + op);
    i32 s = src(a[1], sz), dd = dst(a[0], sz);
    Ins &i = emit(sp == GLB ? h1<u64, OMov> : h_cvta);
    i.o[0] = dd;
    i.o[1] = s;
    i.aux = sp | (has("to") ? 16 : 0);
  } else if (o == "isspacep") {
    if (has("shared::cluster") || has("param") || has("const")) return false;
    i32 s = src(a[1], 8), dd = dst(a[0], 4);
    Ins &i = emit(h_isspace);
    i.o[0] = dd;
    i.o[1] = s;
    i.aux = shared ? SHR : has("local") ? LOC : GLB;
  } else if (o == "mapa" || o == "getctarank") {
    bool win = has("shared::cluster"), m = o == "mapa";
    i32 s1 = src(a[1], sz), s2 = m ? src(a[2], 4) : -1, dd = dst(a[0], m ? sz : 4);
    Ins &i = emit(m ? h_mapa : h_getctarank);
    i.o[0] = dd;
    i.o[1] = s1;
    i.o[2] = s2;
    i.aux = win ? (sz == 4 ? 2 : 1) : 0;
  } else
    return false;
  return true;
}

}  // namespace ptxemu
