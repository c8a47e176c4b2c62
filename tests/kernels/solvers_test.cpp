// SPDX-License-Identifier: Apache-2.0
//
// The solvers of implicit differentiation: each against a dense solve and against its own formula, what each says of a task that it
// cannot solve, tolerances and limits of single tasks. That CG does what it should is in implicit_test.cpp.
#include "cases.h"
#include "same_bits.h"

namespace {

using namespace harness;

const std::vector<double> &result_of(const Problem &p, const Outcome &out, int leaf) {
  return out.values[static_cast<size_t>(const_cast<Problem &>(p).find(BLV_METHOD, leaf, BLV_RESULT) - p.arrays.data())];
}

std::vector<double> solution_of(const Problem &p, const Outcome &out, int64_t task) {
  const std::vector<double> &all = result_of(p, out, BLV_SOLUTION);
  const auto n = p.c.parameters();
  return {all.begin() + task * n, all.begin() + (task + 1) * n};
}

double norm(const std::vector<double> &x) { return std::sqrt(oracle::dot(x, x)); }

// right - a x
std::vector<double> residual(const oracle::Answer &answer, const std::vector<double> &x) {
  std::vector<double> r = oracle::product(answer.hessian, x);
  for (size_t i = 0; i < r.size(); i++) r[i] = answer.right[i] - r[i];
  return r;
}

// What has no iterations has nothing to say of them.
Case as_identity(Case c) {
  c.solver = BLV_IDENTITY, c.tolerance = 0, c.iterations = 0, c.damping = 0, c.curvature_result = false;
  return c;
}

// All of a softmax regression's leaves; theta_0 is taken as it is.
Case softmax_case(int solver, int dtype = BLV_F64, double damping = 0.5) {
  Case c = implicit_case(BLV_CROSS_ENTROPY, BLV_TANH, BLV_SGD, damping, dtype, {.link = BLV_EXP}, {});
  c.widths = {3, 3}, c.steps = 0, c.tasks = machine() ? 4 : 19, c.solver = solver;
  c.tolerance = dtype == BLV_F64 ? 1e-14 : 1e-6;
  c.stop_result = c.curvature_result = true;
  return solver == BLV_IDENTITY ? as_identity(c) : c;
}

// A step with which the series of every task contracts.
void set_step(Problem &p, const Expected &want) {
  double top = 0;
  for (const oracle::Answer &a : want.tasks) top = std::fmax(top, oracle::row_sum_norm(a.hessian));
  p.c.solver_step = 1 / top;
}

// Negative weights make a task's Hessian indefinite, and without a singular part.
void make_indefinite(Problem &p, int64_t task) {
  Array &weight = *p.find(BLV_INNER, BLV_WEIGHT, BLV_VALUE);
  for (int64_t i = 0; i < p.c.rows; i++) weight.set(weight.offset(task, 0, i, 0), i % 2 ? 3 : -20);
}

Case squares_case(int solver) {
  Case c = implicit_case(BLV_SQUARED, BLV_TANH, BLV_SGD, 0.05);
  c.widths = {4, 1}, c.steps = 0, c.tasks = machine() ? 4 : 19, c.solver = solver, c.tolerance = 1e-13;
  c.stop_result = c.curvature_result = true;
  return solver == BLV_IDENTITY ? as_identity(c) : c;
}

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

// ---- CG where there is no solution, or more than one ----------------------------------------------------------------

// Fewer rows than parameters: v does not grow without end, and nothing says that it converged.
TEST(Cg, DoesNotGoAstrayWhereThereIsNoSolution) {
  for (const int dtype : {BLV_F64, BLV_F32}) {
    Case c = implicit_case(BLV_SQUARED, BLV_TANH, BLV_SGD, 0, dtype);
    remove_leaf(c, BLV_INNER, BLV_PENALTY);
    c.widths = {12, 1}, c.flags = BLV_NO_BIAS, c.rows = 5, c.outer_rows = 12, c.steps = 0;
    c.tasks = machine() ? 4 : 40, c.stop_result = true;
    Problem p(c);
    for (const double tolerance : {1e-6, 0.0}) {
      for (const int64_t iterations : {6, 12, 100, 1000}) {
        p.c.tolerance = tolerance, p.c.iterations = machine() ? std::min<int64_t>(iterations, 30) : iterations;
        for (const int executor : executors()) {
          p.c.executor = executor;
          SCOPED_TRACE(name_of(p.c, {}) + " iterations " + std::to_string(iterations));
          const Outcome out = run(p);
          ASSERT_EQ(out.status, BLV_OK) << out.error;
          for (size_t t = 0; t < out.info.size(); t++) {
            if (out.info[t].status == BLV_TASK_CURVATURE) continue;
            ASSERT_EQ(out.info[t].status, BLV_TASK_OK) << "task " << t;
            ASSERT_LE(result_of(p, out, BLV_RESIDUAL)[t], 10) << "task " << t;
            ASSERT_NE(result_of(p, out, BLV_STOP)[t], double(BLV_STOP_CONVERGED));
          }
        }
      }
    }
  }
}

// The biases of a softmax regression may all move together: a singular Hessian, and a right-hand side in its range. However small the
// tolerance is, what was reached is not lost again.
TEST(Cg, KeepsWhatItReachedOfASingularSystem) {
  for (const int dtype : {BLV_F64, BLV_F32}) {
    Case c = implicit_case(BLV_CROSS_ENTROPY, BLV_TANH, BLV_SGD, 0, dtype);
    leaf_in(c, BLV_INNER, BLV_PENALTY).extent = BLV_SCALAR;
    remove_leaf(c, BLV_OUTER, BLV_PENALTY);
    c.widths = {4, 3}, c.rows = 40, c.outer_rows = 20, c.steps = 0, c.tasks = machine() ? 4 : 19, c.stop_result = true;
    for (Leaf &leaf : c.leaves)
      if (leaf.leaf == BLV_Y) leaf.dtype = BLV_I32, leaf.gradient = false;
    for (const double tolerance : {1e-6, 3e-8, 0.0}) {
      for (const int64_t iterations : {9, 15, 30, 100, 1000}) {
        c.tolerance = tolerance, c.iterations = machine() ? std::min<int64_t>(iterations, 40) : iterations;
        for (const int executor : executors()) {
          c.executor = executor;
          Problem p(c);
          Array &penalty = *p.find(BLV_INNER, BLV_PENALTY, BLV_VALUE);
          for (int64_t i = 0; i < penalty.extent(); i++) penalty.set(i, 0.05);
          SCOPED_TRACE(name_of(p.c, {}) + " tolerance " + std::to_string(tolerance) + " iterations " +
                       std::to_string(iterations));
          const Outcome out = run(p);
          ASSERT_EQ(out.status, BLV_OK) << out.error;
          for (size_t t = 0; t < out.info.size(); t++) {
            ASSERT_EQ(out.info[t].status, BLV_TASK_OK) << "task " << t;
            const double reached = std::fmax(tolerance, dtype == BLV_F64 ? 1e-7 : 3e-5);
            ASSERT_LE(result_of(p, out, BLV_RESIDUAL)[t], iterations < 30 ? 1e-2 : reached) << "task " << t;
          }
        }
      }
    }
  }
}

// ---- CG with a preconditioner ---------------------------------------------------------------------------------------

// The iterates are those of CG on M^-1/2 A M^-1/2, whose solution is M^1/2 v.
TEST(Preconditioner, IsCgOfTheScaledSystem) {
  Case c = softmax_case(BLV_CG);
  c.leaves.push_back({.leaf = BLV_PRECONDITIONER});
  Problem p(c);
  const Expected want = reference(p);
  const Array &diagonal = *p.find(BLV_METHOD, BLV_PRECONDITIONER, BLV_VALUE);
  for (const int64_t limit : {1, 2, 3, 1000}) {
    p.c.iterations = limit, p.c.tolerance = 1e-12;
    for (const int executor : executors()) {
      p.c.executor = executor;
      SCOPED_TRACE(name_of(p.c, {}) + " limit " + std::to_string(limit));
      const Outcome out = run(p);
      ASSERT_EQ(out.status, BLV_OK) << out.error;
      for (int64_t t = 0; t < c.tasks; t++) {
        const oracle::Answer &answer = want.tasks[static_cast<size_t>(t)];
        const size_t n = answer.right.size();
        std::vector<double> root(n), right(n);
        oracle::Dense scaled(n);
        for (size_t j = 0; j < n; j++) root[j] = std::sqrt(diagonal.get(diagonal.offset(t, 0, 0, int64_t(j))));
        for (size_t i = 0; i < n; i++) {
          right[i] = answer.right[i] / root[i];
          for (size_t j = 0; j < n; j++) scaled(i, j) = answer.hessian(i, j) / (root[i] * root[j]);
        }
        std::vector<double> v = oracle::conjugate_gradients(scaled, right, limit == 1000 ? 30 : limit, 1e-14).x;
        for (size_t j = 0; j < n; j++) v[j] /= root[j];
        const std::vector<double> got = solution_of(p, out, t);
        for (size_t j = 0; j < n; j++) ASSERT_NEAR(got[j], v[j], 1e-10 * largest(v)) << "task " << t;
        ASSERT_EQ(out.info[static_cast<size_t>(t)].status, BLV_TASK_OK);
      }
    }
  }
}

// The diagonal of A itself makes up for features that differ in scale by six orders of magnitude.
TEST(Preconditioner, SavesIterations) {
  Case c = implicit_case(BLV_SQUARED, BLV_TANH, BLV_SGD, 1e-8);
  c.widths = {30, 1}, c.rows = 90, c.outer_rows = 10, c.steps = 0, c.tasks = machine() ? 2 : 9;
  c.tolerance = 1e-8, c.iterations = 2000;
  remove_leaf(c, BLV_INNER, BLV_PENALTY);
  Case with = c;
  with.leaves.push_back({.leaf = BLV_PRECONDITIONER});
  Problem plain(c), p(with);
  for (Problem *each : {&plain, &p})
    for (const int side : {BLV_INNER, BLV_OUTER}) {
      Array &x = *each->find(side, BLV_X, BLV_VALUE);
      for (int64_t t = 0; t < c.tasks; t++)
        for (int64_t i = 0; i < x.rows; i++)
          for (int64_t j = 0; j < 30; j++) {
            const int64_t at = x.offset(t, 0, i, j);
            x.set(at, x.get(at) * std::pow(10, double(j) / 10 - 1));
          }
    }
  const Expected want = reference(p);
  Array &diagonal = *p.find(BLV_METHOD, BLV_PRECONDITIONER, BLV_VALUE);
  for (int64_t t = 0; t < c.tasks; t++)
    for (int64_t j = 0; j < c.parameters(); j++)
      diagonal.set(diagonal.offset(t, 0, 0, j), want.tasks[size_t(t)].hessian(size_t(j), size_t(j)));
  for (const int executor : executors()) {
    p.c.executor = plain.c.executor = executor;
    const Outcome slow = run(plain), fast = run(p);
    for (size_t t = 0; t < fast.info.size(); t++) {
      ASSERT_EQ(fast.info[t].status, BLV_TASK_OK);
      ASSERT_LE(result_of(p, fast, BLV_RESIDUAL)[t], c.tolerance);
      ASSERT_LT(2 * fast.info[t].iterations, slow.info[t].iterations) << "task " << t;
    }
  }
}

// Only the ratios of its entries matter.
TEST(Preconditioner, HasNoScale) {
  Case c = softmax_case(BLV_CG);
  c.tolerance = 1e-10;
  c.leaves.push_back({.leaf = BLV_PRECONDITIONER});
  for (const int executor : executors()) {
    c.executor = executor;
    Problem p(c);
    const Outcome once = run(p);
    Array &diagonal = *p.find(BLV_METHOD, BLV_PRECONDITIONER, BLV_VALUE);
    for (const double scale : {0x1p400, 0x1p-800}) {
      for (int64_t i = 0; i < diagonal.extent(); i++) diagonal.set(i, scale * diagonal.get(i));
      const Outcome scaled = run(p);
      for (int64_t t = 0; t < c.tasks; t++) {
        ASSERT_EQ(scaled.info[static_cast<size_t>(t)].status, BLV_TASK_OK);
        ASSERT_EQ(solution_of(p, scaled, t), solution_of(p, once, t));
      }
    }
  }
}

// One negative entry is enough. One of 0 leaves its coordinate as it began.
TEST(Preconditioner, FailsATaskWhereItIsNegative) {
  for (const double entry : {-1e-6, std::nan(""), HUGE_VAL, 0.0}) {
    Case c = softmax_case(BLV_CG);
    c.leaves.push_back({.leaf = BLV_PRECONDITIONER});
    for (const int executor : executors()) {
      c.executor = executor;
      Problem p(c);
      Array &diagonal = *p.find(BLV_METHOD, BLV_PRECONDITIONER, BLV_VALUE);
      diagonal.set(diagonal.offset(1, 0, 0, 3), entry);
      const Outcome out = run(p);
      for (int64_t t = 0; t < c.tasks; t++)
        ASSERT_EQ(out.info[static_cast<size_t>(t)].status, t == 1 && entry != 0 ? BLV_TASK_BAD_SOLVER : BLV_TASK_OK);
      if (entry != 0) continue;
      ASSERT_EQ(solution_of(p, out, 1)[3], 0);
      ASSERT_NE(result_of(p, out, BLV_STOP)[1], double(BLV_STOP_CONVERGED));
    }
  }
}

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
