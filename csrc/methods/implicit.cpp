// SPDX-License-Identifier: Apache-2.0
//
// IMPLICIT: the hypergradient at theta* = theta_T from the optimality condition (Pedregosa 2016),
//     (H + damping I) v = lambda,    dL_out/dleaf - (d2 L_in / dleaf dtheta) v,    lambda = dL_out/dtheta, H = d2 L_in/dtheta2,
// with v by conjugate gradients (Hestenes & Stiefel 1952) on products H d, whose activations are kept over the iterations.
#include <algorithm>
#include <cmath>

#include "csrc/methods/inner_steps.h"

namespace bilevel {
namespace {

// Of the system divided by |rhs|, whose squares neither overflow nor vanish: (H + damping I) x = rhs / |rhs|, v = |rhs| x.
class ConjugateGradients {
 public:
  // At theta, whose passes the tape holds; from x = 0 or from the last solution.
  ConjugateGradients(ProgramBuilder &builder, const Problem &problem, Vector theta, Vector rhs, Counter tape)
      : b(builder), p(problem), theta(theta), rhs(rhs), tape(tape) {}

  void solve() {
    b.norm(size, rhs);
    b.compute(inverse, NUMBER_DIVIDE, b.constant("one", 1), size);  // 0 of 0: then x = r = 0
    // r = d = rhs / |rhs| - (H + damping I) x
    b.linear(r, {times(inverse), rhs});
    if (p.warm_start) {
      b.linear(x, {times(inverse), last_v});
      multiply(x, q);
      b.linear(r, {one(), r}, {one(-1), q});
    }
    b.copy(d, r);
    b.dot(rr, r, r);
    // active = |r| > tolerance. A smaller residual than a sixteenth of the dtype's epsilon is rounding, and curvature along it may
    // underflow to 0.
    const double rounding = p.dtype == BLV_F64 ? 0x1p-56 : 0x1p-27;
    const double tolerance = std::max(p.solver_tolerance, rounding);
    const Number tolerance2 = b.constant("tolerance2", tolerance * tolerance);
    b.compute(active, NUMBER_GREATER, rr, tolerance2);
    b.repeat_while(active, turn, p.solver_iterations, [&] { iterate(tolerance2); });
    b.report_checks();
    b.fail(bad, BLV_TASK_CURVATURE);
    true_residual();
    b.linear(v, {times(size), x});
    if (p.warm_start) keep_solution();
  }

  const Vector &solution() const { return v; }
  const Number &residual() const { return relative; }
  const Number &iterations() const { return turns; }

 private:
  // A task that is done keeps turning with alpha = beta = 0.
  void iterate(Number tolerance2) {
    b.compute(turns, NUMBER_ADD, turns, active);
    multiply(d, q);
    // curvature d . q > 0, else H is not positive definite
    b.dot(curvature, d, q);
    b.check({}, curvature);
    b.compute(positive, NUMBER_GREATER, curvature, zero);
    b.compute(positive, NUMBER_MULTIPLY, positive, active);
    b.compute(lost, NUMBER_SUBTRACT, active, positive);
    b.compute(bad, NUMBER_ADD, bad, lost);
    // alpha = r . r / d . q
    b.compute(alpha, NUMBER_DIVIDE, rr, curvature);
    b.compute(alpha, NUMBER_SELECT, alpha, positive);
    // x += alpha d,  r -= alpha q
    b.linear(x, {one(), x}, {times(alpha), d});
    b.linear(r, {one(), r}, {times(alpha, -1), q});
    // beta = r . r / (r . r before)
    b.dot(next, r, r);
    b.compute(beta, NUMBER_DIVIDE, next, rr);
    b.compute(beta, NUMBER_SELECT, beta, positive);
    b.compute(rr, NUMBER_COPY, next);
    // d = r + beta d
    b.linear(d, {one(), r}, {times(beta), d});
    b.compute(active, NUMBER_GREATER, rr, tolerance2);
    b.compute(active, NUMBER_MULTIPLY, active, positive);
  }

  // out = (H + damping I) in
  void multiply(Vector in, Vector out) {
    b.tangent(theta, in, out, {.tape = tape});
    if (p.damping != 0) b.linear(out, {one(), out}, {times(damping), in});
  }

