// SPDX-License-Identifier: Apache-2.0
//
// Carves a workspace. One function lays a structure out; run on an arena without memory it counts bytes, run on the
// caller's workspace it assigns, so what is announced and what is used cannot differ.
#pragma once
#include "kernels/machine/cpu/pack.h"

namespace bilevel {
namespace BLV_ISA_NAMESPACE {

struct Arena {
  static constexpr long align = 64;
  char *base = nullptr;  // null: only counts bytes
  long used = 0;

  Arena at(long offset) const { return {base, offset}; }

  template <class E>
  E *take(long count) {
    E *p = reinterpret_cast<E *>(base + used);
    used += (count * long(sizeof(E)) + align - 1) / align * align;
    return p;
  }
  // An array that is read or written once a step or less often: a device keeps it out of shared memory.
  template <class E>
  E *stream(long count) {
    return take<E>(count);
  }
};

// Small tables that every thread of a task reads.
template <class E>
E *take_table(Arena &arena, long count) {
  return arena.take<E>(count);
}
inline bool assigns(const Arena &arena) { return arena.base != nullptr; }

}  // namespace BLV_ISA_NAMESPACE
}  // namespace bilevel
