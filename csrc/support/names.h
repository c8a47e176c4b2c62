// SPDX-License-Identifier: Apache-2.0
//
// The names of the ABI's enums, for messages and for the description of a plan: one table per enum, which also says
// what values an argument may have. Methods, optimisers (csrc/methods) and models (csrc/spec) have
// tables of their own, see names_of.
#pragma once
#include <cstdint>
#include <vector>

#include "csrc/support/refusal.h"

namespace bilevel {

struct EnumName {
  int32_t value;
  const char *name;   // as in bilevel.h
  const char *plain;  // as in the description of a plan
};

struct EnumNames {
  const EnumName *entries;
  int32_t count;
};

extern const EnumNames isa_names, loss_names, activation_names, store_names, side_names;
extern const EnumNames leaf_names, use_names, dtype_names, link_names, extent_names, executor_names;
extern const EnumNames flag_names;  // of a spec

// The names in a table of rows, each with id, name and plain; `Row` has one table.
template <class Row>
EnumNames names_of(const std::vector<const Row *> &rows) {
  static const std::vector<EnumName> entries = [&rows] {
    std::vector<EnumName> names;
    names.reserve(rows.size());
    for (const Row *row : rows) names.push_back({row->id, row->name, row->plain});
    return names;
  }();
  return {entries.data(), static_cast<int32_t>(entries.size())};
}

// nullptr if the value is none of the enum.
const EnumName *find_name(const EnumNames &names, int32_t value);
// Name as in bilevel.h; "?" if there is none.
const char *name_of(const EnumNames &names, int32_t value);
const char *plain_name_of(const EnumNames &names, int32_t value);

// "BLV_F32 (1), BLV_F64 (2)": the entries whose bit (1 << value) is set in `mask`.
Text list_names(const EnumNames &names, unsigned mask);
// All flags of a table of flags.
int32_t all_flags(const EnumNames &names);
// What a word of flags may be, of which those in `accepted` may be set: "0, or a sum of BLV_SKIP_FAILED (1), BLV_SPLIT_TF32 (2)".
Text list_flags(const EnumNames &names, int32_t accepted);

// Refuses a value that is not in the table, naming all that are.
void check_enum(const char *argument, int32_t value, const EnumNames &names);
// Refuses a value whose bit in `mask` (1 << value) is not set; `context` ends the message ("for leaf BLV_THETA").
void check_choice(const char *argument, int32_t value, const EnumNames &names, unsigned mask, const char *context);

}  // namespace bilevel
