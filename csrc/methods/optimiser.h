// SPDX-License-Identifier: Apache-2.0
//
// An inner optimiser: one step, its adjoint and its tangent, as parts of a program. One row of a table and one short file each; no
// other code asks for an optimiser by name.
#pragma once
#include <iterator>
#include <vector>

#include "csrc/methods/builder.h"

namespace bilevel {

struct InnerStep {
  Counter t;              // the step
  Operand from, to;       // theta_{t-1}, theta_t
  Vector g;               // grad L_in(theta_{t-1}), which the step may overwrite
  std::vector<Vector> s;  // what a step carries to the next beside theta, zero at the beginning
};

struct InnerAdjoint {
  Counter t, j;   // the step; its entry of `kept`
  Vector lambda;  // dL_out/dtheta_t
  Vector mu;      // result: the adjoint of g_t. Carried from step to step, zero at the beginning
  // What `kept` names: before step t at j, after it at j + 1. Empty if no step leaf has a gradient.
  std::vector<Stream> kept;
};

struct InnerTangent {
  InnerStep step;
  Vector d_theta, h;        // of theta_{t-1}, becomes that of theta_t; of g_t
  std::vector<Vector> d_s;  // of s
  const TaskProblem *problem;
};

struct Optimiser {
  int32_t id;
  const char *name, *plain;     // as in bilevel.h; as in descriptions
  std::vector<int32_t> leaves;  // BLV_*, the step leaves that it needs, by index
  int32_t states;               // vectors in `s`
  bool carries_adjoint;         // mu is read by the next (earlier) step
  void (*step)(ProgramBuilder &b, const InnerStep &step);
  // The vectors that the gradients of the step leaves need of every step.
  std::vector<Vector> (*kept)(const InnerStep &step);
  // Before the tangent pass along mu, and after it.
  void (*adjoint)(ProgramBuilder &b, const InnerAdjoint &adjoint, const TaskProblem &problem);
  void (*adjoint_after)(ProgramBuilder &b, const InnerAdjoint &adjoint);
  // The step and its tangent: d_theta and d_s move along with theta and s.
  void (*tangent)(ProgramBuilder &b, const InnerTangent &tangent);
};

const Optimiser *find_optimiser(int32_t id);
const std::vector<const Optimiser *> &optimisers();

// The step leaves of all optimisers, in the order of Problem::step_leaves. A new one goes to the end.
constexpr int32_t step_leaf_order[] = {BLV_RATE, BLV_MOMENTUM};
static_assert(std::size(step_leaf_order) <= most_step_leaves);

// The index of one.
constexpr int32_t step_leaf(int32_t leaf) {
  int32_t index = 0;
  while (step_leaf_order[index] != leaf) ++index;
  return index;
}
constexpr int32_t leaf_rate = step_leaf(BLV_RATE), leaf_momentum = step_leaf(BLV_MOMENTUM);

}  // namespace bilevel
