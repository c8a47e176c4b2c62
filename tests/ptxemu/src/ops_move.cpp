// SPDX-License-Identifier: Apache-2.0
//
// Data movement between registers and address conversion (PTX 9.7.9: mov, pack and unpack, cvta, isspacep, mapa).
#include "access.h"
#include "decode.h"
#include "lanes.h"

namespace ptxemu {

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
