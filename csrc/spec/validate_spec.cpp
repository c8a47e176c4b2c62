// SPDX-License-Identifier: Apache-2.0
//
// The spec without its slots: sizes, enums, objectives, method.
#include <algorithm>

#include "csrc/methods/method.h"
#include "csrc/spec/model.h"
#include "csrc/spec/validate.h"
#include "csrc/support/limits.h"
#include "csrc/support/names.h"
#include "csrc/support/read_struct.h"

namespace bilevel {
namespace {

void check_flags_of(const char *argument, int32_t value, const EnumNames &flags) {
  const int32_t accepted = all_flags(flags);
  if ((value & ~accepted) != 0) refuse_value(argument, value, list_flags(flags, accepted).c_str());
}

// ---- Objectives -----------------------------------------------------------------------------------------------------

blv_objective read_objective(const char *argument, const blv_objective *given) {
  auto objective = read_struct<blv_objective>(argument, "blv_objective", given);
  check_enum(member(argument, "model").c_str(), objective.model, names_of(models()));
  find_model(objective.model).check(argument, &objective);
  return objective;
}

// The outer loss is of the same network.
void check_same_network(const blv_objective &inner, const blv_objective &outer) {
  if (outer.model != inner.model)
    refuse_value("spec.outer.model", outer.model, format("%d, as spec.inner.model", inner.model).c_str());
  if (outer.n_widths != inner.n_widths)
    refuse_value("spec.outer.n_widths", outer.n_widths,
                 format("%lld, as spec.inner.n_widths", static_cast<long long>(inner.n_widths)).c_str());
  for (int64_t i = 0; i < inner.n_widths; ++i)
    if (outer.widths[i] != inner.widths[i])
      refuse_value(format("spec.outer.widths[%lld]", static_cast<long long>(i)).c_str(), outer.widths[i],
                   format("%lld, as in spec.inner", static_cast<long long>(inner.widths[i])).c_str());
  if (outer.activation != inner.activation)
    refuse_value("spec.outer.activation", outer.activation,
                 format("%d, as spec.inner.activation", inner.activation).c_str());
  if (outer.flags != inner.flags)
    refuse_value("spec.outer.flags", outer.flags, format("%d, as spec.inner.flags", inner.flags).c_str());
}

void fill_side(const blv_objective &objective, Side *side) {
  side->present = 1;
  side->loss = objective.loss;
  side->rows = objective.rows;
  side->mean = find_model(objective.model).mean;
}

// ---- Methods --------------------------------------------------------------------------------------------------------

void read_method(const blv_method *method, ValidSpec *valid) {
  check_pointer("spec.method", method);
  const int64_t size = read_size(method);
  if (size < static_cast<int64_t>(sizeof(blv_method))) check_struct_size<blv_method>("spec.method", "blv_method", size);
  check_enum("spec.method.kind", method->kind, names_of(methods()));
  check_range("spec.method.reserved", method->reserved, 0, 0);
  valid->problem.kind = method->kind;
  find_method(method->kind)->read(method, &valid->problem, &valid->store);
}

// ---- The whole ------------------------------------------------------------------------------------------------------

blv_spec read_spec(const blv_spec *given) {
  const auto spec = read_struct<blv_spec>("spec", "blv_spec", given);
  check_choice("spec.dtype", spec.dtype, dtype_names, 1u << BLV_F32 | 1u << BLV_F64, "for arithmetic");
  check_range("spec.max_threads", spec.max_threads, 0, most_threads);
  check_range("spec.tasks", spec.tasks, 0, most_size);
  check_range("spec.workspace_limit", spec.workspace_limit, 0, INT64_MAX);
  check_enum("spec.executor", spec.executor, executor_names);
  check_flags_of("spec.flags", spec.flags, flag_names);
  check_range("spec.n_slots", spec.n_slots, 0, most_slots);
  if (spec.n_slots > 0) check_pointer("spec.slots", spec.slots);
  return spec;
}

void read_objectives(const blv_spec &spec, ValidSpec *valid) {
  const blv_objective inner = read_objective("spec.inner", spec.inner);
  find_model(inner.model).fill(inner, valid);
  valid->problem.network.layers = valid->layers.data();
  fill_side(inner, &valid->problem.inner);
  if (spec.outer == nullptr) return;
  const Method &method = *find_method(valid->problem.kind);
  if (!method.has_outer)
    refuse(BLV_INVALID, format("spec.outer is not NULL; accepted for method %s: NULL", method.name));
  const blv_objective outer = read_objective("spec.outer", spec.outer);
  check_same_network(inner, outer);
  fill_side(outer, &valid->problem.outer);
}

}  // namespace

bool count_parameters(int64_t n_widths, const int64_t *widths, bool bias, int64_t *parameters) {
  Size total = 0;
  for (int64_t i = 0; i + 1 < n_widths; ++i) total += Size(widths[i + 1]) * (widths[i] + (bias ? 1 : 0));
  *parameters = total.value();
  return total.value() <= most_size;
}

int64_t parameter_count(int64_t n_widths, const int64_t *widths, int32_t flags) {
  if (n_widths < 2 || n_widths > most_widths || widths == nullptr || (flags & ~BLV_NO_BIAS) != 0) return -1;
  if (std::any_of(widths, widths + n_widths, [](int64_t width) { return width < 1 || width > most_size; })) return -1;
  int64_t parameters = 0;
  return count_parameters(n_widths, widths, (flags & BLV_NO_BIAS) == 0, &parameters) ? parameters : -1;
}

ValidSpec validate(const blv_spec *given, int32_t context_threads) {
  const blv_spec spec = read_spec(given);
  ValidSpec valid;
  Problem &problem = valid.problem;
  problem.dtype = spec.dtype;
  problem.executor = spec.executor;
  problem.flags = spec.flags;
  problem.tasks = spec.tasks;
  problem.threads = spec.max_threads > 0 ? spec.max_threads : context_threads;
  valid.workspace_limit = spec.workspace_limit;
  read_method(spec.method, &valid);
  read_objectives(spec, &valid);

  valid.slots.assign(spec.slots, spec.slots + spec.n_slots);
  valid.spans.resize(valid.slots.size());
  std::vector<Slot> resolved(valid.slots.size());
  for (size_t i = 0; i < valid.slots.size(); ++i) resolved[i] = check_slot(valid.slots, i, problem, &valid.spans[i]);
  place_slots(valid.slots, resolved, &problem);
  for (const Span &span : valid.spans)
    if (span.written && span.task_stride == 0)
      problem.shared_scalars = saturating_add(problem.shared_scalars, saturating_multiply(2, span_used(span, 1)));
  return valid;
}

}  // namespace bilevel
