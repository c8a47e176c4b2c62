// SPDX-License-Identifier: Apache-2.0
//
// What a good spec becomes: resolved strides, places in the problem, extents; and what the messages of bad ones say, word for word.
#include "csrc/spec/validate.h"

#include <gtest/gtest.h>

#include <limits>
#include <string>

#include "csrc/support/refusal.h"
#include "tests/csrc/spec_builder.h"

namespace bilevel {
namespace {

constexpr int64_t P = parameters_of_builder;

std::string message_of(SpecBuilder *builder) {
  try {
    validate(builder->get(), 2);
    return "accepted";
  } catch (const Refusal &refusal) {
    return refusal.text.c_str();
  }
}

int64_t elements_of(const ValidSpec &valid, int64_t slot) {
  int64_t elements = -1;
  EXPECT_TRUE(span_elements(valid.spans[static_cast<size_t>(slot)], valid.problem.tasks, &elements));
  return elements;
}

TEST(Validate, Evaluate) {
  SpecBuilder builder(BLV_EVALUATE);
  builder.add(BLV_INNER, BLV_WEIGHT);
  builder.add(BLV_INNER, BLV_X, BLV_GRADIENT).row_stride = 10;
  const ValidSpec valid = validate(builder.get(), 3);
  const Problem &problem = valid.problem;
  EXPECT_EQ(problem.kind, BLV_EVALUATE);
  EXPECT_EQ(problem.threads, 3);
  EXPECT_EQ(problem.tasks, 7);
  EXPECT_EQ(problem.network.parameters, P);
  ASSERT_EQ(problem.network.n_layers, 2);
  EXPECT_EQ(problem.network.layers[0].inputs, 3);
  EXPECT_EQ(problem.network.layers[1].inputs, 4);
  EXPECT_EQ(problem.network.layers[1].outputs, 2);
  EXPECT_EQ(problem.network.bias, 1);
  EXPECT_EQ(problem.inner.x.value.row_stride, 3);
  EXPECT_EQ(problem.inner.y.value.row_stride, 2);
  EXPECT_EQ(problem.inner.weight.value.row_stride, 1);
  EXPECT_EQ(problem.inner.x.gradient.row_stride, 10);
  EXPECT_FALSE(problem.inner.row_counts);
  EXPECT_FALSE(problem.outer.present);
  EXPECT_FALSE(problem.reverse);
  EXPECT_EQ(elements_of(valid, 0), P) << "shared parameters";
  EXPECT_EQ(elements_of(valid, 1), 7 * 18);
  EXPECT_EQ(elements_of(valid, 4), 5 * 10 + 3) << "summed over tasks";
}

TEST(Validate, HvpStepsAreDense) {
  SpecBuilder builder(BLV_HVP);
  builder.add(BLV_METHOD, BLV_THETA, BLV_GRADIENT).task_stride = 2 * P;
  builder.add(BLV_INNER, BLV_X, BLV_GRADIENT).row_stride = 5;
  builder.slots.back().task_stride = 100;
  const ValidSpec valid = validate(builder.get(), 1);
  EXPECT_EQ(valid.problem.planes, 2);
  EXPECT_EQ(valid.problem.slot(BLV_VECTOR, BLV_VALUE).step_stride, P);
  EXPECT_EQ(valid.problem.slot(BLV_THETA, BLV_GRADIENT).step_stride, P);
  EXPECT_EQ(valid.problem.inner.x.gradient.step_stride, 5 * 5 + 3);
  EXPECT_EQ(elements_of(valid, 3), 2 * P);
  EXPECT_EQ(elements_of(valid, 4), 7 * 2 * P);
  EXPECT_EQ(elements_of(valid, 5), 6 * 100 + 2 * 28);
}

TEST(Validate, Unroll) {
  SpecBuilder builder(BLV_UNROLL);
  builder.add_outer();
  builder.method.batch_rows = 4;
  builder.add(BLV_INNER, BLV_BATCH).step_stride = 4;
  builder.slots.back().dtype = BLV_I64;
  builder.add(BLV_METHOD, BLV_RATE, BLV_GRADIENT).extent = BLV_SCALAR;
  builder.slots.back().step_stride = 1;
  builder.add(BLV_METHOD, BLV_THETA, BLV_RESULT).task_stride = P;
  const ValidSpec valid = validate(builder.get(), 1);
  const Problem &problem = valid.problem;
  EXPECT_TRUE(problem.reverse);
  EXPECT_TRUE(problem.outer.present);
  EXPECT_EQ(problem.outer.rows, 5);
  EXPECT_EQ(problem.steps, 5);
  EXPECT_EQ(problem.batch.dtype, BLV_I64);
  EXPECT_EQ(problem.batch.step_stride, 4);
  EXPECT_EQ(problem.slot(BLV_THETA0, BLV_VALUE).index, 0);
  EXPECT_TRUE(problem.slot(BLV_THETA0, BLV_GRADIENT));
  EXPECT_TRUE(problem.slot(BLV_THETA, BLV_RESULT));
  EXPECT_TRUE(problem.slot(BLV_LOSS, BLV_RESULT));
  EXPECT_EQ(problem.step_leaves[0].value.step_stride, 0);
  EXPECT_EQ(problem.step_leaves[0].gradient.step_stride, 1);
  EXPECT_FALSE(problem.step_leaves[1].value);
  EXPECT_EQ(elements_of(valid, 8), 4 * 4 + 4);
  EXPECT_EQ(elements_of(valid, 9), 5);
}

TEST(Validate, BothSides) {
  SpecBuilder builder(BLV_UNROLL);
  builder.add_outer();
  builder.outer.rows = builder.inner.rows;
  builder.add(BLV_BOTH, BLV_PENALTY).extent = BLV_PER_FEATURE;
  builder.add(BLV_BOTH, BLV_PENALTY, BLV_GRADIENT).extent = BLV_PER_FEATURE;
  builder.add(BLV_BOTH, BLV_WEIGHT);
  const ValidSpec valid = validate(builder.get(), 1);
  const Problem &problem = valid.problem;
  EXPECT_EQ(problem.inner.penalty.value.index, problem.outer.penalty.value.index);
  EXPECT_EQ(problem.inner.penalty.gradient.index, problem.outer.penalty.gradient.index);
  EXPECT_TRUE(problem.inner.penalty.both && problem.outer.penalty.both);
  EXPECT_TRUE(problem.inner.weight.both && problem.outer.weight.both);
  EXPECT_FALSE(problem.inner.x.both);
  EXPECT_EQ(elements_of(valid, problem.inner.penalty.value.index), 3);
}

TEST(Validate, ClassIndices) {
  SpecBuilder builder(BLV_EVALUATE);
  builder.inner.loss = BLV_CROSS_ENTROPY;
  builder.slots[2].dtype = BLV_I32;
  builder.slots[2].task_stride = 6;
  const ValidSpec valid = validate(builder.get(), 1);
  EXPECT_EQ(valid.problem.inner.index_targets, 1);
  EXPECT_EQ(valid.problem.inner.y.value.row_stride, 1);
  EXPECT_EQ(elements_of(valid, 2), 7 * 6);
}

TEST(Validate, NoRowsNoStepsNoTasks) {
  SpecBuilder builder(BLV_UNROLL);
  builder.add_outer();
  builder.inner.rows = 0, builder.method.steps = 0, builder.spec.tasks = 0;
  const ValidSpec valid = validate(builder.get(), 1);
  EXPECT_EQ(elements_of(valid, 1), 0);
  EXPECT_EQ(elements_of(valid, 3), 0) << "a rate of no steps";
  EXPECT_EQ(elements_of(valid, 6), 0) << "losses of no tasks";
  EXPECT_EQ(elements_of(valid, 7), P) << "a sum over no tasks is there, and is 0";
}

// Sums over tasks of gradients whose sizes add up to more than 2^63.
TEST(Validate, SharedGradientsBeyondCounting) {
  SpecBuilder builder(BLV_UNROLL);
  const int64_t outputs = 1 << 10, inputs = (1 << 20) - 1, parameters = outputs * (inputs + 1);
  builder.widths = {inputs, outputs};
  builder.method.optimiser = BLV_HEAVY_BALL;
  builder.method.steps = (int64_t{1} << 31) - (int64_t{1} << 26);
  builder.inner.rows = int64_t{1} << 40;
  builder.slots[1].task_stride = builder.slots[2].task_stride = 0;
  builder.add_outer_loss();
  builder.slots[3].extent = BLV_PER_PARAMETER;
  builder.add(BLV_METHOD, BLV_MOMENTUM).extent = BLV_PER_PARAMETER;
  for (const int32_t leaf : {BLV_RATE, BLV_MOMENTUM}) {
    blv_slot &gradient = builder.add(BLV_METHOD, leaf, BLV_GRADIENT);
    gradient.extent = BLV_PER_PARAMETER, gradient.step_stride = parameters;
  }
  builder.add(BLV_INNER, BLV_X, BLV_GRADIENT);
  EXPECT_EQ(validate(builder.get(), 1).problem.shared_scalars, std::numeric_limits<int64_t>::max());
}

// Vectors that are read do not overlap, as rows do not; they may lie between the rows of one another.
TEST(Validate, VectorsOverlap) {
  struct {
    int32_t method, side, leaf, use;
    int64_t row_stride, step_stride;
    bool accepted;
  } const rows[] = {
      {BLV_HVP, BLV_METHOD, BLV_VECTOR, BLV_VALUE, 0, P - 1, false},
      {BLV_HVP, BLV_METHOD, BLV_VECTOR, BLV_VALUE, 0, P, true},
      {BLV_FORWARD, BLV_METHOD, BLV_THETA0, BLV_TANGENT, 0, P - 1, false},
      {BLV_FORWARD, BLV_METHOD, BLV_THETA0, BLV_TANGENT, 0, P, true},
      {BLV_FORWARD, BLV_INNER, BLV_X, BLV_TANGENT, 0, 17, false},
      {BLV_FORWARD, BLV_INNER, BLV_X, BLV_TANGENT, 0, 18, true},
      {BLV_FORWARD, BLV_INNER, BLV_X, BLV_TANGENT, 9, 3, true},
      {BLV_FORWARD, BLV_INNER, BLV_X, BLV_TANGENT, 8, 3, false},
      {BLV_FORWARD, BLV_INNER, BLV_X, BLV_TANGENT, 9, 2, false},
  };
  for (const auto &row : rows) {
    SpecBuilder builder(row.method);
    if (row.use == BLV_TANGENT) builder.add_outer_loss(), builder.add(row.side, row.leaf, row.use);
    for (blv_slot &slot : builder.slots)
      if (slot.side == row.side && slot.leaf == row.leaf && slot.use == row.use)
        slot.row_stride = row.row_stride, slot.step_stride = row.step_stride;
    try {
      validate(builder.get(), 1);
      EXPECT_TRUE(row.accepted) << "leaf " << row.leaf << " step_stride " << row.step_stride;
    } catch (const Refusal &refusal) {
      EXPECT_FALSE(row.accepted) << refusal.text.c_str();
      EXPECT_NE(std::string(refusal.text.c_str()).find("step_stride"), std::string::npos) << refusal.text.c_str();
    }
  }
}

// Tangents: each laid out as the value of one task, step_stride between them.
TEST(Validate, Forward) {
  SpecBuilder builder(BLV_FORWARD);
  builder.add_outer_loss();
  builder.slots[3].step_stride = 4;  // a rate for each of the five steps
  builder.add(BLV_METHOD, BLV_THETA0, BLV_TANGENT);
  builder.add(BLV_INNER, BLV_X, BLV_TANGENT).row_stride = 10;
  builder.slots.back().task_stride = 500;
  builder.add(BLV_METHOD, BLV_RATE, BLV_TANGENT).extent = BLV_SCALAR;
  builder.add(BLV_OUTER, BLV_Y, BLV_TANGENT).step_stride = 77;
  builder.add(BLV_METHOD, BLV_LOSS_TANGENT, BLV_RESULT).task_stride = 3;
  builder.add(BLV_METHOD, BLV_THETA_TANGENT, BLV_RESULT).task_stride = 1000;
  const ValidSpec valid = validate(builder.get(), 1);
  const Problem &problem = valid.problem;
  EXPECT_EQ(problem.planes, 3);
  EXPECT_EQ(problem.steps, 5);
  EXPECT_FALSE(problem.reverse);
  EXPECT_TRUE(problem.outer.present);
  EXPECT_EQ(problem.slot(BLV_THETA0, BLV_TANGENT).step_stride, P);
  EXPECT_EQ(problem.inner.x.tangent.step_stride, 5 * 10 + 3);
  EXPECT_EQ(problem.inner.x.tangent.row_stride, 10);
  EXPECT_EQ(problem.step_leaves[0].tangent.step_stride, 4 * 4 + 1) << "as long as the rates of one task";
  EXPECT_EQ(problem.outer.y.tangent.step_stride, 77);
  EXPECT_EQ(problem.slot(BLV_LOSS_TANGENT, BLV_RESULT).step_stride, 1);
  EXPECT_EQ(problem.slot(BLV_THETA_TANGENT, BLV_RESULT).step_stride, P);
  EXPECT_EQ(elements_of(valid, 7), 3 * P) << "shared by the tasks";
  EXPECT_EQ(elements_of(valid, 8), 6 * 500 + 2 * 53 + 53);
  EXPECT_EQ(elements_of(valid, 9), 3 * 17);
  EXPECT_EQ(elements_of(valid, 10), 2 * 77 + 10);
  EXPECT_EQ(elements_of(valid, 11), 7 * 3);
  EXPECT_EQ(elements_of(valid, 12), 6 * 1000 + 3 * P);
}

TEST(Validate, ForwardWithoutSteps) {
  SpecBuilder builder(BLV_FORWARD);
  builder.add_outer_loss();
  builder.forward.steps = 0;
  builder.slots[3].step_stride = 1;
  builder.add(BLV_METHOD, BLV_RATE, BLV_TANGENT).extent = BLV_SCALAR;
  builder.add(BLV_METHOD, BLV_LOSS_TANGENT, BLV_RESULT).task_stride = 3;
  const ValidSpec valid = validate(builder.get(), 1);
  EXPECT_EQ(elements_of(valid, 7), 0) << "tangents of no rates";
  EXPECT_EQ(elements_of(valid, 8), 7 * 3);
}

// A caller that was compiled before the solvers had a step.
TEST(Validate, ImplicitOfAnOlderHeader) {
  SpecBuilder builder(BLV_IMPLICIT);
  builder.add_outer_loss();
  builder.implicit.step = 7;  // is beyond its struct
  builder.implicit.head.size = 72;
  EXPECT_EQ(validate(builder.get(), 1).problem.solver_step, 0);
}

TEST(Validate, Implicit) {
  SpecBuilder builder(BLV_IMPLICIT);
  builder.add_outer_loss();
  builder.add(BLV_INNER, BLV_X, BLV_GRADIENT);
  builder.add(BLV_METHOD, BLV_RESIDUAL, BLV_RESULT).task_stride = 2;
  builder.add(BLV_METHOD, BLV_SOLUTION, BLV_RESULT).task_stride = P;
  const ValidSpec valid = validate(builder.get(), 1);
  const Problem &problem = valid.problem;
  EXPECT_EQ(problem.kind, BLV_IMPLICIT);
  EXPECT_EQ(problem.steps, 5);
  EXPECT_EQ(problem.solver_iterations, 20);
  EXPECT_EQ(problem.solver_tolerance, 1e-6);
  EXPECT_EQ(problem.damping, 0.5);
  EXPECT_FALSE(problem.reverse) << "no sweep: its steps are not kept";
  EXPECT_TRUE(problem.inner.x.gradient);
  EXPECT_EQ(problem.shared_scalars, 2 * 6 * 3) << "the gradient of x, summed over tasks, and what rounding has lost";
  EXPECT_EQ(elements_of(valid, 8), 6 * 2 + 1);
  EXPECT_EQ(elements_of(valid, 9), 7 * P);
}

// Without a hidden layer the activation is ignored, on both sides.
TEST(Validate, ActivationOfALinearModel) {
  SpecBuilder builder(BLV_UNROLL);
  builder.add_outer();
  builder.widths = {3, 2};
  builder.inner.activation = 0, builder.outer.activation = 99;
  EXPECT_EQ(message_of(&builder), "accepted");
}

TEST(Validate, MessagesOfTheMethodsWithSteps) {
  {
    SpecBuilder builder(BLV_FORWARD);
    builder.forward.tangents = 9;
    EXPECT_EQ(message_of(&builder), "spec.method.tangents is 9; accepted: 1 to 8");
  }
  {
    SpecBuilder builder(BLV_FORWARD);
    builder.add(BLV_METHOD, BLV_RATE, BLV_GRADIENT).extent = BLV_SCALAR;
    EXPECT_EQ(message_of(&builder),
              "spec.slots[4].use is BLV_GRADIENT (2); accepted for leaf BLV_RATE in method BLV_FORWARD: BLV_VALUE (1), "
              "BLV_TANGENT (4)");
  }
  {
    SpecBuilder builder(BLV_FORWARD);
    builder.add(BLV_INNER, BLV_WEIGHT, BLV_TANGENT);
    EXPECT_EQ(
        message_of(&builder),
        "spec.slots[4] is (BLV_INNER, BLV_WEIGHT, BLV_TANGENT); accepted only with a BLV_VALUE slot of this side and "
        "leaf");
  }
  {
    SpecBuilder builder(BLV_IMPLICIT);
    builder.add_outer_loss();
    builder.implicit.tolerance = -0.25;
    EXPECT_EQ(message_of(&builder), "spec.method.tolerance is -0.25; accepted: a finite number >= 0 and < 1");
  }
  {
    SpecBuilder builder(BLV_IMPLICIT);
    builder.add_outer_loss();
    builder.implicit.solver = 7;
    EXPECT_EQ(message_of(&builder),
              "spec.method.solver is 7; accepted: BLV_CG (1), BLV_MINRES (2), BLV_NEUMANN (3), BLV_IDENTITY (4)");
  }
  {
    SpecBuilder builder(BLV_IMPLICIT);
    EXPECT_EQ(message_of(&builder), "spec.outer is NULL; accepted with method BLV_IMPLICIT: an objective");
  }
}

TEST(Validate, Messages) {
  {
    SpecBuilder builder(BLV_EVALUATE);
    builder.widths[2] = 0;
    EXPECT_EQ(message_of(&builder), "spec.inner.widths[2] is 0; accepted: 1 to 1099511627776");
  }
  {
    SpecBuilder builder(BLV_UNROLL);
    builder.slots[3].task_stride = -1;
    EXPECT_EQ(message_of(&builder), "spec.slots[3].task_stride is -1; accepted: >= 0");
  }
  {
    SpecBuilder builder(BLV_EVALUATE);
    builder.spec.dtype = 9;
    EXPECT_EQ(message_of(&builder), "spec.dtype is 9; accepted: BLV_F32 (1), BLV_F64 (2), BLV_I32 (3), BLV_I64 (4)");
  }
  {
    SpecBuilder builder(BLV_HVP);
    builder.slots[3].leaf = BLV_RATE;
    EXPECT_EQ(message_of(&builder),
              "spec.slots[3].leaf is BLV_RATE (9); accepted in method BLV_HVP: BLV_THETA (2), BLV_X (3), BLV_Y (4), "
              "BLV_WEIGHT (5), BLV_PENALTY (6), BLV_ROWS (7), BLV_VECTOR (11), BLV_LOSS (12)");
  }
  {
    SpecBuilder builder(BLV_UNROLL);
    builder.slots.pop_back();
    EXPECT_EQ(message_of(&builder),
              "spec.slots has no (BLV_METHOD, BLV_RATE, BLV_VALUE); accepted with method BLV_UNROLL: one such slot");
  }
  {
    SpecBuilder builder(BLV_EVALUATE);
    builder.add(BLV_INNER, BLV_X, BLV_GRADIENT).task_stride = 17;
    EXPECT_EQ(message_of(&builder),
              "spec.slots[3].task_stride is 17, but the written elements inside span 18, so that they would overlap; "
              "accepted: >= 18");
  }
}

// An outer objective that nothing asks for is a forgotten slot.
TEST(Validate, OuterWithoutUse) {
  SpecBuilder builder(BLV_UNROLL);
  builder.with_outer = true;
  EXPECT_EQ(message_of(&builder),
            "spec.outer is not NULL, but spec.slots has neither a BLV_LOSS nor a BLV_GRADIENT; accepted: NULL");
}

}  // namespace
}  // namespace bilevel
