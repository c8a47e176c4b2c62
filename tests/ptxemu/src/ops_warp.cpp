// SPDX-License-Identifier: Apache-2.0
//
// Warp-level communication (PTX 9.7.9 shfl.sync, 9.7.13 vote, match, redux, activemask, bar.warp.sync).
//
// These instructions wait until all lanes named in the member mask have arrived at the same instruction.
#include "decode.h"
#include "lanes.h"

namespace ptxemu {

// warp-synchronous ops: members given per lane by register o[k]
template <class F>
static INL const Ins *warpsync(const Ins *i, Warp &w, i32 mreg, F op) {
  u32 join = 0, sw = w.swait;
  while (sw) {
    int l = __builtin_ctz(sw);
    sw &= sw - 1;
    if (w.pc[l] == i->pc && w.depth[l] == w.dep) join |= 1u << l;
  }
  if (join) {
    w.swait &= ~join;
    w.set(w.act | join);
  }
  const u32 *M = (const u32 *)(w.r + mreg);
  u32 pend = w.act, wait = 0, all = w.act;
  while (pend) {
    int f = __builtin_ctz(pend);
    u32 mk = M[f], g = 0;
    if (mk == ~0u && pend == ~0u) {
      bool same = true;
      for (int l = 0; l < W; ++l) same &= M[l] == mk;
      if (same) {
        op(~0u, mk);
        return i + 1;
      }
    }
    u32 q = pend;
    while (q) {
      int l = __builtin_ctz(q);
      q &= q - 1;
      if (M[l] == mk) g |= 1u << l;
    }
    pend &= ~g;
    if (g & ~mk) fault(i, w, "warp-sync member mask does not name the calling lane");
    u32 need = mk & ~w.exited & w.valid;
    if ((g & need) == need) {
      if (g != all) w.set(g);
      op(g, mk);
    } else
      wait |= g;
  }
  if (w.act != all) w.set(all);
  if (!wait) return i + 1;
  park(w, wait, i->pc);
  w.swait |= wait;
  if (all & ~wait) park(w, all & ~wait, i->pc + 1);
  return nullptr;
}
// MODE: 0 up, 1 down, 2 bfly, 3 idx. c holds the clamp value and the segment mask (PTX 9.7.9 shfl.sync).
template <int MODE>
static const Ins *h_shfl(const Ins *i, Warp &w) {  // o0 d, o1 p, o2 a, o3 b, o4 c, o5 mask
  return warpsync(i, w, i->o[5], [&](u32 g, u32) {
    alignas(128) u32 src[W], out[W];
    i32 pv[W];
    memcpy(src, OPERAND(u32, 2), sizeof src);
    auto B = OPERAND(u32, 3), C = OPERAND(u32, 4);
    for (int l = 0; l < W; ++l) {
      u32 b = B[l] & 31, c = C[l], cv = c & 31, seg = (c >> 8) & 31;
      int mx = (l & seg) | (cv & ~seg), mn = l & seg, j;
      bool p;
      if (MODE == 0) {
        j = l - (int)b;
        p = j >= mx;
      } else if (MODE == 1) {
        j = l + b;
        p = j <= mx;
      } else if (MODE == 2) {
        j = l ^ b;
        p = j <= mx;
      } else {
        j = mn | (b & ~seg);
        p = j <= mx;
      }
      if (!p) j = l;
      out[l] = g >> j & 1 ? src[j] : 0xEEEEEEEEu;  // a lane that takes no part: undefined
      pv[l] = p ? -1 : 0;
    }
    each<u32>(w, i->o[0], [&](int l) { return out[l]; });
    if (i->o[1] >= 0) each<i32>(w, i->o[1], [&](int l) { return pv[l]; });
  });
}
static const Ins *h_vote(const Ins *i,
                         Warp &w) {  // o0 d, o1 p, o2 mask; aux: 0 ballot 1 any 2 all 3 uni; bit 4 neg
  return warpsync(i, w, i->o[2], [&](u32 g, u32) {
    u32 p = movemask(OPERAND(i32, 1));
    if (i->aux & 16) p = ~p;
    p &= g;
    int k = i->aux & 15;
    if (k == 0)
      each<u32>(w, i->o[0], [&](int) { return p; });
    else {
      i32 v = (k == 1 ? p != 0 : k == 2 ? p == g : (p == g || p == 0)) ? -1 : 0;
      each<i32>(w, i->o[0], [&](int) { return v; });
    }
  });
}
// aux 1: match.all, which also sets a predicate.
template <class T>
static const Ins *h_match(const Ins *i, Warp &w) {
  return warpsync(i, w, i->o[2], [&](u32 g, u32) {
    auto A = OPERAND(T, 1);
    u32 res[W];
    i32 pv[W];
    for (int l = 0; l < W; ++l) {
      u32 r = 0;
      for (int k = 0; k < W; ++k)
        if ((g >> k & 1) && A[k] == A[l]) r |= 1u << k;
      pv[l] = r == g ? -1 : 0;
      res[l] = i->aux ? (r == g ? g : 0) : r;
    }
    each<u32>(w, i->o[0], [&](int l) { return res[l]; });
    if (i->o[3] >= 0) each<i32>(w, i->o[3], [&](int l) { return pv[l]; });
  });
}
// aux: 0 add, 1 min.u, 2 max.u, 3 min.s, 4 max.s, 5 and, 6 or, 7 xor.
static const Ins *h_redux(const Ins *i, Warp &w) {
  return warpsync(i, w, i->o[2], [&](u32 g, u32) {
    auto A = OPERAND(u32, 1);
    u32 r = 0;
    bool first = true;
    for (int l = 0; l < W; ++l)
      if (g >> l & 1) {
        u32 a = A[l];
        if (first) {
          r = a;
          first = false;
          continue;
        }
        switch (i->aux) {
          case 0:
            r += a;
            break;
          case 1:
            r = std::min(r, a);
            break;
          case 2:
            r = std::max(r, a);
            break;
          case 3:
            r = (u32)std::min((i32)r, (i32)a);
            break;
          case 4:
            r = (u32)std::max((i32)r, (i32)a);
            break;
          case 5:
            r &= a;
            break;
          case 6:
            r |= a;
            break;
          default:
            r ^= a;
        }
      }
    each<u32>(w, i->o[0], [&](int) { return r; });
  });
}
// bar.warp.sync; the epoch lets the race check order accesses inside the warp.
static const Ins *h_warpbar(const Ins *i, Warp &w) {
  return warpsync(i, w, i->o[0], [&](u32, u32) { ++w.sepoch; });
}
static const Ins *h_activemask(const Ins *i, Warp &w) {
  u32 a = w.act;
  each<u32>(w, i->o[0], [&](int) { return a; });
  return i + 1;
}

bool Decoder::warp_ops() {
  auto split_pair = [](const std::string &s, std::string &x, std::string &y) {
    size_t bar = s.find('|');
    x = trim(s.substr(0, bar));
    y = bar == std::string::npos ? "" : trim(s.substr(bar + 1));
  };
  std::string d0, p0;
  if (o == "shfl") {
    if (!has("sync")) perr(line, "unsupported instruction " + op + " (use the _sync form)");
    split_pair(a[0], d0, p0);
    i32 dd = dst(d0, 4), pp = p0.empty() ? -1 : dst(p0, 4), s[5];
    for (int k = 1; k <= 4; ++k) s[k] = src(a[k], 4);
    Ins &i = emit(has("up") ? h_shfl<0> : has("down") ? h_shfl<1> : has("bfly") ? h_shfl<2> : h_shfl<3>);
    i.o[0] = dd;
    i.o[1] = pp;
    for (int k = 1; k <= 4; ++k) i.o[1 + k] = s[k];
  } else if (o == "vote") {
    if (!has("sync")) perr(line, "unsupported instruction " + op + " (use the _sync form)");
    bool neg;
    i32 p = pred(a[1], neg), m = src(a[2], 4), dd = dst(a[0], 4);
    Ins &i = emit(h_vote);
    i.o[0] = dd;
    i.o[1] = p;
    i.o[2] = m;
    i.aux = (has("ballot") ? 0 : has("any") ? 1 : has("all") ? 2 : 3) | (neg ? 16 : 0);
  } else if (o == "match") {
    split_pair(a[0], d0, p0);
    i32 dd = dst(d0, 4), pp = p0.empty() ? -1 : dst(p0, 4), s = src(a[1], sz), m = src(a[2], 4);
    Ins &i = emit(sz == 8 ? h_match<u64> : h_match<u32>);
    i.o[0] = dd;
    i.o[1] = s;
    i.o[2] = m;
    i.o[3] = pp;
    i.aux = has("all");
  } else if (o == "redux" && !isf) {
    i32 s = src(a[1], 4), m = src(a[2], 4), dd = dst(a[0], 4);
    bool g = t.k == 's';
    Ins &i = emit(h_redux);
    i.o[0] = dd;
    i.o[1] = s;
    i.o[2] = m;
    i.aux = has("add") ? 0 : has("min") ? (g ? 3 : 1) : has("max") ? (g ? 4 : 2) : has("and") ? 5 : has("or") ? 6 : 7;
  } else if (o == "activemask") {
    i32 dd = dst(a[0], 4);
    Ins &i = emit(h_activemask);
    i.o[0] = dd;
  } else if (o == "bar" && d[1] == "warp") {
    i32 s = src(a[0], 4);
    Ins &i = emit(h_warpbar);
    i.o[0] = s;
  } else
    return false;
  return true;
}

}  // namespace ptxemu
