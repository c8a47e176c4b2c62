// SPDX-License-Identifier: Apache-2.0
//
// The solvers of implicit differentiation together: each against a dense solve, what each says of what it found, tolerances and limits of
// single tasks, restarts, warm starts.
#include "solver_cases.h"

namespace {

using namespace harness;

class SolversOf : public testing::TestWithParam<int> {};  // dtype

// v and every hypergradient, where all iterate to the end.
TEST_P(SolversOf, AgreeWithADenseSolve) {
  for (const int solver : {BLV_CG, BLV_MINRES, BLV_NEUMANN}) {
    Case c = softmax_case(solver, GetParam());
    c.stop_result = c.curvature_result = false;
    Problem p(c);
    const Expected want = reference(p);
    if (solver == BLV_NEUMANN) set_step(p, want);
    double condition = 1;
    for (const oracle::Answer &a : want.tasks) condition = std::fmax(condition, a.condition);
    for (const int executor : executors()) {
      for (const int isa : levels()) {
        p.c.executor = executor;
        // A series adds as many terms as the condition says.
        const double terms = (GetParam() == BLV_F64 ? 4 : 16) * (solver == BLV_NEUMANN ? 4 : 1);
        ASSERT_NO_FATAL_FAILURE(check(p, {.isa = isa}, want, condition * terms));
      }
    }
  }
}

// Reasons, residuals and curvature are of the solve that was made.
TEST_P(SolversOf, SayWhatTheyFound) {
  for (const int solver : {BLV_CG, BLV_MINRES, BLV_NEUMANN}) {
    Problem p(softmax_case(solver, GetParam()));
    const Expected want = reference(p);
    if (solver == BLV_NEUMANN) set_step(p, want);
    const double tolerance = GetParam() == BLV_F64 ? 1e-8 : 1e-3;
    for (const bool enough : {true, false}) {
      p.c.tolerance = tolerance, p.c.iterations = enough ? 1000 : 1;
      for (const int executor : executors()) {
        p.c.executor = executor;
        SCOPED_TRACE(name_of(p.c, {}) + " solver " + std::to_string(solver));
        const Outcome out = run(p);
        ASSERT_EQ(out.status, BLV_OK) << out.error;
        for (int64_t t = 0; t < p.c.tasks; t++) {
          const auto i = static_cast<size_t>(t);
          const oracle::Answer &answer = want.tasks[i];
          ASSERT_EQ(out.info[i].status, BLV_TASK_OK);
          const double said = result_of(p, out, BLV_RESIDUAL)[i];
          ASSERT_NEAR(said, norm(residual(answer, solution_of(p, out, t))) / norm(answer.right), 300 * epsilon_of(p.c));
          ASSERT_EQ(result_of(p, out, BLV_STOP)[i], said <= tolerance ? BLV_STOP_CONVERGED : BLV_STOP_LIMIT);
          if (enough) {
            ASSERT_LE(said, tolerance);
          }
          // A Rayleigh quotient lies between damping, all that is sure of the smallest eigenvalue, and the largest.
          const double curvature = result_of(p, out, BLV_CURVATURE)[i];
          ASSERT_GE(curvature, 0.5 - 100 * epsilon_of(p.c));
          ASSERT_LE(curvature, oracle::row_sum_norm(answer.hessian));
        }
      }
    }
  }
}

INSTANTIATE_TEST_SUITE_P(All, SolversOf, testing::Values(BLV_F64, BLV_F32));

// ---- Of each task ---------------------------------------------------------------------------------------------------

// A task with a tolerance and a limit of its own ends as in a plan that has them: the same bits.
TEST(Solvers, StopByATasksOwnLimits) {
  for (const int solver : {BLV_CG, BLV_MINRES, BLV_NEUMANN}) {
    for (const int whole : {BLV_I32, BLV_I64}) {
      Case c = softmax_case(solver);
      Problem plain(c);
      c.leaves.push_back({.leaf = BLV_TOLERANCE});
      c.leaves.push_back({.leaf = BLV_ITERATIONS, .dtype = whole});
      Problem p(c);
      const Expected want = reference(plain);
      set_step(p, want);
      if (solver != BLV_NEUMANN) p.c.solver_step = 0;
      plain.c.solver_step = p.c.solver_step;
      Array &tolerance = *p.find(BLV_METHOD, BLV_TOLERANCE, BLV_VALUE);
      Array &limit = *p.find(BLV_METHOD, BLV_ITERATIONS, BLV_VALUE);
      const auto tolerance_of = [](int64_t t) { return t % 3 ? std::pow(10.0, -1.0 - double(t % 7)) : 0.0; };
      const auto limit_of = [](int64_t t) { return t % 4 == 3 ? 2 : t % 4 == 2 ? 0 : 100; };
      for (int64_t t = 0; t < c.tasks; t++) {
        tolerance.set(tolerance.offset(t, 0, 0, 0), tolerance_of(t));
        limit.set(limit.offset(t, 0, 0, 0), limit_of(t));
      }
      for (const int executor : executors()) {
        p.c.executor = plain.c.executor = executor;
        SCOPED_TRACE(name_of(p.c, {}) + " solver " + std::to_string(solver));
        const Outcome out = run(p);
        ASSERT_EQ(out.status, BLV_OK) << out.error;
        for (int64_t t = 0; t < std::min<int64_t>(c.tasks, 8); t++) {
          plain.c.tolerance = tolerance_of(t), plain.c.iterations = limit_of(t);
          const Outcome alone = run(plain);
          const auto i = static_cast<size_t>(t);
          ASSERT_EQ(out.info[i].iterations, alone.info[i].iterations) << "task " << t;
          ASSERT_EQ(solution_of(p, out, t), solution_of(plain, alone, t)) << "task " << t;
          ASSERT_EQ(result_of(p, out, BLV_STOP)[i], result_of(plain, alone, BLV_STOP)[i]) << "task " << t;
        }
      }
    }
  }
}

TEST(Solvers, FailATaskWhoseLimitsAreNone) {
  for (const int solver : {BLV_CG, BLV_MINRES, BLV_NEUMANN}) {
    Case c = softmax_case(solver);
    c.leaves.push_back({.leaf = BLV_TOLERANCE});
    c.leaves.push_back({.leaf = BLV_ITERATIONS});
    if (solver == BLV_NEUMANN) c.solver_step = 0.01;
    for (const int executor : executors()) {
      c.executor = executor;
      for (const double bad : {std::nan(""), HUGE_VAL, -1e-9, 1.0, 5.0, -HUGE_VAL}) {
        Problem p(c);
        Array &tolerance = *p.find(BLV_METHOD, BLV_TOLERANCE, BLV_VALUE);
        tolerance.set(tolerance.offset(1, 0, 0, 0), bad);
        const Outcome out = run(p);
        for (int64_t t = 0; t < c.tasks; t++)
          ASSERT_EQ(out.info[static_cast<size_t>(t)].status, t == 1 ? BLV_TASK_BAD_SOLVER : BLV_TASK_OK) << bad;
      }
      Problem p(c);
      Array &limit = *p.find(BLV_METHOD, BLV_ITERATIONS, BLV_VALUE);
      limit.set(limit.offset(1, 0, 0, 0), -1);
      const Outcome out = run(p);
      ASSERT_EQ(out.info[0].status, BLV_TASK_OK);
      ASSERT_EQ(out.info[1].status, BLV_TASK_BAD_SOLVER);
    }
  }
}

// |grad L_in(theta_T)|, whatever solves.
TEST(Solvers, SayHowFarTheInnerStepsAre) {
  for (const int solver : {BLV_CG, BLV_IDENTITY}) {
    Case c = softmax_case(solver);
    c.stationarity_result = c.theta_result = true, c.steps = 3;
    for (const int executor : executors()) {
      c.executor = executor;
      Problem p(c);
      const Outcome out = run(p);
      for (int64_t t = 0; t < c.tasks; t++) {
        oracle::Task task = oracle_task(p, t);
        task.kind = BLV_EVALUATE;
        const oracle::Answer trained = oracle::solve(oracle_task(p, t));
        task.arrays[{BLV_METHOD, BLV_THETA}] = {.value = trained.theta, .wanted = true};
        ASSERT_NEAR(result_of(p, out, BLV_STATIONARITY)[static_cast<size_t>(t)], oracle::solve(task).gradient_norm,
                    1e-12);
      }
    }
  }
}

// A right-hand side of 0 is solved by 0, without iterations, whatever H is.
TEST(Solvers, HaveNothingToDoForZero) {
  for (const int solver : {BLV_CG, BLV_MINRES, BLV_NEUMANN, BLV_IDENTITY}) {
    Case c = squares_case(solver);
    remove_leaf(c, BLV_OUTER, BLV_PENALTY);
    if (solver == BLV_NEUMANN) c.solver_step = 0.01;
    for (const int executor : executors()) {
      c.executor = executor;
      Problem p(c);
      make_indefinite(p, 1);
      Array &weight = *p.find(BLV_OUTER, BLV_WEIGHT, BLV_VALUE);
      for (int64_t i = 0; i < c.outer_rows; i++) weight.set(weight.offset(1, 0, i, 0), 0);
      const Outcome out = run(p);
      ASSERT_EQ(out.info[1].status, BLV_TASK_OK);
      ASSERT_EQ(out.info[1].iterations, 0);
      ASSERT_EQ(result_of(p, out, BLV_STOP)[1], BLV_STOP_CONVERGED);
      ASSERT_EQ(result_of(p, out, BLV_RESIDUAL)[1], 0);
      for (double x : solution_of(p, out, 1)) ASSERT_EQ(x, 0);
    }
  }
}

// Where the recursion's residual and the true one part, a task goes on from the true one: f32, and a tolerance of a few of its rounding
// errors.
TEST(Solvers, GoOnFromTheTrueResidual) {
  for (const int solver : {BLV_CG, BLV_MINRES}) {
    Case c = implicit_case(BLV_SQUARED, BLV_TANH, BLV_SGD, 0.01, BLV_F32);
    c.widths = {12, 1}, c.rows = 40, c.steps = 0, c.tasks = machine() ? 4 : 40, c.solver = solver;
    c.iterations = 400, c.tolerance = 4e-7, c.stop_result = true;
    remove_leaf(c, BLV_INNER, BLV_PENALTY);
    for (const int executor : executors()) {
      c.executor = executor;
      Problem p(c);
      const Outcome out = run(p);
      ASSERT_EQ(out.status, BLV_OK) << out.error;
      int64_t met = 0;
      for (size_t t = 0; t < out.info.size(); t++) {
        ASSERT_EQ(out.info[t].status, BLV_TASK_OK);
        const double residual = result_of(p, out, BLV_RESIDUAL)[t];
        ASSERT_EQ(result_of(p, out, BLV_STOP)[t] == double(BLV_STOP_CONVERGED), residual <= c.tolerance) << residual;
        ASSERT_LE(residual, 1e-5);
        met += residual <= c.tolerance;
      }
      EXPECT_GE(4 * met, (machine() ? 1 : 3) * c.tasks) << "solver " << solver << " executor " << executor;
    }
  }
}

// From the last solution, which solves what has not changed; 0 at first.
TEST(Solvers, BeginWhereTheyEnded) {
  for (const int solver : {BLV_CG, BLV_MINRES, BLV_NEUMANN}) {
    Case c = softmax_case(solver);
    c.tolerance = 1e-9;
    Problem p(c);
    const Expected want = reference(p);
    if (solver == BLV_NEUMANN) set_step(p, want);
    for (const int executor : executors()) {
      p.c.executor = executor;
      SCOPED_TRACE(name_of(p.c, {}) + " solver " + std::to_string(solver));
      p.c.warm_start = 0;
      const Outcome cold = run(p);
      p.c.warm_start = 1;
      std::unique_ptr<Guarded> state;
      const Outcome first = run(p, {.state = &state}), again = run(p, {.state = &state});
      for (size_t t = 0; t < again.info.size(); t++) {
        ASSERT_EQ(first.info[t].iterations, cold.info[t].iterations);
        ASSERT_EQ(again.info[t].iterations, 0) << "task " << t;
        ASSERT_LE(result_of(p, again, BLV_RESIDUAL)[t], 1.0001e-9);
      }
    }
  }
}

}  // namespace
