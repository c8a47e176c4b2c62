// SPDX-License-Identifier: Apache-2.0
//
// IDENTITY: v = rhs, as if A were I (T1-T2: Luketina et al., Scalable Gradient-Based Tuning of Continuous Regularization
// Hyperparameters, ICML 2016). No product with A, but for a residual that is asked for.
#include "csrc/methods/solver.h"

namespace bilevel {
namespace {

void solve(LinearSystem &s, const Problem &p) {
  s.b.copy(s.x, s.r);
  if (p.slot(BLV_RESIDUAL, BLV_RESULT) || p.slot(BLV_STOP, BLV_RESULT)) s.refresh();
}

}  // namespace

extern const Solver identity_solver;
const Solver identity_solver = {.id = BLV_IDENTITY, .name = "BLV_IDENTITY", .plain = "identity", .solve = solve};

}  // namespace bilevel
