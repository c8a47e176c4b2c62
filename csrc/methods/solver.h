// SPDX-License-Identifier: Apache-2.0
//
// Solvers of the linear system of implicit differentiation, as parts of a program: a row of a table and a short file each.
#pragma once
#include <vector>

#include "csrc/methods/linear_system.h"

namespace bilevel {

struct Solver {
  int32_t id = 0;
  const char *name = nullptr, *plain = nullptr;  // as in bilevel.h; as in descriptions
  bool iterates = false;                         // from v = 0 or from the last solution
  bool needs_step = false;                       // spec.method.step > 0
  std::vector<int32_t> leaves = {};              // BLV_*, those that not all solvers have
  // Between system.start() and system.finish(): x, from system.r = b - A x.
  void (*solve)(LinearSystem &system, const Problem &problem) = nullptr;
};

const std::vector<const Solver *> &solvers();
const Solver *find_solver(int32_t id);

}  // namespace bilevel
