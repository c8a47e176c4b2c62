// SPDX-License-Identifier: Apache-2.0
//
// Conjugate gradients where there is no solution, or more than one, and with a preconditioner. That CG does what it should elsewhere is in
// implicit_test.cpp.
#include "solver_cases.h"

namespace {

using namespace harness;

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

}  // namespace
