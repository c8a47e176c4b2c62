// SPDX-License-Identifier: Apache-2.0
//
// Operands of the instruction being decoded: registers, immediates, special registers, variables, addresses, and their places in the
// register file (PTX chapters 6 and 10).
#include "decode.h"
#include "lanes.h"
#include "special.h"

namespace ptxemu {

i32 Decoder::slot(int size) {
  roff = (roff + 127) & ~127;
  i32 r = roff;
  roff += size == 8 ? 256 : 128;
  ++P.info.virtual_regs;
  return r;
}

i32 Decoder::constant(u64 bits, int size) {
  size = std::max(size, 4);
  if (size == 4) bits = (u32)bits;
  auto [it, fresh] = cpool.try_emplace({bits, size}, 0);
  if (!fresh) return it->second;
  i32 s = slot(size);
  it->second = s;
  P.consts.push_back({s, size, bits});
  return s;
}

Ins &Decoder::emit(Handler f) {
  P.code.push_back(Ins{});
  Ins &i = P.code.back();
  i.fn = f;
  i.pc = (i32)P.code.size() - 1;
  i.line = line;
  i.cls = K_PSEUDO;
  i.clo = ~0ull;
  for (auto &x : i.o) x = -1;
  return i;
}

Ins &Decoder::E(Handler f, int n) {
  if ((int)a.size() <= n) perr(line, "too few operands: " + op);
  i32 s[4];
  for (int k = 1; k <= n; ++k) s[k] = src(a[k], sz);
  i32 dd = dst(a[0], sz);
  Ins &i = emit(f);
  i.o[0] = dd;
  for (int k = 1; k <= n; ++k) i.o[k] = s[k];
  return i;
}

const std::pair<i32, Ty> *Decoder::reg(const std::string &n) {
  for (size_t k = scopes.size(); k-- > 0;) {
    auto it = scopes[k].regs.find(n);
    if (it != scopes[k].regs.end()) return &it->second;
  }
  return nullptr;
}

bool Decoder::var(const std::string &n, int &sp, u32 &off) {
  for (size_t k = scopes.size(); k-- > 0;) {
    auto it = scopes[k].vars.find(n);
    if (it == scopes[k].vars.end()) continue;
    sp = it->second.first;
    off = it->second.second;
    return true;
  }
  return false;
}

int Decoder::special_kind(const std::string &n) {
  static const std::map<std::string, int> m = {{"%tid.x", SR_TID},
                                               {"%tid.y", SR_TID + 1},
                                               {"%tid.z", SR_TID + 2},
                                               {"%ntid.x", SR_NTID},
                                               {"%ntid.y", SR_NTID + 1},
                                               {"%ntid.z", SR_NTID + 2},
                                               {"%ctaid.x", SR_CTAID},
                                               {"%ctaid.y", SR_CTAID + 1},
                                               {"%ctaid.z", SR_CTAID + 2},
                                               {"%nctaid.x", SR_NCTAID},
                                               {"%nctaid.y", SR_NCTAID + 1},
                                               {"%nctaid.z", SR_NCTAID + 2},
                                               {"%cluster_ctaid.x", SR_CL_CTAID},
                                               {"%cluster_ctaid.y", SR_CL_CTAID + 1},
                                               {"%cluster_ctaid.z", SR_CL_CTAID + 2},
                                               {"%cluster_nctaid.x", SR_CL_NCTAID},
                                               {"%cluster_nctaid.y", SR_CL_NCTAID + 1},
                                               {"%cluster_nctaid.z", SR_CL_NCTAID + 2},
                                               {"%clusterid.x", SR_CLUSTERID},
                                               {"%clusterid.y", SR_CLUSTERID + 1},
                                               {"%clusterid.z", SR_CLUSTERID + 2},
                                               {"%nclusterid.x", SR_NCLUSTERID},
                                               {"%nclusterid.y", SR_NCLUSTERID + 1},
                                               {"%nclusterid.z", SR_NCLUSTERID + 2},
                                               {"%cluster_ctarank", SR_CL_RANK},
                                               {"%cluster_nctarank", SR_CL_NRANK},
                                               {"%is_explicit_cluster", SR_EXPLICIT_CL},
                                               {"%laneid", SR_LANEID},
                                               {"%warpid", SR_WARPID},
                                               {"%nwarpid", SR_NWARPID},
                                               {"%smid", SR_SMID},
                                               {"%nsmid", SR_NSMID},
                                               {"%lanemask_eq", SR_LM_EQ},
                                               {"%lanemask_lt", SR_LM_LT},
                                               {"%lanemask_le", SR_LM_LE},
                                               {"%lanemask_gt", SR_LM_GT},
                                               {"%lanemask_ge", SR_LM_GE},
                                               {"WARP_SZ", SR_WARPSZ},
                                               {"%dynamic_smem_size", SR_DYNSMEM},
                                               {"%total_smem_size", SR_TOTALSMEM},
                                               {"%gridid", SR_GRIDID},
                                               {"%envreg1", SR_ENVREG1},
                                               {"%envreg2", SR_ENVREG2}};
  auto it = m.find(n);
  return it == m.end() ? -1 : it->second;
}

// Register slot of a source operand: register, immediate, special register or address of a variable.
i32 Decoder::src(const std::string &x, int size) {
  if (auto *r = reg(x)) {
    const int have = r->second.sz == 8 ? 8 : 4;
    if (have < size) perr(line, "register " + x + " is narrower than its operand of " + op);
    return have > size ? low_half(r->first) : r->first;
  }
  if (x == "_") return constant(0, size);
  if (x.size() == 10 && x[0] == '0' && (x[1] == 'f' || x[1] == 'F'))
    return constant((u32)strtoul(x.c_str() + 2, nullptr, 16), 4);
  if (x.size() == 18 && x[0] == '0' && (x[1] == 'd' || x[1] == 'D')) {
    u64 b = strtoull(x.c_str() + 2, nullptr, 16);
    if (size != 4) return constant(b, 8);
    double v;
    memcpy(&v, &b, 8);
    float f = (float)v;
    u32 u;
    memcpy(&u, &f, 4);
    return constant(u, 4);
  }
  if (isdigit(x[0]) || x[0] == '-') return constant(parse_num(x, line), size);
  int k = special_kind(x);
  if (k >= 0) {
    auto [it, fresh] = spec.try_emplace(x, 0);
    if (fresh) {
      it->second = slot(k == SR_GRIDID ? 8 : 4);
      P.specials.push_back({it->second, k});
    }
    return it->second;
  }
  u64 v;
  int sp;
  if (symaddr(x, v, sp)) {
    if (sp == SHR && v >= DYN_SHARED) perr(line, "address of dynamic shared memory in " + op);
    return constant(v, size);
  }
  perr(line, "unknown operand " + x + " in " + op);
}

// A register may be wider than the operand (PTX 9.4.1, "operand size exceeding instruction-type size"): the low half counts.
static const Ins *h_low_half(const Ins *i, Warp &w) {
  auto A = OPERAND(u64, 1);
  each<u32>(w, i->o[0], [&](int l) { return (u32)A[l]; });
  return i + 1;
}
i32 Decoder::low_half(i32 wide) {
  i32 t = slot(4);
  Ins &i = emit(h_low_half);
  i.o[0] = t;
  i.o[1] = wide;
  return t;
}

i32 Decoder::dst(const std::string &x, int size) {
  if (x == "_") {
    if (sink < 0) sink = slot(8);
    return sink;
  }
  auto *r = reg(x);
  if (!r) perr(line, "unknown register " + x + " in " + op);
  if ((r->second.sz == 8 ? 8 : 4) != size) perr(line, "register " + x + " does not fit the destination of " + op);
  return r->first;
}

i32 Decoder::pred(const std::string &x, bool &neg) {
  neg = x[0] == '!';
  std::string n = neg ? x.substr(1) : x;
  if (auto *r = reg(n)) return r->first;
  if (special_kind(n) >= 0) return src(n, 4);
  return constant(parse_num(n, line) ? ~0u : 0, 4);
}

i32 Decoder::predpos(const std::string &x) {
  bool neg;
  i32 p = pred(x, neg);
  if (!neg) return p;
  i32 t = slot(4);
  Ins &i = emit(h1<u32, ONot>);
  i.o[0] = t;
  i.o[1] = p;
  return t;
}

// Address of a variable, "name" or "name+offset". Shared and local: offset in the space.
bool Decoder::symaddr(const std::string &x, u64 &v, int &sp) {
  std::string n = x;
  i64 off = 0;
  size_t plus = x.find('+');
  if (plus != std::string::npos) {
    off = (i64)parse_num(trim(x.substr(plus + 1)), line);
    n = trim(x.substr(0, plus));
  }
  u32 o32;
  if (var(n, sp, o32)) {
    v = o32 + off;
    return true;
  }
  if (auto m = M.mem.find(n); m != M.mem.end()) {
    sp = GLB;
    v = (u64)m->second.first + off;
    return true;
  }
  if (auto g = M.vars.find(n); g != M.vars.end() && g->second.space == SHR) {
    sp = SHR;
    v = shvar(g->second) + off;
    return true;
  }
  return false;
}

u32 Decoder::shvar(const Var &v) {
  auto it = shsym.find(v.name);
  if (it != shsym.end()) return it->second;
  if (v.ext || v.count == 0) {
    P.dynalign = std::max<size_t>(P.dynalign, v.align);
    return shsym[v.name] = DYN_SHARED;
  }
  shoff = (shoff + v.align - 1) / v.align * v.align;
  u32 o0 = shoff;
  shoff += (u32)(v.elem * v.count);
  return shsym[v.name] = o0;
}

u32 Decoder::local_room(const Var &v) {
  u32 al = std::max(v.align, 8u);
  localoff = (localoff + al - 1) / al * al;
  u32 o0 = localoff;
  localoff += (u32)(v.elem * std::max<u64>(1, v.count));
  return o0;
}

std::vector<std::string> Decoder::vec(const std::string &x) {
  if (x[0] == '{') return split_top(x.substr(1, x.size() - 2), ',');
  return {x};
}

// Address operand "[base+offset]": fills o[4] (register, or -1), imm, aux (1: 32-bit register).
// Returns the state space, which a variable name may determine.
int Decoder::address(Ins &i, const std::string &x, int sp) {
  if (x.size() < 2 || x[0] != '[') perr(line, "address expected: " + x);
  std::string in = trim(x.substr(1, x.size() - 2)), b = in;
  i64 off = 0;
  size_t plus = in.find('+');
  if (plus != std::string::npos) {
    b = trim(in.substr(0, plus));
    off = (i64)parse_num(trim(in.substr(plus + 1)), line);
  }
  if (auto *r = reg(b)) {
    i.o[4] = r->first;
    i.imm = off;
    i.aux = r->second.sz == 4;
    return sp;
  }
  if (isdigit(b[0])) {
    i.imm = (i64)parse_num(b, line) + off;
    return sp;
  }
  u64 v;
  int s2;
  if (!symaddr(b, v, s2)) perr(line, "unknown address " + x);
  i.imm = (i64)v + off;
  if (s2 == SHR && v == DYN_SHARED) P.dynfix.push_back(-i.pc - 1);
  return s2;
}

}  // namespace ptxemu
