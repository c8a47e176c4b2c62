// SPDX-License-Identifier: Apache-2.0
//
// For tests of the solvers of implicit differentiation: systems whose dense solution the plain reference knows, and what came out.
#pragma once
#include "cases.h"
#include "same_bits.h"

namespace harness {

inline const std::vector<double> &result_of(const Problem &p, const Outcome &out, int leaf) {
  return out.values[static_cast<size_t>(const_cast<Problem &>(p).find(BLV_METHOD, leaf, BLV_RESULT) - p.arrays.data())];
}

inline std::vector<double> solution_of(const Problem &p, const Outcome &out, int64_t task) {
  const std::vector<double> &all = result_of(p, out, BLV_SOLUTION);
  const auto n = p.c.parameters();
  return {all.begin() + task * n, all.begin() + (task + 1) * n};
}

inline double norm(const std::vector<double> &x) { return std::sqrt(oracle::dot(x, x)); }

// right - a x
inline std::vector<double> residual(const oracle::Answer &answer, const std::vector<double> &x) {
  std::vector<double> r = oracle::product(answer.hessian, x);
  for (size_t i = 0; i < r.size(); i++) r[i] = answer.right[i] - r[i];
  return r;
}

// What has no iterations has nothing to say of them.
inline Case as_identity(Case c) {
  c.solver = BLV_IDENTITY, c.tolerance = 0, c.iterations = 0, c.damping = 0, c.curvature_result = false;
  return c;
}

// All of a softmax regression's leaves; theta_0 is taken as it is.
inline Case softmax_case(int solver, int dtype = BLV_F64, double damping = 0.5) {
  Case c = implicit_case(BLV_CROSS_ENTROPY, BLV_TANH, BLV_SGD, damping, dtype, {.link = BLV_EXP}, {});
  c.widths = {3, 3}, c.steps = 0, c.tasks = machine() ? 4 : 19, c.solver = solver;
  c.tolerance = dtype == BLV_F64 ? 1e-14 : 1e-6;
  c.stop_result = c.curvature_result = true;
  return solver == BLV_IDENTITY ? as_identity(c) : c;
}

// A step with which the series of every task contracts.
inline void set_step(Problem &p, const Expected &want) {
  double top = 0;
  for (const oracle::Answer &a : want.tasks) top = std::fmax(top, oracle::row_sum_norm(a.hessian));
  p.c.solver_step = 1 / top;
}

// Negative weights make a task's Hessian indefinite, and without a singular part.
inline void make_indefinite(Problem &p, int64_t task) {
  Array &weight = *p.find(BLV_INNER, BLV_WEIGHT, BLV_VALUE);
  for (int64_t i = 0; i < p.c.rows; i++) weight.set(weight.offset(task, 0, i, 0), i % 2 ? 3 : -20);
}

inline Case squares_case(int solver) {
  Case c = implicit_case(BLV_SQUARED, BLV_TANH, BLV_SGD, 0.05);
  c.widths = {4, 1}, c.steps = 0, c.tasks = machine() ? 4 : 19, c.solver = solver, c.tolerance = 1e-13;
  c.stop_result = c.curvature_result = true;
  return solver == BLV_IDENTITY ? as_identity(c) : c;
}

}  // namespace harness
