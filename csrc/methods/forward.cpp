// SPDX-License-Identifier: Apache-2.0
//
// FORWARD: T inner steps, and with them the derivative of theta_t along m directions of the hyperparameters (Franceschi et al. 2017,
// sec. 3.2), m columns of Z_t = A_t Z_{t-1} + B_t at once:
//     h = (d/deps) grad L_in(theta_{t-1} + eps Z_{t-1}, leaves + eps tangents),   then the optimiser's step and its tangent.
// Memory does not grow with T.
#include "csrc/methods/inner_steps.h"

namespace bilevel {
namespace {

void read(const blv_method *given, Problem *problem, int32_t *) {
  const auto forward = read_struct<blv_forward>("spec.method", "blv_forward", given);
  read_steps(forward, problem);
  check_range("spec.method.reserved", forward.reserved, 0, 0);
  check_range("spec.method.tangents", forward.tangents, 1, most_planes);
  problem->planes = forward.tangents;
}

MethodProgram build(const Problem &p, const ProgramTarget &) {
  ProgramBuilder b(p);
  InnerSteps inner(b, p);
  const Slot &seeds = p.slot(BLV_THETA0, BLV_TANGENT);
  const Vector z = seeds ? b.vector("z", p.planes) : b.zeros("z", p.planes), h = b.vector("h", p.planes);
  b.read(z, seeds);
  std::vector<Vector> d_s;
  for (size_t i = 0; i < inner.s.size(); ++i) d_s.push_back(b.zeros("dm", p.planes));

  b.repeat(inner.t, p.steps, 1, [&] {
    // g = grad L_in(theta)
    b.gradient(inner.theta, inner.g, {.batch = inner.t});
    // h = H z + its derivative along the leaves' tangents
    b.tangent(inner.theta, z, h, {.tangents = true, .batch = inner.t});
    inner.optimiser.tangent(b, {inner.step_at(inner.theta, inner.theta), z, h, d_s, &p});
  });
  b.check(z);
  b.report_checks();

  if (p.outer.present) {
    const Vector lambda = b.vector("lambda");
    const Number along = b.number("dloss", p.planes), leaves = b.number("dloss_leaves", p.planes);
    inner.outer(lambda, true);
    // dL_out = lambda . z + dL_out/dleaf . tangent
    b.dot(along, lambda, z);
    b.side_dot(leaves, true);
    b.compute(along, NUMBER_ADD, along, leaves);
    b.check({}, along);
    b.write(p.slot(BLV_LOSS_TANGENT, BLV_RESULT), along);
  }
  b.write(p.slot(BLV_THETA, BLV_RESULT), inner.theta);
  b.write(p.slot(BLV_THETA_TANGENT, BLV_RESULT), z);
  return b.finish();
}

}  // namespace

extern const Method forward_method;
const Method forward_method = {.id = BLV_FORWARD,
                               .name = "BLV_FORWARD",
                               .plain = "forward",
                               .leaves_like = BLV_FORWARD,
                               .has_outer = true,
                               .has_steps = true,
                               .planes = "tangents",
                               .read = read,
                               .build = build};

}  // namespace bilevel
