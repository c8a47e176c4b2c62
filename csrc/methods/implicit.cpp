// SPDX-License-Identifier: Apache-2.0
//
// IMPLICIT: the hypergradient at theta* = theta_T from the optimality condition (Pedregosa 2016),
//     (H + damping I) v = lambda,    dL_out/dleaf - (d2 L_in / dleaf dtheta) v,    lambda = dL_out/dtheta, H = d2 L_in/dtheta2,
// with v by a solver (solver.h) on products H d, whose activations are kept over the iterations.
#include <cmath>

#include "csrc/methods/inner_steps.h"
#include "csrc/methods/solver.h"

namespace bilevel {

// Before it had a step.
template <>
constexpr std::initializer_list<size_t> known_sizes<blv_implicit> = {offsetof(blv_implicit, step),
                                                                     sizeof(blv_implicit)};

namespace {

void check_not_negative(const char *argument, double value) {
  if (value >= 0 && std::isfinite(value)) return;
  refuse(BLV_INVALID, format("%s is %g; accepted: a finite number >= 0", argument, value));
}

void check_zero(const Solver &solver, const char *member, double value) {
  if (value != 0)
    refuse(BLV_INVALID, format("spec.method.%s is %g; accepted with solver %s: 0", member, value, solver.name));
}

void check_step(const Solver &solver, double step) {
  if (!solver.needs_step) return check_zero(solver, "step", step);
  if (step > 0 && std::isfinite(step)) return;
  refuse(BLV_INVALID,
         format("spec.method.step is %g; accepted with solver %s: a finite number > 0", step, solver.name));
}

void read(const blv_method *given, Problem *problem, int32_t *) {
  const auto implicit = read_struct<blv_implicit>("spec.method", "blv_implicit", given);
  read_steps(implicit, problem);
  check_enum("spec.method.solver", implicit.solver, names_of(solvers()));
  const Solver &solver = *find_solver(implicit.solver);
  check_range("spec.method.iterations", implicit.iterations, 0, INT32_MAX);
  if (!(implicit.tolerance >= 0 && implicit.tolerance < 1))
    refuse(BLV_INVALID,
           format("spec.method.tolerance is %g; accepted: a finite number >= 0 and < 1", implicit.tolerance));
  check_not_negative("spec.method.damping", implicit.damping);
  check_range("spec.method.warm_start", implicit.warm_start, 0, 1);
  check_range("spec.method.reserved", implicit.reserved, 0, 0);
  check_step(solver, implicit.step);
  if (!solver.iterates) {
    check_zero(solver, "iterations", static_cast<double>(implicit.iterations));
    check_zero(solver, "tolerance", implicit.tolerance);
    check_zero(solver, "warm_start", implicit.warm_start);
    check_zero(solver, "damping", implicit.damping);
  }
  problem->solver = implicit.solver;
  problem->solver_step = implicit.step;
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
  const Number stationarity = b.number("stationarity");
  if (p.slot(BLV_STATIONARITY, BLV_RESULT)) b.norm(stationarity, inner.g);
  LinearSystem system(b, p, inner.theta, lambda, tape);
  system.start();
  find_solver(p.solver)->solve(system, p);
  system.finish();
  // dleaf -= (d2 L_in / dleaf dtheta) v
  const Vector minus_v = b.vector("minus_v");
  b.linear(minus_v, {one(-1), system.v});
  b.tangent(inner.theta, minus_v, {}, {.leaves = true, .tape = tape});
  b.write(p.slot(BLV_THETA, BLV_RESULT), inner.theta);
  b.write(p.slot(BLV_STATIONARITY, BLV_RESULT), stationarity);
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
