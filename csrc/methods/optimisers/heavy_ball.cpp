// SPDX-License-Identifier: Apache-2.0
//
// Heavy ball (Polyak 1964), m_t = u_t m_{t-1} + g_t, theta_t = theta_{t-1} - a_t m_t, m_0 = 0.
#include "csrc/methods/optimiser.h"

namespace bilevel {
namespace {

void step(ProgramBuilder &b, const InnerStep &s) {
  const Vector m = s.s[0];
  // m_t = u_t m_{t-1} + g_t
  b.linear(m, {leaf_at(leaf_momentum, s.t), m}, {one(), s.g});
  // theta_t = theta_{t-1} - a_t m_t
  b.linear(s.to, {one(), s.from}, {leaf_at(leaf_rate, s.t, -1), m}, s.t);
}

std::vector<Vector> kept(const InnerStep &s) { return {s.s[0]}; }

// mu is the adjoint of m_t, and with it of g_t.
void adjoint(ProgramBuilder &b, const InnerAdjoint &a, const TaskProblem &problem) {
  // mu = u_{t+1} mu_{t+1} - a_t lambda, whose first term `adjoint_after` left there
  b.linear(a.mu, {one(), a.mu}, {leaf_at(leaf_rate, a.t, -1), a.lambda});
  // da_t -= lambda . m_t
  if (problem.step_leaves[leaf_rate].gradient) b.add_to_step_leaf(leaf_rate, a.t, -1, a.lambda, a.kept[0].at(a.j, 1));
  // du_t += mu . m_{t-1}
  if (problem.step_leaves[leaf_momentum].gradient) b.add_to_step_leaf(leaf_momentum, a.t, 1, a.mu, a.kept[0].at(a.j));
}

void adjoint_after(ProgramBuilder &b, const InnerAdjoint &a) { b.linear(a.mu, {leaf_at(leaf_momentum, a.t), a.mu}); }

void tangent(ProgramBuilder &b, const InnerTangent &t) {
  const Vector m = t.step.s[0], d_m = t.d_s[0];
  // m' = u_t m' + h + u'_t m_{t-1}
  b.linear(d_m, {leaf_at(leaf_momentum, t.step.t), d_m}, {one(), t.h});
  if (t.problem->step_leaves[leaf_momentum].tangent)
    b.linear(d_m, {one(), d_m}, {leaf_tangent_at(leaf_momentum, t.step.t), m});
  step(b, t.step);
  // theta' = theta' - a_t m' - a'_t m_t
  b.linear(t.d_theta, {one(), t.d_theta}, {leaf_at(leaf_rate, t.step.t, -1), d_m});
  if (t.problem->step_leaves[leaf_rate].tangent)
    b.linear(t.d_theta, {one(), t.d_theta}, {leaf_tangent_at(leaf_rate, t.step.t, -1), m});
}

}  // namespace

extern const Optimiser heavy_ball_optimiser;
const Optimiser heavy_ball_optimiser = {
    BLV_HEAVY_BALL, "BLV_HEAVY_BALL", "heavy_ball", {BLV_RATE, BLV_MOMENTUM}, 1, true, step, kept,
    adjoint,        adjoint_after,    tangent};

}  // namespace bilevel
