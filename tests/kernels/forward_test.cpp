// SPDX-License-Identifier: Apache-2.0
//
// Forward mode: for tangents e_k of the arrays, dL_out along e_k is the sum over the arrays of <reverse gradient, e_k>, with the reverse
// gradient of the plain reference and of BLV_UNROLL; dtheta_T along e_k is a central difference.
#include "same_bits.h"

#include "draw.h"

namespace {

using namespace harness;

constexpr int kLossList[] = {BLV_SQUARED, BLV_LOGISTIC, BLV_CROSS_ENTROPY};
constexpr int kActivationList[] = {BLV_TANH, BLV_RELU, BLV_SIGMOID, BLV_SOFTPLUS};

class Forward : public testing::TestWithParam<std::tuple<int, int>> {};  // dtype, optimiser

// Tangents of every array, whose leaves have links, with rates and momenta of every extent, per step and constant.
Case with_everything(int loss, int activation, int optimiser, int dtype) {
  const int link = (loss + activation + optimiser) % 4, outer_link = (link + 1) % 4;
  const int penalty[] = {BLV_SCALAR, BLV_PER_FEATURE, BLV_PER_PARAMETER};
  Case c = forward_case(loss, activation, optimiser, 1 + (loss * 4 + activation) % 8, dtype,
                        {.link = link, .penalty_extent = penalty[(loss + activation) % 3]},
                        {.link = outer_link, .penalty_extent = penalty[activation % 3]});
  for (Leaf &leaf : c.leaves) {
    if (leaf.leaf != BLV_RATE && leaf.leaf != BLV_MOMENTUM) continue;
    const bool other = leaf.leaf == BLV_MOMENTUM;
    leaf.link = other ? outer_link : link;
    leaf.extent = (activation + other) % 2 ? BLV_SCALAR : BLV_PER_PARAMETER;
    leaf.per_step = (loss + other) % 2;
  }
  return c;
}

TEST_P(Forward, Everywhere) {
  const auto [dtype, optimiser] = GetParam();
  for (int loss : kLossList) {
    for (int activation : kActivationList)
      ASSERT_NO_FATAL_FAILURE(check_everywhere(with_everything(loss, activation, optimiser, dtype)));
  }
}

TEST_P(Forward, AnyNumberOfTangents) {
  const auto [dtype, optimiser] = GetParam();
  for (int64_t tangents = 1; tangents <= 8; tangents++) {
    Case c = forward_case(BLV_CROSS_ENTROPY, BLV_TANH, optimiser, tangents, dtype);
    c.tasks = 2;
    ASSERT_NO_FATAL_FAILURE(check_everywhere(c));
    c.widths = {9, 3};
    c.rows = 37;
    ASSERT_NO_FATAL_FAILURE(check_everywhere(c));
  }
}

// Only one array has tangents: each may be the only one that moves.
TEST_P(Forward, OneArrayAtATime) {
  const auto [dtype, optimiser] = GetParam();
  const Case all = with_everything(BLV_SQUARED, BLV_SIGMOID, optimiser, dtype);
  for (size_t i = 0; i < all.leaves.size(); i++) {
    Case c = all;
    for (size_t j = 0; j < c.leaves.size(); j++) c.leaves[j].tangent = j == i;
    SCOPED_TRACE("side " + std::to_string(c.leaves[i].side) + " leaf " + std::to_string(c.leaves[i].leaf));
    ASSERT_NO_FATAL_FAILURE(check_everywhere(c));
  }
}

TEST_P(Forward, NothingMoves) {
  const auto [dtype, optimiser] = GetParam();
  Case c = with_everything(BLV_SQUARED, BLV_TANH, optimiser, dtype);
  for (Leaf &leaf : c.leaves) leaf.tangent = false;
  for (int executor : executors()) {
    c.executor = executor;
    Problem p(c);
    const Outcome out = run(p);
    ASSERT_EQ(out.status, BLV_OK) << out.error;
    for (int leaf : {BLV_LOSS_TANGENT, BLV_THETA_TANGENT}) {
      const auto i = static_cast<size_t>(p.find(BLV_METHOD, leaf, BLV_RESULT) - p.arrays.data());
      for (double v : out.values[i]) ASSERT_EQ(v, 0) << "executor " << executor << " leaf " << leaf;
    }
  }
}

TEST_P(Forward, StepsOfAnyNumber) {
  const auto [dtype, optimiser] = GetParam();
  for (int64_t steps : {0, 1, 2, 17}) {
    for (int per_step : {0, 1}) {
      Case c = forward_case(BLV_LOGISTIC, BLV_TANH, optimiser, 3, dtype);
      c.steps = steps;
      for (Leaf &leaf : c.leaves) leaf.per_step = per_step && (leaf.leaf == BLV_RATE || leaf.leaf == BLV_MOMENTUM);
      ASSERT_NO_FATAL_FAILURE(check_everywhere(c));
    }
  }
}

TEST_P(Forward, WithoutAnOuterLoss) {
  const auto [dtype, optimiser] = GetParam();
  Case c = forward_case(BLV_CROSS_ENTROPY, BLV_TANH, optimiser, 2, dtype);
  std::erase_if(c.leaves, [](const Leaf &leaf) { return leaf.side == BLV_OUTER; });
  c.outer_loss = 0, c.loss_result = c.loss_tangent_result = false;
  ASSERT_NO_FATAL_FAILURE(check_everywhere(c));
}

TEST_P(Forward, Minibatches) {
  const auto [dtype, optimiser] = GetParam();
  for (bool per_step : {false, true}) {
    Case c = with_everything(BLV_CROSS_ENTROPY, BLV_TANH, optimiser, dtype);
    c.batch_rows = 7;  // more than there are rows: indices are repeated
    c.leaves.push_back({.side = BLV_INNER, .leaf = BLV_BATCH, .per_step = per_step, .dtype = BLV_I64});
    ASSERT_NO_FATAL_FAILURE(check_everywhere(c));
  }
}

TEST_P(Forward, RaggedTasks) {
  const auto [dtype, optimiser] = GetParam();
  for (int link : {BLV_NO_LINK, BLV_EXP}) {
    Case c = forward_case(BLV_CROSS_ENTROPY, BLV_SOFTPLUS, optimiser, 3, dtype, {.link = link}, {.link = link});
    c.tasks = 6;
    c.counts = {5, 0, 3, 1, 5, 2};
    c.outer_counts = {4, 4, 0, 1, 2, 3};
    for (int side : {BLV_INNER, BLV_OUTER}) c.leaves.push_back({.side = side, .leaf = BLV_ROWS});
    ASSERT_NO_FATAL_FAILURE(check_everywhere(c));
  }
}

// Arrays of both losses move both.
TEST_P(Forward, BothLosses) {
  const auto [dtype, optimiser] = GetParam();
  for (int link : {BLV_NO_LINK, BLV_SIGMOID_LINK}) {
    Case c = forward_case(BLV_SQUARED, BLV_TANH, optimiser, 4, dtype, {.link = link, .penalty_extent = BLV_SCALAR},
                          {.link = link});
    for (int leaf : {BLV_X, BLV_Y, BLV_WEIGHT, BLV_PENALTY}) {
      remove_leaf(c, BLV_OUTER, leaf);
      leaf_in(c, BLV_INNER, leaf).side = BLV_BOTH;
    }
    c.outer_rows = c.rows;
    ASSERT_NO_FATAL_FAILURE(check_everywhere(c));
    c.counts = {5, 2, 0};
    c.leaves.push_back({.side = BLV_BOTH, .leaf = BLV_ROWS});
    c.outer_counts = c.counts;
    ASSERT_NO_FATAL_FAILURE(check_everywhere(c));
  }
}

// Values and tangents shared by the tasks or not, in arrays with gaps between everything.
TEST_P(Forward, SharedAndPadded) {
  const auto [dtype, optimiser] = GetParam();
  for (int which = 0; which < 4; which++) {
    for (int64_t pad : {0, 3}) {
      Case c = with_everything(BLV_LOGISTIC, BLV_RELU, optimiser, dtype);
      for (Leaf &leaf : c.leaves) leaf.shared = which & 1, leaf.tangent_shared = which & 2, leaf.pad = pad;
      c.result_pad = pad;
      ASSERT_NO_FATAL_FAILURE(check_everywhere(c));
    }
  }
}

// More rows than one partial sum takes, wide layers.
TEST_P(Forward, Sizes) {
  const auto [dtype, optimiser] = GetParam();
  Case c = forward_case(BLV_CROSS_ENTROPY, BLV_TANH, optimiser, 2, dtype, {.labels = BLV_I32}, {.labels = BLV_I64});
  c.tasks = 1, c.steps = 1, c.rows = machine() ? 130 : 530, c.outer_rows = 3;
  c.widths = {2, 3, 2};
  ASSERT_NO_FATAL_FAILURE(check_everywhere(c));
  c.rows = 5, c.tasks = 19, c.widths = {17, 9, 5};
  if (machine()) c.tasks = 3;
  ASSERT_NO_FATAL_FAILURE(check_everywhere(c));
}

INSTANTIATE_TEST_SUITE_P(All, Forward,
                         testing::Combine(testing::Values(BLV_F64, BLV_F32), testing::Values(BLV_SGD, BLV_HEAVY_BALL)));

// ---- Against reverse mode of the library ----------------------------------------------------------------------------

// Of the K tangents of one task: sum over arrays of <gradient, e_k>, and the sum of the sizes of its terms.
struct Products {
  std::vector<double> sum, size;
};

Products products(Problem &reverse, const Outcome &out, Problem &forward, int64_t task) {
  const int64_t tangents = forward.c.vectors;
  Products all{std::vector<double>(tangents, 0), std::vector<double>(tangents, 0)};
  for (size_t i = 0; i < reverse.arrays.size(); i++) {
    const Array &g = reverse.arrays[i];
    if (g.slot.use != BLV_GRADIENT) continue;
    const std::vector<double> e = one_task(*forward.find(g.slot.side, g.slot.leaf, BLV_TANGENT), task);
    const size_t n = static_cast<size_t>(g.steps * g.rows * g.columns);
    for (size_t k = 0; k < static_cast<size_t>(tangents); k++) {
      for (size_t j = 0; j < n; j++) {
        const double term = out.values[i][static_cast<size_t>(task) * n + j] * e[k * n + j];
        if (std::isnan(e[k * n + j])) continue;  // rows that the task lacks, whose gradient is 0
        all.sum[k] += term, all.size[k] += std::fabs(term);
      }
    }
  }
  return all;
}

void expect_as_reverse(const Case &unroll, int64_t tangents, const Means &means, double tolerance) {
  Problem reverse(unroll), forward(as_forward(unroll, tangents));
  SCOPED_TRACE(name_of(forward.c, means));
  for (const Array &a : reverse.arrays) {  // the same data, which was drawn first in both
    const Array *b = a.slot.use == BLV_VALUE ? forward.find(a.slot.side, a.slot.leaf, BLV_VALUE) : nullptr;
    if (b) {
      ASSERT_EQ(std::memcmp(a.memory->data(), b->memory->data(), static_cast<size_t>(a.memory->bytes())), 0);
    }
  }
  const Outcome backward = run(reverse, means), along = run(forward, means);
  ASSERT_EQ(backward.status, BLV_OK) << backward.error;
  ASSERT_EQ(along.status, BLV_OK) << along.error;
  const auto result =
      static_cast<size_t>(forward.find(BLV_METHOD, BLV_LOSS_TANGENT, BLV_RESULT) - forward.arrays.data());
  for (int64_t task = 0; task < unroll.tasks; task++) {
    ASSERT_EQ(along.info[task].status, BLV_TASK_OK) << "task " << task;
    const Products want = products(reverse, backward, forward, task);
    for (int64_t k = 0; k < tangents; k++) {
      const double got = along.values[result][static_cast<size_t>(task * tangents + k)];
      ASSERT_TRUE(std::fabs(got - want.sum[k]) <= tolerance * want.size[k])
          << "task " << task << " tangent " << k << ": " << got << " but reverse mode gives " << want.sum[k];
    }
  }
}

TEST(ForwardReverse, Agree) {
  for (int executor : executors()) {
    for (int isa : levels()) {
      for (int loss : kLossList) {
        for (int optimiser : {BLV_SGD, BLV_HEAVY_BALL}) {
          Case c = unroll_case(loss, BLV_TANH, optimiser, BLV_F64, {.link = loss}, {.pad = 1});
          c.executor = executor;
          c.widths = {13, 7, 5};
          c.rows = 23, c.outer_rows = 40, c.steps = 12;
          ASSERT_NO_FATAL_FAILURE(expect_as_reverse(c, 5, {.isa = isa}, 1e-12));
          c.dtype = BLV_F32;
          ASSERT_NO_FATAL_FAILURE(expect_as_reverse(c, 5, {.isa = isa}, 16 * 0x1p-23 * std::sqrt(23.0 * 12)));
        }
      }
    }
  }
}

// Steps long enough that checkpoints, of which forward mode knows nothing, are taken.
TEST(ForwardReverse, AgreeOverManySteps) {
  Case c = unroll_case(BLV_CROSS_ENTROPY, BLV_SOFTPLUS, BLV_HEAVY_BALL, BLV_F64, {.labels = BLV_I32}, {});
  c.steps = machine() ? 30 : 200, c.batch_rows = 3, c.store = BLV_STORE_CHECKPOINTS;
  c.leaves.push_back({.side = BLV_INNER, .leaf = BLV_BATCH, .per_step = true});
  for (int executor : executors()) {
    c.executor = executor;
    ASSERT_NO_FATAL_FAILURE(expect_as_reverse(c, 8, {}, 1e-12));
  }
}

// ---- Against differences --------------------------------------------------------------------------------------------

// All arrays at once, moved by h e_k: theta_T and the loss move by h times their tangents. Step and bound as in differences_test.
void expect_differences(const Case &c) {
  SCOPED_TRACE(name_of(c, {}));
  Problem p(c);
  const Context context;
  const Plan plan(context.handle, p.spec());
  ASSERT_EQ(plan.status, BLV_OK) << blv_context_error(context.handle);
  const auto outcome = [&] {
    Outcome out = execute(context.handle, plan, p);
    EXPECT_EQ(out.status, BLV_OK) << out.error;
    return out;
  };
  const auto position = [&](int leaf) {
    return static_cast<size_t>(p.find(BLV_METHOD, leaf, BLV_RESULT) - p.arrays.data());
  };
  const Outcome middle = outcome();
  const double h = 6e-6;
  std::vector<std::vector<char>> bytes;
  for (const Array &a : p.arrays) {
    const char *first = static_cast<const char *>(a.memory->data());
    bytes.emplace_back(first, first + a.memory->bytes());
  }
  for (int64_t k = 0; k < c.vectors; k++) {
    const auto moved = [&](double by) {
      for (size_t i = 0; i < p.arrays.size(); i++) {
        Array &a = p.arrays[i];
        if (a.slot.use != BLV_VALUE) continue;
        std::memcpy(a.memory->data(), bytes[i].data(), bytes[i].size());
        const Array *e = p.find(a.slot.side, a.slot.leaf, BLV_TANGENT);
        for (int64_t task = 0; e && task < a.tasks; task++) {
          const std::vector<double> all = one_task(*e, task);
          size_t at = static_cast<size_t>(k) * all.size() / static_cast<size_t>(c.vectors);
          for (int64_t step = 0; step < a.steps; step++) {
            for (int64_t row = 0; row < a.rows; row++) {
              for (int64_t column = 0; column < a.columns; column++) {
                const int64_t place = a.offset(task, step, row, column);
                a.set(place, a.get(place) + by * all[at++]);
              }
            }
          }
        }
      }
      return outcome();
    };
    const Outcome above = moved(h), below = moved(-h);
    for (auto [value, tangent] : {std::pair(BLV_THETA, BLV_THETA_TANGENT), std::pair(BLV_LOSS, BLV_LOSS_TANGENT)}) {
      const size_t from = position(value), to = position(tangent), n = above.values[from].size() / size_t(c.tasks);
      for (size_t i = 0; i < above.values[from].size(); i++) {
        const double difference = (above.values[from][i] - below.values[from][i]) / (2 * h);
        const double got = middle.values[to][(i / n * size_t(c.vectors) + size_t(k)) * n + i % n];
        ASSERT_TRUE(std::fabs(got - difference) <= 2e-8 * std::fmax(1, std::fabs(difference)))
            << "leaf " << tangent << " tangent " << k << " element " << i << ": " << got << " but differences give "
            << difference;
      }
    }
  }
}

TEST(ForwardDifferences, EveryLossAndActivation) {
  for (int executor : executors()) {
    for (int loss : {BLV_SQUARED, BLV_CROSS_ENTROPY}) {  // moved labels of a logistic loss leave [0, 1]
      for (int activation : kActivationList) {
        for (int optimiser : {BLV_SGD, BLV_HEAVY_BALL}) {
          Case c = with_everything(loss, activation, optimiser, BLV_F64);
          c.executor = executor;
          ASSERT_NO_FATAL_FAILURE(expect_differences(c));
        }
      }
    }
  }
}

// ---- Data that is not finite ----------------------------------------------------------------------------------------

// A tangent that is not finite fails its own task, wherever it is read.
TEST(ForwardBadData, TangentsThatAreNotFinite) {
  for (int executor : executors()) {
    Case c = with_everything(BLV_SQUARED, BLV_TANH, BLV_HEAVY_BALL, BLV_F64);
    c.executor = executor;
    c.tasks = machine() ? 4 : 19;
    Problem clean(c);
    const Outcome good = run(clean);
    for (const Array &a : clean.arrays) {
      if (a.slot.use != BLV_TANGENT) continue;
      for (double bad : {std::nan(""), HUGE_VAL}) {
        SCOPED_TRACE("side " + std::to_string(a.slot.side) + " leaf " + std::to_string(a.slot.leaf));
        Problem p(c);
        Array &e = *p.find(a.slot.side, a.slot.leaf, BLV_TANGENT);
        e.set(e.offset(2, e.steps - 1, 0, 0), bad);
        const Outcome out = run(p);
        ASSERT_EQ(out.status, BLV_OK) << out.error;
        for (int64_t t = 0; t < c.tasks; t++) {
          if (t == 2) {
            ASSERT_EQ(out.info[t].status, BLV_TASK_NOT_FINITE);
            for (size_t i = 0; i < p.arrays.size(); i++) {
              const size_t n = out.values[i].size() / size_t(c.tasks);
              for (size_t j = 0; j < n; j++) ASSERT_TRUE(std::isnan(out.values[i][2 * n + j])) << "slot " << i;
            }
          } else {
            ASSERT_NO_FATAL_FAILURE(expect_same_task(p, good, t, out, t));
          }
        }
      }
    }
  }
}

// ---- Drawn at random ------------------------------------------------------------------------------------------------

class ForwardCombinations : public testing::TestWithParam<unsigned> {};

// The unrolls of combinations_test, small enough for a reverse sweep per parameter.
TEST_P(ForwardCombinations, Drawn) {
  int checked = 0;
  for (unsigned seed = GetParam(); seed < GetParam() + 100; seed++) {
    Case c = draw(seed, executors());
    if (c.kind != BLV_UNROLL || c.parameters() > 150 || c.rows > 100 || c.outer_rows > 100) continue;
    Dice d(seed + 2000000);
    c = as_forward(c, d.between(1, 8));
    c.tasks = std::min<int64_t>(c.tasks, 5);
    Problem p(c);
    const Expected want = reference(p);
    double sum = 0;
    for (const auto &values : want.values) {
      for (double v : values) sum += std::fabs(v);
    }
    if (!std::isfinite(sum)) continue;
    const std::vector<int> isa = levels();
    check(p, {.isa = isa[size_t(d.between(0, int64_t(isa.size()) - 1))], .threads = int(d.between(1, 4))}, want, 2);
    if (HasFatalFailure()) return;
    checked++;
  }
  EXPECT_GE(checked, 10);
}

INSTANTIATE_TEST_SUITE_P(Seeds, ForwardCombinations, testing::Values(0, 100, 200, 300, 400, 500));

}  // namespace
