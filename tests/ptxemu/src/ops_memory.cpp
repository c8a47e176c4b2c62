// SPDX-License-Identifier: Apache-2.0
//
// Loads, stores, atomics and cp.async (PTX 9.7.9 data movement, 9.7.13 atom/red).
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
enum { A_ADD, A_MIN, A_MAX, A_EXCH, A_CAS, A_INC, A_DEC, A_AND, A_OR, A_XOR };
template <class T, int OP, int SP>
static const Ins *h_atom(const Ins *i, Warp &w) {  // o0 dst, o1 b, o2 c, o4 addr
  using U = std::conditional_t<sizeof(T) == 8, u64, u32>;
  auto B = OPERAND(T, 1), C = OPERAND(T, 2);
  T *D = (T *)(w.r + i->o[0]);
  if (SP != LOC && __builtin_expect(w.cta->watch, 0))
    watch_access(i, w, SP, i->o[4] >= 0 && i->aux ? OPERAND(u32, 4) : nullptr,
                 i->o[4] >= 0 && !i->aux ? OPERAND(u64, 4) : nullptr, i->imm, sizeof(T), ATOMIC);
  lanes(w.act, [&](int l) {
    u64 a = (i->o[4] < 0 ? 0 : i->aux ? OPERAND(u32, 4)[l] : OPERAND(u64, 4)[l]) + i->imm;
    U *p = (U *)addr<SP>(i, w, a, sizeof(T), l);
    T b = B[l], c = C[l];
    U old = __atomic_load_n(p, __ATOMIC_RELAXED);
    for (;;) {
      T o, n;
      memcpy(&o, &old, sizeof o);
      if constexpr (OP == A_ADD)
        n = o + b;
      else if constexpr (OP == A_MIN)
        n = o < b ? o : b;
      else if constexpr (OP == A_MAX)
        n = o > b ? o : b;
      else if constexpr (OP == A_EXCH)
        n = b;
      else if constexpr (OP == A_CAS)
        n = o == b ? c : o;
      else if constexpr (OP == A_INC)
        n = o >= b ? 0 : o + 1;
      else if constexpr (OP == A_DEC)
        n = (o == 0 || o > b) ? b : o - 1;
      else {
        U x;
        memcpy(&x, &b, sizeof x);
        U y = OP == A_AND ? (old & x) : OP == A_OR ? (old | x) : (old ^ x);
        memcpy(&n, &y, sizeof n);
      }
      U nu;
      memcpy(&nu, &n, sizeof nu);
      if (__atomic_compare_exchange_n(p, &old, nu, false, __ATOMIC_RELAXED, __ATOMIC_RELAXED)) {
        D[l] = o;
        break;
      }
    }
  });
  return i + 1;
}
// cp.async: addresses are checked when it is issued, the bytes arrive when its group is waited for (PTXEMU_CPASYNC=now: at once), so
// that a missing wait shows as stale shared memory.
static bool copies_at_once() {
  static const char *e = getenv("PTXEMU_CPASYNC");
  return e && !strcmp(e, "now");
}
static void arrive(const AsyncCopy &c) {
  if (c.n) memcpy(c.dst, c.src, c.n);
  if (c.n < c.size) memset(c.dst + c.n, 0, c.size - c.n);
}
// o4 dst shared addr, o5 src global addr, imm dst off, o6 src off, o1 src-size reg or -1
template <int N>
static const Ins *h_cpasync(const Ins *i, Warp &w) {
  if (w.cta->watch) {
    watch_access(i, w, GLB, nullptr, OPERAND(u64, 5), i->o[6], N, LOAD);
    watch_access(i, w, SHR, i->aux & 1 ? OPERAND(u32, 4) : nullptr, i->aux & 1 ? nullptr : OPERAND(u64, 4), i->imm, N,
                 STORE);
  }
  lanes(w.act, [&](int l) {
    u64 d = (i->aux & 1 ? OPERAND(u32, 4)[l] : OPERAND(u64, 4)[l]) + i->imm;
    u64 s = OPERAND(u64, 5)[l] + i->o[6];
    u32 n = i->o[1] < 0 ? N : std::min<u32>(N, OPERAND(u32, 1)[l]);
    AsyncCopy c{addr<SHR>(i, w, d, N, l), nullptr, n, N, (u32)l, w.async_groups[l]};
    if (n) c.src = addr<GLB>(i, w, s, N, l);
    if (copies_at_once())
      arrive(c);
    else
      w.async.push_back(c);
  });
  return i + 1;
}
static const Ins *h_cpasync_commit(const Ins *i, Warp &w) {
  lanes(w.act, [&](int l) { ++w.async_groups[l]; });
  return i + 1;
}
// imm: the number of most recent groups that may still be under way; -1: none, and no copy without a group either.
static const Ins *h_cpasync_wait(const Ins *i, Warp &w) {
  auto due = [&](const AsyncCopy &c) {
    if (!(w.act >> c.lane & 1)) return false;
    return i->imm < 0 || (i64)c.group < (i64)w.async_groups[c.lane] - i->imm;
  };
  size_t kept = 0;
  for (const AsyncCopy &c : w.async) {  // in the order of issue
    if (due(c))
      arrive(c);
    else
      w.async[kept++] = c;
  }
  w.async.resize(kept);
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
template <class T, int O>
static Handler atom_sp(int sp) {
  return sp == SHR ? h_atom<T, O, SHR> : sp == SCL ? h_atom<T, O, SCL> : h_atom<T, O, GLB>;
}
template <class T>
static Handler atom_int(int op, int sp) {
  switch (op) {
    case A_ADD:
      return atom_sp<T, A_ADD>(sp);
    case A_MIN:
      return atom_sp<T, A_MIN>(sp);
    case A_MAX:
      return atom_sp<T, A_MAX>(sp);
    case A_EXCH:
      return atom_sp<T, A_EXCH>(sp);
    case A_CAS:
      return atom_sp<T, A_CAS>(sp);
    case A_INC:
      return atom_sp<T, A_INC>(sp);
    case A_DEC:
      return atom_sp<T, A_DEC>(sp);
    case A_AND:
      return atom_sp<T, A_AND>(sp);
    case A_OR:
      return atom_sp<T, A_OR>(sp);
    case A_XOR:
      return atom_sp<T, A_XOR>(sp);
  }
  return nullptr;
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

void Decoder::atom_op() {
  static const std::map<std::string, int> am = {{"add", A_ADD}, {"min", A_MIN}, {"max", A_MAX}, {"exch", A_EXCH},
                                                {"cas", A_CAS}, {"inc", A_INC}, {"dec", A_DEC}, {"and", A_AND},
                                                {"or", A_OR},   {"xor", A_XOR}};
  int k = -1;
  for (size_t q = 1; q < d.size(); ++q) {
    auto it = am.find(d[q]);
    if (it != am.end()) k = it->second;
  }
  int sp = op_space();
  if (k < 0 || sp == PRM || sp == LOC || t.x2 || t.k == 'h' || has("v2") || has("v4") || has("async"))
    perr(line, "unsupported instruction " + op);
  size_t z = o == "red" ? 0 : 1;
  i32 dd = dst(z ? a[0] : "_", sz), b = src(a[z + 1], sz), c = a.size() > z + 2 ? src(a[z + 2], sz) : b;
  Handler f = nullptr;
  if (!isf)
    f = sel_int48(t, line, [&](auto tag) -> Handler { return atom_int<TT>(k, sp); });
  else if (k == A_ADD && t.sz >= 4)
    f = t.sz == 4 ? atom_sp<float, A_ADD>(sp) : atom_sp<double, A_ADD>(sp);
  else
    perr(line, "unsupported instruction " + op);
  Ins &i = emit(f);
  int s2 = address(i, a[z], sp);
  if (i.o[4] < 0 && s2 == SHR && sp != SHR) perr(line, "generic atomic on a shared symbol");
  i.o[0] = dd;
  i.o[1] = b;
  i.o[2] = c;
  space = sp;
}

void Decoder::cpasync_op() {
  if (has("commit_group")) {
    emit(h_cpasync_commit);
    return;
  }
  if (has("wait_group") || has("wait_all")) {
    const bool all = has("wait_all");
    emit(h_cpasync_wait).imm = all ? -1 : (i64)parse_num(a.at(0), line);
    return;
  }
  if (has("bulk") || has("mbarrier")) perr(line, "unsupported instruction " + op);
  int n = (int)parse_num(a[2], line);
  if (a.size() > 3)
    if (auto *g = reg(a[3]); (g && g->second.k == 'p') || a.size() > 4) perr(line, "unsupported cp.async form");
  if (n != 4 && n != 8 && n != 16) perr(line, "unsupported cp.async form");
  i32 ss = a.size() > 3 && a[3].find("L2") == std::string::npos ? src(a[3], 4) : -1;
  Ins tmp{};
  for (auto &x : tmp.o) x = -1;
  address(tmp, a[1], GLB);
  Ins &i = emit(n == 4 ? h_cpasync<4> : n == 8 ? h_cpasync<8> : h_cpasync<16>);
  address(i, a[0], SHR);
  i.o[5] = tmp.o[4];
  i.o[6] = (i32)tmp.imm;
  i.o[1] = ss;
  if (i.o[4] < 0 || i.o[5] < 0) perr(line, "unsupported cp.async form");
  space = GLB;
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
