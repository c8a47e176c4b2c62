// SPDX-License-Identifier: Apache-2.0
//
// What the interpreter holds beside arrays: the numbers of a group of tasks, the counters of its loops, and arithmetic on them.
#pragma once
#ifdef __CUDACC__
#include "kernels/interpreter/cuda/registers.h"
#else
#include "kernels/interpreter/cpu/registers.h"
#endif

namespace bilevel {
namespace BLV_ISA_NAMESPACE {

template <class T>
BLV_INLINE Pack<T> divided(Pack<T> a, Pack<T> b) {
  const Pack<T> zero = {}, one = broadcast<T>(1);
  return select(b == zero, zero, a / select(b == zero, one, b));
}

template <class T>
BLV_INLINE Pack<T> map_value(int function, Pack<T> x, Pack<T> y) {
  switch (MapFunction(function)) {
    case MAP_PRODUCT:
      return x * y;
    case MAP_RECIPROCAL:
      return divided<T>(broadcast<T>(1), x);
    case MAP_ROOT:
      return root<T>(x);
  }
  return x;
}

template <class T>
BLV_INLINE Pack<T> compute(int function, T constant, Pack<T> a, Pack<T> b) {
  const Pack<T> zero = {}, one = broadcast<T>(1);
  switch (NumberFunction(function)) {
    case NUMBER_CONSTANT:
      return broadcast<T>(constant);
    case NUMBER_COPY:
      return a;
    case NUMBER_ADD:
      return a + b;
    case NUMBER_SUBTRACT:
      return a - b;
    case NUMBER_MULTIPLY:
      return a * b;
    case NUMBER_DIVIDE:
      return divided<T>(a, b);
    case NUMBER_ROOT:
      return root<T>(a);
    case NUMBER_GREATER:
      return select(a > b, one, zero);
    case NUMBER_SELECT:
      return select(b == zero, zero, a);
    case NUMBER_MINIMUM:
      return select(a < b, a, b);
    case NUMBER_MAXIMUM:
      return select(a > b, a, b);
  }
  return a;
}

}  // namespace BLV_ISA_NAMESPACE
}  // namespace bilevel
