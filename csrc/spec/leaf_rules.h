// SPDX-License-Identifier: Apache-2.0
//
// What bilevel.h says about each leaf, as a table: where it may stand, what it may be used for, its element type and
// its shape.
#pragma once
#include <cstdint>
#include <span>

namespace bilevel {

enum class Elements { plan_dtype, targets, indices };
enum class Shape { parameters, features, targets, rows, one, batch, by_extent };
enum class Steps { none, per_step, per_vector };

// Masks have the bit 1 << value set for each accepted value.
struct LeafRule {
  int32_t leaf;
  unsigned methods, sides, uses, extents;
  Elements elements;
  Shape shape;
  Steps steps;
  unsigned flags;
};
enum LeafFlags : unsigned {
  leaf_linked = 1,  // its VALUE may have a link
  leaf_needed = 2,  // the plan must have its VALUE (sides: of each objective)
  leaf_outer = 4,   // depends on the outer loss, as each GRADIENT does
};

// The rules of all leaves of all methods, and whether one is a method's.
std::span<const LeafRule> leaf_rules();
bool has_rule(const LeafRule &rule, int32_t method);

// nullptr if the method has no such leaf.
const LeafRule *find_leaf_rule(int32_t leaf, int32_t method);

// Whether the leaf is an array of rows, which every pass over them reads.
constexpr bool has_rows(const LeafRule &rule) {
  return rule.shape == Shape::features || rule.shape == Shape::targets || rule.shape == Shape::rows;
}

// The leaves that a method has, as a mask.
unsigned leaves_of_method(int32_t method);

}  // namespace bilevel
