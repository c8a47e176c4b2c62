// SPDX-License-Identifier: Apache-2.0
//
// Kernels written by hand run what their allow-masks name and nothing else: to a plan that such a kernel runs, every slot that a plan can
// have is added, one at a time. The kernel keeps the plan only with the slots that it knows.
#include <set>

#include "../kernels/cases.h"
#include "device_machine.h"

namespace {

using namespace harness;

std::string kernel_of(const std::string &description) {
  const std::string key = "\"kernel\": \"";
  const size_t at = description.find(key) + key.size();
  return description.substr(at, description.find('"', at) - at);
}

// The kernel of a spec with one more slot, "" if the spec is refused.
std::string kernel_with(const Context &context, const blv_spec &spec, const blv_slot &slot) {
  std::vector<blv_slot> slots(spec.slots, spec.slots + spec.n_slots);
  slots.push_back(slot);
  blv_spec more = spec;
  more.slots = slots.data(), more.n_slots = static_cast<int64_t>(slots.size());
  const Plan plan(context.handle, &more);
  return plan.status == BLV_OK ? kernel_of(plan.describe()) : "";
}

struct Kind {
  int side, leaf, use;
  auto operator<=>(const Kind &) const = default;
};

// Every kind of slot that can be added to the case, and those with which the kernel still runs it.
struct Sorted {
  std::set<Kind> kept, left;
};

Sorted sort_slots(const Case &c, const std::string &kernel) {
  Sorted sorted;
  Problem p(c);
  const Context context;
  const blv_spec spec = *p.spec();
  EXPECT_EQ(kernel_of(Plan(context.handle, &spec).describe()), kernel);
  for (int side = BLV_INNER; side <= BLV_METHOD; ++side)
    for (int leaf = BLV_THETA0; leaf <= BLV_STATIONARITY; ++leaf)
      for (int use = BLV_VALUE; use <= BLV_TANGENT; ++use)
        for (int extent : {BLV_NATURAL, BLV_SCALAR, BLV_PER_PARAMETER})
          for (int dtype : {c.dtype, int(BLV_I32)}) {
            blv_slot slot = {side, leaf, use, dtype, 0, extent, use == BLV_RESULT ? c.parameters() : 0, 0, 0};
            const std::string with = kernel_with(context, spec, slot);
            if (with.empty()) continue;
            (with == kernel ? sorted.kept : sorted.left).insert({side, leaf, use});
          }
  return sorted;
}

TEST(Allow, SmallNetwork) {
  Case c = plain_unroll(BLV_SQUARED, BLV_TANH, BLV_SGD, BLV_F32);
  for (int side : {BLV_INNER, BLV_OUTER}) {
    remove_leaf(c, side, BLV_WEIGHT);
    remove_leaf(c, side, BLV_PENALTY);
  }
  c.widths = {1, 40, 40, 1}, c.rows = c.outer_rows = 10, c.executor = BLV_WARP_PER_TASK;
  c.theta_result = c.loss_result = false;
  leaf_in(c, BLV_METHOD, BLV_THETA0).gradient = true;
  const Sorted sorted = sort_slots(c, "small_network_f32");
  EXPECT_EQ(sorted.kept, (std::set<Kind>{{BLV_METHOD, BLV_THETA, BLV_RESULT}, {BLV_METHOD, BLV_LOSS, BLV_RESULT}}));
  EXPECT_EQ(sorted.left, (std::set<Kind>{{BLV_INNER, BLV_X, BLV_GRADIENT},
                                         {BLV_INNER, BLV_Y, BLV_GRADIENT},
                                         {BLV_INNER, BLV_WEIGHT, BLV_VALUE},
                                         {BLV_INNER, BLV_PENALTY, BLV_VALUE},
                                         {BLV_INNER, BLV_ROWS, BLV_VALUE},
                                         {BLV_OUTER, BLV_X, BLV_GRADIENT},
                                         {BLV_OUTER, BLV_Y, BLV_GRADIENT},
                                         {BLV_OUTER, BLV_WEIGHT, BLV_VALUE},
                                         {BLV_OUTER, BLV_PENALTY, BLV_VALUE},
                                         {BLV_OUTER, BLV_ROWS, BLV_VALUE},
                                         {BLV_BOTH, BLV_WEIGHT, BLV_VALUE},
                                         {BLV_BOTH, BLV_PENALTY, BLV_VALUE},
                                         {BLV_BOTH, BLV_ROWS, BLV_VALUE},
                                         {BLV_METHOD, BLV_RATE, BLV_GRADIENT}}));
}

// Every solver of an implicit method, by the kernels of linear models.
TEST(Allow, LinearModelsBySolvers) {
  for (const int solver : {BLV_CG, BLV_MINRES, BLV_NEUMANN, BLV_IDENTITY}) {
    Case c = implicit_case(BLV_SQUARED, 0, BLV_SGD, 0.5, BLV_F32);
    c.widths = {20, 1}, c.rows = 100, c.outer_rows = 50, c.executor = BLV_BLOCK_PER_TASK, c.solver = solver;
    c.solver_step = solver == BLV_NEUMANN ? 0.1 : 0, c.stop_result = true;
    if (solver == BLV_IDENTITY) c.iterations = 0, c.damping = 0;
    Problem p(c);
    const Context context;
    EXPECT_EQ(kernel_of(Plan(context.handle, p.spec()).describe()), "linear20_f32_block") << "solver " << solver;
  }
}

// Forward mode with short rows: the pass has no tangents of a side's leaves.
TEST(Allow, LinearModels) {
  Case c = unroll_case(BLV_SQUARED, 0, BLV_SGD, BLV_F32);
  c.widths = {20, 1}, c.rows = 100, c.outer_rows = 50, c.executor = BLV_BLOCK_PER_TASK;
  Problem p(c);
  std::vector<blv_slot> slots;
  for (const blv_slot *slot = p.spec()->slots; slot != p.spec()->slots + p.spec()->n_slots; ++slot)
    if (slot->use == BLV_VALUE) slots.push_back(*slot);
  const blv_forward forward = {{sizeof forward, BLV_FORWARD, 0}, BLV_SGD, 0, 3, 0, 1};
  blv_spec spec = *p.spec();
  spec.method = &forward.head, spec.slots = slots.data(), spec.n_slots = static_cast<int64_t>(slots.size());
  const blv_slot loss = {BLV_METHOD, BLV_LOSS_TANGENT, BLV_RESULT, BLV_F32, 0, 0, 1, 0, 0};
  slots.push_back(loss), spec.slots = slots.data(), spec.n_slots++;
  const Context context;
  EXPECT_EQ(kernel_of(Plan(context.handle, &spec).describe()), "linear20_f32_block");
  for (const blv_slot &value : slots) {
    if (value.use != BLV_VALUE || value.leaf == BLV_ROWS) continue;
    blv_slot tangent = value;
    tangent.use = BLV_TANGENT, tangent.link = 0, tangent.step_stride = 0;
    const bool known = value.side == BLV_METHOD;
    EXPECT_EQ(kernel_with(context, spec, tangent), known ? "linear20_f32_block" : "interpreter_f32_block")
        << "side " << value.side << ", leaf " << value.leaf;
  }
}

}  // namespace
