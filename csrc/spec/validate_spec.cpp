// SPDX-License-Identifier: Apache-2.0
//
// The spec without its slots: sizes, enums, objectives, method.
#include <algorithm>
#include <cmath>

#include "csrc/methods/method.h"
#include "csrc/run/context.h"
#include "csrc/spec/model.h"
#include "csrc/spec/validate.h"
#include "csrc/support/names.h"
#include "csrc/support/read_struct.h"

namespace bilevel {
namespace {

constexpr int64_t most_planes = 8;  // vectors of an HVP, tangents of forward mode

void check_mask(const char *argument, int32_t value, int32_t accepted, const char *text) {
  if ((value & ~accepted) != 0) refuse_value(argument, value, text);
}

// ---- Objectives -----------------------------------------------------------------------------------------------------

blv_objective read_objective(const char *argument, const blv_objective *given) {
  auto objective = read_struct<blv_objective>(argument, "blv_objective", given);
  check_enum(member(argument, "model").c_str(), objective.model, model_names);
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
  side->mean = objective.model != BLV_QUADRATIC;
}

// ---- Methods --------------------------------------------------------------------------------------------------------

void read_hvp(const blv_method *method, ValidSpec *valid) {
  const auto hvp = read_struct<blv_hvp>("spec.method", "blv_hvp", method);
  check_range("spec.method.vectors", hvp.vectors, 1, most_planes);
  valid->problem.planes = hvp.vectors;
}

// The members that all structs with inner steps have.
template <class Struct>
void read_steps(const Struct &given, Problem *problem) {
  check_enum("spec.method.optimiser", given.optimiser, optimiser_names);
  check_range("spec.method.steps", given.steps, 0, most_size);
  check_range("spec.method.batch_rows", given.batch_rows, 0, most_size);
  problem->optimiser = given.optimiser;
  problem->steps = given.steps;
  problem->batch_rows = given.batch_rows;
}

void read_unroll(const blv_method *method, ValidSpec *valid) {
  const auto unroll = read_struct<blv_unroll>("spec.method", "blv_unroll", method);
  read_steps(unroll, &valid->problem);
  check_enum("spec.method.store", unroll.store, store_names);
  valid->store = unroll.store;
}

void read_forward(const blv_method *method, ValidSpec *valid) {
  const auto forward = read_struct<blv_forward>("spec.method", "blv_forward", method);
  read_steps(forward, &valid->problem);
  check_range("spec.method.reserved", forward.reserved, 0, 0);
  check_range("spec.method.tangents", forward.tangents, 1, most_planes);
  valid->problem.planes = forward.tangents;
}

void check_not_negative(const char *argument, double value) {
  if (value >= 0 && std::isfinite(value)) return;
  refuse(BLV_INVALID, format("%s is %g; accepted: a finite number >= 0", argument, value));
}

void read_implicit(const blv_method *method, ValidSpec *valid) {
  const auto implicit = read_struct<blv_implicit>("spec.method", "blv_implicit", method);
  read_steps(implicit, &valid->problem);
  check_enum("spec.method.solver", implicit.solver, solver_names);
  check_range("spec.method.iterations", implicit.iterations, 0, INT32_MAX);
  check_not_negative("spec.method.tolerance", implicit.tolerance);
  check_not_negative("spec.method.damping", implicit.damping);
  valid->problem.solver_iterations = implicit.iterations;
  valid->problem.solver_tolerance = implicit.tolerance;
  valid->problem.damping = implicit.damping;
  check_range("spec.method.warm_start", implicit.warm_start, 0, 1);
  check_range("spec.method.reserved", implicit.reserved, 0, 0);
  valid->problem.warm_start = implicit.warm_start;
}

void read_method(const blv_method *method, ValidSpec *valid) {
  check_pointer("spec.method", method);
  const int64_t size = read_size(method);
  if (size < static_cast<int64_t>(sizeof(blv_method))) check_struct_size<blv_method>("spec.method", "blv_method", size);
  check_enum("spec.method.kind", method->kind, method_names);
  check_range("spec.method.reserved", method->reserved, 0, 0);
  valid->problem.kind = method->kind;
  switch (method->kind) {
    case BLV_HVP:
      return read_hvp(method, valid);
    case BLV_UNROLL:
      return read_unroll(method, valid);
    case BLV_FORWARD:
      return read_forward(method, valid);
    case BLV_IMPLICIT:
      return read_implicit(method, valid);
    default:
      return check_struct_size<blv_method>("spec.method", "blv_method", size);
  }
}

// ---- The whole ------------------------------------------------------------------------------------------------------

blv_spec read_spec(const blv_spec *given) {
  const auto spec = read_struct<blv_spec>("spec", "blv_spec", given);
  check_choice("spec.dtype", spec.dtype, dtype_names, 1u << BLV_F32 | 1u << BLV_F64, "for arithmetic");
  check_range("spec.max_threads", spec.max_threads, 0, most_threads);
  check_range("spec.tasks", spec.tasks, 0, most_size);
  check_range("spec.workspace_limit", spec.workspace_limit, 0, INT64_MAX);
  check_enum("spec.executor", spec.executor, executor_names);
  check_mask("spec.flags", spec.flags, BLV_SKIP_FAILED | BLV_SPLIT_TF32,
             "0, BLV_SKIP_FAILED (1), BLV_SPLIT_TF32 (2) or both (3)");
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
  if (!find_method(valid->problem.kind)->has_outer)
    refuse(BLV_INVALID,
           format("spec.outer is not NULL; accepted for method %s: NULL", name_of(method_names, valid->problem.kind)));
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
    if (span.written && span.task_stride == 0) problem.shared_scalars += saturating_multiply(2, span_used(span, 1));
  return valid;
}

}  // namespace bilevel
