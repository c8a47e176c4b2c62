// SPDX-License-Identifier: Apache-2.0
//
// CG: conjugate gradients (Hestenes & Stiefel 1952), for a positive definite A.
#include "csrc/methods/solver.h"

namespace bilevel {
namespace {

void solve(LinearSystem &s, const Problem &) {
  ProgramBuilder &b = s.b;
  const Vector d = b.vector("d");
  const Number curvature = b.number("d.Ad"), positive = b.number("positive"), alpha = b.number("alpha"),
               beta = b.number("beta"), next = b.number("next"), dd = b.number("d.d");
  s.start();
  s.solve([&] { b.copy(d, s.r); },
          [&] {
            s.begin_turn();
            s.multiply(d, s.q);
            // curvature d.Ad > 0, else A is not positive definite
            b.dot(curvature, d, s.q);
            b.check({}, curvature);
            if (s.wants_curvature()) b.dot(dd, d, d), s.note_curvature(curvature, dd);
            b.compute(positive, NUMBER_GREATER, curvature, s.number_zero);
            s.require(positive, BLV_TASK_CURVATURE, BLV_STOP_CURVATURE);
            // alpha = r.r / d.Ad
            b.compute(alpha, NUMBER_DIVIDE, s.rr, curvature);
            b.compute(alpha, NUMBER_SELECT, alpha, s.active);
            // x += alpha d,  r -= alpha A d
            b.linear(s.x, {one(), s.x}, {times(alpha), d});
            b.linear(s.r, {one(), s.r}, {times(alpha, -1), s.q});
            // beta = r.r / (r.r before)
            b.dot(next, s.r, s.r);
            b.compute(beta, NUMBER_DIVIDE, next, s.rr);
            b.compute(beta, NUMBER_SELECT, beta, s.active);
            b.compute(s.rr, NUMBER_COPY, next);
            // d = r + beta d
            b.linear(d, {one(), s.r}, {times(beta), d});
            s.end_turn(s.rr);
          });
  s.finish();
}

}  // namespace

extern const Solver cg_solver;
const Solver cg_solver = {.id = BLV_CG, .name = "BLV_CG", .plain = "cg", .iterates = true, .solve = solve};

}  // namespace bilevel
