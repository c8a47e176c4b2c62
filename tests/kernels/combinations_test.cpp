// SPDX-License-Identifier: Apache-2.0
//
// Combinations that no list of cases would name: a few hundred plans drawn at random (with fixed seeds) from everything that a
// spec can say, each on one executor, instruction set and number of threads, against the plain reference. A failure prints the
// seed, with which draw() gives the same case again.
#include "cases.h"

namespace {

using namespace harness;

class Dice {
 public:
  explicit Dice(unsigned seed) : random_(seed) {}
  int64_t between(int64_t low, int64_t high) {
    return low + static_cast<int64_t>(random_() % static_cast<uint64_t>(high - low + 1));
  }
  bool one_in(int64_t n) { return between(1, n) == 1; }
  template <class T>
  T one_of(std::initializer_list<T> list) {
    return list.begin()[between(0, static_cast<int64_t>(list.size()) - 1)];
  }

 private:
  std::mt19937_64 random_;
};

int draw_loss(Dice &d) { return d.one_of({int(BLV_SQUARED), int(BLV_LOGISTIC), int(BLV_CROSS_ENTROPY)}); }
int draw_link(Dice &d) {
  return d.one_in(2) ? int(BLV_NO_LINK) : d.one_of({int(BLV_EXP), int(BLV_SOFTPLUS_LINK), int(BLV_SIGMOID_LINK)});
}

void draw_sizes(Dice &d, Case &c) {
  c.widths = {d.between(1, 18)};
  for (int64_t hidden = d.between(0, 3); hidden > 0; hidden--) c.widths.push_back(d.between(1, 18));
  c.widths.push_back(d.between(1, 10));
  c.flags = d.one_in(3) ? int(BLV_NO_BIAS) : 0;
  c.activation = d.one_of({int(BLV_TANH), int(BLV_RELU), int(BLV_SIGMOID), int(BLV_SOFTPLUS)});
  c.tasks = d.one_in(4) ? d.between(15, 20) : d.between(1, 5);
  c.rows = d.one_in(8) ? d.between(250, 300) : d.between(1, 20);
  c.outer_rows = d.one_in(8) ? d.between(250, 300) : d.between(1, 20);
  c.steps = d.between(1, 6);
  c.vectors = d.between(1, 8);
  if (c.rows > 100 || c.outer_rows > 100)
    c.steps = std::min<int64_t>(c.steps, 2), c.tasks = std::min<int64_t>(c.tasks, 3);
}

void draw_data(Dice &d, Case &c, int side) {
  for (int leaf : {BLV_X, BLV_Y, BLV_WEIGHT, BLV_PENALTY}) {
    if ((leaf == BLV_WEIGHT || leaf == BLV_PENALTY) && d.one_in(3)) continue;
    Leaf l{.side = side, .leaf = leaf, .gradient = d.one_in(2), .link = draw_link(d)};
    if (leaf == BLV_PENALTY) l.extent = d.one_of({int(BLV_SCALAR), int(BLV_PER_FEATURE), int(BLV_PER_PARAMETER)});
    if (leaf == BLV_Y && c.loss_of(side) == BLV_CROSS_ENTROPY && d.one_in(2)) {
      l.dtype = d.one_of({int(BLV_I32), int(BLV_I64)});
      l.gradient = false;
      l.link = BLV_NO_LINK;
    }
    c.leaves.push_back(l);
  }
}

// Some arrays of the inner loss become those of both.
void draw_both(Dice &d, Case &c) {
  c.outer_rows = c.rows;
  for (Leaf &l : c.leaves) {
    if (l.side != BLV_INNER || d.one_in(2)) continue;
    if (l.leaf == BLV_Y && (l.dtype || c.loss != c.outer_loss)) continue;
    l.side = BLV_BOTH;
  }
  const std::vector<Leaf> all = c.leaves;
  for (const Leaf &l : all) {
    if (l.side == BLV_BOTH) remove_leaf(c, BLV_OUTER, l.leaf);
  }
}

void draw_method(Dice &d, Case &c) {
  if (c.kind != BLV_UNROLL) {
    c.leaves.push_back({.leaf = BLV_THETA, .gradient = d.one_in(2)});
    if (c.kind == BLV_HVP) c.leaves.push_back({.leaf = BLV_VECTOR});
    return;
  }
  c.leaves.push_back({.leaf = BLV_THETA0, .gradient = d.one_in(2)});
  for (int leaf : {BLV_RATE, BLV_MOMENTUM}) {
    if (leaf == BLV_MOMENTUM && c.optimiser == BLV_SGD) continue;
    c.leaves.push_back({.leaf = leaf,
                        .gradient = d.one_in(2),
                        .link = draw_link(d),
                        .extent = d.one_of({int(BLV_SCALAR), int(BLV_PER_PARAMETER)}),
                        .per_step = d.one_in(2)});
  }
  c.store = static_cast<int>(d.between(0, 3));
  c.theta_result = d.one_in(2);
  if (d.one_in(3)) {
    c.batch_rows = d.between(1, 12);
    c.leaves.push_back({.side = BLV_INNER,
                        .leaf = BLV_BATCH,
                        .per_step = d.one_in(2),
                        .dtype = d.one_of({int(BLV_I32), int(BLV_I64)})});
  }
}

void draw_rows(Dice &d, Case &c) {
  for (int side : {BLV_INNER, BLV_OUTER}) {
    if ((side == BLV_OUTER && !c.outer_loss) || d.one_in(2)) continue;
    auto &counts = side == BLV_INNER ? c.counts : c.outer_counts;
    const int64_t least = side == BLV_INNER && c.batch_rows ? 1 : 0;
    for (int64_t t = 0; t < c.tasks; t++) counts.push_back(d.between(least, c.rows_of(side)));
    c.leaves.push_back({.side = side, .leaf = BLV_ROWS, .dtype = d.one_of({int(BLV_I32), int(BLV_I64)})});
  }
}

Case draw(unsigned seed) {
  Dice d(seed);
  Case c{.loss = draw_loss(d), .dtype = d.one_of({int(BLV_F32), int(BLV_F64)}), .seed = seed};
  c.kind = d.one_of({int(BLV_EVALUATE), int(BLV_HVP), int(BLV_UNROLL), int(BLV_UNROLL)});
  if (c.kind == BLV_UNROLL) c.outer_loss = draw_loss(d);
  c.optimiser = d.one_of({int(BLV_SGD), int(BLV_HEAVY_BALL)});
  draw_sizes(d, c);
  draw_data(d, c, BLV_INNER);
  if (c.outer_loss) draw_data(d, c, BLV_OUTER);
  if (c.outer_loss && d.one_in(4)) draw_both(d, c);
  draw_method(d, c);
  if (d.one_in(3)) draw_rows(d, c);
  for (Leaf &l : c.leaves) {
    l.shared = l.leaf != BLV_ROWS && d.one_in(3);
    l.sum = d.one_in(3);
    if (d.one_in(4)) l.pad = d.between(1, 3);
  }
  std::vector<int> named = executors();
  named.insert(named.begin(), BLV_EXECUTOR_AUTO);
  c.executor = named[d.between(0, int64_t(named.size()) - 1)];
  return c;
}

double sum_of_sizes(const Expected &want) {
  double sum = 0;
  for (const auto &values : want.values) {
    for (double v : values) sum += std::fabs(v);
  }
  return sum;
}

class Combinations : public testing::TestWithParam<unsigned> {};

TEST_P(Combinations, Drawn) {
  int diverged = 0;
  for (unsigned seed = GetParam(); seed < GetParam() + 100; seed++) {
    const Case c = draw(seed);
    Dice d(seed + 1000000);
    const std::vector<int> isa = levels();
    Problem p(c);
    const Expected want = reference(p);
    if (!std::isfinite(sum_of_sizes(want))) {  // a draw in thousands diverges
      diverged++;
      continue;
    }
    check(p, {.isa = isa[d.between(0, int64_t(isa.size()) - 1)], .threads = int(d.between(1, 4))}, want, 2);
    if (HasFatalFailure()) return;
  }
  EXPECT_LE(diverged, 1);
}

INSTANTIATE_TEST_SUITE_P(Seeds, Combinations, testing::Values(0, 100, 200, 300, 400, 500));

}  // namespace
