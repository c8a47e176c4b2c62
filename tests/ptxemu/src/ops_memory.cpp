// SPDX-License-Identifier: Apache-2.0
//
// Loads and stores (PTX 9.7.9 data movement).
// Caching, ordering and scope qualifiers (.ca, .cg, .volatile, .acquire, .gpu ...) are accepted and ignored:
// execution is sequentially consistent.
#include "access.h"
#include "decode.h"
#include "lanes.h"

namespace ptxemu {

// Shared-memory addresses of a full warp, checked together. False: some lane needs the checked path.
static INL bool shared_addresses(const Ins *i, Warp &w, unsigned n, u32 *a) {
  if (w.act != ~0u || i->o[4] < 0) return false;
  u32 top = 0, low = 0, off = (u32)i->imm;
  if (i->aux) {
    auto A = OPERAND(u32, 4);
    for (int l = 0; l < W; ++l) a[l] = A[l] + off;
  } else {
    auto A = OPERAND(u64, 4);
    for (int l = 0; l < W; ++l) a[l] = (u32)A[l] + off;
  }
  for (int l = 0; l < W; ++l) {
    top = std::max(top, a[l]);
    low |= a[l];
  }
  return (u64)top + n <= w.cta->shsize && !(low & (n - 1));
}

// Loads and stores: o[0..3] data registers, o[4] address register (or -1), imm offset, aux 1: 32-bit address.
template <class M, class DS, int V, int SP>
static const Ins *h_ld(const Ins *i, Warp &w) {
  if constexpr (SP == PRM) {
    const char *p = w.cta->params + i->imm;
    for (int v = 0; v < V; ++v) {
      M x;
      memcpy(&x, p + v * sizeof(M), sizeof(M));
      each<DS>(w, i->o[v], [&](int) { return (DS)x; });
    }
    return i + 1;
  }
  if (SP != LOC && __builtin_expect(w.cta->watch, 0))
    watch_access(i, w, SP, i->o[4] >= 0 && i->aux ? OPERAND(u32, 4) : nullptr,
                 i->o[4] >= 0 && !i->aux ? OPERAND(u64, 4) : nullptr, i->imm, sizeof(M) * V, LOAD);
  if constexpr (SP == SHR) {
    alignas(128) u32 a[W];
    if (shared_addresses(i, w, sizeof(M) * V, a)) {
      const char *s = w.cta->sh;
      for (int v = 0; v < V; ++v) {
        DS *d = (DS *)(w.r + i->o[v]);
        for (int l = 0; l < W; ++l) d[l] = (DS)((const M *)(s + a[l]))[v];
      }
      return i + 1;
    }
  }
  auto one = [&](int l, u64 a) {
    const M *p = (const M *)addr<SP>(i, w, a, sizeof(M) * V, l);
    for (int v = 0; v < V; ++v) ((DS *)(w.r + i->o[v]))[l] = (DS)p[v];
  };
  if (i->o[4] < 0)
    lanes(w.act, [&](int l) { one(l, i->imm); });
  else if (i->aux) {
    auto A = OPERAND(u32, 4);
    lanes(w.act, [&](int l) { one(l, A[l] + i->imm); });
  } else {
    auto A = OPERAND(u64, 4);
    lanes(w.act, [&](int l) { one(l, A[l] + i->imm); });
  }
  return i + 1;
}
// ld.param with a register address: a kernel parameter indexed at run time.
template <class M, class DS, int V>
static const Ins *h_ldparam(const Ins *i, Warp &w) {
  const auto &ps = w.cta->prog->info.params;
  u64 end = ps.empty() ? 0 : ps.back().off + ps.back().size;
  lanes(w.act, [&](int l) {
    u64 a = (i->aux ? OPERAND(u32, 4)[l] : OPERAND(u64, 4)[l]) + i->imm;
    if (a + sizeof(M) * V > end || (a & (sizeof(M) * V - 1))) fault(i, w, "illegal parameter address");
    const M *p = (const M *)(w.cta->params + a);
    for (int v = 0; v < V; ++v) ((DS *)(w.r + i->o[v]))[l] = (DS)p[v];
  });
  return i + 1;
}
template <class M, class DS, int V, int SP>
static const Ins *h_st(const Ins *i, Warp &w) {
  if (SP != LOC && __builtin_expect(w.cta->watch, 0))
    watch_access(i, w, SP, i->o[4] >= 0 && i->aux ? OPERAND(u32, 4) : nullptr,
                 i->o[4] >= 0 && !i->aux ? OPERAND(u64, 4) : nullptr, i->imm, sizeof(M) * V, STORE);
  if constexpr (SP == SHR) {
    alignas(128) u32 a[W];
    if (shared_addresses(i, w, sizeof(M) * V, a)) {
      char *s = w.cta->sh;
      for (int v = 0; v < V; ++v) {
        const DS *d = (const DS *)(w.r + i->o[v]);
        for (int l = 0; l < W; ++l) ((M *)(s + a[l]))[v] = (M)d[l];
      }
      return i + 1;
    }
  }
  auto one = [&](int l, u64 a) {
    M *p = (M *)addr<SP>(i, w, a, sizeof(M) * V, l);
    for (int v = 0; v < V; ++v) p[v] = (M)((const DS *)(w.r + i->o[v]))[l];
  };
  if (i->o[4] < 0)
    lanes(w.act, [&](int l) { one(l, i->imm); });
  else if (i->aux) {
    auto A = OPERAND(u32, 4);
    lanes(w.act, [&](int l) { one(l, A[l] + i->imm); });
  } else {
    auto A = OPERAND(u64, 4);
    lanes(w.act, [&](int l) { one(l, A[l] + i->imm); });
  }
  return i + 1;
}

template <class M, class DS, int SP>
static Handler ld_v(int v) {
  return v == 1 ? h_ld<M, DS, 1, SP> : v == 2 ? h_ld<M, DS, 2, SP> : h_ld<M, DS, 4, SP>;
}
template <class M, class DS, int SP>
static Handler st_v(int v) {
  return v == 1 ? h_st<M, DS, 1, SP> : v == 2 ? h_st<M, DS, 2, SP> : h_st<M, DS, 4, SP>;
}
template <class M, class DS>
static Handler ld_fn(int v, int sp) {
  switch (sp) {
    case SHR:
      return ld_v<M, DS, SHR>(v);
    case LOC:
      return ld_v<M, DS, LOC>(v);
    case PRM:
      return ld_v<M, DS, PRM>(v);
    case SCL:
      return ld_v<M, DS, SCL>(v);
    default:
      return ld_v<M, DS, GLB>(v);
  }
}
template <class M, class DS>
static Handler st_fn(int v, int sp) {
  switch (sp) {
    case SHR:
      return st_v<M, DS, SHR>(v);
    case LOC:
      return st_v<M, DS, LOC>(v);
    case SCL:
      return st_v<M, DS, SCL>(v);
    default:
      return st_v<M, DS, GLB>(v);
  }
}

// State space named by the instruction; generic when none is.
int Decoder::op_space() {
  if (has("shared") || has("shared::cta")) return SHR;
  if (has("shared::cluster")) return SCL;
  if (has("local")) return LOC;
  if (has("param") || has("param::entry") || has("param::func")) return PRM;
  return GLB;
}

void Decoder::ldst_op() {
  bool isld = o != "st";
  int sp = op_space();
  auto v = vec(isld ? a[0] : a[1]);
  int n = (int)v.size();
  if (n != 1 && n != 2 && n != 4) perr(line, "unsupported vector width " + op);
  if (t.x2 || t.k == 'h' || has("async") || has("bulk")) perr(line, "unsupported instruction " + op);
  int rs = 4;  // storage size of the registers; one of them being 64-bit means all are
  for (auto &x : v) {
    auto *g = reg(x);
    if (g ? g->second.sz == 8 : t.sz == 8) rs = 8;
  }
  i32 r[4];
  for (int k = 0; k < n; ++k) r[k] = isld ? dst(v[k], rs) : src(v[k], rs);
  Ins &i = emit(nullptr);
  int s2 = address(i, isld ? a[1] : a[0], sp);
  if (sp == PRM)
    sp = s2;  // call parameters live in local memory
  else if (i.o[4] < 0 && (s2 == SHR || s2 == LOC) && sp != SCL)
    sp = s2;
  for (int k = 0; k < n; ++k) i.o[k] = r[k];
  i.o[7] = n * t.sz;
  bool indexed = sp == PRM && i.o[4] >= 0;
  if (sp == PRM && (!isld || (indexed && !fn->entry))) perr(line, "unsupported parameter access " + op);
  space = sp;
  bool g = t.k == 's' && isld;  // signed loads extend the sign
  auto pick = [&](auto tag) -> Handler {
    using M = TT;
    if (indexed && rs == 8) return n == 1 ? h_ldparam<M, u64, 1> : n == 2 ? h_ldparam<M, u64, 2> : h_ldparam<M, u64, 4>;
    if (indexed) return n == 1 ? h_ldparam<M, u32, 1> : n == 2 ? h_ldparam<M, u32, 2> : h_ldparam<M, u32, 4>;
    if (isld) return rs == 8 ? ld_fn<M, u64>(n, sp) : ld_fn<M, u32>(n, sp);
    return rs == 8 ? st_fn<M, u64>(n, sp) : st_fn<M, u32>(n, sp);
  };
  switch (t.sz) {
    case 1:
      i.fn = g ? pick(TAG(i8)) : pick(TAG(u8));
      break;
    case 2:
      i.fn = g ? pick(TAG(i16)) : pick(TAG(u16));
      break;
    case 4:
      i.fn = g ? pick(TAG(i32)) : pick(TAG(u32));
      break;
    case 8:
      i.fn = pick(TAG(u64));
      break;
    default:
      perr(line, "unsupported load/store type " + op);
  }
}

bool Decoder::memory_ops() {
  if (o == "ld" || o == "ldu" || o == "st")
    ldst_op();
  else if (o == "atom" || o == "red")
    atom_op();
  else if (o == "cp" && has("async"))
    cpasync_op();
  else if (o == "membar" || o == "fence" || o == "prefetch" || o == "prefetchu" || o == "discard" ||
           o == "applypriority")
    emit(h_nop);
  else
    return false;
  return true;
}

}  // namespace ptxemu
