// SPDX-License-Identifier: Apache-2.0
//
// Floating-point instructions for f32 and f64 (PTX 9.7.3). add/sub/mul/div/fma/sqrt are exactly rounded in
// all four modes. The .approx functions (ex2, lg2, sin, cos, tanh, rcp, rsqrt) use the host's libm or exact
// arithmetic, so they are usually MORE accurate than the hardware. f16/bf16 arithmetic is not supported.
#include "decode.h"
#include "lanes.h"
#include "operators.h"

namespace ptxemu {

// float: flags in aux: 1 ftz, 2 sat, (aux>>4) rounding
// Operands and result pass through ftz (flush subnormals) and sat (clamp to [0, 1]) when FL asks for it.
template <class T, class Op, int N, int FL>
static INL void flt_body(const Ins *i, Warp &w) {
  auto A = OPERAND(T, 1), B = OPERAND(T, N > 1 ? 2 : 1), C = OPERAND(T, N > 2 ? 3 : 1);
  each<T>(w, i->o[0], [&](int l) {
    T a = A[l], b = B[l], c = C[l];
    if (FL & 1) {
      a = ftz(a);
      b = ftz(b);
      c = ftz(c);
    }
    T x;
    if constexpr (N == 1)
      x = Op::template f<T>(a);
    else if constexpr (N == 2)
      x = Op::template f<T>(a, b);
    else
      x = Op::template f<T>(a, b, c);
    if (FL & 1) x = ftz(x);
    if (FL & 2) x = sat(x);
    return x;
  });
}
template <class T, class Op, int N, int FL>
static const Ins *hf(const Ins *i, Warp &w) {
  flt_body<T, Op, N, FL>(i, w);
  return i + 1;
}
template <class T, class Op, int N, int FL>
static const Ins *hfr(const Ins *i, Warp &w) {
  {
    RoundingScope c(i->aux >> 4);
    flt_body<T, Op, N, FL>(i, w);
  }
  return i + 1;
}
struct OFma {
  template <class T>
  static INL T f(T a, T b, T c) {
    if constexpr (sizeof(T) == 4)
      return __builtin_fmaf(a, b, c);
    else
      return __builtin_fma(a, b, c);
  }
};
struct ODiv {
  template <class T>
  static INL T f(T a, T b) {
    return a / b;
  }
};
// A NaN operand is ignored unless both are NaN; -0 is less than +0.
struct ORcp {
  template <class T>
  static INL T f(T a) {
    return (T)1 / a;
  }
};
struct OSqrt {
  template <class T>
  static INL T f(T a) {
    if constexpr (sizeof(T) == 4)
      return __builtin_sqrtf(a);
    else
      return __builtin_sqrt(a);
  }
};
struct ORsqrt {
  template <class T>
  static INL T f(T a) {
    if constexpr (sizeof(T) == 4)
      return (float)(1.0 / __builtin_sqrt((double)a));
    else
      return 1 / __builtin_sqrt(a);
  }
};
struct OEx2 {
  template <class T>
  static INL T f(T a) {
    return exp2f(a);
  }
};
struct OLg2 {
  template <class T>
  static INL T f(T a) {
    return log2f(a);
  }
};
struct OSin {
  template <class T>
  static INL T f(T a) {
    return sinf(a);
  }
};
struct OCos {
  template <class T>
  static INL T f(T a) {
    return cosf(a);
  }
};
struct OTanh {
  template <class T>
  static INL T f(T a) {
    return tanhf(a);
  }
};
struct OCopysign {
  template <class T>
  static INL T f(T a, T b) {
    if constexpr (sizeof(T) == 4)
      return __builtin_copysignf(b, a);
    else
      return __builtin_copysign(b, a);
  }
};
// rcp.approx.ftz.f64, rsqrt.approx.ftz.f64: only the upper 32 bits of the result are significant.
static const Ins *h_rcp64a(const Ins *i, Warp &w) {
  auto A = OPERAND(double, 1);
  each<u64>(w, i->o[0], [&](int l) {
    double x = i->aux ? 1 / sqrt(A[l]) : 1 / A[l];
    u64 b;
    memcpy(&b, &x, 8);
    return x != x ? b : b & 0xffffffff00000000ull;
  });
  return i + 1;
}
// aux: 0 finite, 1 infinite, 2 number, 3 notanumber, 4 normal, 5 subnormal.
template <class T>
static const Ins *h_testp(const Ins *i, Warp &w) {
  auto A = OPERAND(T, 1);
  each<i32>(w, i->o[0], [&](int l) {
    int c = std::fpclassify(A[l]);
    bool r = false;
    switch (i->aux) {
      case 0:
        r = c != FP_INFINITE && c != FP_NAN;
        break;
      case 1:
        r = c == FP_INFINITE;
        break;
      case 2:
        r = c != FP_NAN;
        break;
      case 3:
        r = c == FP_NAN;
        break;
      case 4:
        r = c == FP_NORMAL;
        break;
      default:
        r = c == FP_SUBNORMAL;
    }
    return r ? -1 : 0;
  });
  return i + 1;
}

// Picks the handler for an operation with N operands; fl: 1 .ftz, 2 .sat; rnd: rounding mode other than
// nearest.
template <class Op, int N>
static Handler flt_fn(Ty t, u32 fl, int rnd, int line) {
  return sel_flt(t, line, [&](auto tag) -> Handler {
    using T = TT;
    if (rnd) switch (fl) {
        case 0:
          return hfr<T, Op, N, 0>;
        case 1:
          return hfr<T, Op, N, 1>;
        case 2:
          return hfr<T, Op, N, 2>;
        default:
          return hfr<T, Op, N, 3>;
      }
    switch (fl) {
      case 0:
        return hf<T, Op, N, 0>;
      case 1:
        return hf<T, Op, N, 1>;
      case 2:
        return hf<T, Op, N, 2>;
      default:
        return hf<T, Op, N, 3>;
    }
  });
}

bool Decoder::float_ops() {
  if (t.k != 'f') return false;
  u32 fl = (has("ftz") ? 1 : 0) | (has("sat") ? 2 : 0);
  auto flt = [&](auto opt, auto nn) {
    using Op = decltype(opt);
    constexpr int N = decltype(nn)::value;
    Ins &i = E(flt_fn<Op, N>(t, fl, rnd, line), N);
    i.aux = rnd << 4;
  };
  using N1 = std::integral_constant<int, 1>;
  using N2 = std::integral_constant<int, 2>;
  using N3 = std::integral_constant<int, 3>;
  if (has("NaN") || has("xorsign") || has("relu")) return false;
  if (o == "add")
    flt(OAdd{}, N2{});
  else if (o == "sub")
    flt(OSub{}, N2{});
  else if (o == "mul")
    flt(OMul{}, N2{});
  else if (o == "mad" || o == "fma")
    flt(OFma{}, N3{});
  else if (o == "div")
    flt(ODiv{}, N2{});
  else if (o == "min" && a.size() == 3)
    flt(OMin{}, N2{});
  else if (o == "max" && a.size() == 3)
    flt(OMax{}, N2{});
  else if (o == "neg")
    flt(ONeg{}, N1{});
  else if (o == "abs")
    flt(OAbs{}, N1{});
  else if (o == "copysign")
    flt(OCopysign{}, N2{});
  else if ((o == "rcp" || o == "rsqrt") && t.sz == 8 && has("approx")) {
    Ins &i = E(h_rcp64a, 1);
    i.aux = o == "rsqrt";
  } else if (o == "rcp")
    flt(ORcp{}, N1{});
  else if (o == "sqrt")
    flt(OSqrt{}, N1{});
  else if (o == "rsqrt")
    flt(ORsqrt{}, N1{});
  else if (t.sz == 4 && o == "ex2")
    E(fl & 1 ? hf<float, OEx2, 1, 1> : hf<float, OEx2, 1, 0>, 1);
  else if (t.sz == 4 && o == "lg2")
    E(fl & 1 ? hf<float, OLg2, 1, 1> : hf<float, OLg2, 1, 0>, 1);
  else if (t.sz == 4 && o == "sin")
    E(fl & 1 ? hf<float, OSin, 1, 1> : hf<float, OSin, 1, 0>, 1);
  else if (t.sz == 4 && o == "cos")
    E(fl & 1 ? hf<float, OCos, 1, 1> : hf<float, OCos, 1, 0>, 1);
  else if (t.sz == 4 && o == "tanh")
    E(hf<float, OTanh, 1, 0>, 1);
  else if (o == "testp") {
    static const char *nm[] = {"finite", "infinite", "number", "notanumber", "normal", "subnormal"};
    i32 s1 = src(a[1], sz), dd = dst(a[0], 4);
    Ins &i = emit(sz == 8 ? h_testp<double> : h_testp<float>);
    i.o[0] = dd;
    i.o[1] = s1;
    for (int k = 0; k < 6; ++k)
      if (has(nm[k])) i.aux = k;
  } else
    return false;
  return true;
}

}  // namespace ptxemu
