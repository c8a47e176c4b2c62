// SPDX-License-Identifier: Apache-2.0
//
// Cases drawn at random, with a fixed seed, from everything that a spec can say. The lists below are what a draw chooses from, and
// where a new enumerator is entered. A program that must do with an older bilevel.h (same_bits) leaves out what that one does not name.
#pragma once
#include <algorithm>
#include <cstdint>
#include <random>
#include <set>
#include <span>
#include <string>
#include <vector>

#include "harness.h"

namespace harness {

struct Named {  // an enumerator of bilevel.h
  const char *name;
  int value;
};
#define BLV_NAMED(enumerator) \
  Named { #enumerator, enumerator }

inline constexpr Named kMethods[] = {BLV_NAMED(BLV_EVALUATE), BLV_NAMED(BLV_HVP), BLV_NAMED(BLV_UNROLL)};
inline constexpr Named kDtypes[] = {BLV_NAMED(BLV_F32), BLV_NAMED(BLV_F64)};
inline constexpr Named kIndexDtypes[] = {BLV_NAMED(BLV_I32), BLV_NAMED(BLV_I64)};
inline constexpr Named kLosses[] = {BLV_NAMED(BLV_SQUARED), BLV_NAMED(BLV_LOGISTIC), BLV_NAMED(BLV_CROSS_ENTROPY)};
inline constexpr Named kActivations[] = {BLV_NAMED(BLV_TANH), BLV_NAMED(BLV_RELU), BLV_NAMED(BLV_SIGMOID),
                                         BLV_NAMED(BLV_SOFTPLUS)};
inline constexpr Named kLinks[] = {BLV_NAMED(BLV_EXP), BLV_NAMED(BLV_SOFTPLUS_LINK), BLV_NAMED(BLV_SIGMOID_LINK)};
inline constexpr Named kOptimisers[] = {BLV_NAMED(BLV_SGD), BLV_NAMED(BLV_HEAVY_BALL)};
inline constexpr Named kStores[] = {BLV_NAMED(BLV_STORE_AUTO), BLV_NAMED(BLV_STORE_TAPE), BLV_NAMED(BLV_STORE_THETA),
                                    BLV_NAMED(BLV_STORE_CHECKPOINTS)};
inline constexpr Named kPenaltyExtents[] = {BLV_NAMED(BLV_SCALAR), BLV_NAMED(BLV_PER_FEATURE),
                                            BLV_NAMED(BLV_PER_PARAMETER)};
inline constexpr Named kStepExtents[] = {BLV_NAMED(BLV_SCALAR), BLV_NAMED(BLV_PER_PARAMETER)};
inline constexpr Named kDataLeaves[] = {BLV_NAMED(BLV_X), BLV_NAMED(BLV_Y), BLV_NAMED(BLV_WEIGHT),
                                        BLV_NAMED(BLV_PENALTY)};
inline constexpr Named kStepLeaves[] = {BLV_NAMED(BLV_RATE), BLV_NAMED(BLV_MOMENTUM)};

using Names = std::set<std::string>;  // of enumerators; an empty one stands for all

class Dice {
 public:
  explicit Dice(unsigned seed, const Names &known = {}) : random_(seed), known_(known) {}
  int64_t between(int64_t low, int64_t high) {
    return low + static_cast<int64_t>(random_() % static_cast<uint64_t>(high - low + 1));
  }
  bool one_in(int64_t n) { return between(1, n) == 1; }
  int one_of(std::span<const Named> all) {
    std::vector<Named> choices;
    for (const Named &n : all) {
      if (knows(n)) choices.push_back(n);
    }
    return choices[static_cast<size_t>(between(0, static_cast<int64_t>(choices.size()) - 1))].value;
  }
  bool knows(const Named &n) const { return known_.empty() || known_.contains(n.name); }

 private:
  std::mt19937_64 random_;
  Names known_;
};

enum class Sizes {
  kSmall,   // what a plain reference can follow
  kBeyond,  // and every other case with one size beyond a tile, a pack of tasks, a chunk of rows or a checkpoint
};

namespace drawing {

inline int draw_link(Dice &d) { return d.one_in(2) ? int(BLV_NO_LINK) : d.one_of(kLinks); }

inline void draw_sizes(Dice &d, Case &c) {
  c.widths = {d.between(1, 18)};
  for (int64_t hidden = d.between(0, 3); hidden > 0; hidden--) c.widths.push_back(d.between(1, 18));
  c.widths.push_back(d.between(1, 10));
  c.flags = d.one_in(3) ? int(BLV_NO_BIAS) : 0;
  c.activation = d.one_of(kActivations);
  c.tasks = d.one_in(4) ? d.between(15, 20) : d.between(1, 5);
  c.rows = d.one_in(8) ? d.between(250, 300) : d.between(1, 20);
  c.outer_rows = d.one_in(8) ? d.between(250, 300) : d.between(1, 20);
  c.steps = d.between(1, 6);
  c.vectors = d.between(1, 8);
  if (c.rows > 100 || c.outer_rows > 100)
    c.steps = std::min<int64_t>(c.steps, 2), c.tasks = std::min<int64_t>(c.tasks, 3);
}

// Multiply-adds, but for a small factor, and the numbers to be drawn.
inline int64_t work(const Case &c) {
  int64_t products = 0, parameters = 0;
  for (size_t l = 0; l + 1 < c.widths.size(); l++) {
    products += c.widths[l] * c.widths[l + 1];
    parameters += (c.widths[l] + 1) * c.widths[l + 1];
  }
  const int64_t steps = c.kind == BLV_UNROLL ? c.steps : c.kind == BLV_HVP ? c.vectors : 1;
  return c.tasks * (steps * (c.rows + c.outer_rows) * products + 10 * steps * parameters);
}

inline void draw_beyond(Dice &d, Case &c) {
  switch (d.between(0, 4)) {
    case 0:
      c.tasks = d.between(20, 300);
      break;
    case 1:
      c.widths.front() = d.between(19, 800);
      break;
    case 2:
      for (size_t l = 1; l + 1 < c.widths.size(); l++) c.widths[l] = d.between(19, 130);
      break;
    case 3:
      c.rows = d.between(300, 3000), c.outer_rows = d.between(1, 3000);
      break;
    default:
      c.steps = d.between(7, 70);
      break;
  }
  while (work(c) > 5'000'000 && c.tasks > 1) c.tasks /= 2;
  while (work(c) > 5'000'000 && c.steps > 1) c.steps /= 2;
}

inline void draw_data(Dice &d, Case &c, int side) {
  for (const Named &named : kDataLeaves) {
    const int leaf = named.value;
    if ((leaf == BLV_WEIGHT || leaf == BLV_PENALTY) && d.one_in(3)) continue;
    if (!d.knows(named)) continue;
    Leaf l{.side = side, .leaf = leaf, .gradient = d.one_in(2), .link = draw_link(d)};
    if (leaf == BLV_PENALTY) l.extent = d.one_of(kPenaltyExtents);
    if (leaf == BLV_Y && c.loss_of(side) == BLV_CROSS_ENTROPY && d.one_in(2)) {
      l.dtype = d.one_of(kIndexDtypes);
      l.gradient = false;
      l.link = BLV_NO_LINK;
    }
    c.leaves.push_back(l);
  }
}

// Some arrays of the inner loss become those of both.
inline void draw_both(Dice &d, Case &c) {
  c.outer_rows = c.rows;
  for (Leaf &l : c.leaves) {
    if (l.side != BLV_INNER || d.one_in(2)) continue;
    if (l.leaf == BLV_Y && (l.dtype || c.loss != c.outer_loss)) continue;
    l.side = BLV_BOTH;
  }
  const std::vector<Leaf> all = c.leaves;
  for (const Leaf &both : all) {
    if (both.side != BLV_BOTH) continue;
    std::erase_if(c.leaves, [&](const Leaf &l) { return l.side == BLV_OUTER && l.leaf == both.leaf; });
  }
}

inline void draw_method(Dice &d, Case &c, Sizes sizes) {
  if (c.kind != BLV_UNROLL) {
    c.leaves.push_back({.leaf = BLV_THETA, .gradient = d.one_in(2)});
    if (c.kind == BLV_HVP) c.leaves.push_back({.leaf = BLV_VECTOR});
    return;
  }
  c.leaves.push_back({.leaf = BLV_THETA0, .gradient = d.one_in(2)});
  for (const Named &named : kStepLeaves) {
    if (named.value == BLV_MOMENTUM && c.optimiser == BLV_SGD) continue;
    c.leaves.push_back({.leaf = named.value,
                        .gradient = d.one_in(2),
                        .link = draw_link(d),
                        .extent = d.one_of(kStepExtents),
                        .per_step = d.one_in(2)});
  }
  c.store = d.one_of(kStores);
  c.theta_result = d.one_in(2);
  if (d.one_in(3)) {
    c.batch_rows = d.between(1, sizes == Sizes::kBeyond && d.one_in(3) ? 150 : 12);
    c.leaves.push_back(
        {.side = BLV_INNER, .leaf = BLV_BATCH, .per_step = d.one_in(2), .dtype = d.one_of(kIndexDtypes)});
  }
}

inline void draw_rows(Dice &d, Case &c) {
  for (int side : {BLV_INNER, BLV_OUTER}) {
    if ((side == BLV_OUTER && !c.outer_loss) || d.one_in(2)) continue;
    auto &counts = side == BLV_INNER ? c.counts : c.outer_counts;
    const int64_t least = side == BLV_INNER && c.batch_rows ? 1 : 0;
    for (int64_t t = 0; t < c.tasks; t++) counts.push_back(d.between(least, c.rows_of(side)));
    c.leaves.push_back({.side = side, .leaf = BLV_ROWS, .dtype = d.one_of(kIndexDtypes)});
  }
}

}  // namespace drawing

// The case of `seed`, on an executor of the list or one that the library chooses.
inline Case draw(unsigned seed, const std::vector<int> &executors, Sizes sizes = Sizes::kSmall,
                 const Names &known = {}) {
  using namespace drawing;
  Dice d(seed, known);
  Case c;
  c.seed = seed;
  c.loss = d.one_of(kLosses);
  c.dtype = d.one_of(kDtypes);
  constexpr Named methods[] = {kMethods[0], kMethods[1], kMethods[2], kMethods[2]};
  c.kind = d.one_of(methods);
  if (c.kind == BLV_UNROLL) c.outer_loss = d.one_of(kLosses);
  c.optimiser = d.one_of(kOptimisers);
  draw_sizes(d, c);
  if (sizes == Sizes::kBeyond && d.one_in(2)) draw_beyond(d, c);
  draw_data(d, c, BLV_INNER);
  if (c.outer_loss) draw_data(d, c, BLV_OUTER);
  if (c.outer_loss && d.one_in(4)) draw_both(d, c);
  draw_method(d, c, sizes);
  if (d.one_in(3)) draw_rows(d, c);
  for (Leaf &l : c.leaves) {
    l.shared = l.leaf != BLV_ROWS && d.one_in(3);
    l.sum = d.one_in(3);
    if (d.one_in(4)) l.pad = d.between(1, 3);
  }
  std::vector<int> named = executors;
  named.insert(named.begin(), BLV_EXECUTOR_AUTO);
  c.executor = named[static_cast<size_t>(d.between(0, int64_t(named.size()) - 1))];
  return c;
}

}  // namespace harness
