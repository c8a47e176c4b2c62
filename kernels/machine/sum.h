// SPDX-License-Identifier: Apache-2.0
//
// A sum that carries along what its roundings lose (Kahan, 1965): its relative error is that of two additions, however many terms of one
// sign it has. For what arrives bit by bit: rows one after another, blocks of rows, tasks. A sum over an array is shorter as a
// tree, see cpu/sum.h.
//
// A term of zero leaves the sum as it is, so that rows which a task lacks do not show in it.
#pragma once
#include "kernels/machine/machine.h"

namespace bilevel {
namespace BLV_ISA_NAMESPACE {

// Of packs or of scalars. An infinite sum stays infinite.
template <class P>
BLV_INLINE void add_compensated(P &sum, P &lost, P x) {
  const P y = x - lost, next = sum + y;
  lost = finite_or_zero((next - sum) - y);
  sum = next;
}

template <class P>
struct CompensatedSum {
  P value = {}, lost = {};
  BLV_INLINE void add(P x) { add_compensated(value, lost, x); }
};

}  // namespace BLV_ISA_NAMESPACE
}  // namespace bilevel
