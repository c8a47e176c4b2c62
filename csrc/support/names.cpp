// SPDX-License-Identifier: Apache-2.0
//
// The tables of enum names and the checks that they serve.
#include "csrc/support/names.h"

#include <cstdio>
#include <cstring>

#include "csrc/support/refusal.h"

namespace bilevel {
namespace {

constexpr EnumName isa[] = {{BLV_ISA_BEST, "BLV_ISA_BEST", "best"},
                            {BLV_ISA_X86_64_V2, "BLV_ISA_X86_64_V2", "x86-64-v2"},
                            {BLV_ISA_X86_64_V3, "BLV_ISA_X86_64_V3", "x86-64-v3"},
                            {BLV_ISA_X86_64_V4, "BLV_ISA_X86_64_V4", "x86-64-v4"}};
constexpr EnumName model[] = {{BLV_NETWORK, "BLV_NETWORK", "network"}, {BLV_QUADRATIC, "BLV_QUADRATIC", "quadratic"}};
constexpr EnumName loss[] = {{BLV_SQUARED, "BLV_SQUARED", "squared"},
                             {BLV_LOGISTIC, "BLV_LOGISTIC", "logistic"},
                             {BLV_CROSS_ENTROPY, "BLV_CROSS_ENTROPY", "cross_entropy"}};
constexpr EnumName activation[] = {{BLV_TANH, "BLV_TANH", "tanh"},
                                   {BLV_RELU, "BLV_RELU", "relu"},
                                   {BLV_SIGMOID, "BLV_SIGMOID", "sigmoid"},
                                   {BLV_SOFTPLUS, "BLV_SOFTPLUS", "softplus"}};
constexpr EnumName method[] = {{BLV_EVALUATE, "BLV_EVALUATE", "evaluate"},
                               {BLV_HVP, "BLV_HVP", "hvp"},
                               {BLV_UNROLL, "BLV_UNROLL", "unroll"},
                               {BLV_FORWARD, "BLV_FORWARD", "forward"},
                               {BLV_IMPLICIT, "BLV_IMPLICIT", "implicit"}};
constexpr EnumName solver[] = {{BLV_CG, "BLV_CG", "cg"}};
constexpr EnumName optimiser[] = {{BLV_SGD, "BLV_SGD", "sgd"}, {BLV_HEAVY_BALL, "BLV_HEAVY_BALL", "heavy_ball"}};
constexpr EnumName store[] = {{BLV_STORE_AUTO, "BLV_STORE_AUTO", "auto"},
                              {BLV_STORE_TAPE, "BLV_STORE_TAPE", "tape"},
                              {BLV_STORE_THETA, "BLV_STORE_THETA", "theta"},
                              {BLV_STORE_CHECKPOINTS, "BLV_STORE_CHECKPOINTS", "checkpoints"}};
constexpr EnumName side[] = {{BLV_INNER, "BLV_INNER", "inner"},
                             {BLV_OUTER, "BLV_OUTER", "outer"},
                             {BLV_BOTH, "BLV_BOTH", "both"},
                             {BLV_METHOD, "BLV_METHOD", "method"}};
constexpr EnumName leaf[] = {{BLV_THETA0, "BLV_THETA0", "theta0"},
                             {BLV_THETA, "BLV_THETA", "theta"},
                             {BLV_X, "BLV_X", "x"},
                             {BLV_Y, "BLV_Y", "y"},
                             {BLV_WEIGHT, "BLV_WEIGHT", "weight"},
                             {BLV_PENALTY, "BLV_PENALTY", "penalty"},
                             {BLV_ROWS, "BLV_ROWS", "rows"},
                             {BLV_BATCH, "BLV_BATCH", "batch"},
                             {BLV_RATE, "BLV_RATE", "rate"},
                             {BLV_MOMENTUM, "BLV_MOMENTUM", "momentum"},
                             {BLV_VECTOR, "BLV_VECTOR", "vector"},
                             {BLV_LOSS, "BLV_LOSS", "loss"},
                             {BLV_LOSS_TANGENT, "BLV_LOSS_TANGENT", "loss_tangent"},
                             {BLV_THETA_TANGENT, "BLV_THETA_TANGENT", "theta_tangent"},
                             {BLV_RESIDUAL, "BLV_RESIDUAL", "residual"},
                             {BLV_SOLUTION, "BLV_SOLUTION", "solution"}};
constexpr EnumName use[] = {{BLV_VALUE, "BLV_VALUE", "value"},
                            {BLV_GRADIENT, "BLV_GRADIENT", "gradient"},
                            {BLV_RESULT, "BLV_RESULT", "result"},
                            {BLV_TANGENT, "BLV_TANGENT", "tangent"}};
constexpr EnumName dtype[] = {
    {BLV_F32, "BLV_F32", "f32"}, {BLV_F64, "BLV_F64", "f64"}, {BLV_I32, "BLV_I32", "i32"}, {BLV_I64, "BLV_I64", "i64"}};
constexpr EnumName link[] = {{BLV_NO_LINK, "BLV_NO_LINK", "none"},
                             {BLV_EXP, "BLV_EXP", "exp"},
                             {BLV_SOFTPLUS_LINK, "BLV_SOFTPLUS_LINK", "softplus"},
                             {BLV_SIGMOID_LINK, "BLV_SIGMOID_LINK", "sigmoid"}};
constexpr EnumName extent[] = {{BLV_NATURAL, "BLV_NATURAL", "natural"},
                               {BLV_SCALAR, "BLV_SCALAR", "scalar"},
                               {BLV_PER_FEATURE, "BLV_PER_FEATURE", "per_feature"},
                               {BLV_PER_PARAMETER, "BLV_PER_PARAMETER", "per_parameter"}};
constexpr EnumName executor[] = {{BLV_EXECUTOR_AUTO, "BLV_EXECUTOR_AUTO", "auto"},
                                 {BLV_TASKS_IN_LANES, "BLV_TASKS_IN_LANES", "tasks_in_lanes"},
                                 {BLV_TASK_PER_CORE, "BLV_TASK_PER_CORE", "task_per_core"},
                                 {BLV_ROWS_OVER_CORES, "BLV_ROWS_OVER_CORES", "rows_over_cores"},
                                 {BLV_WARP_PER_TASK, "BLV_WARP_PER_TASK", "warp_per_task"},
                                 {BLV_BLOCK_PER_TASK, "BLV_BLOCK_PER_TASK", "block_per_task"},
                                 {BLV_CLUSTER_PER_TASK, "BLV_CLUSTER_PER_TASK", "cluster_per_task"},
                                 {BLV_GRID, "BLV_GRID", "grid"}};

template <int32_t count>
constexpr EnumNames names_of(const EnumName (&entries)[count]) {
  return {entries, count};
}

constexpr unsigned all = ~0u;

// Values are 1, 2, ... without a gap.
template <int32_t count>
constexpr bool counts_up_to(const EnumName (&entries)[count], int32_t most) {
  for (int32_t i = 0; i < count; ++i)
    if (entries[i].value != i + 1) return false;
  return count == most;
}
static_assert(counts_up_to(side, n_sides) && counts_up_to(leaf, n_leaves) && counts_up_to(use, n_uses));

// "BLV_F32 (1), BLV_F64 (2)": the entries whose bit is set in `mask`.
Text list(const EnumNames &names, unsigned mask) {
  Text text;
  size_t used = 0;
  for (int32_t i = 0; i < names.count; ++i) {
    const EnumName &entry = names.entries[i];
    if (mask != all && (mask >> entry.value & 1u) == 0) continue;
    std::snprintf(text.data + used, sizeof text.data - used, "%s%s (%d)", used ? ", " : "", entry.name, entry.value);
    used = std::strlen(text.data);
  }
  return text;
}

}  // namespace

const EnumNames isa_names = names_of(isa), model_names = names_of(model), loss_names = names_of(loss);
const EnumNames activation_names = names_of(activation), method_names = names_of(method);
const EnumNames optimiser_names = names_of(optimiser), store_names = names_of(store), side_names = names_of(side);
const EnumNames leaf_names = names_of(leaf), use_names = names_of(use), dtype_names = names_of(dtype);
const EnumNames solver_names = names_of(solver), link_names = names_of(link), extent_names = names_of(extent),
                executor_names = names_of(executor);

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
  if (find_name(names, value) == nullptr) refuse_value(argument, value, list(names, all).c_str());
}

void check_choice(const char *argument, int32_t value, const EnumNames &names, unsigned mask, const char *context) {
  check_enum(argument, value, names);
  if (mask >> value & 1u) return;
  refuse(BLV_INVALID, format("%s is %s (%d); accepted %s: %s", argument, name_of(names, value), value, context,
                             list(names, mask).c_str()));
}

}  // namespace bilevel
