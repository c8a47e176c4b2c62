// SPDX-License-Identifier: Apache-2.0
//
// Sizes that cannot be counted: arithmetic that cannot wrap, a bound that holds for every workspace, and plans of absurd size, which
// are refused rather than planned with what is left of a count after it wrapped.
#include <gtest/gtest.h>

#include <limits>
#include <string>

#include "csrc/plan/kernel_table.h"
#include "csrc/plan/storage.h"
#include "csrc/support/checked.h"
#include "csrc/support/isa.h"
#include "tests/csrc/draft.h"

namespace bilevel {
namespace {

constexpr int64_t most = std::numeric_limits<int64_t>::max();

// ---- Arithmetic -----------------------------------------------------------------------------------------------------

TEST(Size, CountsUpToTheLastNumber) {
  EXPECT_EQ((Size(3) * 4 + 5).value(), 17);
  EXPECT_FALSE((Size(3) * 4 + 5).overflowed());
  const Size last = Size(most - 1) + 1;
  EXPECT_EQ(last.value(), most);
  EXPECT_FALSE(last.overflowed());
  EXPECT_EQ((Size(most) * 1 + 0).value(), most);
  EXPECT_EQ((Size(most) * 0).value(), 0);
}

TEST(Size, OverflowStays) {
  for (const Size size : {Size(most) + 1, Size(int64_t{1} << 32) * (int64_t{1} << 31), Size(most) * most}) {
    EXPECT_TRUE(size.overflowed());
    EXPECT_EQ(size.value(), most);
    EXPECT_TRUE((size * 0).overflowed()) << "what was wrong is not right again";
    EXPECT_TRUE((Size(0) * size + 1).overflowed());
    EXPECT_EQ((Size(0) * size + 1).value(), most);
  }
  Size sum = most;
  sum += 1;
  EXPECT_TRUE(sum.overflowed());
  EXPECT_EQ(saturating_multiply(most, 2), most);
  EXPECT_EQ(saturating_add(most, 2), most);
  EXPECT_EQ(saturating_add(40, 2), 42);
}

// ---- The bound ------------------------------------------------------------------------------------------------------

// Every leaf that may be there, with its gradient.
SpecBuilder with_everything(int32_t kind, int32_t dtype, bool per_step, bool shared) {
  SpecBuilder builder(kind);
  builder.spec.dtype = dtype;
  builder.slots.clear();
  const auto add = [&](int32_t side, int32_t leaf, int32_t extent, int64_t step, int64_t task) {
    for (const int32_t use : {BLV_VALUE, BLV_GRADIENT}) {
      blv_slot &slot = builder.add(side, leaf, use);
      slot.extent = extent, slot.step_stride = step, slot.task_stride = use == BLV_GRADIENT && shared ? 0 : task;
    }
  };
  const int64_t far = int64_t{1} << 26;
  for (const int32_t side : {BLV_INNER, BLV_OUTER}) {
    if (side == BLV_OUTER && kind != BLV_UNROLL) continue;
    for (const int32_t leaf : {BLV_X, BLV_Y, BLV_WEIGHT}) add(side, leaf, BLV_NATURAL, 0, far);
    add(side, BLV_PENALTY, BLV_PER_PARAMETER, 0, far);
  }
  add(BLV_METHOD, kind == BLV_UNROLL ? BLV_THETA0 : BLV_THETA, BLV_NATURAL, 0, far);
  if (kind == BLV_HVP) builder.add(BLV_METHOD, BLV_VECTOR);
  if (kind != BLV_UNROLL) return builder;
  builder.with_outer = true;
  builder.method.optimiser = BLV_HEAVY_BALL;
  for (const int32_t leaf : {BLV_RATE, BLV_MOMENTUM})
    add(BLV_METHOD, leaf, BLV_PER_PARAMETER, per_step ? 1 << 14 : 0, far);
  builder.add(BLV_METHOD, BLV_LOSS, BLV_RESULT).task_stride = 1;
  return builder;
}

int64_t measured_bytes(const Problem &problem, int32_t isa) {
  Sizes sizes;
  find_kernel(isa, problem.dtype, problem.executor)->size(problem, &sizes);
  return sizes.workspace_bytes;
}

// For every storage, executor and instruction set of this machine.
void expect_bound_holds(blv_plan_s *plan) {
  Problem &problem = plan->problem;
  for (const Storage &storage : storage_candidates(problem, BLV_STORE_AUTO)) {
    problem.storage = storage;
    set_program(false, plan);
    for (int32_t isa = BLV_ISA_X86_64_V2; isa <= isa_level(read_cpu_facts()); ++isa)
      for (const int32_t executor : {BLV_TASKS_IN_LANES, BLV_TASK_PER_CORE, BLV_ROWS_OVER_CORES}) {
        problem.executor = executor;
        const Size bound = workspace_bound(problem, isa_lanes(isa, problem.dtype == BLV_F64 ? 8 : 4));
        ASSERT_FALSE(bound.overflowed());
        EXPECT_LE(measured_bytes(problem, isa), bound.value())
            << "kind " << problem.kind << ", dtype " << problem.dtype << ", executor " << executor << ", level " << isa
            << ", tape " << storage.tape << ", segment " << storage.segment_steps << ", rows " << problem.inner.rows
            << ", steps " << problem.steps << ", layers " << problem.network.n_layers;
      }
  }
}

TEST(WorkspaceBound, HoldsForEveryLeaf) {
  for (const int32_t kind : {BLV_EVALUATE, BLV_HVP, BLV_UNROLL})
    for (const int32_t dtype : {BLV_F32, BLV_F64})
      for (const bool per_step : {false, true})
        for (const bool shared : {false, true})
          for (const std::vector<int64_t> &widths :
               {std::vector<int64_t>{1, 1}, {3, 4, 2}, {60, 1}, {1, 50}, {1, 7, 7, 7, 7, 7, 7, 1}})
            for (const int64_t rows : {0, 1, 300, 2000})
              for (const int64_t steps : {0, 1, 7, 1000}) {
                if (kind != BLV_UNROLL && (steps != 7 || per_step)) continue;
                SpecBuilder builder = with_everything(kind, dtype, per_step, shared);
                builder.widths = widths;
                builder.inner.rows = builder.outer.rows = rows;
                builder.method.steps = steps;
                builder.hvp.vectors = 8;
                builder.spec.tasks = 5;
                Draft plan(&builder, 3, {1, 1});
                expect_bound_holds(&plan);
              }
}

// ---- Plans ----------------------------------------------------------------------------------------------------------

struct Absurd {
  const char *name;
  int32_t kind;
  void (*enlarge)(SpecBuilder &);
};

constexpr int64_t two_to_the(int power) { return int64_t{1} << power; }

void one_layer(SpecBuilder &builder, int64_t inputs) {
  builder.widths = {inputs, 1};
  builder.inner.flags = builder.outer.flags = BLV_NO_BIAS;
  builder.inner.rows = builder.outer.rows = 1;
  for (blv_slot &slot : builder.slots) slot.task_stride = 0;
}

const Absurd absurd[] = {
    {"a rate per parameter and step", BLV_UNROLL,
     [](SpecBuilder &b) {
       one_layer(b, two_to_the(22));
       b.method.steps = two_to_the(40);
       b.slots.back().extent = BLV_PER_PARAMETER, b.slots.back().step_stride = 1;
     }},
    {"fewer steps, more parameters", BLV_UNROLL,
     [](SpecBuilder &b) {
       one_layer(b, two_to_the(40));
       b.method.steps = two_to_the(22) + 3;
       b.slots.back().extent = BLV_PER_PARAMETER, b.slots.back().step_stride = 1;
     }},
    {"a momentum per parameter and step", BLV_UNROLL,
     [](SpecBuilder &b) {
       one_layer(b, two_to_the(23));
       b.method.steps = two_to_the(39);
       b.method.optimiser = BLV_HEAVY_BALL;
       blv_slot &momentum = b.add(BLV_METHOD, BLV_MOMENTUM);
       momentum.extent = BLV_PER_PARAMETER, momentum.step_stride = 3;
     }},
    {"the gradient of a rate per parameter and step", BLV_UNROLL,
     [](SpecBuilder &b) {
       one_layer(b, two_to_the(20));
       b.add_outer();
       b.spec.tasks = 1;
       b.method.store = BLV_STORE_CHECKPOINTS;
       b.method.steps = two_to_the(38);
       b.slots[3].extent = BLV_PER_PARAMETER;
       blv_slot &gradient = b.add(BLV_METHOD, BLV_RATE, BLV_GRADIENT);
       gradient.extent = BLV_PER_PARAMETER, gradient.step_stride = two_to_the(20);
     }},
    {"the trajectory", BLV_UNROLL,
     [](SpecBuilder &b) {
       one_layer(b, two_to_the(30));
       b.add_outer();
       b.method.store = BLV_STORE_THETA;
       b.method.steps = two_to_the(35);
     }},
    {"rows", BLV_HVP,
     [](SpecBuilder &b) {
       b.widths = {two_to_the(16), 1};
       b.inner.rows = two_to_the(40);
       b.hvp.vectors = 8;
       b.spec.tasks = 1;
       for (blv_slot &slot : b.slots) slot.task_stride = 0;
       b.add(BLV_INNER, BLV_X, BLV_GRADIENT);
     }},
};

TEST(AbsurdPlan, IsRefused) {
  blv_context context = nullptr;
  ASSERT_EQ(blv_context_create(nullptr, &context), BLV_OK);
  for (const Absurd &one : absurd)
    for (const int32_t executor : {BLV_EXECUTOR_AUTO, BLV_TASKS_IN_LANES, BLV_TASK_PER_CORE, BLV_ROWS_OVER_CORES}) {
      SCOPED_TRACE(testing::Message() << one.name << ", executor " << executor);
      SpecBuilder builder(one.kind);
      one.enlarge(builder);
      builder.spec.executor = executor;
      blv_plan plan = nullptr;
      EXPECT_EQ(blv_plan_create(context, builder.get(), &plan), BLV_INVALID);
      const std::string error = blv_context_error(context);
      EXPECT_TRUE(error.find("2^62") != std::string::npos || error.find("2^63") != std::string::npos) << error;
      blv_plan_destroy(plan);
    }
  blv_context_destroy(context);
}

}  // namespace
}  // namespace bilevel
