// SPDX-License-Identifier: Apache-2.0
//
// NEUMANN: step sum_k (I - step A)^k b, which converges to A^-1 b if I - step A contracts (Lorraine et al., Optimizing Millions of
// Hyperparameters by Implicit Differentiation, AISTATS 2020). Its terms are step times the residuals r_k = (I - step A)^k b: the ratio
// of two of them is one of a power iteration on I - step A, and never larger than its norm.
#include "csrc/methods/solver.h"

namespace bilevel {
namespace {

// A ratio of 1 but for rounding errors is no divergence: a singular A has it.
double slack_of(int32_t dtype) { return 1 + 64 * epsilon_of(dtype); }

void solve(LinearSystem &s, const Problem &p) {
  ProgramBuilder &b = s.b;
  const Slot &wanted = p.slot(BLV_CONTRACTION, BLV_RESULT);
  const Number step = b.constant("step", p.solver_step), slack = b.constant("slack", slack_of(p.dtype)),
               scale = b.number("scale"), next = b.number("next"), bound = b.number("bound"),
               contracts = b.number("contracts"), dot = b.number("r.Ar"), contraction = b.number("contraction"),
               ratio = b.number("ratio");
  s.solve({.iterate = [&] {
    s.begin_iteration();
    // x += step r,  r -= step A r
    b.compute(scale, NUMBER_MULTIPLY, step, s.active);
    b.linear(s.x, {one(), s.x}, {times(scale), s.r});
    s.multiply(s.r, s.q);
    if (s.wants_curvature()) {
      b.dot(dot, s.r, s.q);
      b.compute(dot, NUMBER_DIVIDE, dot, s.rr);
      s.note_curvature(dot);
    }
    b.linear(s.r, {one(), s.r}, {times(scale, -1), s.q});
    b.dot(next, s.r, s.r);
    if (wanted) {
      b.compute(ratio, NUMBER_DIVIDE, next, s.rr);
      b.compute(ratio, NUMBER_ROOT, ratio);
      s.choose(contraction, s.active, ratio, contraction);
    }
    // |r| must not grow
    b.compute(bound, NUMBER_MULTIPLY, s.rr, slack);
    b.compute(contracts, NUMBER_GREATER, next, bound);
    b.compute(contracts, NUMBER_SUBTRACT, s.number_one, contracts);
    b.compute(s.rr, NUMBER_COPY, next);
    s.require(contracts, BLV_TASK_DIVERGENT, BLV_STOP_DIVERGENT);
    s.end_iteration(s.rr);
  }});
  b.write_diagnostic(wanted, contraction);
}

}  // namespace

extern const Solver neumann_solver;
const Solver neumann_solver = {.id = BLV_NEUMANN,
                               .name = "BLV_NEUMANN",
                               .plain = "neumann",
                               .iterates = true,
                               .needs_step = true,
                               .leaves = {BLV_TOLERANCE, BLV_ITERATIONS, BLV_CURVATURE, BLV_CONTRACTION},
                               .solve = solve};

}  // namespace bilevel
