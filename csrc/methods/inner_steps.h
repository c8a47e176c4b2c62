// SPDX-License-Identifier: Apache-2.0
//
// What the methods with an inner optimiser share: theta_0, T steps, the outer loss at theta_T.
#pragma once
#include "csrc/methods/method.h"
#include "csrc/methods/optimiser.h"
#include "csrc/support/limits.h"
#include "csrc/support/names.h"
#include "csrc/support/read_struct.h"

namespace bilevel {

// The members that all structs of methods with inner steps have.
template <class Struct>
void read_steps(const Struct &given, Problem *problem) {
  check_enum("spec.method.optimiser", given.optimiser, names_of(optimisers()));
  check_range("spec.method.steps", given.steps, 0, most_size);
  check_range("spec.method.batch_rows", given.batch_rows, 0, most_size);
  problem->optimiser = given.optimiser;
  problem->steps = given.steps;
  problem->batch_rows = given.batch_rows;
}

struct InnerSteps {
  ProgramBuilder &b;
  const Problem &p;
  const Optimiser &optimiser;
  Counter t;              // the step
  Vector theta, g;        // theta_t, g_t
  std::vector<Vector> s;  // the optimiser's state
  Number loss, norm;      // L_out(theta_T), |dL_out/dtheta_T|

  InnerSteps(ProgramBuilder &builder, const Problem &problem);

  InnerStep step_at(Operand from, Operand to) const { return {t, from, to, g, s}; }
  // Steps 0 .. T - 1 of which nothing is kept.
  void run();
  // lambda = grad L_out(theta_T), absent if it is not wanted; gradients of the outer leaves too.
  void outer(Vector lambda, bool leaves);
};

}  // namespace bilevel
