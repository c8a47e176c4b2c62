// SPDX-License-Identifier: Apache-2.0
//
// Integer arithmetic and logic (PTX 9.7.1 integer, 9.7.2 extended precision with carry, 9.7.8 logic): handlers first, then their
// selection at decode time.
#include "decode.h"
#include "lanes.h"
#include "operators.h"

namespace ptxemu {

struct OCnot {
  template <class T>
  static INL T f(T a) {
    return a == 0;
  }
};
struct OMad {
  template <class T>
  static INL T f(T a, T b, T c) {
    return a * b + c;
  }
};
struct OMadHi {
  template <class T>
  static INL T f(T a, T b, T c) {
    return (T)(OMulHi::f<T>(a, b) + c);
  }
};
struct OSad {
  template <class T>
  static INL T f(T a, T b, T c) {
    return c + (a < b ? b - a : a - b);
  }
};
// Division by zero gives all ones and the most negative number divided by -1 itself, as on hardware.
struct ODivI {
  template <class T>
  static INL T f(T a, T b) {
    if (b == 0) return (T)-1;
    if (std::is_signed_v<T> && b == (T)-1) return (T)(0 - (std::make_unsigned_t<T>)a);
    return a / b;
  }
};
struct ORemI {
  template <class T>
  static INL T f(T a, T b) {
    if (b == 0) return a;
    if (std::is_signed_v<T> && b == (T)-1) return 0;
    return a % b;
  }
};
// aux 1: mad.wide.
template <class T>
static const Ins *h_mulwide(const Ins *i, Warp &w) {
  using D = std::conditional_t<sizeof(T) == 4, std::conditional_t<std::is_signed_v<T>, i64, u64>,
                               std::conditional_t<std::is_signed_v<T>, i32, u32>>;
  auto A = OPERAND(u32, 1), B = OPERAND(u32, 2);
  if (i->aux) {
    auto C = OPERAND(D, 3);
    each<D>(w, i->o[0], [&](int l) { return (D)((D)(T)A[l] * (D)(T)B[l] + C[l]); });
  } else
    each<D>(w, i->o[0], [&](int l) { return (D)((D)(T)A[l] * (D)(T)B[l]); });
  return i + 1;
}
// mul24.lo: product of the low 24 bits of each factor.
template <class T>
static const Ins *h_mul24(const Ins *i, Warp &w) {
  auto A = OPERAND(T, 1), B = OPERAND(T, 2);
  each<T>(w, i->o[0], [&](int l) { return (T)((T)(A[l] << 8) >> 8) * (T)((T)(B[l] << 8) >> 8); });
  return i + 1;
}
// carry ops: aux bit0 use cc, bit1 set cc, bits 4..: 0 add 1 sub 2 mad.lo 3 mad.hi; o[5] = cc slot
template <class T>
static const Ins *h_carry(const Ins *i, Warp &w) {
  using U = std::make_unsigned_t<T>;
  using X = std::conditional_t<sizeof(T) == 8, u128, u64>;
  auto A = OPERAND(U, 1), B = OPERAND(U, 2), C = OPERAND(U, 3);
  U *D = (U *)(w.r + i->o[0]);
  u32 *cc = (u32 *)(w.r + i->o[5]);
  int k = i->aux >> 4;
  const int n = 8 * sizeof(T);
  lanes(w.act, [&](int l) {
    u32 c = (i->aux & 1) ? cc[l] : 0;
    X s;
    if (k == 0)
      s = (X)A[l] + B[l] + c;
    else if (k == 1) {
      s = (X)A[l] - B[l] - c;
    } else {
      U p = k == 2 ? (U)(A[l] * B[l]) : (U)OMulHi::f<T>((T)A[l], (T)B[l]);
      s = (X)p + C[l] + c;
    }
    D[l] = (U)s;
    if (i->aux & 2) cc[l] = (u32)(s >> n) & 1;
  });
  return i + 1;
}

#define INT1(OP) E(sel_int(t, line, [](auto tag) -> Handler { return h1<TT, OP>; }), 1)
#define INT2(OP) E(sel_int(t, line, [](auto tag) -> Handler { return h2<TT, OP>; }), 2)
#define INT3(OP) E(sel_int(t, line, [](auto tag) -> Handler { return h3<TT, OP>; }), 3)

// add.cc, addc, sub.cc, subc, mad.cc, madc: the carry flag is a register of its own.
void Decoder::carry_op() {
  if (ccslot < 0) ccslot = slot(4);
  Handler f = sel_int48(t, line, [](auto tag) -> Handler { return h_carry<TT>; });
  Ins &i = E(f, o[0] == 'm' ? 3 : 2);
  if (o[0] != 'm') i.o[3] = i.o[2];
  i.o[5] = ccslot;
  i.aux = (o.back() == 'c' ? 1 : 0) | (has("cc") ? 2 : 0) |
          (o[0] == 'a'   ? 0
           : o[0] == 's' ? 1
           : has("lo")   ? 2
                         : 3)
              << 4;
}

// mul.wide and mad.wide: the result is twice as wide as the factors.
void Decoder::wide_op() {
  bool mad = o == "mad", g = t.k == 's';
  i32 s1 = src(a[1], 4), s2 = src(a[2], 4), s3 = mad ? src(a[3], t.sz == 4 ? 8 : 4) : -1,
      dd = dst(a[0], t.sz == 4 ? 8 : 4);
  Ins &i = emit(t.sz == 4 ? (g ? h_mulwide<i32> : h_mulwide<u32>) : (g ? h_mulwide<i16> : h_mulwide<u16>));
  i.o[0] = dd;
  i.o[1] = s1;
  i.o[2] = s2;
  i.o[3] = s3;
  i.aux = mad;
}

bool Decoder::int_ops() {
  if (t.k == 'f' || t.k == 'p' || t.k == 'h') return false;
  if (t.x2) return false;  // packed f16x2 / bf16x2
  bool carry = o == "addc" || o == "subc" || o == "madc" || ((o == "add" || o == "sub" || o == "mad") && has("cc"));
  if (carry)
    carry_op();
  else if ((o == "mul" || o == "mad") && has("wide"))
    wide_op();
  else if ((o == "add" || o == "sub") && has("sat"))
    return false;
  else if (o == "add")
    INT2(OAdd);
  else if (o == "sub")
    INT2(OSub);
  else if (o == "mul") {
    if (has("hi"))
      INT2(OMulHi);
    else
      INT2(OMul);
  } else if (o == "mad") {
    if (has("sat")) return false;
    if (has("hi"))
      INT3(OMadHi);
    else
      INT3(OMad);
  } else if (o == "mul24" && !has("hi"))
    E(t.k == 's' ? h_mul24<i32> : h_mul24<u32>, 2);
  else if (o == "sad")
    INT3(OSad);
  else if (o == "div")
    INT2(ODivI);
  else if (o == "rem")
    INT2(ORemI);
  else if (o == "min" && d.size() == 2)
    INT2(OMin);
  else if (o == "max" && d.size() == 2)
    INT2(OMax);
  else if (o == "neg")
    INT1(ONeg);
  else if (o == "abs")
    INT1(OAbs);
  else if (o == "and")
    INT2(OAnd);
  else if (o == "or")
    INT2(OOr);
  else if (o == "xor")
    INT2(OXor);
  else if (o == "not")
    INT1(ONot);
  else if (o == "cnot")
    INT1(OCnot);
  else
    return bit_ops();
  return true;
}

}  // namespace ptxemu
