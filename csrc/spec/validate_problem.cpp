// SPDX-License-Identifier: Apache-2.0
//
// The slots together: at most one per (side, leaf, use), a VALUE for each GRADIENT, what the method requires, and their
// places in the Problem.
#include <algorithm>
#include <cstddef>

#include "csrc/methods/method.h"
#include "csrc/methods/optimiser.h"
#include "csrc/methods/solver.h"
#include "csrc/spec/validate.h"
#include "csrc/support/names.h"
#include "csrc/support/refusal.h"

namespace bilevel {
namespace {

class SlotTable {
 public:
  SlotTable(const std::vector<blv_slot> &slots, const std::vector<Slot> &resolved)
      : slots_(slots), resolved_(resolved) {
    for (size_t i = 0; i < slots.size(); ++i) {
      const blv_slot &slot = slots[i];
      const Slot *other = entry(slot.side, slot.leaf, slot.use);
      if (other != nullptr) refuse_twice(static_cast<int64_t>(i), other->index);
      entry(slot.side, slot.leaf, slot.use) = &resolved[i];
    }
  }

  // nullptr if the plan has no such slot.
  const Slot *find(int32_t side, int32_t leaf, int32_t use) const { return entries_[side][leaf][use]; }
  // The slot of this side, or the one of both.
  const Slot *find_either(int32_t side, int32_t leaf, int32_t use) const {
    const Slot *own = find(side, leaf, use);
    return own != nullptr ? own : find(BLV_BOTH, leaf, use);
  }
  const blv_slot &given(const Slot &slot) const { return slots_[static_cast<size_t>(slot.index)]; }
  const std::vector<Slot> &all() const { return resolved_; }

 private:
  const Slot *&entry(int32_t side, int32_t leaf, int32_t use) { return entries_[side][leaf][use]; }

  [[noreturn]] void refuse_twice(int64_t i, int64_t first) const {
    const blv_slot &slot = slots_[static_cast<size_t>(i)];
    refuse(BLV_INVALID,
           format("spec.slots[%lld] is (%s, %s, %s), as spec.slots[%lld] is; accepted: at most one slot of a kind",
                  static_cast<long long>(i), name_of(side_names, slot.side), name_of(leaf_names, slot.leaf),
                  name_of(use_names, slot.use), static_cast<long long>(first)));
  }

