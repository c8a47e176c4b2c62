// SPDX-License-Identifier: Apache-2.0
//
// CG: conjugate gradients (Hestenes & Stiefel 1952), for a positive definite A; with a diagonal M as preconditioner (Golub & Van Loan,
// Matrix Computations, 4th ed., alg. 11.5.1): z = M^-1 r in place of r where a direction is chosen.
#include "csrc/methods/solver.h"

namespace bilevel {
namespace {

class ConjugateGradients {
 public:
  ConjugateGradients(LinearSystem &system, const Problem &problem)
      : s(system), b(system.b), diagonal(problem.slot(BLV_PRECONDITIONER, BLV_VALUE)) {}

  void solve() {
    if (diagonal) read_diagonal();
    s.solve([&] { begin(); }, [&] { iterate(); });
  }

 private:
  // 1 / M. The root of a negative entry is NaN, which fails the task.
  void read_diagonal() {
    b.read(inverse, diagonal);
    b.map(MAP_ROOT, z, inverse);
    b.check(z);
    b.report_checks();
    b.map(MAP_RECIPROCAL, inverse, inverse);
  }

  void begin() {
    if (diagonal) precondition(rz);
    b.copy(d, z);
  }

  void iterate() {
    s.begin_iteration();
    s.multiply(d, s.q);
    // curvature d.Ad > 0, else A is not positive definite
    b.dot(curvature, d, s.q);
    b.check({}, curvature);
    if (s.wants_curvature()) b.dot(dd, d, d), s.note_curvature(curvature, dd);
    if (diagonal) {  // an r that M does not see: there is no direction to go
      b.compute(positive, NUMBER_GREATER, rz, s.number_zero);
      b.compute(s.active, NUMBER_MULTIPLY, s.active, positive);
    }
    b.compute(positive, NUMBER_GREATER, curvature, s.number_zero);
    s.require(positive, BLV_TASK_CURVATURE, BLV_STOP_CURVATURE);
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
    s.end_iteration(s.rr);
  }

  // z = M^-1 r, and r.z
  void precondition(Number product) {
    if (diagonal) b.map(MAP_PRODUCT, z, s.r, inverse);
    b.dot(product, s.r, z);
  }

  LinearSystem &s;
  ProgramBuilder &b;
  const Slot &diagonal;
  const Vector d = b.vector("d"), inverse = diagonal ? b.vector("M^-1") : Vector(), z = diagonal ? b.vector("z") : s.r;
  const Number curvature = b.number("d.Ad"), positive = b.number("positive"), alpha = b.number("alpha"),
               beta = b.number("beta"), next = b.number("next"), dd = b.number("d.d"),
               rz = diagonal ? b.number("r.z") : s.rr;
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
