// SPDX-License-Identifier: Apache-2.0
//
// CG: conjugate gradients (Hestenes & Stiefel 1952), for a positive definite A; with a diagonal M as preconditioner (Golub & Van Loan,
// Matrix Computations, 4th ed., alg. 11.5.1): z = M^-1 r in place of r where a direction is chosen.
//
// Where A is singular, rounding leads a task that goes on too long along directions without curvature. So it ends where d.Ad / d.d is
// rounding beside the largest that there was, and an |r| that has grown far above the least is not the result.
#include "csrc/methods/solver.h"

namespace bilevel {
namespace {

class ConjugateGradients {
 public:
  ConjugateGradients(LinearSystem &system, const Problem &problem)
      : s(system),
        b(system.b),
        diagonal(problem.slot(BLV_PRECONDITIONER, BLV_VALUE)),
        parameters(problem.network.parameters),
        flat(b.constant("flat", 4 * epsilon_of(problem.dtype))),
        astray(b.constant("astray", 1 / epsilon_of(problem.dtype))) {}

  void solve() {
    if (diagonal) read_diagonal();
    s.solve({.begin = [&] { begin(); }, .iterate = [&] { iterate(); }, .end = [&] { end(); }});
  }

 private:
  // M^-1 times the mean of M, so that the scale of M does not matter. Roots of negative entries are NaN, and so is their sum less itself.
  void read_diagonal() {
    b.read(inverse, diagonal);
    b.map(MAP_ROOT, z, inverse);
    b.dot(total, z, z);
    b.compute(test, NUMBER_SUBTRACT, total, total);
    b.compute(test, NUMBER_GREATER, s.number_one, test);
    s.expect(test);
    b.map(MAP_RECIPROCAL, inverse, inverse);
    b.compute(total, NUMBER_DIVIDE, total, b.constant("parameters", static_cast<double>(parameters)));
    b.linear(inverse, {times(total), inverse});
  }

  void begin() {
    if (diagonal) precondition(rz);
    b.copy(d, z);
    b.copy(best_x, s.x);
    b.compute(best, NUMBER_COPY, s.rr);
  }

  void iterate() {
    s.begin_iteration();
    s.multiply(d, s.q);
    b.dot(curvature, d, s.q);
    b.check({}, curvature);
    test_curvature();
    // alpha = r.z / d.Ad
    b.compute(alpha, NUMBER_DIVIDE, rz, curvature);
    b.compute(alpha, NUMBER_SELECT, alpha, s.active);
    // x += alpha d,  r -= alpha A d
    b.linear(s.x, {one(), s.x}, {times(alpha), d});
    b.linear(s.r, {one(), s.r}, {times(alpha, -1), s.q});
    // beta = r.z / (r.z before)
    precondition(next);
    b.compute(beta, NUMBER_DIVIDE, next, rz);
    b.compute(beta, NUMBER_SELECT, beta, s.active);
    b.compute(rz, NUMBER_COPY, next);
    if (diagonal) b.dot(s.rr, s.r, s.r);
    // d = z + beta d
    b.linear(d, {one(), z}, {times(beta), d});
    keep_best();
    s.end_iteration(s.rr);
  }

  // d.Ad / d.d > 0, else A is not positive definite: but for rounding, which ends the task
  void test_curvature() {
    b.dot(dd, d, d);
    b.compute(quotient, NUMBER_DIVIDE, curvature, dd);
    s.note_curvature(quotient);
    b.compute(top, NUMBER_MAXIMUM, quotient, top);
    b.compute(least, NUMBER_MULTIPLY, flat, top);
    if (diagonal) s.only_where_greater(rz, s.number_zero);  // an r that M does not see: there is no direction to go
    b.compute(test, NUMBER_ADD, quotient, least);
    b.compute(test, NUMBER_GREATER, test, s.number_zero);
    s.require(test, BLV_TASK_CURVATURE, BLV_STOP_CURVATURE);
    s.only_where_greater(quotient, least);
  }

  // The x with the least r.r. A task whose |r| has grown by 1 / sqrt(epsilon) since is lost in rounding errors.
  void keep_best() {
    b.compute(test, NUMBER_GREATER, best, s.rr);
    b.compute(not_better, NUMBER_SUBTRACT, s.number_one, test);
    b.linear(best_x, {times(test), s.x}, {times(not_better), best_x});
    b.compute(best, NUMBER_MINIMUM, s.rr, best);
    b.compute(test, NUMBER_MULTIPLY, best, astray);
    s.only_where_greater(test, s.rr);
  }

  // x, but where its |r| is over ten times the least: then that one.
  void end() {
    b.compute(test, NUMBER_MULTIPLY, best, b.constant("hundred", 100));
    b.compute(test, NUMBER_GREATER, s.rr, test);
    b.compute(not_better, NUMBER_SUBTRACT, s.number_one, test);
    b.linear(s.x, {times(not_better), s.x}, {times(test), best_x});
  }

  // z = M^-1 r, and r.z
  void precondition(Number product) {
    if (diagonal) b.map(MAP_PRODUCT, z, s.r, inverse);
    b.dot(product, s.r, z);
  }

  LinearSystem &s;
  ProgramBuilder &b;
  const Slot &diagonal;
  const int64_t parameters;
  const Vector d = b.vector("d"), inverse = diagonal ? b.vector("M^-1") : Vector(), z = diagonal ? b.vector("z") : s.r,
               best_x = b.vector("best_x");
  const Number curvature = b.number("d.Ad"), alpha = b.number("alpha"), beta = b.number("beta"),
               next = b.number("next"), dd = b.number("d.d"), rz = diagonal ? b.number("r.z") : s.rr,
               total = b.number("total"), quotient = b.number("quotient"), top = b.number("top"),
               least = b.number("least"), best = b.number("best"), test = b.number("test"),
               not_better = b.number("not_better"), flat, astray;
};

}  // namespace

extern const Solver cg_solver;
const Solver cg_solver = {.id = BLV_CG,
                          .name = "BLV_CG",
                          .plain = "cg",
                          .iterates = true,
                          .leaves = {BLV_TOLERANCE, BLV_ITERATIONS, BLV_CURVATURE, BLV_PRECONDITIONER},
                          .solve = [](LinearSystem &s, const Problem &p) { ConjugateGradients(s, p).solve(); }};

}  // namespace bilevel
