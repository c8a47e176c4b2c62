// SPDX-License-Identifier: Apache-2.0
//
// The table of solvers: a row each, defined in solvers/<name>.cpp.
#include "csrc/methods/solver.h"

namespace bilevel {

extern const Solver cg_solver, minres_solver, neumann_solver, identity_solver;

const std::vector<const Solver *> &solvers() {
  static const std::vector<const Solver *> all = {&cg_solver, &minres_solver, &neumann_solver, &identity_solver};
  return all;
}

const Solver *find_solver(int32_t id) {
  for (const Solver *solver : solvers())
    if (solver->id == id) return solver;
  return nullptr;
}

}  // namespace bilevel
