// SPDX-License-Identifier: Apache-2.0
//
// MINRES, the Neumann series and the identity, each against its own formula, and what each says of a task that it cannot solve.
#include "solver_cases.h"

namespace {

using namespace harness;

// ---- MINRES ---------------------------------------------------------------------------------------------------------

// Where CG fails, and says with which curvature, MINRES solves.
TEST(Minres, SolvesIndefiniteSystems) {
  for (const int solver : {BLV_CG, BLV_MINRES}) {
    Problem p(squares_case(solver));
    make_indefinite(p, 2);
    const Expected want = reference(p);
    ASSERT_FALSE(oracle::is_positive_definite(want.tasks[2].hessian)) << "a mistake in a test";
    for (const int executor : executors()) {
      for (const int isa : levels()) {
        p.c.executor = executor;
        SCOPED_TRACE(name_of(p.c, {.isa = isa}) + " solver " + std::to_string(solver));
        const Outcome out = run(p, {.isa = isa});
        ASSERT_EQ(out.status, BLV_OK) << out.error;
        for (int64_t t = 0; t < p.c.tasks; t++) {
          const auto i = static_cast<size_t>(t);
          if (solver == BLV_CG && t == 2) {
            ASSERT_EQ(out.info[i].status, BLV_TASK_CURVATURE);
            ASSERT_EQ(result_of(p, out, BLV_STOP)[i], BLV_STOP_CURVATURE);
            ASSERT_LE(result_of(p, out, BLV_CURVATURE)[i], 0);
            ASSERT_TRUE(std::isnan(result_of(p, out, BLV_RESIDUAL)[i]));
            continue;
          }
          ASSERT_EQ(out.info[i].status, BLV_TASK_OK) << t;
          const std::vector<double> v = solution_of(p, out, t), &exact = want.tasks[i].solution;
          for (size_t j = 0; j < v.size(); j++) ASSERT_NEAR(v[j], exact[j], 1e-9 * largest(exact)) << "task " << t;
          if (t == 2) {
            ASSERT_LT(result_of(p, out, BLV_CURVATURE)[i], 0);
          }
        }
      }
    }
  }
}

// |right - a K y|, smallest over y, K an orthonormal basis of the Krylov space of k dimensions.
double smallest_residual(const oracle::Answer &answer, size_t k) {
  std::vector<std::vector<double>> images;  // orthonormal, of a K
  std::vector<double> power = answer.right, r = answer.right;
  for (size_t i = 0; i < k; i++) {
    power = oracle::product(answer.hessian, power);
    std::vector<double> image = power;
    for (int twice = 0; twice < 2; twice++)
      for (const auto &before : images) {
        const double along = oracle::dot(image, before);
        for (size_t j = 0; j < image.size(); j++) image[j] -= along * before[j];
      }
    const double length = norm(image);
    for (double &x : image) x /= length;
    const double along = oracle::dot(r, image);
    for (size_t j = 0; j < r.size(); j++) r[j] -= along * image[j];
    images.push_back(image);
  }
  return norm(r);
}

// After k iterations no vector of the Krylov space has a smaller residual.
TEST(Minres, ResidualsAreMinimal) {
  Problem p(squares_case(BLV_MINRES));
  make_indefinite(p, 1);
  const Expected want = reference(p);
  for (const int64_t k : {0, 1, 2, 3, 4}) {
    p.c.iterations = k;
    for (const int executor : executors()) {
      p.c.executor = executor;
      const Outcome out = run(p);
      for (size_t t = 0; t < out.info.size(); t++) {
        const oracle::Answer &answer = want.tasks[t];
        ASSERT_EQ(out.info[t].iterations, k);
        ASSERT_NEAR(result_of(p, out, BLV_RESIDUAL)[t],
                    smallest_residual(answer, static_cast<size_t>(k)) / norm(answer.right), 1e-10)
            << "task " << t << " k " << k;
      }
    }
  }
}

// A Hessian of no rows is 0: nothing can be solved, and the reason is not that the tolerance is met.
TEST(Minres, SaysThatASystemIsSingular) {
  for (const int executor : executors()) {
    Case c = squares_case(BLV_MINRES);
    remove_leaf(c, BLV_INNER, BLV_PENALTY);
    c.damping = 0, c.counts.assign(static_cast<size_t>(c.tasks), 5), c.counts[1] = 0, c.executor = executor;
    c.leaves.push_back({.side = BLV_INNER, .leaf = BLV_ROWS});
    Problem p(c);
    const Outcome out = run(p);
    ASSERT_EQ(out.status, BLV_OK) << out.error;
    ASSERT_EQ(out.info[1].status, BLV_TASK_OK);
    ASSERT_EQ(result_of(p, out, BLV_STOP)[1], BLV_STOP_STAGNATED);
    ASSERT_NEAR(result_of(p, out, BLV_RESIDUAL)[1], 1, 1e-12);
  }
}

// Fewer rows than parameters, and a right-hand side that is not in the range of H: what is left of it stays, no less than it must be, and
// v does not grow without end.
TEST(Minres, LeavesWhatASingularSystemLeaves) {
  for (const int dtype : {BLV_F64, BLV_F32}) {
    for (const int64_t rows : {2, 4, 7}) {
      Case c = implicit_case(BLV_SQUARED, BLV_TANH, BLV_SGD, 0, dtype);
      remove_leaf(c, BLV_INNER, BLV_PENALTY);
      c.widths = {9, 1}, c.flags = BLV_NO_BIAS, c.rows = rows, c.outer_rows = 12, c.steps = 0, c.solver = BLV_MINRES;
      c.tasks = machine() ? 4 : 40, c.iterations = 100, c.tolerance = dtype == BLV_F64 ? 1e-12 : 1e-5,
      c.stop_result = true;
      Problem p(c);
      const Expected want = reference(p);
      for (const int executor : executors()) {
        p.c.executor = executor;
        SCOPED_TRACE(name_of(p.c, {}) + " rows " + std::to_string(rows));
        const Outcome out = run(p);
        ASSERT_EQ(out.status, BLV_OK) << out.error;
        for (int64_t t = 0; t < c.tasks; t++) {
          const auto i = static_cast<size_t>(t);
          const oracle::Answer &answer = want.tasks[i];
          const double least = smallest_residual(answer, static_cast<size_t>(rows)) / norm(answer.right);
          ASSERT_GT(least, 0.01) << "a mistake in a test";
          ASSERT_EQ(out.info[i].status, BLV_TASK_OK);
          const double said = result_of(p, out, BLV_RESIDUAL)[i];
          ASSERT_LE(said, 1 + 1e-5) << "task " << t;
          if (dtype == BLV_F64) {
            ASSERT_NEAR(said, least, 1e-6) << "task " << t;
          }
          ASSERT_NE(result_of(p, out, BLV_STOP)[i], double(BLV_STOP_CONVERGED));
        }
      }
    }
  }
}

// ---- The Neumann series ---------------------------------------------------------------------------------------------

// After k terms v is their sum, and the contraction the last ratio of residuals.
TEST(Neumann, SumsItsTerms) {
  Case c = softmax_case(BLV_NEUMANN);
  c.contraction_result = true;
  Problem p(c);
  const Expected want = reference(p);
  set_step(p, want);
  for (const int64_t terms : {0, 1, 2, 7}) {
    p.c.iterations = terms;
    for (const int executor : executors()) {
      p.c.executor = executor;
      const Outcome out = run(p);
      ASSERT_EQ(out.status, BLV_OK) << out.error;
      for (int64_t t = 0; t < c.tasks; t++) {
        const oracle::Answer &answer = want.tasks[static_cast<size_t>(t)];
        std::vector<double> sum(answer.right.size(), 0.0), r = answer.right;
        double ratio = 0;
        for (int64_t k = 0; k < terms; k++) {
          const double before = norm(r);
          for (size_t j = 0; j < r.size(); j++) sum[j] += p.c.solver_step * r[j];
          r = residual(answer, sum);
          ratio = norm(r) / before;
        }
        const std::vector<double> v = solution_of(p, out, t);
        for (size_t j = 0; j < v.size(); j++) ASSERT_NEAR(v[j], sum[j], 1e-12 * std::fmax(largest(sum), 1e-3));
        ASSERT_NEAR(result_of(p, out, BLV_CONTRACTION)[static_cast<size_t>(t)], ratio, 1e-11);
      }
    }
  }
}

// A step that is too large for one task fails that one, with the ratio that shows it.
TEST(Neumann, FailsWhereItDiverges) {
  for (const int dtype : {BLV_F64, BLV_F32}) {
    Case c = softmax_case(BLV_NEUMANN, dtype);
    c.contraction_result = true, c.tolerance = dtype == BLV_F64 ? 1e-10 : 1e-5;
    Problem p(c);
    const Expected before = reference(p);
    set_step(p, before);
    Array &weight = *p.find(BLV_INNER, BLV_WEIGHT, BLV_VALUE);
    const auto set_weights = [&](double x) {
      for (int64_t i = 0; i < c.rows; i++) weight.set(weight.offset(2, 0, i, 0), x);
    };
    for (const int executor : executors()) {
      p.c.executor = executor;
      set_weights(0);
      const Outcome good = run(p);
      set_weights(5);  // exp(5)
      const Outcome out = run(p);
      ASSERT_EQ(out.status, BLV_OK) << out.error;
      for (int64_t t = 0; t < c.tasks; t++) {
        const auto i = static_cast<size_t>(t);
        ASSERT_EQ(out.info[i].status, t == 2 ? BLV_TASK_DIVERGENT : BLV_TASK_OK) << t;
        ASSERT_EQ(result_of(p, out, BLV_STOP)[i], t == 2 ? BLV_STOP_DIVERGENT : BLV_STOP_CONVERGED);
        ASSERT_EQ(result_of(p, out, BLV_CONTRACTION)[i] > 1, t == 2);
        if (t == 2) continue;
        ASSERT_NO_FATAL_FAILURE(expect_same_task(p, good, t, out, t));
      }
      for (double x : solution_of(p, out, 2)) ASSERT_TRUE(std::isnan(x));
      // What was computed before is reported.
      ASSERT_GE(out.info[2].iterations, 1);
      ASSERT_TRUE(std::isfinite(out.info[2].loss));
    }
  }
}

// ---- Identity -------------------------------------------------------------------------------------------------------

TEST(Identity, TakesTheRightHandSide) {
  Problem p(softmax_case(BLV_IDENTITY));
  const Expected want = reference(p);
  for (const int executor : executors()) {
    p.c.executor = executor;
    const Outcome out = run(p);
    ASSERT_EQ(out.status, BLV_OK) << out.error;
    for (int64_t t = 0; t < p.c.tasks; t++) {
      const auto i = static_cast<size_t>(t);
      const oracle::Answer &answer = want.tasks[i];
      const std::vector<double> v = solution_of(p, out, t);
      for (size_t j = 0; j < v.size(); j++) ASSERT_NEAR(v[j], answer.right[j], 1e-14 * largest(answer.right));
      ASSERT_NEAR(result_of(p, out, BLV_RESIDUAL)[i], norm(residual(answer, v)) / norm(answer.right), 1e-12);
      ASSERT_EQ(result_of(p, out, BLV_STOP)[i], BLV_STOP_LIMIT);
      ASSERT_EQ(out.info[i].iterations, 0);
    }
  }
}

}  // namespace