  // |rhs - (H + damping I) v| / |rhs|, computed afresh: what the recursion says may have drifted
  void true_residual() {
    multiply(x, q);
    b.linear(q, {one(), q}, {times(inverse, -1), rhs});
    b.norm(relative, q);
  }

  // last_v = v, but where there is no task
  void keep_solution() {
    const Number present = b.present(), absent = b.number("absent");
    b.compute(absent, NUMBER_SUBTRACT, b.constant("one", 1), present);
    b.linear(last_v, {times(absent), last_v}, {times(present), v});
  }

  ProgramBuilder &b;
  const Problem &p;
  const Vector theta, rhs;
  const Counter tape, turn = b.counter("turn");
  const Vector last_v = p.warm_start ? b.state("last_v") : Vector();
  const Vector x = p.warm_start ? b.vector("x") : b.zeros("x"), r = b.vector("r"), d = b.vector("d"), q = b.vector("q"),
               v = b.vector("v");
  const Number zero = b.number("zero"), size = b.number("rhs_norm"), inverse = b.number("inverse"), rr = b.number("rr"),
               active = b.number("active"), curvature = b.number("curvature"), positive = b.number("positive"),
               lost = b.number("lost"), bad = b.number("bad"), alpha = b.number("alpha"), beta = b.number("beta"),
               next = b.number("next"), turns = b.number("turns"), relative = b.number("residual");
  const Number damping = p.damping != 0 ? b.constant("damping", p.damping) : Number();
};

void check_not_negative(const char *argument, double value) {
  if (value >= 0 && std::isfinite(value)) return;
  refuse(BLV_INVALID, format("%s is %g; accepted: a finite number >= 0", argument, value));
}

void read(const blv_method *given, Problem *problem, int32_t *) {
  const auto implicit = read_struct<blv_implicit>("spec.method", "blv_implicit", given);
  read_steps(implicit, problem);
  check_enum("spec.method.solver", implicit.solver, solver_names);
  check_range("spec.method.iterations", implicit.iterations, 0, INT32_MAX);
  if (!(implicit.tolerance >= 0 && implicit.tolerance < 1))
    refuse(BLV_INVALID,
           format("spec.method.tolerance is %g; accepted: a finite number >= 0 and < 1", implicit.tolerance));
  check_not_negative("spec.method.damping", implicit.damping);
  check_range("spec.method.warm_start", implicit.warm_start, 0, 1);
  check_range("spec.method.reserved", implicit.reserved, 0, 0);
  problem->solver_iterations = implicit.iterations;
  problem->solver_tolerance = implicit.tolerance;
  problem->damping = implicit.damping;
  problem->warm_start = implicit.warm_start;
}

MethodProgram build(const Problem &p, const ProgramTarget &) {
  ProgramBuilder b(p);
  InnerSteps inner(b, p);
  const Vector lambda = b.vector("lambda");
  const Counter tape = b.counter("tape");
  b.keep_tape(1);
  inner.run();
  // lambda = grad L_out(theta*)
  inner.outer(lambda, true);
  // One linearisation serves all products.
  b.gradient(inner.theta, inner.g, {.tape = tape});
  b.check(inner.g);
  b.report_checks();
  ConjugateGradients cg(b, p, inner.theta, lambda, tape);
  cg.solve();
  // dleaf -= (d2 L_in / dleaf dtheta) v
  const Vector minus_v = b.vector("minus_v");
  b.linear(minus_v, {one(-1), cg.solution()});
  b.tangent(inner.theta, minus_v, {}, {.leaves = true, .tape = tape});
  b.check(cg.solution(), cg.residual());
  b.report_iterations(cg.iterations());
  b.write(p.slot(BLV_RESIDUAL, BLV_RESULT), cg.residual());
  b.write(p.slot(BLV_SOLUTION, BLV_RESULT), cg.solution());
  b.write(p.slot(BLV_THETA, BLV_RESULT), inner.theta);
  return b.finish();
}

}  // namespace

extern const Method implicit_method;
const Method implicit_method = {.id = BLV_IMPLICIT,
                                .name = "BLV_IMPLICIT",
                                .plain = "implicit",
                                .leaves_like = BLV_IMPLICIT,
                                .has_outer = true,
                                .needs_outer = true,
                                .has_steps = true,
                                .read = read,
                                .build = build};

}  // namespace bilevel
