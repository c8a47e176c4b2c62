// SPDX-License-Identifier: Apache-2.0
//
// The functions of kernels/machine/cpu/math.h on arrays, their reference in double and the comparison, for one ISA level. The
// reference is glibc's vector math library, within 4 ulp of double: 2^32 arguments take seconds.
#include "kernels/machine/cpu/math.h"
#include "tests/machine/levels.h"

#define VECTOR_FUNCTION_(prefix, name) _ZGV##prefix##v_##name
#if BLV_PACK_BYTES == 64
#define VECTOR_FUNCTION(name) VECTOR_FUNCTION_(eN8, name)
#elif BLV_PACK_BYTES == 32
#define VECTOR_FUNCTION(name) VECTOR_FUNCTION_(dN4, name)
#else
#define VECTOR_FUNCTION(name) VECTOR_FUNCTION_(bN2, name)
#endif

extern "C" {
bilevel::BLV_ISA_NAMESPACE::Pack<double> VECTOR_FUNCTION(exp)(bilevel::BLV_ISA_NAMESPACE::Pack<double>);
bilevel::BLV_ISA_NAMESPACE::Pack<double> VECTOR_FUNCTION(expm1)(bilevel::BLV_ISA_NAMESPACE::Pack<double>);
bilevel::BLV_ISA_NAMESPACE::Pack<double> VECTOR_FUNCTION(log)(bilevel::BLV_ISA_NAMESPACE::Pack<double>);
bilevel::BLV_ISA_NAMESPACE::Pack<double> VECTOR_FUNCTION(log1p)(bilevel::BLV_ISA_NAMESPACE::Pack<double>);
bilevel::BLV_ISA_NAMESPACE::Pack<double> VECTOR_FUNCTION(tanh)(bilevel::BLV_ISA_NAMESPACE::Pack<double>);
}

namespace bilevel {
namespace BLV_ISA_NAMESPACE {
namespace {

using D = Pack<double>;
typedef float HalfPack __attribute__((vector_size(BLV_PACK_BYTES / 2), aligned(4), may_alias));

// As many floats as a pack has doubles, as doubles.
BLV_INLINE D load_as_doubles(const float *p) {
  return __builtin_convertvector(*reinterpret_cast<const HalfPack *>(p), D);
}

D reference_of(int function, D x) {
  switch (function) {
    case core_test::EXP:
      return VECTOR_FUNCTION(exp)(x);
    case core_test::EXPM1:
      return VECTOR_FUNCTION(expm1)(x);
    case core_test::LOG:
      return VECTOR_FUNCTION(log)(x);
    case core_test::LOG1P:
      return VECTOR_FUNCTION(log1p)(x);
    case core_test::TANH:
      return VECTOR_FUNCTION(tanh)(x);
    case core_test::SIGMOID:
      return 1 / (1 + VECTOR_FUNCTION(exp)(-x));
    default:
      return max(D{}, x) + VECTOR_FUNCTION(log1p)(VECTOR_FUNCTION(exp)(-abs(x)));
  }
}

void reference(int function, const float *x, double *y, long n) {
  for (long i = 0; i < n; i += lanes<double>) store_unaligned(y + i, reference_of(function, load_as_doubles(x + i)));
}

// |got - expected| in units of the last place of the float next to expected. Infinity is taken for 2^128, the number
// after the largest float, so that overflow a rounding too early or too late costs one ulp.
BLV_INLINE D error_in_ulps(D got, D expected) {
  const D limit = broadcast(0x1p128), infinity = broadcast(__builtin_inf());
  const D g = min(limit, abs(got)), e = min(limit, abs(expected));
  const D binade = from_bits<double>(bits_of(e) & broadcast_integer<double>(0x7ff0000000000000));
  const D ulp = max(broadcast(0x1p-126), min(broadcast(0x1p127), binade)) * 0x1p-23;
  const Mask<double> got_nan = got != got, expected_nan = expected != expected;
  const Mask<double> wrong_sign = (bits_of(got) ^ bits_of(expected)) < 0;
  const D error = select(wrong_sign | got_nan, infinity, abs(g - e) / ulp);
  return select(expected_nan, select(got_nan, D{}, infinity), error);
}

void compare(const float *x, const float *got, const double *expected, long n, core_test::Worst *worst) {
  for (long i = 0; i < n; i += lanes<double>) {
    const D error = error_in_ulps(load_as_doubles(got + i), load_unaligned(expected + i));
    if (!any(error > worst->ulps)) continue;
    for (int l = 0; l < lanes<double>; ++l) {
      if (!(error[l] <= worst->ulps)) *worst = {error[l], x[i + l], got[i + l], expected[i + l]};
    }
  }
}

#define BLV_APPLY(name) \
  for (long i = 0; i < n; i += lanes<T>) store_unaligned(y + i, name(load_unaligned(x + i)))
template <class T>
void apply(int function, const T *x, T *y, long n) {
  switch (function) {
    case core_test::EXP:
      BLV_APPLY(exp);
      break;
    case core_test::EXPM1:
      BLV_APPLY(expm1);
      break;
    case core_test::LOG:
      BLV_APPLY(log);
      break;
    case core_test::LOG1P:
      BLV_APPLY(log1p);
      break;
    case core_test::TANH:
      BLV_APPLY(tanh);
      break;
    case core_test::SIGMOID:
      BLV_APPLY(sigmoid);
      break;
    default:
      BLV_APPLY(softplus);
  }
}
#undef BLV_APPLY

}  // namespace
}  // namespace BLV_ISA_NAMESPACE
}  // namespace bilevel

namespace core_test {
using namespace bilevel::BLV_ISA_NAMESPACE;
const MathLevel BLV_OF_LEVEL(math_) = {apply<float>, apply<double>, reference, compare};
}  // namespace core_test
