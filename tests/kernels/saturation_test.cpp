// SPDX-License-Identifier: Apache-2.0
//
// Losses at outputs of any size: a confident row keeps its small loss, its small gradient and its small curvature on either side, and
// large outputs cost no digits. One row with x = 1, so that theta is its outputs, the gradient of theta is e, and H v a row of
// products. Expected values come from formulas without cancellation, in long double.
//
// Tolerances are relative to the terms of an exact formula that are added (`scale`), not to the largest entry: 16 eps for the
// elementary functions and the few roundings, and |u| eps for an argument u of exp that is itself a rounded difference.
#include "cases.h"

namespace {

using namespace harness;
using Real = long double;

struct Row {
  std::vector<double> outputs, targets;
};
struct Entry {
  Real value, scale;
};
struct Expected {
  Entry loss;
  std::vector<Entry> e, y_gradient, curvature;  // curvature: H v
};

std::vector<Real> direction(size_t n) {
  std::vector<Real> v;
  for (size_t j = 0; j < n; j++) v.push_back(j % 2 ? -3.5L : 1.25L + static_cast<Real>(j));
  return v;
}

Expected logistic(const Row &row) {
  const Real o = row.outputs[0], y = row.targets[0], s = 1 / (1 + std::exp(std::fabs(o)));
  const Real near = o > 0 ? 1 - y : y, v = direction(1)[0];
  const Real loss = std::log1p(std::exp(-std::fabs(o))) + near * std::fabs(o), h = s * (1 - s) * v;
  return {{loss, loss}, {{o > 0 ? near - s : s - near, near + s}}, {{-o, std::fabs(o)}}, {{h, std::fabs(h)}}};
}

Expected cross_entropy(const Row &row) {
  const size_t n = row.outputs.size(),
               top = std::max_element(row.outputs.begin(), row.outputs.end()) - row.outputs.begin();
  const std::vector<Real> v = direction(n);
  std::vector<Real> p(n);
  Real q = 0, mass = 0, others = 0, mean = 0, spread = 0;
  for (size_t j = 0; j < n; j++) {
    p[j] = std::exp(static_cast<Real>(row.outputs[j]) - row.outputs[top]);
    mass += row.targets[j];
    if (j != top) q += p[j], others += row.targets[j], mean += p[j] * (v[j] - v[top]);
  }
  mean /= 1 + q;
  for (size_t j = 0; j < n; j++) spread = std::fmax(spread, p[j] > 0 ? std::fabs(v[j] - v[top]) : 0);
  Expected x = {};
  for (size_t j = 0; j < n; j++) {
    const Real u = static_cast<Real>(row.outputs[j]) - row.outputs[top], y = row.targets[j], loss = std::log1p(q) - u;
    const Real grow = 1 + std::fabs(u) / 16, h = mass * p[j] / (1 + q) * ((v[j] - v[top]) - mean);
    if (y != 0) x.loss.value += y * loss, x.loss.scale += y * loss;
    x.y_gradient.push_back({loss, loss});
    if (j == top)
      x.e.push_back({(others - y * q) / (1 + q), (others + y * q) / (1 + q)});
    else
      x.e.push_back({mass * p[j] / (1 + q) - y, grow * mass * p[j] / (1 + q) + y});
    x.curvature.push_back({h, j == top ? std::fabs(h) : grow * mass * p[j] / (1 + q) * spread});
  }
  // What q is made of are such exponentials too.
  for (size_t j = 0; j < n; j++)
    if (j != top && p[j] > 0) x.e[top].scale *= 2, x.loss.scale *= 2, x.curvature[top].scale *= 2;
  return x;
}

Case case_of(int loss, const std::vector<Row> &rows, int kind, int dtype, bool labels, bool y_gradient) {
  const int64_t outputs = static_cast<int64_t>(rows[0].outputs.size());
  Case c{.widths = {1, outputs}, .loss = loss, .flags = BLV_NO_BIAS, .rows = 1};
  c.dtype = dtype, c.kind = kind, c.vectors = 1, c.tasks = static_cast<int64_t>(rows.size());
  c.leaves = {{.side = BLV_INNER, .leaf = BLV_X},
              {.side = BLV_INNER, .leaf = BLV_Y, .gradient = y_gradient && !labels, .dtype = labels ? BLV_I32 : 0},
              {.side = BLV_INNER, .leaf = BLV_WEIGHT, .gradient = true},
              {.leaf = BLV_THETA, .gradient = true}};
  if (kind == BLV_HVP) c.leaves.push_back({.leaf = BLV_VECTOR});
  return c;
}

void put(Problem &p, int side, int leaf, int64_t task, int64_t column, double value) {
  Array &a = *p.find(side, leaf, BLV_VALUE);
  a.set(a.offset(task, 0, 0, column), value);
}

constexpr double weight = 0.75;

void fill(Problem &p, const std::vector<Row> &rows, bool labels) {
  for (size_t t = 0; t < rows.size(); t++) {
    const int64_t task = static_cast<int64_t>(t);
    put(p, BLV_INNER, BLV_X, task, 0, 1);
    put(p, BLV_INNER, BLV_WEIGHT, task, 0, weight);
    for (size_t j = 0; j < rows[t].outputs.size(); j++) {
      const int64_t column = static_cast<int64_t>(j);
      put(p, BLV_METHOD, BLV_THETA, task, column, rows[t].outputs[j]);
      if (!labels) put(p, BLV_INNER, BLV_Y, task, column, rows[t].targets[j]);
      if (labels && rows[t].targets[j] == 1) put(p, BLV_INNER, BLV_Y, task, 0, static_cast<double>(j));
      if (p.c.kind == BLV_HVP)
        put(p, BLV_METHOD, BLV_VECTOR, task, column, static_cast<double>(direction(rows[t].outputs.size())[j]));
    }
  }
}

void near(double got, Real want, Real scale, double epsilon, const char *what, const Row &row) {
  const Real smallest = epsilon > 1e-10 ? 0x1p-149L : 0x1p-1074L;
  EXPECT_TRUE(std::fabs(got - want) <= 16 * (epsilon * scale + smallest))
      << what << " " << got << ", want " << static_cast<double>(want) << " at outputs "
      << testing::PrintToString(row.outputs) << " targets " << testing::PrintToString(row.targets);
}

void expect(const Problem &p, const Outcome &out, const std::vector<Row> &rows, Expected (*expected)(const Row &)) {
  for (size_t t = 0; t < rows.size(); t++) {
    const Row &row = rows[t];
    const Expected want = expected(row);
    const double epsilon = epsilon_of(p.c);
    EXPECT_EQ(out.info[t].status, BLV_TASK_OK) << testing::PrintToString(row.outputs);
    for (size_t i = 0; i < p.arrays.size(); i++) {
      const Array &a = p.arrays[i];
      if (!a.written()) continue;
      for (int64_t j = 0; j < a.columns; j++) {
        const size_t at = t * static_cast<size_t>(a.columns) + static_cast<size_t>(j), column = static_cast<size_t>(j);
        const double got = out.values[i][at];
        const bool hvp = p.c.kind == BLV_HVP;
        Entry entry = {};
        if (a.leaf.leaf == BLV_LOSS) entry = {weight * want.loss.value, weight * want.loss.scale};
        if (a.leaf.leaf == BLV_THETA) entry = hvp ? want.curvature[column] : want.e[column];
        if (a.leaf.leaf == BLV_Y) entry = want.y_gradient[column];
        if (a.leaf.leaf == BLV_WEIGHT) entry = want.loss;
        if (hvp && (a.leaf.leaf == BLV_Y || a.leaf.leaf == BLV_WEIGHT)) continue;
        if (a.leaf.leaf == BLV_THETA || a.leaf.leaf == BLV_Y) entry = {weight * entry.value, weight * entry.scale};
        static const char *const names[] = {"loss", "theta", "y", "weight"};
        const int leaf = a.leaf.leaf;
        near(got, entry.value, entry.scale, epsilon,
             names[leaf == BLV_LOSS    ? 0
                   : leaf == BLV_THETA ? 1
                   : leaf == BLV_Y     ? 2
                                       : 3],
             row);
      }
    }
  }
}

void check(int loss, const std::vector<Row> &rows, Expected (*expected)(const Row &), int dtype, bool labels,
           bool y_gradient) {
  for (int kind : {BLV_EVALUATE, BLV_HVP}) {
    Problem p(case_of(loss, rows, kind, dtype, labels, y_gradient));
    fill(p, rows, labels);
    for (int executor : executors()) {
      for (int isa : levels()) {
        p.c.executor = executor;
        SCOPED_TRACE(name_of(p.c, {.isa = isa}));
        const Outcome out = run(p, {.isa = isa});
        ASSERT_EQ(out.status, BLV_OK) << out.error;
        expect(p, out, rows, expected);
      }
    }
  }
}

class Saturation : public testing::TestWithParam<int> {};

TEST_P(Saturation, Logistic) {
  std::vector<Row> rows;
  for (const double o : {0.0, 0.001, 0.5, 3.0, 10.0, 15.0, 17.0, 20.0, 40.0, 80.0, 1e4, 1e30}) {
    for (const double y : {0.0, 1.0, 0.25, 0x1p-20, 1 - 0x1p-20})
      rows.push_back({{o}, {y}}), rows.push_back({{-o}, {y}});
  }
  // 0.001 as the dtype has it.
  for (Row &row : rows) row.outputs[0] = static_cast<float>(row.outputs[0]);
  check(BLV_LOGISTIC, rows, logistic, GetParam(), false, true);
}

std::vector<std::vector<double>> outputs_of_classes() {
  return {{0, 0},          {17, 0},    {0, 17},       {1000, 1000}, {50000, 49990}, {1e9, 1e9},
          {1e9, 1e9 - 64}, {-20, -37}, {1000, -1000}, {0.25, -0.5}, {80, 0},        {-1e30, -1e30}};
}

TEST_P(Saturation, CrossEntropyOfTwo) {
  std::vector<Row> rows;
  for (const auto &o : outputs_of_classes()) {
    for (const auto &y : {std::vector<double>{1, 0}, {0, 1}, {0.25, 0.5}, {2.5, 0}, {0, 0.125}}) rows.push_back({o, y});
  }
  check(BLV_CROSS_ENTROPY, rows, cross_entropy, GetParam(), false, true);
}

TEST_P(Saturation, CrossEntropyOfThree) {
  std::vector<Row> rows;
  for (const auto &o : {std::vector<double>{20, 20, 0},
                        {0, 20, 20},
                        {5, 0, 22},
                        {7, 7, 7},
                        {1e6, 1e6 - 1, 1e6 - 20},
                        {0, -1000, -18}}) {
    for (const auto &y : {std::vector<double>{1, 0, 0}, {0, 1, 0}, {0, 0, 1}, {0.25, 0.5, 0.125}, {0, 3, 0}})
      rows.push_back({o, y});
  }
  check(BLV_CROSS_ENTROPY, rows, cross_entropy, GetParam(), false, true);
}

// The difference of outputs overflows; a class of target 0 takes no part.
TEST_P(Saturation, CrossEntropyWithoutTheLostClass) {
  const double big = GetParam() == BLV_F64 ? 1e308 : 3e38;
  const double as_float = static_cast<double>(static_cast<float>(3e38)), o = GetParam() == BLV_F64 ? big : as_float;
  const std::vector<Row> rows = {{{o, -o}, {1, 0}}, {{-o, o}, {0, 1}}, {{-o, o}, {0, 1}}};
  for (const bool labels : {false, true}) check(BLV_CROSS_ENTROPY, rows, cross_entropy, GetParam(), labels, false);
}

TEST_P(Saturation, CrossEntropyOfLabels) {
  std::vector<Row> rows;
  for (const auto &o : outputs_of_classes()) {
    for (const auto &y : {std::vector<double>{1, 0}, {0, 1}}) rows.push_back({o, y});
  }
  check(BLV_CROSS_ENTROPY, rows, cross_entropy, GetParam(), true, false);
}

// Doubles end to hold halves at 2^52; the largest output may be much larger still.
TEST(SaturationOfDoubles, CrossEntropyBeyondTheirDigits) {
  const std::vector<Row> rows = {{{1e17, 1e17}, {1, 0}}, {{1e17, 1e17 - 16}, {0, 1}}, {{1e300, 1e300}, {0.5, 0.5}}};
  check(BLV_CROSS_ENTROPY, rows, cross_entropy, BLV_F64, false, true);
}

// p (do - sum p do) is exactly 0 where p is 0 or 1, whatever the mass of the targets and the direction.
TEST_P(Saturation, CurvatureOfASaturatedRowIsZero) {
  Problem p(case_of(BLV_CROSS_ENTROPY, {{{1000, 0}, {0.3, 0.4}}, {{0, 1000}, {1.7, 0.1}}}, BLV_HVP, GetParam(), false,
                    false));
  fill(p, {{{1000, 0}, {0.3, 0.4}}, {{0, 1000}, {1.7, 0.1}}}, false);
  for (int64_t t = 0; t < 2; t++)
    for (int64_t j = 0; j < 2; j++) put(p, BLV_METHOD, BLV_VECTOR, t, j, 1e10 / (3 + static_cast<double>(t + j)));
  for (int executor : executors()) {
    for (int isa : levels()) {
      p.c.executor = executor;
      SCOPED_TRACE(name_of(p.c, {.isa = isa}));
      const Outcome out = run(p, {.isa = isa});
      ASSERT_EQ(out.status, BLV_OK) << out.error;
      for (size_t i = 0; i < p.arrays.size(); i++) {
        if (p.arrays[i].leaf.leaf != BLV_THETA) continue;
        for (const double h : out.values[i]) EXPECT_EQ(h, 0);
      }
    }
  }
}

INSTANTIATE_TEST_SUITE_P(, Saturation, testing::Values(BLV_F32, BLV_F64),
                         [](const testing::TestParamInfo<int> &info) { return info.param == BLV_F32 ? "f32" : "f64"; });

}  // namespace
