// SPDX-License-Identifier: Apache-2.0
//
// SGD, theta_t = theta_{t-1} - a_t g_t.
#include "csrc/methods/optimiser.h"

namespace bilevel {
namespace {

void step(ProgramBuilder &b, const InnerStep &s) {
  // theta_t = theta_{t-1} - a_t g_t
  b.linear(s.to, {one(), s.from}, {leaf_at(leaf_rate, s.t, -1), s.g}, s.t);
}

std::vector<Vector> kept(const InnerStep &s) { return {s.g}; }

void adjoint(ProgramBuilder &b, const InnerAdjoint &a, const TaskProblem &problem) {
  // mu = -a_t lambda
  b.linear(a.mu, {leaf_at(leaf_rate, a.t, -1), a.lambda});
  // da_t -= lambda . g_t
  if (problem.step_leaves[leaf_rate].gradient) b.add_to_step_leaf(leaf_rate, a.t, -1, a.lambda, a.kept[0].at(a.j, 1));
}

void tangent(ProgramBuilder &b, const InnerTangent &t) {
  // theta' = theta' - a_t h - a'_t g_t
  b.linear(t.d_theta, {one(), t.d_theta}, {leaf_at(leaf_rate, t.step.t, -1), t.h});
  if (t.problem->step_leaves[leaf_rate].tangent)
    b.linear(t.d_theta, {one(), t.d_theta}, {leaf_tangent_at(leaf_rate, t.step.t, -1), t.step.g});
  step(b, t.step);
}

}  // namespace

extern const Optimiser sgd_optimiser;
const Optimiser sgd_optimiser = {BLV_SGD, "BLV_SGD", "sgd",   {BLV_RATE}, 0,      false,
                                 step,    kept,      adjoint, nullptr,    tangent};

}  // namespace bilevel
