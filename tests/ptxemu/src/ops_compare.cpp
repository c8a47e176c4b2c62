// SPDX-License-Identifier: Apache-2.0
//
// Comparison and selection (PTX 9.7.5 / 9.7.6: set, setp, selp, slct). Predicates are stored as words 0 / -1.
#include "decode.h"
#include "lanes.h"

namespace ptxemu {

enum { EQ, NE, LT, LE, GT, GE, EQU, NEU, LTU, LEU, GTU, GEU, NUM, NAN_ };
template <class T, int C>
static INL bool cmp(T a, T b) {
  bool un = false;
  if constexpr (std::is_floating_point_v<T>) un = (a != a) | (b != b);
  switch (C) {
    case EQ:
      return a == b;
    case NE:
      return (a != b) & !un;
    case LT:
      return a < b;
    case LE:
      return a <= b;
    case GT:
      return a > b;
    case GE:
      return a >= b;
    case EQU:
      return (a == b) | un;
    case NEU:
      return a != b;
    case LTU:
      return (a < b) | un;
    case LEU:
      return (a <= b) | un;
    case GTU:
      return (a > b) | un;
    case GEU:
      return (a >= b) | un;
    case NUM:
      return !un;
    default:
      return un;
  }
}
template <class T, int C>
static const Ins *h_setp(const Ins *i, Warp &w) {
  using S = Sto<T>;
  auto A = OPERAND(S, 1), B = OPERAND(S, 2);
  each<i32>(w, i->o[0], [&](int l) { return cmp<T, C>(get<T>(A[l]), get<T>(B[l])) ? -1 : 0; });
  return i + 1;
}
template <class S>
static const Ins *h_selp(const Ins *i, Warp &w) {
  auto A = OPERAND(S, 1), B = OPERAND(S, 2);
  auto P = OPERAND(i32, 3);
  each<S>(w, i->o[0], [&](int l) { return P[l] ? A[l] : B[l]; });
  return i + 1;
}
static const Ins *h_setout(const Ins *i, Warp &w) {
  auto P = OPERAND(i32, 1);
  if (i->aux)
    each<float>(w, i->o[0], [&](int l) { return P[l] ? 1.f : 0.f; });
  else
    each<u32>(w, i->o[0], [&](int l) { return (u32)P[l]; });
  return i + 1;
}
template <class S>
static const Ins *h_slct(const Ins *i, Warp &w) {
  auto A = OPERAND(S, 1), B = OPERAND(S, 2);
  if (i->aux) {
    auto C = OPERAND(float, 3);
    each<S>(w, i->o[0], [&](int l) { return C[l] >= 0 ? A[l] : B[l]; });
  } else {
    auto C = OPERAND(i32, 3);
    each<S>(w, i->o[0], [&](int l) { return C[l] >= 0 ? A[l] : B[l]; });
  }
  return i + 1;
}

template <class T>
static Handler setp_fn(int c) {
  switch (c) {
    case EQ:
      return h_setp<T, EQ>;
    case NE:
      return h_setp<T, NE>;
    case LT:
      return h_setp<T, LT>;
    case LE:
      return h_setp<T, LE>;
    case GT:
      return h_setp<T, GT>;
    case GE:
      return h_setp<T, GE>;
  }
  if constexpr (std::is_floating_point_v<T>) switch (c) {
      case EQU:
        return h_setp<T, EQU>;
      case NEU:
        return h_setp<T, NEU>;
      case LTU:
        return h_setp<T, LTU>;
      case LEU:
        return h_setp<T, LEU>;
      case GTU:
        return h_setp<T, GTU>;
      case GEU:
        return h_setp<T, GEU>;
      case NUM:
        return h_setp<T, NUM>;
      default:
        return h_setp<T, NAN_>;
    }
  return nullptr;
}

// setp.cmp{.bool} p|q, a, b {,c}: p = (a cmp b) bool c, q = !(a cmp b) bool c. set writes a number instead.
void Decoder::set_op() {
  static const std::map<std::string, int> cm = {{"eq", EQ},   {"ne", NE},   {"lt", LT},   {"le", LE},   {"gt", GT},
                                                {"ge", GE},   {"lo", LT},   {"ls", LE},   {"hi", GT},   {"hs", GE},
                                                {"equ", EQU}, {"neu", NEU}, {"ltu", LTU}, {"leu", LEU}, {"gtu", GTU},
                                                {"geu", GEU}, {"num", NUM}, {"nan", NAN_}};
  auto ci = cm.find(d[1]);
  if (ci == cm.end() || t.k == 'h' || t.x2) perr(line, "unsupported instruction " + op);
  int c = ci->second;
  std::string bop = d[2] == "and" || d[2] == "or" || d[2] == "xor" ? d[2] : "";
  Handler f = isf ? (t.sz == 4   ? setp_fn<float>(c)
                     : t.sz == 8 ? setp_fn<double>(c)
                                 : nullptr)
                  : sel_int(t, line, [&](auto tag) -> Handler { return setp_fn<TT>(c); });
  if (!f) perr(line, "unsupported instruction " + op);
  i32 s1 = src(a[1], sz), s2 = src(a[2], sz);
  std::string p0 = a[0], q0;
  size_t bar = p0.find('|');
  if (bar != std::string::npos) {
    q0 = trim(p0.substr(bar + 1));
    p0 = trim(p0.substr(0, bar));
  }
  auto emit3 = [&](Handler h, i32 d0, i32 x, i32 y) {
    Ins &i = emit(h);
    i.o[0] = d0;
    i.o[1] = x;
    i.o[2] = y;
  };
  main_ins = (i32)P.code.size();
  if (bop.empty() && q0.empty() && o == "setp") {
    emit3(f, dst(p0, 4), s1, s2);
    return;
  }
  i32 tmp = slot(4), ntmp = -1;
  emit3(f, tmp, s1, s2);
  if (!q0.empty()) {
    ntmp = slot(4);
    emit3(h1<u32, ONot>, ntmp, tmp, -1);
  }
  i32 cs = bop.empty() ? -1 : predpos(a[3]);
  Handler bf = bop == "and" ? h2<u32, OAnd> : bop == "or" ? h2<u32, OOr> : h2<u32, OXor>;
  if (cs >= 0 && !q0.empty()) {
    i32 c2 = slot(4);
    emit3(h1<u32, OMov>, c2, cs, -1);
    cs = c2;
  }  // p may be c itself
  auto finish = [&](i32 v, const std::string &name) {
    if (o == "set") {
      i32 x = v;
      if (cs >= 0) {
        x = slot(4);
        emit3(bf, x, v, cs);
      }
      Ty dt{};
      for (size_t k = 1; k < d.size(); ++k) {
        dt = ty(d[k]);
        if (dt.sz) break;
      }
      if (dt.sz != 4 || dt.k == 'h' || dt.x2) perr(line, "unsupported instruction " + op);
      i32 dd = dst(name, 4);
      Ins &i = emit(h_setout);
      i.o[0] = dd;
      i.o[1] = x;
      i.aux = dt.k == 'f';
    } else {
      emit3(cs >= 0 ? bf : h1<u32, OMov>, dst(name, 4), v, cs);
    }
  };
  finish(tmp, p0);
  if (!q0.empty()) finish(ntmp, q0);
}

bool Decoder::compare_ops() {
  if (o == "setp" || o == "set")
    set_op();
  else if (o == "selp") {
    i32 s1 = src(a[1], sz), s2 = src(a[2], sz), s3 = predpos(a[3]), dd = dst(a[0], sz);
    Ins &i = emit(sz == 8 ? h_selp<u64> : h_selp<u32>);
    i.o[0] = dd;
    i.o[1] = s1;
    i.o[2] = s2;
    i.o[3] = s3;
  } else if (o == "slct") {
    Ty t1 = ty(d[d.size() - 2]);
    int z = t1.sz == 8 ? 8 : 4;
    i32 s1 = src(a[1], z), s2 = src(a[2], z), s3 = src(a[3], 4), dd = dst(a[0], z);
    Ins &i = emit(z == 8 ? h_slct<u64> : h_slct<u32>);
    i.o[0] = dd;
    i.o[1] = s1;
    i.o[2] = s2;
    i.o[3] = s3;
    i.aux = t.k == 'f';
  } else if (t.k == 'p' && (o == "and" || o == "or" || o == "xor" || o == "not")) {
    i32 s1 = predpos(a[1]), s2 = a.size() > 2 ? predpos(a[2]) : s1, dd = dst(a[0], 4);
    Ins &i = emit(o == "and" ? h2<u32, OAnd> : o == "or" ? h2<u32, OOr> : o == "xor" ? h2<u32, OXor> : h1<u32, ONot>);
    i.o[0] = dd;
    i.o[1] = s1;
    i.o[2] = s2;
  } else
    return false;
  return true;
}

}  // namespace ptxemu
