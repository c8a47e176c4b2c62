// SPDX-License-Identifier: Apache-2.0
//
// Implicit differentiation against what the plain reference does with a dense Hessian: its solution by Gaussian elimination, its
// iterates by textbook conjugate gradients, and the hypergradient with either. Also against a closed form and against the reverse
// sweep through enough steps.
#include "draw.h"
#include "same_bits.h"

namespace {

using namespace harness;

size_t place_of(Problem &p, int side, int leaf, int use) {
  return static_cast<size_t>(p.find(side, leaf, use) - p.arrays.data());
}

double condition_of(const Expected &want) {
  double top = 1;
  for (const oracle::Answer &a : want.tasks) top = std::fmax(top, a.condition);
  return top;
}

bool all_positive_definite(const Expected &want) {
  return std::all_of(want.tasks.begin(), want.tasks.end(),
                     [](const oracle::Answer &a) { return oracle::is_positive_definite(a.hessian); });
}

// Errors of a solve grow with the condition of the Hessian.
void check_solved(const Case &c) {
  Problem p(c);
  const Expected want = reference(p);
  ASSERT_TRUE(all_positive_definite(want)) << name_of(c, {}) << ": a mistake in a test";
  for (int executor : executors()) {
    for (int isa : levels()) {
      p.c.executor = executor;
      ASSERT_NO_FATAL_FAILURE(check(p, {.isa = isa}, want, condition_of(want)));
    }
  }
}

class Implicit : public testing::TestWithParam<std::tuple<int, int>> {};  // dtype, optimiser

// Convex losses of linear models, whose Hessians the penalties make positive definite, and networks with damping.
std::vector<Case> solvable(int dtype, int optimiser) {
  std::vector<Case> all;
  for (int link : {BLV_EXP, BLV_SOFTPLUS_LINK, BLV_SIGMOID_LINK}) {
    Case logistic =
        implicit_case(BLV_LOGISTIC, BLV_TANH, optimiser, 0, dtype, {.link = link}, {.penalty_extent = BLV_SCALAR});
    logistic.widths = {4, 1};
    all.push_back(logistic);
    Case softmax = implicit_case(BLV_CROSS_ENTROPY, BLV_TANH, optimiser, 0, dtype, {.link = link}, {});
    softmax.widths = {3, 3};
    all.push_back(softmax);
  }
  Case classes = implicit_case(BLV_CROSS_ENTROPY, BLV_TANH, optimiser, 0.05, dtype,
                               {.penalty_extent = BLV_PER_FEATURE, .labels = BLV_I32}, {.labels = BLV_I64});
  classes.widths = {3, 4};
  all.push_back(classes);
  Case squares = implicit_case(BLV_SQUARED, BLV_TANH, optimiser, 0.1, dtype, {.penalty_extent = BLV_SCALAR}, {});
  squares.widths = {5, 2}, squares.flags = BLV_NO_BIAS, squares.rows = 9;
  all.push_back(squares);
  for (int activation : {BLV_TANH, BLV_RELU, BLV_SIGMOID, BLV_SOFTPLUS}) {
    Case network = implicit_case(BLV_SQUARED, activation, optimiser, 3, dtype, {}, {.link = BLV_EXP});
    network.tasks = 2;
    all.push_back(network);
  }
  for (Case &c : all) c.tolerance = dtype == BLV_F64 ? 1e-15 : 1e-7;
  return all;
}

TEST_P(Implicit, HypergradientOfEveryLeaf) {
  const auto [dtype, optimiser] = GetParam();
  for (const Case &c : solvable(dtype, optimiser)) ASSERT_NO_FATAL_FAILURE(check_solved(c));
}

TEST_P(Implicit, AtTheGivenParameters) {
  const auto [dtype, optimiser] = GetParam();
  for (Case c : solvable(dtype, optimiser)) {
    c.steps = 0;
    ASSERT_NO_FATAL_FAILURE(check_solved(c));
  }
}

// Steps over minibatches, the Hessian over all rows.
TEST_P(Implicit, Minibatches) {
  const auto [dtype, optimiser] = GetParam();
  for (Case c : solvable(dtype, optimiser)) {
    c.batch_rows = 2;
    c.leaves.push_back({.side = BLV_INNER, .leaf = BLV_BATCH, .per_step = true});
    ASSERT_NO_FATAL_FAILURE(check_solved(c));
  }
}

TEST_P(Implicit, RaggedTasks) {
  const auto [dtype, optimiser] = GetParam();
  for (int link : {BLV_NO_LINK, BLV_EXP}) {
    Case c = implicit_case(BLV_LOGISTIC, BLV_TANH, optimiser, 0.5, dtype, {.link = link}, {.link = link});
    c.widths = {4, 2};
    c.tolerance = dtype == BLV_F64 ? 1e-15 : 1e-7;
    c.tasks = 6;
    c.counts = {5, 0, 3, 1, 5, 2};
    c.outer_counts = {4, 4, 2, 1, 2, 3};
    for (int side : {BLV_INNER, BLV_OUTER}) c.leaves.push_back({.side = side, .leaf = BLV_ROWS});
    ASSERT_NO_FATAL_FAILURE(check_solved(c));
  }
}

// The gradient of an array of both losses is its direct part minus the cross product.
TEST_P(Implicit, BothLosses) {
  const auto [dtype, optimiser] = GetParam();
  for (int link : {BLV_NO_LINK, BLV_SOFTPLUS_LINK}) {
    Case c = implicit_case(BLV_LOGISTIC, BLV_TANH, optimiser, 0.2, dtype, {.link = link}, {});
    c.widths = {3, 2}, c.outer_rows = c.rows, c.tolerance = dtype == BLV_F64 ? 1e-15 : 1e-7;
    for (int leaf : {BLV_X, BLV_Y, BLV_WEIGHT, BLV_PENALTY}) {
      remove_leaf(c, BLV_OUTER, leaf);
      leaf_in(c, BLV_INNER, leaf).side = BLV_BOTH;
    }
    ASSERT_NO_FATAL_FAILURE(check_solved(c));
  }
}

TEST_P(Implicit, SharedSummedAndPadded) {
  const auto [dtype, optimiser] = GetParam();
  for (int which = 0; which < 4; which++) {
    Case c = implicit_case(BLV_LOGISTIC, BLV_TANH, optimiser, 0.2, dtype);
    c.widths = {3, 2}, c.tolerance = dtype == BLV_F64 ? 1e-15 : 1e-7, c.tasks = 5;
    for (Leaf &leaf : c.leaves) leaf.shared = which & 1, leaf.sum = which & 2, leaf.pad = which;
    c.result_pad = which;
    ASSERT_NO_FATAL_FAILURE(check_solved(c));
  }
}

// Only some of the leaves, also none: v and its residual are results of their own.
TEST_P(Implicit, OneLeafAtATime) {
  const auto [dtype, optimiser] = GetParam();
  const Case all = solvable(dtype, optimiser)[0];
  for (size_t i = 0; i <= all.leaves.size(); i++) {
    Case c = all;
    for (size_t j = 0; j < c.leaves.size(); j++) c.leaves[j].gradient = c.leaves[j].gradient && j == i;
    ASSERT_NO_FATAL_FAILURE(check_solved(c));
  }
}

// After few iterations v is CG's iterate, the residual is that of v, and the hypergradient is made with v.
TEST_P(Implicit, FewIterations) {
  const auto [dtype, optimiser] = GetParam();
  for (Case c : solvable(dtype, optimiser)) {
    for (int64_t limit : {0, 1, 2, 3}) {
      c.iterations = limit;
      Problem p(c);
      Expected exact = reference(p), want = exact;
      for (size_t i = 0; i < p.arrays.size(); i++) want.values[i].clear();
      for (int64_t t = 0; t < c.tasks; t++) {
        oracle::Task task = oracle_task(p, t);
        const oracle::Answer &answer = exact.tasks[size_t(t)];
        task.given_solution = oracle::conjugate_gradients(answer.hessian, answer.right, limit, 0).x;
        const oracle::Answer truncated = oracle::solve(task);
        for (size_t i = 0; i < p.arrays.size(); i++) {
          const Array &a = p.arrays[i];
          if (a.slot.use == BLV_GRADIENT) append(want.values[i], truncated.gradient.at({a.leaf.side, a.leaf.leaf})[0]);
          if (a.leaf.leaf == BLV_SOLUTION) append(want.values[i], truncated.solution);
          if (a.leaf.leaf != BLV_RESIDUAL) continue;
          std::vector<double> r = oracle::product(answer.hessian, truncated.solution);
          for (size_t j = 0; j < r.size(); j++) r[j] = answer.right[j] - r[j];
          want.values[i].push_back(std::sqrt(oracle::dot(r, r) / oracle::dot(answer.right, answer.right)));
        }
        for (size_t i = 0; i < p.arrays.size(); i++) {
          const Array &a = p.arrays[i];
          if (a.slot.use == BLV_RESULT && (a.leaf.leaf == BLV_LOSS || a.leaf.leaf == BLV_THETA))
            want.values[i] = exact.values[i];
        }
      }
      for (int executor : executors()) {
        p.c.executor = executor;
        SCOPED_TRACE(name_of(p.c, {}) + " limit " + std::to_string(limit));
        const Outcome out = run(p);
        ASSERT_EQ(out.status, BLV_OK) << out.error;
        ASSERT_EQ(difference(p, out.values, want.values, 8 * condition_of(exact)), "");
        for (const blv_task_info &info : out.info) {
          ASSERT_EQ(info.status, BLV_TASK_OK);
          ASSERT_EQ(info.iterations, limit);
        }
        if (limit > 0) continue;
        for (double v : out.values[place_of(p, BLV_METHOD, BLV_SOLUTION, BLV_RESULT)]) ASSERT_EQ(v, 0);
        for (double r : out.values[place_of(p, BLV_METHOD, BLV_RESIDUAL, BLV_RESULT)])
          ASSERT_NEAR(r, 1, 4 * epsilon_of(c));
      }
    }
  }
}

INSTANTIATE_TEST_SUITE_P(All, Implicit,
                         testing::Combine(testing::Values(BLV_F64, BLV_F32), testing::Values(BLV_SGD, BLV_HEAVY_BALL)));

// ---- When it stops --------------------------------------------------------------------------------------------------

// Tasks that need different numbers of iterations: their penalties span five orders of magnitude.
Case uneven(int64_t tasks, double tolerance) {
  Case c = implicit_case(BLV_LOGISTIC, BLV_TANH, BLV_SGD, 0);
  c.widths = {7, 1}, c.rows = 12, c.tasks = tasks, c.tolerance = tolerance;
  return c;
}
void spread(Problem &p) {
  Array &penalty = *p.find(BLV_INNER, BLV_PENALTY, BLV_VALUE);
  for (int64_t t = 0; t < p.c.tasks; t++) {
    for (int64_t j = 0; j < penalty.columns; j++)
      penalty.set(penalty.offset(t, 0, 0, j), std::pow(10.0, -static_cast<double>(t % 6) * (j % 2 ? 1 : 0.3)));
  }
}

// The iterations and the residual of the textbook, task by task.
TEST(ImplicitStops, WhenTheResidualIsSmall) {
  for (double tolerance : {0.5, 1e-2, 1e-5, 1e-9}) {
    Problem p(uneven(machine() ? 4 : 19, tolerance));
    spread(p);
    const Expected exact = reference(p);
    for (int executor : executors()) {
      for (int isa : levels()) {
        p.c.executor = executor;
        SCOPED_TRACE(name_of(p.c, {.isa = isa}) + " tolerance " + std::to_string(tolerance));
        const Outcome out = run(p, {.isa = isa});
        ASSERT_EQ(out.status, BLV_OK) << out.error;
        int64_t least = INT64_MAX, most = 0;
        for (size_t t = 0; t < out.info.size(); t++) {
          const auto &a = exact.tasks[t];
          ASSERT_EQ(out.info[t].status, BLV_TASK_OK) << "task " << t;
          const int64_t textbook =
              oracle::conjugate_gradients(a.hessian, a.right, p.c.iterations, tolerance).iterations;
          const int64_t rounding = tolerance < 1e-4 ? 1 : 0;  // of many iterations
          ASSERT_LE(std::abs(out.info[t].iterations - textbook), rounding) << "task " << t;
          ASSERT_LE(out.values[place_of(p, BLV_METHOD, BLV_RESIDUAL, BLV_RESULT)][t], tolerance * (1 + 1e-6));
          least = std::min(least, out.info[t].iterations), most = std::max(most, out.info[t].iterations);
        }
        if (tolerance < 1e-3) {
          ASSERT_LT(least, most) << "a mistake in a test: all tasks stop together";
        }
      }
    }
  }
}

// The bits and the iterations of a task are the same whatever its neighbours still do.
TEST(ImplicitStops, WhereverItsNeighboursStop) {
  for (int dtype : {BLV_F64, BLV_F32}) {
    Case c = uneven(machine() ? 4 : 19, dtype == BLV_F64 ? 1e-10 : 1e-4);
    c.dtype = dtype;
    Case single = c;
    single.tasks = 1;
    Problem all(c), alone(single);
    spread(all);
    for (int executor : executors()) {
      for (int isa : levels()) {
        all.c.executor = alone.c.executor = executor;
        SCOPED_TRACE(name_of(all.c, {.isa = isa}));
        const Outcome together = run(all, {.isa = isa});
        for (int64_t t = 0; t < c.tasks; t++) {
          ASSERT_EQ(together.info[t].status, BLV_TASK_OK);
          move_task(all, t, alone, 0);
          ASSERT_NO_FATAL_FAILURE(expect_same_task(all, together, t, run(alone, {.isa = isa}), 0));
        }
      }
    }
  }
}

// Nothing to solve for: an outer loss whose weights are 0. Its own gradients are still there.
TEST(ImplicitStops, AtOnceIfTheRightHandSideIsZero) {
  for (int executor : executors()) {
    Case c = implicit_case(BLV_SQUARED, BLV_TANH, BLV_SGD, 3);
    remove_leaf(c, BLV_OUTER, BLV_PENALTY);
    c.executor = executor, c.tolerance = 1e-8;
    Problem p(c);
    Array &weight = *p.find(BLV_OUTER, BLV_WEIGHT, BLV_VALUE);
    for (int64_t i = 0; i < c.outer_rows; i++) weight.set(weight.offset(1, 0, i, 0), 0);
    const Outcome out = run(p);
    ASSERT_EQ(out.status, BLV_OK) << out.error;
    for (int64_t t = 0; t < c.tasks; t++) {
      ASSERT_EQ(out.info[t].status, BLV_TASK_OK) << "task " << t;
      ASSERT_EQ(out.info[t].iterations == 0, t == 1);
    }
    const size_t n = static_cast<size_t>(c.parameters());
    for (size_t j = 0; j < n; j++) ASSERT_EQ(out.values[place_of(p, BLV_METHOD, BLV_SOLUTION, BLV_RESULT)][n + j], 0);
    ASSERT_EQ(out.values[place_of(p, BLV_METHOD, BLV_RESIDUAL, BLV_RESULT)][1], 0);
    const size_t rows = static_cast<size_t>(c.rows), outer = static_cast<size_t>(c.outer_rows);
    for (size_t i = 0; i < rows; i++)
      ASSERT_EQ(out.values[place_of(p, BLV_INNER, BLV_WEIGHT, BLV_GRADIENT)][rows + i], 0);
    for (size_t i = 0; i < outer; i++)
      ASSERT_GT(out.values[place_of(p, BLV_OUTER, BLV_WEIGHT, BLV_GRADIENT)][outer + i], 0);
  }
}

// A tolerance of 0 is never met but by a residual of 0. The recursion's residual falls below what numbers can say long before the
// iterations end: that is no curvature.
TEST(ImplicitStops, WithoutATolerance) {
  for (int dtype : {BLV_F64, BLV_F32}) {
    for (double scale : {1.0, 1e-3, 1e-6}) {
      Case c = implicit_case(BLV_SQUARED, BLV_TANH, BLV_SGD, 0, dtype);
      c.widths = {3, 1}, c.rows = 6, c.tasks = machine() ? 4 : 40, c.steps = 0;
      Problem p(c);
      for (int leaf : {BLV_WEIGHT, BLV_PENALTY}) {
        Array &a = *p.find(BLV_INNER, leaf, BLV_VALUE);
        for (int64_t i = 0; i < a.extent(); i++) a.set(i, scale * (0.1 + a.get(i)));
      }
      for (int executor : executors()) {
        p.c.executor = executor;
        SCOPED_TRACE(name_of(p.c, {}) + " scale " + std::to_string(scale));
        const Outcome out = run(p);
        ASSERT_EQ(out.status, BLV_OK) << out.error;
        for (size_t t = 0; t < out.info.size(); t++) {
          ASSERT_EQ(out.info[t].status, BLV_TASK_OK) << "task " << t;
          ASSERT_LE(out.values[place_of(p, BLV_METHOD, BLV_RESIDUAL, BLV_RESULT)][t], 1e4 * epsilon_of(c));
        }
      }
    }
  }
}

// ---- Tasks that fail ------------------------------------------------------------------------------------------------

void expect_failed(const Problem &p, const Outcome &out, int64_t task) {
  for (size_t i = 0; i < p.arrays.size(); i++) {
    if (!p.arrays[i].written() || !p.arrays[i].task_stride) continue;
    const size_t n = out.values[i].size() / static_cast<size_t>(p.c.tasks);
    for (size_t j = 0; j < n; j++)
      ASSERT_TRUE(std::isnan(out.values[i][static_cast<size_t>(task) * n + j])) << "slot " << i << " element " << j;
  }
}

// Negative weights make one task's Hessian negative definite, and a larger damping saves it.
TEST(ImplicitFails, WhereTheHessianIsIndefinite) {
  for (int executor : executors()) {
    for (int isa : levels()) {
      Case c = implicit_case(BLV_SQUARED, BLV_TANH, BLV_SGD, 0.01);
      c.widths = {4, 1}, c.tasks = machine() ? 4 : 19, c.executor = executor, c.tolerance = 1e-10;
      Problem p(c);
      const Outcome clean = run(p, {.isa = isa});
      Array &weight = *p.find(BLV_INNER, BLV_WEIGHT, BLV_VALUE);
      for (int64_t i = 0; i < c.rows; i++) weight.set(weight.offset(2, 0, i, 0), -3);
      const Outcome out = run(p, {.isa = isa});
      ASSERT_EQ(out.status, BLV_OK) << out.error;
      for (int64_t t = 0; t < c.tasks; t++) {
        if (t != 2) {
          ASSERT_EQ(out.info[t].status, BLV_TASK_OK) << "task " << t;
          ASSERT_NO_FATAL_FAILURE(expect_same_task(p, clean, t, out, t));
          continue;
        }
        ASSERT_EQ(out.info[t].status, BLV_TASK_CURVATURE);
        ASSERT_EQ(out.info[t].side, 0);
        ASSERT_EQ(out.info[t].step, -1);
        ASSERT_EQ(out.info[t].row, -1);
        ASSERT_NO_FATAL_FAILURE(expect_failed(p, out, t));
      }
      p.c.damping = 50;
      const Outcome damped = run(p, {.isa = isa});
      ASSERT_EQ(damped.info[2].status, BLV_TASK_OK);
    }
  }
}

// A Hessian of no rows is 0: curvature is not positive, either.
TEST(ImplicitFails, WhereTheHessianIsZero) {
  for (int executor : executors()) {
    Case c = implicit_case(BLV_SQUARED, BLV_TANH, BLV_SGD, 0);
    remove_leaf(c, BLV_INNER, BLV_PENALTY);
    c.widths = {2, 1}, c.counts = {0, 5, 5}, c.executor = executor, c.iterations = 5;
    c.leaves.push_back({.side = BLV_INNER, .leaf = BLV_ROWS});
    Problem p(c);
    const Outcome out = run(p);
    ASSERT_EQ(out.status, BLV_OK) << out.error;
    ASSERT_EQ(out.info[0].status, BLV_TASK_CURVATURE);
    ASSERT_EQ(out.info[1].status, BLV_TASK_OK);
  }
}

// A failed task poisons what is summed over tasks, unless failed tasks are skipped.
TEST(ImplicitFails, AndPoisonsSumsUnlessSkipped) {
  for (int executor : executors()) {
    Case c = implicit_case(BLV_SQUARED, BLV_TANH, BLV_SGD, 0.01);
    c.widths = {4, 1}, c.tasks = 5, c.executor = executor, c.tolerance = 1e-12;
    for (Leaf &leaf : c.leaves) leaf.sum = true;
    Problem p(c);
    Array &weight = *p.find(BLV_INNER, BLV_WEIGHT, BLV_VALUE);
    for (int64_t i = 0; i < c.rows; i++) weight.set(weight.offset(2, 0, i, 0), -3);
    const Expected want = reference(p);
    const Outcome poisoned = run(p);
    p.c.plan_flags = BLV_SKIP_FAILED;
    const Outcome skipped = run(p);
    for (size_t i = 0; i < p.arrays.size(); i++) {
      const Array &a = p.arrays[i];
      if (a.slot.use != BLV_GRADIENT) continue;
      for (size_t j = 0; j < poisoned.values[i].size(); j++) {
        ASSERT_TRUE(std::isnan(poisoned.values[i][j])) << "slot " << i;
        double sum = 0;
        for (size_t t = 0; t < 5; t++) sum += t == 2 ? 0 : want.tasks[t].gradient.at({a.leaf.side, a.leaf.leaf})[0][j];
        ASSERT_NEAR(skipped.values[i][j], sum, 1e-9 * std::fmax(1, std::fabs(sum))) << "slot " << i;
      }
    }
  }
}

// NaN is told as such, also where only the Hessian or a cross product sees it.
TEST(ImplicitFails, WhereDataAreNotFinite) {
  for (int executor : executors()) {
    for (int64_t steps : {0, 3}) {
      Case c = implicit_case(BLV_LOGISTIC, BLV_TANH, BLV_SGD, 1);
      c.tasks = machine() ? 4 : 19, c.executor = executor, c.steps = steps, c.tolerance = 1e-8;
      Problem clean(c);
      const Outcome good = run(clean);
      for (const Array &a : clean.arrays) {
        if (a.slot.use != BLV_VALUE) continue;
        if (steps == 0 && a.slot.leaf == BLV_RATE) continue;
        for (double bad : {std::nan(""), HUGE_VAL}) {
          SCOPED_TRACE("steps " + std::to_string(steps) + " side " + std::to_string(a.slot.side) + " leaf " +
                       std::to_string(a.slot.leaf) + " value " + std::to_string(bad));
          if (a.slot.leaf == BLV_Y && !std::isnan(bad)) continue;  // a bad label
          Problem p(c);
          Array &value = *p.find(a.slot.side, a.slot.leaf, BLV_VALUE);
          value.set(value.offset(2, 0, 0, 0), bad);
          const Outcome out = run(p);
          ASSERT_EQ(out.status, BLV_OK) << out.error;
          for (int64_t t = 0; t < c.tasks; t++) {
            if (t == 2) {
              EXPECT_EQ(out.info[t].status, BLV_TASK_NOT_FINITE);
              ASSERT_NO_FATAL_FAILURE(expect_failed(p, out, t));
            } else {
              ASSERT_NO_FATAL_FAILURE(expect_same_task(p, good, t, out, t));
            }
          }
        }
      }
    }
  }
}

// ---- Other ways to the same numbers ---------------------------------------------------------------------------------

// Ridge regression, theta_0 = theta* by elimination, T = 0: with H = X'WX / n + diag(p), r = X theta* - y and v = H^-1 lambda,
//     dL_out/dy_i = w_i x_i . v / n,   dL_out/dw_i = -r_i x_i . v / n,   dL_out/dp_j = -theta_j v_j,
//     dL_out/dx_ij = -w_i (r_i v_j + theta_j x_i . v) / n.
TEST(ImplicitAgrees, WithRidgeRegressionInClosedForm) {
  Case c = implicit_case(BLV_SQUARED, BLV_TANH, BLV_SGD, 0);
  c.widths = {4, 1}, c.flags = BLV_NO_BIAS, c.rows = 9, c.steps = 0, c.tolerance = 1e-15;
  Problem p(c);
  const size_t n = 9, d = 4;
  std::vector<std::vector<double>> v_of, theta_of;
  const auto get = [&](int side, int leaf, int64_t t, size_t row, size_t column) {
    const Array &a = *p.find(side, leaf, BLV_VALUE);
    return a.get(a.offset(t, 0, int64_t(row), int64_t(column)));
  };
  for (int64_t t = 0; t < c.tasks; t++) {
    oracle::Dense h(d);
    std::vector<double> xy(d, 0.0), lambda(d, 0.0);
    for (size_t i = 0; i < n; i++) {
      const double w = get(BLV_INNER, BLV_WEIGHT, t, i, 0) / double(n);
      for (size_t j = 0; j < d; j++) {
        xy[j] += w * get(BLV_INNER, BLV_X, t, i, j) * get(BLV_INNER, BLV_Y, t, i, 0);
        for (size_t k = 0; k < d; k++) h(j, k) += w * get(BLV_INNER, BLV_X, t, i, j) * get(BLV_INNER, BLV_X, t, i, k);
      }
    }
    for (size_t j = 0; j < d; j++) h(j, j) += get(BLV_INNER, BLV_PENALTY, t, 0, j);
    theta_of.push_back(oracle::solve_dense(h, xy));
    Array &theta0 = *p.find(BLV_METHOD, BLV_THETA0, BLV_VALUE);
    for (size_t j = 0; j < d; j++) theta0.set(theta0.offset(t, 0, 0, int64_t(j)), theta_of.back()[j]);
    for (size_t i = 0; i < size_t(c.outer_rows); i++) {
      double r = -get(BLV_OUTER, BLV_Y, t, i, 0);
      for (size_t j = 0; j < d; j++) r += get(BLV_OUTER, BLV_X, t, i, j) * theta_of.back()[j];
      for (size_t j = 0; j < d; j++)
        lambda[j] += get(BLV_OUTER, BLV_WEIGHT, t, i, 0) * r * get(BLV_OUTER, BLV_X, t, i, j) / double(c.outer_rows);
    }
    for (size_t j = 0; j < d; j++) lambda[j] += get(BLV_OUTER, BLV_PENALTY, t, 0, j) * theta_of.back()[j];
    v_of.push_back(oracle::solve_dense(h, lambda));
  }
  for (int executor : executors()) {
    p.c.executor = executor;
    const Outcome out = run(p);
    ASSERT_EQ(out.status, BLV_OK) << out.error;
    const auto got = [&](int leaf, size_t i) { return out.values[place_of(p, BLV_INNER, leaf, BLV_GRADIENT)][i]; };
    for (size_t t = 0; t < size_t(c.tasks); t++) {
      const std::vector<double> &theta = theta_of[t], &v = v_of[t];
      for (size_t j = 0; j < d; j++) ASSERT_NEAR(got(BLV_PENALTY, t * d + j), -theta[j] * v[j], 1e-12);
      for (size_t i = 0; i < n; i++) {
        double r = -get(BLV_INNER, BLV_Y, int64_t(t), i, 0), xv = 0;
        for (size_t j = 0; j < d; j++) {
          const double x = get(BLV_INNER, BLV_X, int64_t(t), i, j);
          r += x * theta[j], xv += x * v[j];
        }
        const double w = get(BLV_INNER, BLV_WEIGHT, int64_t(t), i, 0);
        ASSERT_NEAR(got(BLV_Y, t * n + i), w * xv / double(n), 1e-12);
        ASSERT_NEAR(got(BLV_WEIGHT, t * n + i), -r * xv / double(n), 1e-12);
        for (size_t j = 0; j < d; j++)
          ASSERT_NEAR(got(BLV_X, (t * n + i) * d + j), -w * (r * v[j] + theta[j] * xv) / double(n), 1e-12);
      }
    }
  }
}

// On a strongly convex problem the reverse sweep through many steps converges to the same.
TEST(ImplicitAgrees, WithTheReverseSweepOfManySteps) {
  for (int loss : {BLV_LOGISTIC, BLV_CROSS_ENTROPY}) {
    for (int optimiser : {BLV_SGD, BLV_HEAVY_BALL}) {
      Case c = unroll_case(loss, BLV_TANH, optimiser, BLV_F64, {.link = BLV_SIGMOID_LINK}, {});
      c.widths = {4, 2}, c.rows = 10, c.outer_rows = 8, c.steps = 300;
      if (machine()) c.tasks = 1, c.rows = 3, c.outer_rows = 2;
      Case solved = as_implicit(c, 0);
      solved.tolerance = 1e-12;
      Problem unroll(c), implicit(solved);
      for (Problem *p : {&unroll, &implicit}) {
        Array &penalty = *p->find(BLV_INNER, BLV_PENALTY, BLV_VALUE), &rate = *p->find(BLV_METHOD, BLV_RATE, BLV_VALUE);
        for (int64_t i = 0; i < penalty.extent(); i++) penalty.set(i, 0.5 + 0.1 * double(i % 5));
        for (int64_t i = 0; i < rate.extent(); i++) rate.set(i, 0.5);
        if (Array *momentum = p->find(BLV_METHOD, BLV_MOMENTUM, BLV_VALUE))
          for (int64_t i = 0; i < momentum->extent(); i++) momentum->set(i, 0.3);
      }
      for (int executor : executors()) {
        unroll.c.executor = implicit.c.executor = executor;
        SCOPED_TRACE(name_of(unroll.c, {}));
        const Outcome swept = run(unroll), out = run(implicit);
        ASSERT_EQ(swept.status, BLV_OK) << swept.error;
        ASSERT_EQ(out.status, BLV_OK) << out.error;
        for (size_t i = 0; i < implicit.arrays.size(); i++) {
          const blv_slot &slot = implicit.arrays[i].slot;
          if (slot.use != BLV_GRADIENT) continue;
          const std::vector<double> &want = swept.values[place_of(unroll, slot.side, slot.leaf, BLV_GRADIENT)];
          for (size_t j = 0; j < want.size(); j++)
            ASSERT_TRUE(std::fabs(out.values[i][j] - want[j]) <= 1e-6 * largest(want))
                << "side " << slot.side << " leaf " << slot.leaf << " element " << j << ": " << out.values[i][j]
                << " but the sweep gives " << want[j];
        }
      }
    }
  }
}

// ---- Drawn at random ------------------------------------------------------------------------------------------------

class ImplicitCombinations : public testing::TestWithParam<unsigned> {};

// The unrolls of combinations_test, small enough for a dense Hessian; with a damping that often makes it positive definite.
TEST_P(ImplicitCombinations, Drawn) {
  int checked = 0;
  for (unsigned seed = GetParam(); seed < GetParam() + 100; seed++) {
    Case c = draw(seed, executors());
    if (c.kind != BLV_UNROLL || c.parameters() > 100 || c.rows > 100 || c.outer_rows > 100) continue;
    Dice d(seed + 3000000);
    c = as_implicit(c, static_cast<double>(d.between(1, 20)));
    c.tasks = std::min<int64_t>(c.tasks, 5);
    c.tolerance = c.dtype == BLV_F64 ? 1e-15 : 1e-7;
    if (d.one_in(3)) c.solver = BLV_MINRES;
    Problem p(c);
    const Expected want = reference(p);
    if (!all_positive_definite(want)) continue;  // also where it diverges
    const std::vector<int> isa = levels();
    check(p, {.isa = isa[size_t(d.between(0, int64_t(isa.size()) - 1))], .threads = int(d.between(1, 4))}, want,
          2 * condition_of(want));
    if (HasFatalFailure()) return;
    checked++;
  }
  EXPECT_GE(checked, 5);
}

INSTANTIATE_TEST_SUITE_P(Seeds, ImplicitCombinations, testing::Values(0, 100, 200, 300, 400, 500));

}  // namespace
