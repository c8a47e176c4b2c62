// SPDX-License-Identifier: Apache-2.0
//
// Operators that integer and floating-point instructions have in common.
#pragma once
#include "lanes.h"

namespace ptxemu {

struct ONeg {
  template <class T>
  static INL T f(T a) {
    return -a;
  }
};

struct OAbs {
  template <class T>
  static INL T f(T a) {
    if constexpr (std::is_same_v<T, float>)
      return __builtin_fabsf(a);
    else if constexpr (std::is_same_v<T, double>)
      return __builtin_fabs(a);
    else
      return a < 0 ? -a : a;
  }
};

struct OAdd {
  template <class T>
  static INL T f(T a, T b) {
    return a + b;
  }
};

struct OSub {
  template <class T>
  static INL T f(T a, T b) {
    return a - b;
  }
};

struct OMul {
  template <class T>
  static INL T f(T a, T b) {
    return a * b;
  }
};

struct OMin {
  template <class T>
  static INL T f(T a, T b) {
    if constexpr (std::is_floating_point_v<T>)
      return a != a ? b : b != b ? a : a < b ? a : b < a ? b : std::signbit(a) ? a : b;
    else
      return a < b ? a : b;
  }
};

struct OMax {
  template <class T>
  static INL T f(T a, T b) {
    if constexpr (std::is_floating_point_v<T>)
      return a != a ? b : b != b ? a : a > b ? a : b > a ? b : std::signbit(a) ? b : a;
    else
      return a > b ? a : b;
  }
};

}  // namespace ptxemu
