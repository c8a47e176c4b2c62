// SPDX-License-Identifier: Apache-2.0
//
// The inner steps and the outer loss.
#include "csrc/methods/inner_steps.h"

namespace bilevel {

InnerSteps::InnerSteps(ProgramBuilder &builder, const Problem &problem)
    : b(builder), p(problem), optimiser(*find_optimiser(problem.optimiser)), t(b.counter("t")) {
  theta = b.vector("theta"), g = b.vector("g");
  for (int32_t i = 0; i < optimiser.states; ++i) s.push_back(b.zeros(i == 0 ? "m" : "v"));
  b.read(theta, p.slot(BLV_THETA0, BLV_VALUE));
  if (p.steps > 0) return;
  b.check(theta);
  b.report_checks();
}

void InnerSteps::run() {
  b.repeat(t, p.steps, 1, [&] {
    b.gradient(theta, g, {.batch = t});
    optimiser.step(b, step_at(theta, theta));
  });
}

void InnerSteps::outer(Vector lambda, bool leaves) {
  if (!p.outer.present) return;
  loss = b.number("loss");
  b.report_loss(loss);
  b.write(p.slot(BLV_LOSS, BLV_RESULT), loss);
  b.gradient(theta, lambda, {.outer = true, .leaves = leaves, .loss = loss});
  b.check(lambda, loss);
  if (lambda) {
    norm = b.number("norm");
    b.norm(norm, lambda);
    b.report_norm(norm);
  }
  b.report_checks();
}

}  // namespace bilevel