  const std::vector<blv_slot> &slots_;
  const std::vector<Slot> &resolved_;
  const Slot *entries_[side_capacity][leaf_capacity][use_capacity] = {};
};

// ---- Rules about several slots --------------------------------------------------------------------------------------

// Gradients and tangents are of an array that is read.
void check_derivatives_have_values(const SlotTable &table) {
  for (const Slot &slot : table.all()) {
    const blv_slot &given = table.given(slot);
    if (given.use != BLV_GRADIENT && given.use != BLV_TANGENT) continue;
    const char *use = name_of(use_names, given.use);
    const Slot *value = table.find(given.side, given.leaf, BLV_VALUE);
    const auto i = static_cast<long long>(slot.index);
    if (value == nullptr)
      refuse(BLV_INVALID,
             format("spec.slots[%lld] is (%s, %s, %s); accepted only with a BLV_VALUE slot of this side and leaf", i,
                    name_of(side_names, given.side), name_of(leaf_names, given.leaf), use));
    if (value->extent != slot.extent)
      refuse_value(
          format("spec.slots[%lld].extent", i).c_str(), slot.extent,
          format("%d, as in the BLV_VALUE slot, spec.slots[%lld]", value->extent, static_cast<long long>(value->index))
              .c_str());
    if (value->dtype == BLV_I32 || value->dtype == BLV_I64)
      refuse(BLV_INVALID, format("spec.slots[%lld].use is %s, but the labels, spec.slots[%lld], are class indices; "
                                 "accepted: %s of dense targets",
                                 i, use, static_cast<long long>(value->index),
                                 given.use == BLV_GRADIENT ? "a gradient" : "a tangent"));
  }
}

void check_both(const SlotTable &table, const Problem &problem) {
  for (const Slot &slot : table.all()) {
    const blv_slot &given = table.given(slot);
    if (given.side != BLV_BOTH) continue;
    const auto i = static_cast<long long>(slot.index);
    for (const int32_t side : {BLV_INNER, BLV_OUTER})
      for (int32_t use = 1; use <= use_names.count; ++use)
        if (const Slot *other = table.find(side, given.leaf, use))
          refuse(BLV_INVALID,
                 format("spec.slots[%lld].side is %s, but spec.slots[%lld] has leaf %s on BLV_BOTH sides; accepted: "
                        "one or the other",
                        static_cast<long long>(other->index), name_of(side_names, side), i,
                        name_of(leaf_names, given.leaf)));
    if (given.leaf != BLV_PENALTY && problem.inner.rows != problem.outer.rows)
      refuse(BLV_INVALID,
             format("spec.slots[%lld].side is BLV_BOTH, but spec.inner.rows is %lld and spec.outer.rows is %lld; "
                    "accepted for leaf %s: equal numbers of rows",
                    i, static_cast<long long>(problem.inner.rows), static_cast<long long>(problem.outer.rows),
                    name_of(leaf_names, given.leaf)));
  }
}

void require(const SlotTable &table, int32_t side, int32_t leaf, const char *reason) {
  if (table.find_either(side, leaf, BLV_VALUE) != nullptr) return;
  refuse(BLV_INVALID, format("spec.slots has no (%s, %s, BLV_VALUE); accepted with %s: one such slot",
                             name_of(side_names, side), name_of(leaf_names, leaf), reason));
}

void forbid(const SlotTable &table, int32_t side, int32_t leaf, const char *reason) {
  for (int32_t use = 1; use <= use_names.count; ++use)
    if (const Slot *slot = table.find(side, leaf, use))
      refuse(BLV_INVALID, format("spec.slots[%lld].leaf is %s (%d); accepted only with %s",
                                 static_cast<long long>(slot->index), name_of(leaf_names, leaf), leaf, reason));
}

// Of an optimiser or a solver.
template <class Row>
bool has_leaf(const Row &row, int32_t leaf) {
  return std::count(row.leaves.begin(), row.leaves.end(), leaf) > 0;
}

// "optimiser BLV_HEAVY_BALL (2)": those that have a leaf.
template <class Row>
Text rows_with(const char *kind, const std::vector<const Row *> &rows, int32_t leaf) {
  Text text = format("%s", kind);
  for (const Row *row : rows)
    if (has_leaf(*row, leaf)) text = format("%s %s (%d)", text.c_str(), row->name, row->id);
  return text;
}

// What depends on the outer loss.
bool asks_for_outer(const blv_slot &slot, const Method &method) {
  return slot.use == BLV_GRADIENT || (find_leaf_rule(slot.leaf, method.id)->flags & leaf_outer) != 0;
}

// An outer objective is there exactly if something is wanted of it.
void check_outer(const SlotTable &table, const Problem &problem, const Method &method) {
  if (method.needs_outer && !problem.outer.present)
    refuse(BLV_INVALID, format("spec.outer is NULL; accepted with method %s: an objective", method.name));
  const Slot *wanted = nullptr;
  for (const Slot &slot : table.all())
    if (asks_for_outer(table.given(slot), method)) wanted = &slot;
  if (wanted != nullptr && !problem.outer.present)
    refuse(BLV_INVALID, format("spec.outer is NULL; accepted with spec.slots[%lld], a %s of leaf %s: an objective",
                               static_cast<long long>(wanted->index), name_of(use_names, table.given(*wanted).use),
                               name_of(leaf_names, table.given(*wanted).leaf)));
  if (wanted == nullptr && problem.outer.present && !method.needs_outer)
    refuse(BLV_INVALID, format("spec.outer is not NULL, but spec.slots has neither a BLV_LOSS nor a BLV_GRADIENT; "
                               "accepted: NULL"));
}

// The leaves that the optimiser has, and no others.
void check_step_leaves(const SlotTable &table, const Problem &problem) {
  const Optimiser &optimiser = *find_optimiser(problem.optimiser);
  for (const int32_t leaf : step_leaf_order) {
    const bool needed = has_leaf(optimiser, leaf);
    if (!needed) forbid(table, BLV_METHOD, leaf, rows_with("optimiser", optimisers(), leaf).c_str());
    if (needed) require(table, BLV_METHOD, leaf, format("optimiser %s", optimiser.name).c_str());
  }
}

// No leaves that only other solvers have; iterations that a number of the dtype counts.
void check_solver(const SlotTable &table, const Problem &problem) {
  const Solver &solver = *find_solver(problem.solver);
  for (const Solver *other : solvers())
    for (const int32_t leaf : other->leaves)
      if (!has_leaf(solver, leaf)) forbid(table, BLV_METHOD, leaf, rows_with("solver", solvers(), leaf).c_str());
  constexpr int64_t exact_in_f32 = 1 << 24;
  if (problem.dtype == BLV_F32 && problem.solver_iterations > exact_in_f32)
    refuse_value("spec.method.iterations", problem.solver_iterations, "<= 16777216 with dtype BLV_F32");
}

void check_trained(const SlotTable &table, const Problem &problem, const Method &method) {
  check_step_leaves(table, problem);
  if (problem.kind == BLV_IMPLICIT) check_solver(table, problem);
  if (problem.batch_rows > 0)
    require(table, BLV_INNER, BLV_BATCH, "spec.method.batch_rows > 0");
  else
    forbid(table, BLV_INNER, BLV_BATCH, "spec.method.batch_rows > 0");
  check_outer(table, problem, method);
}

// The VALUE slots that the leaf table asks for, of the method and of one side.
void check_needed(const SlotTable &table, const Method &method, int32_t side, const char *reason) {
  for (const LeafRule &rule : leaf_rules())
    if (has_rule(rule, method.id) && (rule.flags & leaf_needed) && (rule.sides >> side & 1u))
      require(table, side, rule.leaf, reason);
}

void check_together(const SlotTable &table, const Problem &problem) {
  check_derivatives_have_values(table);
  check_both(table, problem);
  const Method &method = *find_method(problem.kind);
  const Text reason = format("method %s", method.name);
  check_needed(table, method, BLV_INNER, reason.c_str());
  check_needed(table, method, BLV_METHOD, reason.c_str());
  if (method.has_steps) check_trained(table, problem, method);
  if (problem.outer.present) check_needed(table, method, BLV_OUTER, "spec.outer");
}

// ---- Places in the problem ------------------------------------------------------------------------------------------

Slot slot_or_none(const Slot *slot) { return slot != nullptr ? *slot : Slot{}; }
// A result is a task's own even where there is but one task, whose stride may be 0: it is no sum over tasks.
Slot result_or_none(const Slot *slot) {
  Slot result = slot_or_none(slot);
  if (result && result.task_stride == 0) result.task_stride = 1;
  return result;
}

Leaf leaf_of(const SlotTable &table, int32_t side, int32_t leaf) {
  Leaf result;
  result.value = slot_or_none(table.find_either(side, leaf, BLV_VALUE));
  result.gradient = slot_or_none(table.find_either(side, leaf, BLV_GRADIENT));
  result.tangent = slot_or_none(table.find_either(side, leaf, BLV_TANGENT));
  result.both = table.find(BLV_BOTH, leaf, BLV_VALUE) != nullptr;
  return result;
}

void place_side(const SlotTable &table, int32_t name, Side *side) {
  if (!side->present) return;
  side->x = leaf_of(table, name, BLV_X);
  side->y = leaf_of(table, name, BLV_Y);
  side->weight = leaf_of(table, name, BLV_WEIGHT);
  side->penalty = leaf_of(table, name, BLV_PENALTY);
  side->row_counts = slot_or_none(table.find_either(name, BLV_ROWS, BLV_VALUE));
  side->index_targets = side->y.value.dtype == BLV_I32 || side->y.value.dtype == BLV_I64;
}

// Kernels compare class indices as numbers of the plan's dtype.
void check_class_indices(const Side &side, const char *name, const Problem &problem) {
  constexpr int64_t exact_in_f32 = 1 << 24;
  const int64_t outputs = problem.network.layers[problem.network.n_layers - 1].outputs;
  if (!side.index_targets || problem.dtype != BLV_F32 || outputs <= exact_in_f32) return;
  const Text argument = format("the number of outputs in spec.%s.widths", name);
  refuse_value(argument.c_str(), outputs, "<= 16777216 with class indices and dtype BLV_F32");
}

bool any_gradient(const SlotTable &table) {
  for (const Slot &slot : table.all())
    if (table.given(slot).use == BLV_GRADIENT) return true;
  return false;
}

}  // namespace

void place_slots(const std::vector<blv_slot> &slots, const std::vector<Slot> &resolved, Problem *problem) {
  const SlotTable table(slots, resolved);
  check_together(table, *problem);
  place_side(table, BLV_INNER, &problem->inner);
  place_side(table, BLV_OUTER, &problem->outer);
  check_class_indices(problem->inner, "inner", *problem);
  check_class_indices(problem->outer, "outer", *problem);
  problem->batch = slot_or_none(table.find(BLV_INNER, BLV_BATCH, BLV_VALUE));
  for (int32_t leaf = 1; leaf <= leaf_names.count; ++leaf)
    for (int32_t use = 1; use <= use_names.count; ++use) {
      const Slot *slot = table.find(BLV_METHOD, leaf, use);
      problem->method_slots[leaf][use] = use == BLV_RESULT ? result_or_none(slot) : slot_or_none(slot);
    }
  for (const blv_slot &slot : slots) problem->leaves_of[slot.side][slot.use] |= 1u << slot.leaf;
  problem->n_step_leaves = 0;
  for (const int32_t leaf : step_leaf_order)
    if (find_method(problem->kind)->has_steps)
      problem->step_leaves[problem->n_step_leaves++] = leaf_of(table, BLV_METHOD, leaf);
  problem->reverse = find_method(problem->kind)->has_reverse && any_gradient(table);
}

}  // namespace bilevel
