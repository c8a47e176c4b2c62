// SPDX-License-Identifier: Apache-2.0
//
// Address translation and checks for loads, stores and atomics (PTX 5.1 state spaces, 6.4 generic addresses).
//
// Device pointers are host pointers. A global access is checked against the registry of allocations; each
// instruction remembers the allocation it hit last, so the usual case is one subtraction and one comparison.
// Shared and local addresses are offsets; their generic form is the host address of the backing buffer.
#pragma once
#include "core.h"

namespace ptxemu {

char *slow_addr(const Ins *i, Warp &w, u64 a, unsigned n, int l);
char *cluster_addr(const Ins *i, Warp &w, u64 a, unsigned n, int l);
void shared_fault(const Ins *i, Warp &w, u64 a, unsigned n, int l);

// Host address of an access of n bytes (a power of two) by lane l at device address a in space SP.
template <int SP>
static INL char *addr(const Ins *i, Warp &w, u64 a, unsigned n, int l) {
  if (SP == SHR) {
    a = (u32)a;
    if (__builtin_expect(a + n > w.cta->shsize || (a & (n - 1)), 0)) shared_fault(i, w, a, n, l);
    return w.cta->sh + a;
  }
  if (SP == LOC) {
    a = (u32)a;
    if (__builtin_expect(a + n > w.lstride || (a & (n - 1)), 0)) fault(i, w, "illegal local address");
    return w.local + (u64)l * w.lstride + a;
  }
  if (SP == SCL) return cluster_addr(i, w, a, n, l);
  if (__builtin_expect(a - i->clo > i->cmax || (a & (n - 1)), 0)) return slow_addr(i, w, a, n, l);
  return (char *)a;
}

enum Access { LOAD, STORE, ATOMIC };

// Race check and memory counters for one warp-level access; called only when Cta::watch is set.
// Addresses come from a32 or a64 (or neither) plus imm; n bytes per lane.
void watch_access(const Ins *i, Warp &w, int space, const u32 *a32, const u64 *a64, u64 imm, unsigned n, Access k);

}  // namespace ptxemu
