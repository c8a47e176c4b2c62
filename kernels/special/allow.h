// SPDX-License-Identifier: Apache-2.0
//
// How a kernel written by hand recognises what it can run: it lists the slots, losses, operations and flags that it knows, and whatever
// else a plan has, now or in a later version, is refused.
#pragma once
#include <cstdint>

#include "kernels/contract/problem.h"

namespace bilevel {

template <class... Values>
constexpr uint32_t bits_of(Values... values) {
  return ((uint32_t{1} << values) | ... | 0u);
}

// Bits are 1 << value of the BLV_* or OP_* enumerators.
struct Allowed {
  uint32_t inner[use_capacity], outer[use_capacity], both[use_capacity], method[use_capacity];  // leaves, by use
  uint32_t losses, optimisers, ops;
  uint32_t flags;       // OpFlags
  uint32_t plan_flags;  // blv_spec.flags
};

inline bool within(const uint32_t (&present)[use_capacity], const uint32_t (&allowed)[use_capacity]) {
  for (int32_t use = 0; use < use_capacity; ++use)
    if ((present[use] & ~allowed[use]) != 0) return false;
  return true;
}

// nullptr, or what the problem has beyond that, one sentence.
inline const char *refusal_of(const Problem &problem, const Allowed &allowed) {
  if (problem.network.model != BLV_NETWORK) return "the kernel runs networks only";
  if (!within(problem.leaves_of[BLV_INNER], allowed.inner) || !within(problem.leaves_of[BLV_OUTER], allowed.outer) ||
      !within(problem.leaves_of[BLV_BOTH], allowed.both) || !within(problem.leaves_of[BLV_METHOD], allowed.method))
    return "the plan has a slot that the kernel does not know";
  for (const Side *side : {&problem.inner, &problem.outer})
    if (side->present && (bits_of(side->loss) & ~allowed.losses) != 0)
      return "the plan has a loss that the kernel does not know";
  if ((static_cast<uint32_t>(problem.flags) & ~allowed.plan_flags) != 0)
    return "the plan has a flag that the kernel does not know";
  if (problem.optimiser != 0 && (bits_of(problem.optimiser) & ~allowed.optimisers) != 0)
    return "the plan has an optimiser that the kernel does not know";
  for (int32_t pc = 0; pc < problem.program.n_ops; ++pc) {
    const Op &op = problem.program.ops[pc];
    if ((bits_of(op.code) & ~allowed.ops) != 0 || (op.flags & ~allowed.flags) != 0)
      return "the plan's program has an operation that the kernel does not know";
  }
  return nullptr;
}

}  // namespace bilevel
