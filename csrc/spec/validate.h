// SPDX-License-Identifier: Apache-2.0
//
// From a caller's spec to a Problem: everything is copied, checked and resolved, or refused with a message that names
// the argument, its value and what is accepted. Three parts: the sizes and enums (validate_spec.cpp), each slot by
// itself (validate_slots.cpp), and what slots must be there together (validate_problem.cpp).
#pragma once
#include <bilevel/bilevel.h>

#include <cstddef>
#include <cstdint>
#include <vector>

#include "csrc/spec/leaf_rules.h"
#include "csrc/spec/span.h"
#include "kernels/contract/problem.h"

namespace bilevel {

struct ValidSpec {
  ValidSpec() = default;
  ValidSpec(ValidSpec &&) = default;  // problem.network.layers points into `layers`, which survives a move
  ValidSpec &operator=(ValidSpec &&) = default;

  Problem problem;
  std::vector<Layer> layers;
  std::vector<blv_slot> slots;
  std::vector<Span> spans;  // parallel to slots
  int32_t store = BLV_STORE_AUTO;
  int64_t workspace_limit = 0;
};

// `context_threads`: threads of the plan if the spec leaves them open.
ValidSpec validate(const blv_spec *spec, int32_t context_threads);

// As blv_parameter_count.
int64_t parameter_count(int64_t n_widths, const int64_t *widths, int32_t flags);

// Number of parameters of valid widths, or false if there are more than most_size.
bool count_parameters(int64_t n_widths, const int64_t *widths, bool bias, int64_t *parameters);

// ---- Parts of `validate` --------------------------------------------------------------------------------------------

// Checks slot i by itself, fills its span and returns it with its strides resolved.
Slot check_slot(const std::vector<blv_slot> &slots, size_t i, const Problem &problem, Span *span);
// Puts the slots into the problem and checks what must be there together.
void place_slots(const std::vector<blv_slot> &slots, const std::vector<Slot> &resolved, Problem *problem);

}  // namespace bilevel
