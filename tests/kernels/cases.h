// SPDX-License-Identifier: Apache-2.0
//
// The cases that the suites vary: every method with slots for everything.
#pragma once
#include "reference.h"

namespace harness {

struct DataLeaves {  // the leaves of one loss
  int side = BLV_INNER;
  bool gradient = true;
  int link = BLV_NO_LINK;
  int penalty_extent = BLV_PER_PARAMETER;
  int labels = 0;  // dtype of class indices; 0: dense targets
  bool shared = false, sum = false;
  int64_t pad = 0;
};

inline void add_data(Case &c, const DataLeaves &d) {
  const Leaf base{
      .side = d.side, .gradient = d.gradient, .link = d.link, .shared = d.shared, .sum = d.sum, .pad = d.pad};
  for (int leaf : {BLV_X, BLV_Y, BLV_WEIGHT, BLV_PENALTY}) {
    Leaf one = base;
    one.leaf = leaf;
    if (leaf == BLV_PENALTY) one.extent = d.penalty_extent;
    if (leaf == BLV_Y && d.labels) one.dtype = d.labels, one.gradient = false, one.link = BLV_NO_LINK;
    if (leaf == BLV_PENALTY && !d.penalty_extent) continue;
    c.leaves.push_back(one);
  }
}

// Loss and all gradients.
inline Case evaluate_case(int loss, int activation, int dtype = BLV_F64, DataLeaves data = {}) {
  Case c{.loss = loss, .activation = activation, .dtype = dtype, .kind = BLV_EVALUATE};
  add_data(c, data);
  c.leaves.push_back({.leaf = BLV_THETA, .gradient = true});
  return c;
}

// H v and all cross products.
inline Case hvp_case(int loss, int activation, int64_t vectors, int dtype = BLV_F64, DataLeaves data = {}) {
  Case c = evaluate_case(loss, activation, dtype, data);
  c.kind = BLV_HVP;
  c.vectors = vectors;
  c.leaves.push_back({.leaf = BLV_VECTOR});
  return c;
}

// theta_T, outer loss and the hypergradient of everything; the rate is one number, the momentum one per step and parameter.
inline Case unroll_case(int loss, int activation, int optimiser, int dtype = BLV_F64, DataLeaves inner = {},
                        DataLeaves outer = {}) {
  Case c{.loss = loss,
         .outer_loss = loss,
         .activation = activation,
         .dtype = dtype,
         .kind = BLV_UNROLL,
         .optimiser = optimiser};
  c.theta_result = true;
  outer.side = BLV_OUTER;
  add_data(c, inner);
  add_data(c, outer);
  c.leaves.push_back({.leaf = BLV_THETA0, .gradient = true});
  c.leaves.push_back({.leaf = BLV_RATE, .gradient = true, .extent = BLV_SCALAR});
  if (optimiser == BLV_HEAVY_BALL) {
    c.leaves.push_back({.leaf = BLV_MOMENTUM, .gradient = true, .extent = BLV_PER_PARAMETER, .per_step = true});
  }
  return c;
}

// As unroll_case, but only theta_0 and the rate exist beside the data, and nothing has a gradient yet.
inline Case plain_unroll(int loss, int activation, int optimiser, int dtype = BLV_F64) {
  Case c = unroll_case(loss, activation, optimiser, dtype);
  for (Leaf &leaf : c.leaves) leaf.gradient = false;
  return c;
}

// An unroll as forward mode: what had a gradient has tangents, shared where the gradient was summed.
inline Case as_forward(Case c, int64_t tangents) {
  c.kind = BLV_FORWARD;
  c.vectors = tangents;
  for (Leaf &leaf : c.leaves)
    leaf.tangent = leaf.gradient, leaf.tangent_shared = leaf.sum, leaf.gradient = leaf.sum = false;
  c.theta_result = c.theta_tangent_result = true;
  c.loss_tangent_result = c.outer_loss != 0;
  return c;
}

inline Case forward_case(int loss, int activation, int optimiser, int64_t tangents, int dtype = BLV_F64,
                         DataLeaves inner = {}, DataLeaves outer = {}) {
  return as_forward(unroll_case(loss, activation, optimiser, dtype, inner, outer), tangents);
}

// An unroll as implicit differentiation, which has no gradient with respect to what the inner steps alone read.
inline Case as_implicit(Case c, double damping) {
  c.kind = BLV_IMPLICIT;
  c.damping = damping;
  for (Leaf &leaf : c.leaves) leaf.gradient = leaf.gradient && leaf.side != BLV_METHOD;
  c.theta_result = c.residual_result = c.solution_result = true;
  return c;
}

inline Case implicit_case(int loss, int activation, int optimiser, double damping, int dtype = BLV_F64,
                          DataLeaves inner = {}, DataLeaves outer = {}) {
  return as_implicit(unroll_case(loss, activation, optimiser, dtype, inner, outer), damping);
}

inline Leaf &leaf_in(Case &c, int side, int leaf) {
  for (Leaf &l : c.leaves) {
    if (l.side == side && l.leaf == leaf) return l;
  }
  std::abort();  // a mistake in a test
}

inline void remove_leaf(Case &c, int side, int leaf) {
  c.leaves.erase(
      std::remove_if(c.leaves.begin(), c.leaves.end(), [&](const Leaf &l) { return l.side == side && l.leaf == leaf; }),
      c.leaves.end());
}

}  // namespace harness
