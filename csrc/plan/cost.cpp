// SPDX-License-Identifier: Apache-2.0
//
// Counting flops and bytes.
//
// Notation: M = 2 rows sum_l inputs_l outputs_l, one product per layer; M1 the part of the first layer, whose input is
// data and has no tangent. A gradient takes M forward, M for the weights and M - M1 back through the hidden layers (M
// if the inputs' gradient is wanted). A tangent of it takes two products where one took one, except where a factor is
// data: 2M - M1 forward, 2M - M1 for the weights, 2M - 2 M1 back (2M for the inputs).
#include "csrc/plan/cost.h"

#include <cstddef>

#include "csrc/support/refusal.h"

namespace bilevel {
namespace {

struct Products {
  int64_t all = 0, first = 0;  // M, M1
};

Products products_of(const Network &network, int64_t rows) {
  Products products;
  for (int64_t l = 0; l < network.n_layers; ++l) {
    const int64_t layer = saturating_multiply(2 * network.layers[l].inputs, network.layers[l].outputs);
    const int64_t flops = saturating_multiply(rows, layer);
    products.all = saturating_add(products.all, flops);
    if (l == 0) products.first = flops;
  }
  return products;
}

// a M - b M1 for a >= b.
int64_t combine(const Products &products, int64_t a, int64_t b) {
  const int64_t hidden = products.all - products.first;
  return saturating_add(saturating_multiply(a, hidden), saturating_multiply(a - b, products.first));
}

int64_t forward(const Products &products) { return products.all; }
int64_t weights(const Products &products) { return products.all; }
int64_t back(const Products &products, bool inputs) { return combine(products, 1, inputs ? 0 : 1); }
int64_t tangent(const Products &products, bool inputs) { return combine(products, 6, inputs ? 2 : 4); }

int64_t sum(std::initializer_list<int64_t> terms) {
  int64_t total = 0;
  for (const int64_t term : terms) total = saturating_add(total, term);
  return total;
}

int64_t evaluate_flops(const Network &network, const Side &side, bool theta) {
  const Products products = products_of(network, side.rows);
  const bool inputs = static_cast<bool>(side.x.gradient);
  int64_t flops = forward(products);
  if (theta) flops = saturating_add(flops, weights(products));
  if (theta || inputs) flops = saturating_add(flops, back(products, inputs));
  return flops;
}

int64_t hvp_flops(const Problem &problem) {
  const Products products = products_of(problem.network, problem.inner.rows);
  const int64_t one = tangent(products, static_cast<bool>(problem.inner.x.gradient));
  return sum({forward(products), back(products, false), saturating_multiply(problem.vectors, one)});
}

int64_t unroll_flops(const Problem &problem) {
  const Products products =
      products_of(problem.network, problem.batch_rows > 0 ? problem.batch_rows : problem.inner.rows);
  const int64_t step = sum({forward(products), weights(products), back(products, false)});
  int64_t each = step;
  if (problem.reverse) {
    each = saturating_add(each, tangent(products, static_cast<bool>(problem.inner.x.gradient)));
    if (!problem.storage.tape) each = sum({each, forward(products), back(products, false)});
    if (problem.storage.segment_steps < problem.steps) each = saturating_add(each, step);
  }
  const int64_t outer =
      problem.outer.present ? evaluate_flops(problem.network, problem.outer, problem.reverse != 0) : 0;
  return saturating_add(saturating_multiply(problem.steps, each), outer);
}

// Passes over the rows of one side.
int64_t passes(const Problem &problem, int32_t side) {
  if (problem.kind != BLV_UNROLL) return 1;
  const int64_t again = problem.storage.segment_steps < problem.steps ? 1 : 0;
  const int64_t inner = problem.steps * (problem.reverse ? 2 + again : 1);
  if (side == BLV_OUTER) return 1;
  return side == BLV_INNER ? inner : inner + 1;
}

bool has_rows(int32_t leaf) { return leaf == BLV_X || leaf == BLV_Y || leaf == BLV_WEIGHT; }

int64_t bytes_of(const Problem &problem, const blv_slot &slot, const Span &span) {
  int64_t once = span_used(span, problem.tasks);
  if (!has_rows(slot.leaf)) return saturating_multiply(once, span.element_bytes);
  if (slot.use == BLV_VALUE && slot.side == BLV_INNER && problem.batch_rows > 0)
    once = saturating_multiply(problem.tasks, saturating_multiply(problem.batch_rows, span.columns));
  const int64_t times = slot.use == BLV_VALUE ? passes(problem, slot.side) : 1;
  return saturating_multiply(saturating_multiply(once, span.element_bytes), times);
}

}  // namespace

int64_t count_flops(const Problem &problem) {
  int64_t one = 0;
  if (problem.kind == BLV_EVALUATE)
    one = evaluate_flops(problem.network, problem.inner, static_cast<bool>(problem.theta.gradient));
  if (problem.kind == BLV_HVP) one = hvp_flops(problem);
  if (problem.kind == BLV_UNROLL) one = unroll_flops(problem);
  return saturating_multiply(problem.tasks, one);
}

int64_t count_bytes(const Problem &problem, const std::vector<blv_slot> &slots, const std::vector<Span> &spans) {
  int64_t total = 0;
  for (size_t i = 0; i < slots.size(); ++i) total = saturating_add(total, bytes_of(problem, slots[i], spans[i]));
  return total;
}

}  // namespace bilevel
