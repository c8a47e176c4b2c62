// SPDX-License-Identifier: Apache-2.0
//
// The names of the ABI's enums, for messages and for the description of a plan: one table per enum, which also says
// what values an argument may have.
#pragma once
#include <cstdint>

namespace bilevel {

struct EnumName {
  int32_t value;
  const char *name;   // as in bilevel.h
  const char *plain;  // as in the description of a plan
};

// Sizes of the tables that others index by value: the largest value.
constexpr int32_t n_sides = 4, n_leaves = 16, n_uses = 4;

struct EnumNames {
  const EnumName *entries;
  int32_t count;
};

extern const EnumNames isa_names, loss_names, activation_names, model_names, method_names, optimiser_names, store_names,
    solver_names;
extern const EnumNames side_names, leaf_names, use_names, dtype_names, link_names, extent_names, executor_names;

// nullptr if the value is none of the enum.
const EnumName *find_name(const EnumNames &names, int32_t value);
// Name as in bilevel.h; "?" if there is none.
const char *name_of(const EnumNames &names, int32_t value);
const char *plain_name_of(const EnumNames &names, int32_t value);

// Refuses a value that is not in the table, naming all that are.
void check_enum(const char *argument, int32_t value, const EnumNames &names);
// Refuses a value whose bit in `mask` (1 << value) is not set; `context` ends the message ("for leaf BLV_THETA").
void check_choice(const char *argument, int32_t value, const EnumNames &names, unsigned mask, const char *context);

}  // namespace bilevel
