// SPDX-License-Identifier: Apache-2.0
//
// Atomics (PTX 9.7.13 atom, red).
#include "access.h"
#include "decode.h"
#include "lanes.h"

namespace ptxemu {

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

}  // namespace ptxemu
