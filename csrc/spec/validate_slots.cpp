// SPDX-License-Identifier: Apache-2.0
//
// One slot by itself: enums, what its leaf allows (leaf_rules.cpp), strides. The strides that come out are resolved: a
// dense default is filled in, and 0 means shared or constant.
#include "csrc/methods/method.h"
#include "csrc/spec/model.h"
#include "csrc/spec/validate.h"
#include "csrc/support/names.h"
#include "csrc/support/refusal.h"
#include "kernels/contract/losses.h"

namespace bilevel {
namespace {

constexpr unsigned index_dtypes = 1u << BLV_I32 | 1u << BLV_I64;

// A slot under inspection: what is asked, what the table allows, and how messages call it.
struct Subject {
  const std::vector<blv_slot> &slots;
  const blv_slot &slot;
  const Problem &problem;
  const LeafRule *rule = nullptr;
  Text path;  // "spec.slots[3]"

  Text member(const char *name) const { return format("%s.%s", path.c_str(), name); }
  const char *leaf() const { return name_of(leaf_names, slot.leaf); }
  bool indices() const { return slot.dtype == BLV_I32 || slot.dtype == BLV_I64; }
  bool written() const { return slot.use == BLV_GRADIENT || slot.use == BLV_RESULT; }
  // Of a derivative: the slot of the array itself, or null.
  const blv_slot *value() const {
    for (const blv_slot &other : slots)
      if (other.side == slot.side && other.leaf == slot.leaf && other.use == BLV_VALUE) return &other;
    return nullptr;
  }
};

void check_enums(const Subject &subject) {
  const blv_slot &slot = subject.slot;
  check_enum(subject.member("side").c_str(), slot.side, side_names);
  check_enum(subject.member("leaf").c_str(), slot.leaf, leaf_names);
  check_enum(subject.member("use").c_str(), slot.use, use_names);
  check_enum(subject.member("dtype").c_str(), slot.dtype, dtype_names);
  check_enum(subject.member("link").c_str(), slot.link, link_names);
  check_enum(subject.member("extent").c_str(), slot.extent, extent_names);
}

const LeafRule *rule_of(const Subject &subject) {
  const int32_t method = subject.problem.kind;
  const Text context = format("in method %s", find_method(method)->name);
  check_choice(subject.member("leaf").c_str(), subject.slot.leaf, leaf_names, leaves_of_method(method),
               context.c_str());
  return find_leaf_rule(subject.slot.leaf, method);
}

void check_side(const Subject &subject) {
  const int32_t side = subject.slot.side;
  const Text context = format("for leaf %s", subject.leaf());
  check_choice(subject.member("side").c_str(), side, side_names, subject.rule->sides, context.c_str());
  if ((side == BLV_OUTER || side == BLV_BOTH) && !subject.problem.outer.present)
    refuse(BLV_INVALID, format("%s.side is %s (%d) while spec.outer is NULL; accepted: BLV_INNER (1)",
                               subject.path.c_str(), name_of(side_names, side), side));
}

// Class indices need a loss of classes on every side that reads them.
bool may_be_indices(const Subject &subject) {
  const int32_t side = subject.slot.side;
  const bool inner = side == BLV_OUTER || has_class_targets(subject.problem.inner.loss);
  const bool outer = side == BLV_INNER || has_class_targets(subject.problem.outer.loss);
  return inner && outer && subject.slot.use == BLV_VALUE;
}

// Leaves of a loss are the model's; the others the method's.
void check_model(const Subject &subject) {
  const Model &model = find_model(subject.problem.network.model);
  if (subject.slot.side == BLV_METHOD) return;
  const Text context = format("for model %s", model.name);
  check_choice(subject.member("leaf").c_str(), subject.slot.leaf, leaf_names, model.leaves, context.c_str());
}

void check_dtype(const Subject &subject) {
  unsigned accepted = index_dtypes;
  const char *reason = "";
  if (subject.rule->elements != Elements::indices) {
    accepted = 1u << subject.problem.dtype;
    reason = " in a plan of this dtype";
  }
  if (subject.rule->elements == Elements::targets) {
    if (may_be_indices(subject)) accepted |= index_dtypes;
    reason = subject.slot.use == BLV_VALUE ? " in a plan of this dtype with this loss" : " that has a gradient";
  }
  const Text context = format("for leaf %s%s", subject.leaf(), reason);
  check_choice(subject.member("dtype").c_str(), subject.slot.dtype, dtype_names, accepted, context.c_str());
}

void check_link_and_extent(const Subject &subject) {
  const blv_slot &slot = subject.slot;
  const bool linked = (subject.rule->flags & leaf_linked) != 0 && slot.use == BLV_VALUE && !subject.indices();
  const Text context = format("for a %s slot of leaf %s of dtype %s", name_of(use_names, slot.use), subject.leaf(),
                              name_of(dtype_names, slot.dtype));
  check_choice(subject.member("link").c_str(), slot.link, link_names, linked ? ~0u : 1u << BLV_NO_LINK,
               context.c_str());
  const Text leaf_context = format("for leaf %s", subject.leaf());
  check_choice(subject.member("extent").c_str(), slot.extent, extent_names, subject.rule->extents,
               leaf_context.c_str());
}

// ---- Strides --------------------------------------------------------------------------------------------------------

void check_stride(const Subject &subject, const char *name, int64_t stride, bool used) {
  if (stride < 0) refuse_value(subject.member(name).c_str(), stride, ">= 0");
  if (stride == 0 || used) return;
  const Text accepted = format("0 for a %s slot of leaf %s", name_of(use_names, subject.slot.use), subject.leaf());
  refuse_value(subject.member(name).c_str(), stride, accepted.c_str());
}

bool has_rows(const Subject &subject) { return has_rows(*subject.rule); }

Steps steps_of(const Subject &subject) {
  const bool product = find_method(subject.problem.kind)->has_products && subject.slot.use == BLV_GRADIENT;
  return product || subject.slot.use == BLV_TANGENT ? Steps::per_vector : subject.rule->steps;
}

int64_t columns_of(const Subject &subject) {
  const Network &network = subject.problem.network;
  switch (subject.rule->shape) {
    case Shape::parameters:
      return network.parameters;
    case Shape::features:
      return network.features;
    case Shape::targets:
      return subject.indices() ? 1 : network.layers[network.n_layers - 1].outputs;
    case Shape::batch:
      return subject.problem.batch_rows;
    case Shape::by_extent:
      if (subject.slot.extent == BLV_PER_FEATURE) return network.layers[0].inputs;
      return subject.slot.extent == BLV_PER_PARAMETER ? network.parameters : 1;
    case Shape::rows:
    case Shape::one:
      break;
  }
  return 1;
}

// A tangent of a step leaf is laid out as the value, whose steps are then its rows.
Dimension steps_of_value(const Subject &subject) {
  const blv_slot *value = subject.value();
  if (value == nullptr || value->step_stride == 0 || subject.rule->steps != Steps::per_step) return {};
  return {subject.problem.steps, value->step_stride};
}

Dimension rows_of(const Subject &subject, int64_t columns) {
  if (subject.slot.use == BLV_TANGENT && !has_rows(subject)) return steps_of_value(subject);
  if (!has_rows(subject)) return {};
  const Problem &problem = subject.problem;
  const int64_t rows = subject.slot.side == BLV_OUTER ? problem.outer.rows : problem.inner.rows;
  return {rows, subject.slot.row_stride > 0 ? subject.slot.row_stride : columns};
}

[[noreturn]] void refuse_overflow(const Subject &subject) {
  refuse(BLV_INVALID,
         format("%s spans more than 2^63 - 1 bytes (task_stride %lld, step_stride %lld, row_stride %lld); accepted: "
                "smaller strides",
                subject.path.c_str(), static_cast<long long>(subject.slot.task_stride),
                static_cast<long long>(subject.slot.step_stride), static_cast<long long>(subject.slot.row_stride)));
}

Dimension steps_dimension(const Subject &subject, const Span &span_of_one) {
  const int64_t stride = subject.slot.step_stride;
  switch (steps_of(subject)) {
    case Steps::per_step:
      return {subject.problem.steps, stride};
    case Steps::per_vector: {
      int64_t dense = 0;
      if (!span_elements(span_of_one, 1, &dense)) refuse_overflow(subject);
      return {subject.problem.planes, stride > 0 ? stride : dense};
    }
    case Steps::none:
      break;
  }
  return {};
}

Span span_of(const Subject &subject) {
  Span span;
  span.columns = columns_of(subject);
  span.rows = rows_of(subject, span.columns);
  span.element_bytes = subject.slot.dtype == BLV_F64 || subject.slot.dtype == BLV_I64 ? 8 : 4;
  span.written = subject.written();
  span.steps = steps_dimension(subject, span);
  span.task_stride = subject.slot.task_stride;
  int64_t elements = 0;
  if (!span_elements(span, subject.problem.tasks, &elements)) refuse_overflow(subject);
  return span;
}

// A stride that makes rows overlap is nobody's intention: 0 is the dense one.
void check_not_denser(const Subject &subject, const char *name, int64_t stride, int64_t dense) {
  if (stride == 0 || stride >= dense) return;
  refuse_value(subject.member(name).c_str(), stride,
               format("0 (dense) or >= %lld", static_cast<long long>(dense)).c_str());
}

// Nor are vectors that overlap. They may lie between the rows of one another.
void check_vectors_apart(const Subject &subject, const Span &span) {
  if (span.written || steps_of(subject) != Steps::per_vector || span.steps.count < 2) return;
  Span one = span;
  one.steps = {}, one.task_stride = 0;
  int64_t dense = 0;
  span_elements(one, 1, &dense);
  const Size between = Size(span.steps.count - 1) * span.steps.stride + span.columns;
  const bool fits_between = span.rows.count > 1 && span.steps.stride >= span.columns && !between.overflowed() &&
                            between.value() <= span.rows.stride;
  if (!fits_between) check_not_denser(subject, "step_stride", subject.slot.step_stride, dense);
}

void check_strides(const Subject &subject) {
  const blv_slot &slot = subject.slot;
  check_stride(subject, "task_stride", slot.task_stride, true);
  check_stride(subject, "step_stride", slot.step_stride, steps_of(subject) != Steps::none);
  check_stride(subject, "row_stride", slot.row_stride, has_rows(subject));
  if (has_rows(subject)) check_not_denser(subject, "row_stride", slot.row_stride, columns_of(subject));
  if (slot.use == BLV_RESULT && slot.task_stride == 0 && subject.problem.tasks > 1)
    refuse_value(subject.member("task_stride").c_str(), 0, ">= 1, since a result of several tasks can't be shared");
}

}  // namespace

Slot check_slot(const std::vector<blv_slot> &slots, size_t i, const Problem &problem, Span *span) {
  const blv_slot &slot = slots[i];
  Subject subject{slots, slot, problem, nullptr, format("spec.slots[%zu]", i)};
  check_enums(subject);
  subject.rule = rule_of(subject);
  check_side(subject);
  check_model(subject);
  const Text context = format("for leaf %s in method %s", subject.leaf(), find_method(problem.kind)->name);
  check_choice(subject.member("use").c_str(), slot.use, use_names, subject.rule->uses, context.c_str());
  check_dtype(subject);
  check_link_and_extent(subject);
  check_strides(subject);
  *span = span_of(subject);
  check_vectors_apart(subject, *span);
  if (span->written) check_no_overlap_within(subject.path.c_str(), *span, problem.tasks);
  Slot resolved;
  resolved.index = static_cast<int32_t>(i);
  resolved.dtype = static_cast<uint8_t>(slot.dtype), resolved.link = static_cast<uint8_t>(slot.link);
  resolved.extent = static_cast<uint8_t>(slot.extent);
  resolved.task_stride = slot.task_stride, resolved.step_stride = span->steps.stride;
  resolved.row_stride = has_rows(subject) ? span->rows.stride : 0;
  return resolved;
}

}  // namespace bilevel
