// SPDX-License-Identifier: Apache-2.0
//
// Shared memory by 32-bit addresses, which its instructions take: half the arithmetic of pointers. Accesses are in order with
// each other and with barriers, since they are volatile. Cooperation level: thread.
#pragma once
#include "kernels/machine/cuda/machine.h"

namespace bilevel {
namespace BLV_ISA_NAMESPACE {

template <class T>
BLV_INLINE unsigned shared_address(const T *p) {
  return unsigned(__cvta_generic_to_shared(p));
}
template <class T>
struct Shared;
template <>
struct Shared<float> {
  static BLV_INLINE float load(unsigned at) {
    float x;
    asm volatile("ld.shared.f32 %0, [%1];" : "=f"(x) : "r"(at));
    return x;
  }
  template <int Offset = 0>
  static BLV_INLINE Quad<float> load_quad(unsigned at) {
    Quad<float> q;
    asm volatile("ld.shared.v4.f32 {%0, %1, %2, %3}, [%4 + %5];"
                 : "=f"(q.x[0]), "=f"(q.x[1]), "=f"(q.x[2]), "=f"(q.x[3])
                 : "r"(at), "n"(Offset));
    return q;
  }
  static BLV_INLINE void store_quad(unsigned at, const Quad<float> &q) {
    asm volatile("st.shared.v4.f32 [%0], {%1, %2, %3, %4};" ::"r"(at), "f"(q.x[0]), "f"(q.x[1]), "f"(q.x[2]),
                 "f"(q.x[3]));
  }
  static BLV_INLINE void store(unsigned at, float x) { asm volatile("st.shared.f32 [%0], %1;" ::"r"(at), "f"(x)); }
};
template <>
struct Shared<double> {
  static BLV_INLINE double load(unsigned at) {
    double x;
    asm volatile("ld.shared.f64 %0, [%1];" : "=d"(x) : "r"(at));
    return x;
  }
  template <int Offset = 0>
  static BLV_INLINE Quad<double> load_quad(unsigned at) {
    Quad<double> q;
    asm volatile("ld.shared.v2.f64 {%0, %1}, [%2 + %3];" : "=d"(q.x[0]), "=d"(q.x[1]) : "r"(at), "n"(Offset));
    return q;
  }
  static BLV_INLINE void store_quad(unsigned at, const Quad<double> &q) {
    asm volatile("st.shared.v2.f64 [%0], {%1, %2};" ::"r"(at), "d"(q.x[0]), "d"(q.x[1]));
  }
  static BLV_INLINE void store(unsigned at, double x) { asm volatile("st.shared.f64 [%0], %1;" ::"r"(at), "d"(x)); }
};

}  // namespace BLV_ISA_NAMESPACE
}  // namespace bilevel
