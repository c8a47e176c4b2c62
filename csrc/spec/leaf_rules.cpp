// SPDX-License-Identifier: Apache-2.0
//
// The table of leaves.
#include "csrc/spec/leaf_rules.h"

#include <bilevel/bilevel.h>

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

// clang-format off
constexpr LeafRule rules[] = {
  // leaf              methods    sides            uses            extents              elements           shape              steps             linked
  {BLV_THETA0,         unroll,    method,          value_gradient, natural,             real,              Shape::parameters, Steps::none,       false},
  {BLV_THETA0,         forward,   method,          value_tangent,  natural,             real,              Shape::parameters, Steps::none,       false},
  {BLV_THETA0,         implicit,  method,          value,          natural,             real,              Shape::parameters, Steps::none,       false},
  {BLV_THETA,          at_theta,  method,          value_gradient, natural,             real,              Shape::parameters, Steps::none,       false},
  {BLV_THETA,          trained,   method,          result,         natural,             real,              Shape::parameters, Steps::none,       false},
  {BLV_X,              reverse,   loss_sides,      value_gradient, natural,             real,              Shape::features,   Steps::none,       true},
  {BLV_X,              forward,   loss_sides,      value_tangent,  natural,             real,              Shape::features,   Steps::none,       true},
  {BLV_Y,              reverse,   loss_sides,      value_gradient, natural,             Elements::targets, Shape::targets,    Steps::none,       true},
  {BLV_Y,              forward,   loss_sides,      value_tangent,  natural,             Elements::targets, Shape::targets,    Steps::none,       true},
  {BLV_WEIGHT,         reverse,   loss_sides,      value_gradient, natural,             real,              Shape::rows,       Steps::none,       true},
  {BLV_WEIGHT,         forward,   loss_sides,      value_tangent,  natural,             real,              Shape::rows,       Steps::none,       true},
  {BLV_PENALTY,        reverse,   loss_sides,      value_gradient, penalty,             real,              Shape::by_extent,  Steps::none,       true},
  {BLV_PENALTY,        forward,   loss_sides,      value_tangent,  penalty,             real,              Shape::by_extent,  Steps::none,       true},
  {BLV_ROWS,           every,     loss_sides,      value,          natural,             Elements::indices, Shape::one,        Steps::none,       false},
  {BLV_BATCH,          trained,   mask(BLV_INNER), value,          natural,             Elements::indices, Shape::batch,      Steps::per_step,   false},
  {BLV_RATE,           unroll,    method,          value_gradient, scalar_or_parameter, real,              Shape::by_extent,  Steps::per_step,   true},
  {BLV_RATE,           forward,   method,          value_tangent,  scalar_or_parameter, real,              Shape::by_extent,  Steps::per_step,   true},
  {BLV_RATE,           implicit,  method,          value,          scalar_or_parameter, real,              Shape::by_extent,  Steps::per_step,   true},
  {BLV_MOMENTUM,       unroll,    method,          value_gradient, scalar_or_parameter, real,              Shape::by_extent,  Steps::per_step,   true},
  {BLV_MOMENTUM,       forward,   method,          value_tangent,  scalar_or_parameter, real,              Shape::by_extent,  Steps::per_step,   true},
  {BLV_MOMENTUM,       implicit,  method,          value,          scalar_or_parameter, real,              Shape::by_extent,  Steps::per_step,   true},
  {BLV_VECTOR,         hvp,       method,          value,          natural,             real,              Shape::parameters, Steps::per_vector, false},
  {BLV_LOSS,           every,     method,          result,         natural,             real,              Shape::one,        Steps::none,       false},
  {BLV_LOSS_TANGENT,   forward,   method,          result,         natural,             real,              Shape::one,        Steps::per_vector, false},
  {BLV_THETA_TANGENT,  forward,   method,          result,         natural,             real,              Shape::parameters, Steps::per_vector, false},
  {BLV_RESIDUAL,       implicit,  method,          result,         natural,             real,              Shape::one,        Steps::none,       false},
  {BLV_SOLUTION,       implicit,  method,          result,         natural,             real,              Shape::parameters, Steps::none,       false},
};
// clang-format on

}  // namespace

const LeafRule *find_leaf_rule(int32_t leaf, int32_t method_kind) {
  for (const LeafRule &rule : rules)
    if (rule.leaf == leaf && (rule.methods >> method_kind & 1u)) return &rule;
  return nullptr;
}

unsigned leaves_of_method(int32_t method_kind) {
  unsigned leaves = 0;
  for (const LeafRule &rule : rules)
    if (rule.methods >> method_kind & 1u) leaves |= 1u << rule.leaf;
  return leaves;
}

}  // namespace bilevel
