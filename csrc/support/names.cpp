// SPDX-License-Identifier: Apache-2.0
//
// The tables of enum names and the checks that they serve.
#include "csrc/support/names.h"

#include <cstdio>
#include <cstring>

#include "kernels/contract/activations.h"
#include "kernels/contract/losses.h"
#include "kernels/contract/problem.h"

namespace bilevel {
namespace {

// A row: the enumerator, and its name in the description of a plan.
#define ROW(enumerator, plain) \
  { enumerator, #enumerator, plain }

constexpr EnumName isa[] = {
    ROW(BLV_ISA_BEST, "best"),
    ROW(BLV_ISA_X86_64_V2, "x86-64-v2"),
    ROW(BLV_ISA_X86_64_V3, "x86-64-v3"),
    ROW(BLV_ISA_X86_64_V4, "x86-64-v4"),
};
#define LOSS(enumerator, name, targets) ROW(enumerator, #name),
constexpr EnumName loss[] = {BLV_LOSSES(LOSS)};
#undef LOSS
#define ACTIVATION(enumerator, name, type) ROW(enumerator, #name),
constexpr EnumName activation[] = {BLV_ACTIVATIONS(ACTIVATION)};
#undef ACTIVATION
constexpr EnumName store[] = {
    ROW(BLV_STORE_AUTO, "auto"),
    ROW(BLV_STORE_TAPE, "tape"),
    ROW(BLV_STORE_THETA, "theta"),
    ROW(BLV_STORE_CHECKPOINTS, "checkpoints"),
};
constexpr EnumName side[] = {
    ROW(BLV_INNER, "inner"),
    ROW(BLV_OUTER, "outer"),
    ROW(BLV_BOTH, "both"),
    ROW(BLV_METHOD, "method"),
};
constexpr EnumName leaf[] = {
    ROW(BLV_THETA0, "theta0"),
    ROW(BLV_THETA, "theta"),
    ROW(BLV_X, "x"),
    ROW(BLV_Y, "y"),
    ROW(BLV_WEIGHT, "weight"),
    ROW(BLV_PENALTY, "penalty"),
    ROW(BLV_ROWS, "rows"),
    ROW(BLV_BATCH, "batch"),
    ROW(BLV_RATE, "rate"),
    ROW(BLV_MOMENTUM, "momentum"),
    ROW(BLV_VECTOR, "vector"),
    ROW(BLV_LOSS, "loss"),
    ROW(BLV_LOSS_TANGENT, "loss_tangent"),
    ROW(BLV_THETA_TANGENT, "theta_tangent"),
    ROW(BLV_RESIDUAL, "residual"),
    ROW(BLV_SOLUTION, "solution"),
    ROW(BLV_TOLERANCE, "tolerance"),
    ROW(BLV_ITERATIONS, "iterations"),
    ROW(BLV_STOP, "stop"),
    ROW(BLV_CURVATURE, "curvature"),
    ROW(BLV_CONTRACTION, "contraction"),
    ROW(BLV_PRECONDITIONER, "preconditioner"),
    ROW(BLV_STATIONARITY, "stationarity"),
};
constexpr EnumName use[] = {
    ROW(BLV_VALUE, "value"),
    ROW(BLV_GRADIENT, "gradient"),
    ROW(BLV_RESULT, "result"),
    ROW(BLV_TANGENT, "tangent"),
};
constexpr EnumName dtype[] = {
    ROW(BLV_F32, "f32"),
    ROW(BLV_F64, "f64"),
    ROW(BLV_I32, "i32"),
    ROW(BLV_I64, "i64"),
};
constexpr EnumName link[] = {
    ROW(BLV_NO_LINK, "none"),
    ROW(BLV_EXP, "exp"),
    ROW(BLV_SOFTPLUS_LINK, "softplus"),
    ROW(BLV_SIGMOID_LINK, "sigmoid"),
};
constexpr EnumName extent[] = {
    ROW(BLV_NATURAL, "natural"),
    ROW(BLV_SCALAR, "scalar"),
    ROW(BLV_PER_FEATURE, "per_feature"),
    ROW(BLV_PER_PARAMETER, "per_parameter"),
};
constexpr EnumName executor[] = {
    ROW(BLV_EXECUTOR_AUTO, "auto"),
    ROW(BLV_TASKS_IN_LANES, "tasks_in_lanes"),
    ROW(BLV_TASK_PER_CORE, "task_per_core"),
    ROW(BLV_ROWS_OVER_CORES, "rows_over_cores"),
    ROW(BLV_WARP_PER_TASK, "warp_per_task"),
    ROW(BLV_BLOCK_PER_TASK, "block_per_task"),
    ROW(BLV_CLUSTER_PER_TASK, "cluster_per_task"),
    ROW(BLV_GRID, "grid"),
};
constexpr EnumName flag[] = {
    ROW(BLV_SKIP_FAILED, "skip_failed"),
    ROW(BLV_SPLIT_TF32, "split_tf32"),
};
#undef ROW

// Enums that tables are indexed by: values 1, 2, ... without a gap, below the capacity of those tables.
template <int32_t count>
constexpr bool counts_below(const EnumName (&entries)[count], int32_t capacity) {
  for (int32_t i = 0; i < count; ++i)
    if (entries[i].value != i + 1) return false;
  return count < capacity;
}
static_assert(counts_below(side, side_capacity) && counts_below(leaf, leaf_capacity) &&
              counts_below(use, use_capacity));

template <int32_t count>
constexpr EnumNames table(const EnumName (&entries)[count]) {
  return {entries, count};
}

constexpr unsigned all = ~0u;

// "BLV_F32 (1), BLV_F64 (2)": the entries that accepts(value).
template <class Accepts>
Text list_where(const EnumNames &names, Accepts accepts) {
  Text text;
  size_t used = 0;
  for (int32_t i = 0; i < names.count; ++i) {
    const EnumName &entry = names.entries[i];
    if (!accepts(entry.value)) continue;
    std::snprintf(text.data + used, sizeof text.data - used, "%s%s (%d)", used ? ", " : "", entry.name, entry.value);
    used = std::strlen(text.data);
  }
  return text;
}

}  // namespace

const EnumNames isa_names = table(isa);
const EnumNames loss_names = table(loss);
const EnumNames activation_names = table(activation);
const EnumNames store_names = table(store);
const EnumNames side_names = table(side);
const EnumNames leaf_names = table(leaf);
const EnumNames use_names = table(use);
const EnumNames dtype_names = table(dtype);
const EnumNames link_names = table(link);
const EnumNames extent_names = table(extent);
const EnumNames executor_names = table(executor);
const EnumNames flag_names = table(flag);

Text list_names(const EnumNames &names, unsigned mask) {
  return list_where(names, [=](int32_t value) { return mask == all || (mask >> value & 1u) != 0; });
}

int32_t all_flags(const EnumNames &names) {
  int32_t flags = 0;
  for (int32_t i = 0; i < names.count; ++i) flags |= names.entries[i].value;
  return flags;
}

Text list_flags(const EnumNames &names, int32_t accepted) {
  const Text text = list_where(names, [=](int32_t value) { return (value & accepted) != 0; });
  if (text.data[0] == '\0') return format("0");
  const bool several = (accepted & (accepted - 1)) != 0;
  return format(several ? "0, or a sum of %s" : "0 or %s", text.c_str());
}

const EnumName *find_name(const EnumNames &names, int32_t value) {
  for (int32_t i = 0; i < names.count; ++i)
    if (names.entries[i].value == value) return &names.entries[i];
  return nullptr;
}

const char *name_of(const EnumNames &names, int32_t value) {
  const EnumName *entry = find_name(names, value);
  return entry ? entry->name : "?";
}

const char *plain_name_of(const EnumNames &names, int32_t value) {
  const EnumName *entry = find_name(names, value);
  return entry ? entry->plain : "?";
}

void check_enum(const char *argument, int32_t value, const EnumNames &names) {
  if (find_name(names, value) == nullptr) refuse_value(argument, value, list_names(names, all).c_str());
}

void check_choice(const char *argument, int32_t value, const EnumNames &names, unsigned mask, const char *context) {
  check_enum(argument, value, names);
  if (mask >> value & 1u) return;
  refuse(BLV_INVALID, format("%s is %s (%d); accepted %s: %s", argument, name_of(names, value), value, context,
                             list_names(names, mask).c_str()));
}

}  // namespace bilevel
