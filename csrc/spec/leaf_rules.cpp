// SPDX-License-Identifier: Apache-2.0
//
// The table of leaves.
#include "csrc/spec/leaf_rules.h"

#include <bilevel/bilevel.h>

#include "csrc/methods/method.h"

namespace bilevel {
namespace {

template <class... Values>
constexpr unsigned mask(Values... values) {
  return ((1u << values) | ...);
}

constexpr unsigned hvp = mask(BLV_HVP), forward = mask(BLV_FORWARD), implicit = mask(BLV_IMPLICIT);
constexpr unsigned at_theta = mask(BLV_EVALUATE, BLV_HVP), trained = mask(BLV_UNROLL, BLV_FORWARD, BLV_IMPLICIT);
constexpr unsigned unroll = mask(BLV_UNROLL), every = at_theta | trained, reverse = every & ~forward;
constexpr unsigned method = mask(BLV_METHOD), loss_sides = mask(BLV_INNER, BLV_OUTER, BLV_BOTH);
constexpr unsigned value = mask(BLV_VALUE), result = mask(BLV_RESULT), value_gradient = mask(BLV_VALUE, BLV_GRADIENT);
constexpr unsigned value_tangent = mask(BLV_VALUE, BLV_TANGENT);
constexpr unsigned natural = mask(BLV_NATURAL), scalar_or_parameter = mask(BLV_SCALAR, BLV_PER_PARAMETER);
constexpr unsigned penalty = scalar_or_parameter | mask(BLV_PER_FEATURE);

constexpr Elements real = Elements::plan_dtype;
constexpr unsigned linked = leaf_linked, needed = leaf_needed, of_outer = leaf_outer;

// clang-format off
constexpr LeafRule rules[] = {
  // leaf              methods    sides            uses            extents              elements           shape              steps             flags
  {BLV_THETA0,         unroll,    method,          value_gradient, natural,             real,              Shape::parameters, Steps::none,       needed},
  {BLV_THETA0,         forward,   method,          value_tangent,  natural,             real,              Shape::parameters, Steps::none,       needed},
  {BLV_THETA0,         implicit,  method,          value,          natural,             real,              Shape::parameters, Steps::none,       needed},
  {BLV_THETA,          at_theta,  method,          value_gradient, natural,             real,              Shape::parameters, Steps::none,       needed},
  {BLV_THETA,          trained,   method,          result,         natural,             real,              Shape::parameters, Steps::none,       0},
  {BLV_X,              reverse,   loss_sides,      value_gradient, natural,             real,              Shape::features,   Steps::none,       linked | needed},
  {BLV_X,              forward,   loss_sides,      value_tangent,  natural,             real,              Shape::features,   Steps::none,       linked | needed},
  {BLV_Y,              reverse,   loss_sides,      value_gradient, natural,             Elements::targets, Shape::targets,    Steps::none,       linked | needed},
  {BLV_Y,              forward,   loss_sides,      value_tangent,  natural,             Elements::targets, Shape::targets,    Steps::none,       linked | needed},
  {BLV_WEIGHT,         reverse,   loss_sides,      value_gradient, natural,             real,              Shape::rows,       Steps::none,       linked},
  {BLV_WEIGHT,         forward,   loss_sides,      value_tangent,  natural,             real,              Shape::rows,       Steps::none,       linked},
  {BLV_PENALTY,        reverse,   loss_sides,      value_gradient, penalty,             real,              Shape::by_extent,  Steps::none,       linked},
  {BLV_PENALTY,        forward,   loss_sides,      value_tangent,  penalty,             real,              Shape::by_extent,  Steps::none,       linked},
  {BLV_ROWS,           every,     loss_sides,      value,          natural,             Elements::indices, Shape::one,        Steps::none,       0},
  {BLV_BATCH,          trained,   mask(BLV_INNER), value,          natural,             Elements::indices, Shape::batch,      Steps::per_step,   0},
  {BLV_RATE,           unroll,    method,          value_gradient, scalar_or_parameter, real,              Shape::by_extent,  Steps::per_step,   linked | needed},
  {BLV_RATE,           forward,   method,          value_tangent,  scalar_or_parameter, real,              Shape::by_extent,  Steps::per_step,   linked | needed},
  {BLV_RATE,           implicit,  method,          value,          scalar_or_parameter, real,              Shape::by_extent,  Steps::per_step,   linked | needed},
  {BLV_MOMENTUM,       unroll,    method,          value_gradient, scalar_or_parameter, real,              Shape::by_extent,  Steps::per_step,   linked},
  {BLV_MOMENTUM,       forward,   method,          value_tangent,  scalar_or_parameter, real,              Shape::by_extent,  Steps::per_step,   linked},
  {BLV_MOMENTUM,       implicit,  method,          value,          scalar_or_parameter, real,              Shape::by_extent,  Steps::per_step,   linked},
  {BLV_VECTOR,         hvp,       method,          value,          natural,             real,              Shape::parameters, Steps::per_vector, needed},
  {BLV_LOSS,           every,     method,          result,         natural,             real,              Shape::one,        Steps::none,       of_outer},
  {BLV_LOSS_TANGENT,   forward,   method,          result,         natural,             real,              Shape::one,        Steps::per_vector, of_outer},
  {BLV_THETA_TANGENT,  forward,   method,          result,         natural,             real,              Shape::parameters, Steps::per_vector, 0},
  {BLV_RESIDUAL,       implicit,  method,          result,         natural,             real,              Shape::one,        Steps::none,       of_outer},
  {BLV_SOLUTION,       implicit,  method,          result,         natural,             real,              Shape::parameters, Steps::none,       of_outer},
  {BLV_TOLERANCE,      implicit,  method,          value,          natural,             real,              Shape::one,        Steps::none,       of_outer},
  {BLV_ITERATIONS,     implicit,  method,          value,          natural,             Elements::indices, Shape::one,        Steps::none,       of_outer},
  {BLV_STOP,           implicit,  method,          result,         natural,             real,              Shape::one,        Steps::none,       of_outer},
  {BLV_CURVATURE,      implicit,  method,          result,         natural,             real,              Shape::one,        Steps::none,       of_outer},
  {BLV_PRECONDITIONER, implicit,  method,          value,          natural,             real,              Shape::parameters, Steps::none,       of_outer},
  {BLV_STATIONARITY,   implicit,  method,          result,         natural,             real,              Shape::one,        Steps::none,       0},
  {BLV_CONTRACTION,    implicit,  method,          result,         natural,             real,              Shape::one,        Steps::none,       of_outer},
};
// clang-format on

}  // namespace

std::span<const LeafRule> leaf_rules() { return rules; }

bool has_rule(const LeafRule &rule, int32_t method_kind) {
  return (rule.methods >> find_method(method_kind)->leaves_like & 1u) != 0;
}

const LeafRule *find_leaf_rule(int32_t leaf, int32_t method_kind) {
  for (const LeafRule &rule : rules)
    if (rule.leaf == leaf && has_rule(rule, method_kind)) return &rule;
  return nullptr;
}

unsigned leaves_of_method(int32_t method_kind) {
  unsigned leaves = 0;
  for (const LeafRule &rule : rules)
    if (has_rule(rule, method_kind)) leaves |= 1u << rule.leaf;
  return leaves;
}

}  // namespace bilevel
