// SPDX-License-Identifier: Apache-2.0
//
// Specs from their parts. A slot's task stride is what one task's natural array has, so that every task has its own.
#include "rows.h"

namespace device_table {
namespace {

namespace bl = bilevel;

struct Sizes {
  std::vector<std::int64_t> widths = {3, 4, 2};
  std::int64_t rows = 6, outer_rows = 5, tasks = 7, steps = 5;
  std::int32_t loss = BLV_SQUARED, activation = BLV_TANH, labels = 0;  // labels 0: dense targets
};

bl::ObjectiveSpec objective(const Sizes &s, std::int64_t rows) {
  return {s.loss, s.widths, rows, s.widths.size() > 2 ? s.activation : 0, 0};
}

void add_data(const Sizes &s, std::int32_t side, std::int64_t rows, bl::Spec *spec) {
  const std::int64_t columns = s.labels != 0 ? 1 : s.widths.back();
  spec->add({.side = side, .leaf = BLV_X, .task_stride = rows * s.widths.front()});
  spec->add({.side = side, .leaf = BLV_Y, .dtype = s.labels, .task_stride = rows * columns});
}

bl::Spec base(const Sizes &s, std::int32_t dtype) {
  bl::Spec spec;
  spec.dtype = dtype;
  spec.tasks = s.tasks;
  spec.inner = objective(s, s.rows);
  add_data(s, BLV_INNER, s.rows, &spec);
  return spec;
}

bl::Spec evaluate(const Sizes &s = {}, std::int32_t dtype = BLV_F32) {
  bl::Spec spec = base(s, dtype);
  spec.add({.side = BLV_METHOD, .leaf = BLV_THETA});
  spec.add({.side = BLV_METHOD, .leaf = BLV_THETA, .use = BLV_GRADIENT});
  return spec;
}

bl::Spec hvp(std::int64_t vectors, const Sizes &s = {}, std::int32_t dtype = BLV_F32) {
  bl::Spec spec = evaluate(s, dtype);
  spec.method = bl::hvp_method(vectors);
  spec.add({.side = BLV_METHOD, .leaf = BLV_VECTOR});
  return spec;
}

// With the gradient of theta_0, which all tasks share.
bl::Spec unroll(const Sizes &s = {}, std::int32_t dtype = BLV_F32, std::int32_t optimiser = BLV_SGD,
                std::int32_t store = BLV_STORE_AUTO, std::int64_t batch_rows = 0) {
  bl::Spec spec = base(s, dtype);
  spec.method = bl::unroll_method(optimiser, s.steps, batch_rows, store);
  spec.outer = objective(s, s.outer_rows);
  add_data(s, BLV_OUTER, s.outer_rows, &spec);
  spec.add({.side = BLV_METHOD, .leaf = BLV_THETA0});
  spec.add({.side = BLV_METHOD, .leaf = BLV_RATE, .extent = BLV_SCALAR});
  if (optimiser == BLV_HEAVY_BALL) spec.add({.side = BLV_METHOD, .leaf = BLV_MOMENTUM, .extent = BLV_SCALAR});
  if (batch_rows > 0) spec.add({.side = BLV_INNER, .leaf = BLV_BATCH, .dtype = BLV_I32, .step_stride = batch_rows});
  spec.add({.side = BLV_METHOD, .leaf = BLV_LOSS, .use = BLV_RESULT, .task_stride = 1});
  spec.add({.side = BLV_METHOD, .leaf = BLV_THETA0, .use = BLV_GRADIENT});
  return spec;
}

// The slots of an unroll for another method with inner steps, without the gradient of theta_0.
bl::Spec steps_of(bl::Spec spec, bl::Method method) {
  spec.method = method;
  std::erase_if(spec.slots, [](const blv_slot &s) { return s.use == BLV_GRADIENT; });
  return spec;
}

bl::Spec forward(std::int64_t tangents, std::int32_t dtype = BLV_F32) {
  bl::Spec spec = steps_of(unroll({}, dtype), bl::forward_method(BLV_SGD, Sizes().steps, tangents));
  spec.add({.side = BLV_METHOD, .leaf = BLV_RATE, .use = BLV_TANGENT, .extent = BLV_SCALAR});
  spec.add({.side = BLV_METHOD, .leaf = BLV_LOSS_TANGENT, .use = BLV_RESULT, .task_stride = tangents});
  return spec;
}

bl::Spec implicit(std::int32_t dtype = BLV_F32, std::int32_t solver = BLV_CG) {
  const bool iterates = solver != BLV_IDENTITY;
  bl::Spec spec =
      steps_of(unroll({}, dtype), bl::implicit_method(BLV_SGD, Sizes().steps, solver, iterates ? 10 : 0,
                                                      iterates ? 1e-6 : 0, 0, 0, solver == BLV_NEUMANN ? 0.1 : 0));
  spec.add({.side = BLV_INNER, .leaf = BLV_PENALTY, .extent = BLV_SCALAR});
  spec.add({.side = BLV_INNER, .leaf = BLV_PENALTY, .use = BLV_GRADIENT, .extent = BLV_SCALAR});
  return spec;
}

[[maybe_unused]] bl::Spec with_method(bl::Spec spec, bl::Method method) {
  spec.method = method;
  return spec;
}

bl::Spec with(bl::Spec spec, const bl::Slot &slot) {
  spec.add(slot);
  return spec;
}

// With a gradient of the leaf; its value slot is added if there is none.
bl::Spec gradient(bl::Spec spec, std::int32_t side, std::int32_t leaf, std::int32_t extent = 0,
                  std::int64_t task_stride = 0, std::int64_t step_stride = 0, std::int32_t link = BLV_NO_LINK) {
  bl::Slot slot{.side = side, .leaf = leaf, .extent = extent, .task_stride = task_stride, .step_stride = step_stride};
  const auto is_value = [&](const blv_slot &s) { return s.side == side && s.leaf == leaf; };
  std::erase_if(spec.slots, is_value);
  slot.link = link;
  spec.add(slot);
  slot.link = BLV_NO_LINK, slot.use = BLV_GRADIENT;
  if (std::holds_alternative<blv_hvp>(spec.method)) slot.step_stride = 0;
  spec.add(slot);
  return spec;
}

bl::Spec flagged(bl::Spec spec, std::int32_t flags) {
  spec.flags = flags;
  return spec;
}

bl::Spec without_bias(bl::Spec spec) {
  spec.inner.flags = BLV_NO_BIAS;
  if (spec.outer) spec.outer->flags = BLV_NO_BIAS;
  return spec;
}

Sizes with_loss(std::int32_t loss, std::int32_t labels = 0) {
  Sizes s;
  s.loss = loss, s.labels = labels;
  return s;
}
Sizes with_activation(std::int32_t activation) {
  Sizes s;
  s.activation = activation;
  return s;
}
Sizes with_widths(std::vector<std::int64_t> widths) {
  Sizes s;
  s.widths = std::move(widths);
  return s;
}

Section methods() {
  return {"Methods",
          {{"evaluate, f32", evaluate()},
           {"evaluate, f64", evaluate({}, BLV_F64)},
           {"HVP, 1 vector, f32", hvp(1)},
           {"HVP, 8 vectors, f32", hvp(8)},
           {"HVP, 8 vectors, f64", hvp(8, {}, BLV_F64)},
           {"unroll, SGD, f32", unroll()},
           {"unroll, SGD, f64", unroll({}, BLV_F64)},
           {"unroll, heavy ball, f32", unroll({}, BLV_F32, BLV_HEAVY_BALL)},
           {"unroll, heavy ball, f64", unroll({}, BLV_F64, BLV_HEAVY_BALL)},
           {"forward, 1 direction, f32", forward(1)},
           {"forward, 8 directions, f32", forward(8)},
           {"forward, 8 directions, f64", forward(8, BLV_F64)},
           {"implicit, CG, f32", implicit()},
           {"implicit, CG, f64", implicit(BLV_F64)},
           {"implicit, MINRES, f64", implicit(BLV_F64, BLV_MINRES)},
           {"implicit, Neumann, f64", implicit(BLV_F64, BLV_NEUMANN)},
           {"implicit, identity, f64", implicit(BLV_F64, BLV_IDENTITY)}}};
}

// Gradients of an unroll; what tasks share is summed over them.
Section gradients() {
  const std::int64_t P = 26;
  return {"Gradients of an unroll",
          {{"initial parameters, of each task", gradient(unroll(), BLV_METHOD, BLV_THETA0, 0, P)},
           {"inner features", gradient(unroll(), BLV_INNER, BLV_X, 0, 18)},
           {"inner dense targets", gradient(unroll(), BLV_INNER, BLV_Y, 0, 12)},
           {"inner row weights, link sigmoid", gradient(unroll(), BLV_INNER, BLV_WEIGHT, 0, 6, 0, BLV_SIGMOID_LINK)},
           {"inner penalty, scalar, link exp", gradient(unroll(), BLV_INNER, BLV_PENALTY, BLV_SCALAR, 0, 0, BLV_EXP)},
           {"inner penalty, per feature", gradient(unroll(), BLV_INNER, BLV_PENALTY, BLV_PER_FEATURE, 3)},
           {"inner penalty, per parameter", gradient(unroll(), BLV_INNER, BLV_PENALTY, BLV_PER_PARAMETER)},
           {"penalty of both losses", gradient(unroll(), BLV_BOTH, BLV_PENALTY, BLV_SCALAR)},
           {"outer features", gradient(unroll(), BLV_OUTER, BLV_X, 0, 15)},
           {"outer row weights", gradient(unroll(), BLV_OUTER, BLV_WEIGHT, 0, 5)},
           {"rate, scalar", gradient(unroll(), BLV_METHOD, BLV_RATE, BLV_SCALAR)},
           {"rate, per step", gradient(unroll(), BLV_METHOD, BLV_RATE, BLV_SCALAR, 5, 1)},
           {"rate, per parameter and step", gradient(unroll(), BLV_METHOD, BLV_RATE, BLV_PER_PARAMETER, 5 * P, P)},
           {"momentum, scalar", gradient(unroll({}, BLV_F32, BLV_HEAVY_BALL), BLV_METHOD, BLV_MOMENTUM, BLV_SCALAR)}}};
}

Section other_gradients() {
  return {"Gradients and cross products at given parameters",
          {{"evaluate: features", gradient(evaluate(), BLV_INNER, BLV_X, 0, 18)},
           {"evaluate: row weights", gradient(evaluate(), BLV_INNER, BLV_WEIGHT, 0, 6)},
           {"evaluate: penalty, per parameter", gradient(evaluate(), BLV_INNER, BLV_PENALTY, BLV_PER_PARAMETER)},
           {"HVP: features", gradient(hvp(2), BLV_INNER, BLV_X, 0, 36)},
           {"HVP: row weights", gradient(hvp(2), BLV_INNER, BLV_WEIGHT, 0, 12)},
           {"HVP: penalty, scalar", gradient(hvp(2), BLV_INNER, BLV_PENALTY, BLV_SCALAR)}}};
}

Section models() {
  return {"Models and losses of an unroll",
          {{"linear model", unroll(with_widths({3, 2}))},
           {"16 layers", unroll(with_widths(std::vector<std::int64_t>(17, 4)))},
           {"17 layers", unroll(with_widths(std::vector<std::int64_t>(18, 4)))},
           {"without biases", without_bias(unroll())},
           {"tanh", unroll()},
           {"ReLU", unroll(with_activation(BLV_RELU))},
           {"sigmoid", unroll(with_activation(BLV_SIGMOID))},
           {"softplus", unroll(with_activation(BLV_SOFTPLUS))},
           {"squared loss", unroll()},
           {"logistic loss", unroll(with_loss(BLV_LOGISTIC))},
           {"cross-entropy, class indices i32", unroll(with_loss(BLV_CROSS_ENTROPY, BLV_I32))},
           {"cross-entropy, class indices i64", unroll(with_loss(BLV_CROSS_ENTROPY, BLV_I64))},
           {"cross-entropy, dense targets", unroll(with_loss(BLV_CROSS_ENTROPY))}}};
}

Section options() {
  const bl::Slot ragged{.side = BLV_INNER, .leaf = BLV_ROWS, .dtype = BLV_I32, .task_stride = 1};
  return {"Options of an unroll",
          {{"minibatches", unroll({}, BLV_F32, BLV_SGD, BLV_STORE_AUTO, 2)},
           {"ragged tasks", with(unroll(), ragged)},
           {"store: tape", unroll({}, BLV_F32, BLV_SGD, BLV_STORE_TAPE)},
           {"store: theta", unroll({}, BLV_F32, BLV_SGD, BLV_STORE_THETA)},
           {"store: checkpoints", unroll({}, BLV_F32, BLV_SGD, BLV_STORE_CHECKPOINTS)},
           {"`BLV_SKIP_FAILED`", flagged(unroll(), BLV_SKIP_FAILED)},
           {"`BLV_SPLIT_TF32`, network 3-4-2", flagged(unroll(), BLV_SPLIT_TF32)},
           {"`BLV_SPLIT_TF32`, network 1-40-40-1", flagged(unroll(with_widths({1, 40, 40, 1})), BLV_SPLIT_TF32)},
           {"`BLV_SPLIT_TF32`, f64", flagged(unroll({}, BLV_F64), BLV_SPLIT_TF32)}}};
}

Sizes sized(std::vector<std::int64_t> widths, std::int64_t rows, std::int64_t tasks, std::int64_t steps,
            std::int32_t loss, std::int32_t labels = 0) {
  Sizes s;
  s.widths = std::move(widths), s.rows = rows, s.outer_rows = rows, s.tasks = tasks, s.steps = steps;
  s.loss = loss, s.labels = labels;
  return s;
}

}  // namespace

std::vector<Section> what_runs() { return {methods(), gradients(), other_gradients(), models(), options()}; }

std::vector<Row> what_is_chosen() {
  const Sizes sine = sized({1, 40, 40, 1}, 10, 4096, 5, BLV_SQUARED);
  const Sizes hpo = sized({20, 1}, 500, 4096, 100, BLV_LOGISTIC);
  const Sizes cleaning = sized({784, 10}, 5000, 1, 100, BLV_CROSS_ENTROPY, BLV_I32);
  const Sizes rows = sized({1000, 1}, 1000000, 1, 0, BLV_LOGISTIC);
  const Sizes wide = sized({784, 300, 300, 10}, 1000, 1, 50, BLV_CROSS_ENTROPY, BLV_I32);
  const Sizes middling = sized({64, 128, 10}, 64, 256, 10, BLV_CROSS_ENTROPY, BLV_I32);
  return {{"sine MAML: network 1-40-40-1, 10 rows, 5 steps, 4,096 tasks", unroll(sine)},
          {"the same with `BLV_SPLIT_TF32`", flagged(unroll(sine), BLV_SPLIT_TF32)},
          {"the same in f64", unroll(sine, BLV_F64)},
          {"logistic regression, 500 x 20, 100 steps, penalty per feature, 4,096 tasks",
           gradient(unroll(hpo), BLV_INNER, BLV_PENALTY, BLV_PER_FEATURE, 20)},
          {"softmax regression with row weights, 5,000 x 784 x 10, 100 steps, 1 task",
           gradient(unroll(cleaning), BLV_INNER, BLV_WEIGHT)},
          {"HVP of logistic regression, 1,000,000 x 1,000, 1 vector", hvp(1, rows)},
          {"HVP of logistic regression, 1,000,000 x 1,000, 4 vectors", hvp(4, rows)},
          {"network 784-300-300-10, 1,000 rows, 50 steps, 1 task", unroll(wide)},
          {"network 64-128-10, 64 rows, 10 steps, 256 tasks", unroll(middling)}};
}

}  // namespace device_table
