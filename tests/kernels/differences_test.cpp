// SPDX-License-Identifier: Apache-2.0
//
// Central differences in fp64 over the whole computation, through the C ABI alone and independent of the reference: the scalar of
// an execute at array +- h e_i against the gradient that it wrote. Step h = 6e-6, near cbrt(eps): truncation and rounding
// are both near 1e-10 for values of order one, and the bound is 2e-8.
#include "cases.h"

namespace {

using namespace harness;

size_t position(Problem &p, const Array *a) { return static_cast<size_t>(a - p.arrays.data()); }

// The scalar that is differentiated, summed over tasks: the loss, or for HVP vector k the sum of v_k . dL/dtheta.
double scalar(const Plan &plan, blv_context context, Problem &p) {
  const Outcome out = execute(context, plan, p);
  EXPECT_EQ(out.status, BLV_OK) << out.error;
  double sum = 0;
  for (double loss : out.values[position(p, p.find(BLV_METHOD, BLV_LOSS, BLV_RESULT))]) sum += loss;
  return sum;
}

// Logistic labels that are 0 or 1 would leave [0, 1].
void keep_inside(Array &y) {
  if (y.leaf.leaf != BLV_Y || y.written() || y.leaf.link || y.leaf.dtype) return;
  for (int64_t i = 0; i < y.extent(); i++) y.set(i, 0.05 + 0.9 * y.get(i));
}

void expect_differences(const Case &c, int64_t stride) {
  SCOPED_TRACE(name_of(c, {}));
  Problem p(c);
  for (Array &a : p.arrays) keep_inside(a);
  const Context context;
  const Plan plan(context.handle, p.spec());
  ASSERT_EQ(plan.status, BLV_OK) << blv_context_error(context.handle);
  const Outcome out = execute(context.handle, plan, p);
  ASSERT_EQ(out.status, BLV_OK) << out.error;
  const double h = 6e-6;
  for (Array &gradient : p.arrays) {
    if (gradient.slot.use != BLV_GRADIENT) continue;
    Array &value = *p.find(gradient.slot.side, gradient.slot.leaf, BLV_VALUE);
    const std::vector<double> &got = out.values[position(p, &gradient)];
    int64_t index = 0;
    for (int64_t task = 0; task < value.tasks; task++) {
      for (int64_t step = 0; step < value.steps; step++) {
        for (int64_t row = 0; row < value.rows; row++) {
          for (int64_t column = 0; column < value.columns; column++, index++) {
            if (index % stride) continue;
            const int64_t at = value.offset(task, step, row, column);
            const double middle = value.get(at);
            value.set(at, middle + h);
            const double above = scalar(plan, context.handle, p);
            value.set(at, middle - h);
            const double below = scalar(plan, context.handle, p);
            value.set(at, middle);
            const double difference = (above - below) / (2 * h);
            ASSERT_TRUE(std::fabs(got[index] - difference) <= 2e-8)
                << "side " << gradient.slot.side << " leaf " << gradient.slot.leaf << " element " << index << ": "
                << got[index] << " but differences give " << difference;
          }
        }
      }
    }
  }
}

class Differences : public testing::TestWithParam<std::tuple<int, int, int>> {};  // executor, loss, activation

TEST_P(Differences, Unroll) {
  const auto [executor, loss, activation] = GetParam();
  for (int optimiser : {BLV_SGD, BLV_HEAVY_BALL}) {
    const int link = 1 + (loss + activation + optimiser) % 3;
    Case c = unroll_case(loss, activation, optimiser, BLV_F64, {.link = link}, {.penalty_extent = BLV_PER_FEATURE});
    c.executor = executor;
    c.tasks = 2;
    expect_differences(c, 3);
  }
}

TEST_P(Differences, Evaluate) {
  const auto [executor, loss, activation] = GetParam();
  Case c = evaluate_case(loss, activation, BLV_F64, {.link = loss, .penalty_extent = BLV_SCALAR});
  c.executor = executor;
  expect_differences(c, 2);
}

TEST_P(Differences, SharedBatchesBoth) {
  const auto [executor, loss, activation] = GetParam();
  Case c = unroll_case(loss, activation, BLV_HEAVY_BALL, BLV_F64, {.shared = true, .sum = true});
  for (int leaf : {BLV_X, BLV_WEIGHT}) {
    remove_leaf(c, BLV_OUTER, leaf);
    leaf_in(c, BLV_INNER, leaf).side = BLV_BOTH;
  }
  c.outer_rows = c.rows = 5;
  c.batch_rows = 3;
  c.executor = executor;
  c.leaves.push_back({.side = BLV_INNER, .leaf = BLV_BATCH, .per_step = true, .dtype = BLV_I64});
  for (int leaf : {BLV_THETA0, BLV_RATE, BLV_MOMENTUM})
    leaf_in(c, BLV_METHOD, leaf).shared = leaf_in(c, BLV_METHOD, leaf).sum = true;
  expect_differences(c, 2);
}

// H v and cross products: differences of the gradients that evaluate gives, along theta.
TEST_P(Differences, Hvp) {
  const auto [executor, loss, activation] = GetParam();
  Case c = hvp_case(loss, activation, 2, BLV_F64, {.link = loss});
  c.executor = executor;
  c.tasks = 1;
  Problem hvp(c);
  const Outcome products = run(hvp);
  ASSERT_EQ(products.status, BLV_OK) << products.error;
  c.kind = BLV_EVALUATE;
  remove_leaf(c, BLV_METHOD, BLV_VECTOR);
  Problem evaluate(c);
  for (Array &a : evaluate.arrays) {  // the same numbers
    if (!a.written())
      std::memcpy(a.memory->data(), hvp.find(a.slot.side, a.slot.leaf, BLV_VALUE)->memory->data(), a.memory->bytes());
  }
  Array &theta = *evaluate.find(BLV_METHOD, BLV_THETA, BLV_VALUE);
  const Array &v = *hvp.find(BLV_METHOD, BLV_VECTOR, BLV_VALUE);
  const double h = 6e-6;
  for (int64_t k = 0; k < 2; k++) {
    std::vector<double> middle = one_task(theta, 0);
    const auto moved = [&](double by) {
      for (size_t j = 0; j < middle.size(); j++)
        theta.set(int64_t(j), middle[j] + by * v.get(v.offset(0, k, 0, int64_t(j))));
      Outcome out = run(evaluate);
      EXPECT_EQ(out.status, BLV_OK) << out.error;
      return out;
    };
    const Outcome above = moved(h), below = moved(-h);
    for (size_t j = 0; j < middle.size(); j++) theta.set(int64_t(j), middle[j]);
    for (Array &a : evaluate.arrays) {
      if (a.slot.use != BLV_GRADIENT) continue;
      const size_t at = position(evaluate, &a), from = position(hvp, hvp.find(a.slot.side, a.slot.leaf, BLV_GRADIENT));
      const size_t n = above.values[at].size();
      for (size_t i = 0; i < n; i++) {
        const double difference = (above.values[at][i] - below.values[at][i]) / (2 * h);
        ASSERT_TRUE(std::fabs(products.values[from][k * n + i] - difference) <= 2e-8)
            << "leaf " << a.slot.leaf << " vector " << k << " element " << i << ": " << products.values[from][k * n + i]
            << " but " << difference;
      }
    }
  }
}

INSTANTIATE_TEST_SUITE_P(All, Differences,
                         testing::Combine(testing::Values(BLV_TASKS_IN_LANES, BLV_TASK_PER_CORE, BLV_ROWS_OVER_CORES),
                                          testing::Values(BLV_SQUARED, BLV_LOGISTIC, BLV_CROSS_ENTROPY),
                                          testing::Values(BLV_TANH, BLV_RELU, BLV_SIGMOID, BLV_SOFTPLUS)));

}  // namespace
