// SPDX-License-Identifier: Apache-2.0
//
// The cleaning problem: how many labels are wrong and how they are drawn, which rows go where, scaling, and that a seed
// means the same everywhere.
#include "examples/hyper_cleaning/problem.h"

#include <gtest/gtest.h>

#include <cmath>
#include <set>

#include "examples/common/random.h"
#include "examples/hyper_cleaning/run.h"

namespace {

using namespace examples;

// n rows with features (row, 2 row + 1), label row % classes.
TrainTest numbered_rows(int64_t n, int32_t classes) {
  TrainTest data;
  data.train_path = "numbered";
  data.train.features = 2;
  for (int64_t i = 0; i < n; ++i) {
    data.train.values.push_back(static_cast<float>(i));
    data.train.values.push_back(static_cast<float>(2 * i + 1));
    data.train.labels.push_back(static_cast<int32_t>(i % classes));
  }
  for (int32_t k = 0; k < classes; ++k) data.train.classes.push_back(std::to_string(k));
  return data;
}

Options small(int64_t rows, int64_t validation_rows, double noise) {
  Options o;
  o.rows = rows;
  o.validation_rows = validation_rows;
  o.noise = noise;
  o.scaling = Scaling::kNone;
  return o;
}

TEST(Random, Mt19937OfTheStandardAndUniformDraws) {
  std::mt19937_64 standard;  // [rand.predef]: the 10000th value of a default-constructed engine
  standard.discard(9999);
  EXPECT_EQ(standard(), 9981545732273789042u);
  Random random(1);
  std::vector<int> counts(10, 0);
  for (int i = 0; i < 100000; ++i) ++counts[random.below(10)];
  for (const int c : counts) EXPECT_LT(std::abs(c - 10000), 5 * 95);  // 5 standard deviations of a binomial
  const auto order = random.permutation(1000);
  EXPECT_EQ(std::set<int64_t>(order.begin(), order.end()).size(), 1000u);
}

TEST(Problem, ExactlyTheShareOfLabelsIsWrongAndUniformOverTheOthers) {
  const TrainTest data = numbered_rows(20000, 5);
  const Problem p = make_problem(data, small(10000, 500, 0.5), 7);
  std::vector<int> shift(5, 0);
  int wrong = 0;
  for (size_t i = 0; i < p.wrong.size(); ++i) {
    EXPECT_EQ(p.wrong[i] != 0, p.train.labels[i] != p.truth[i]);
    EXPECT_EQ(p.truth[i], p.train.source[i] % 5);
    wrong += p.wrong[i];
    ++shift[static_cast<size_t>((p.train.labels[i] - p.truth[i] + 5) % 5)];
  }
  EXPECT_EQ(wrong, 5000);
  for (size_t k = 1; k < 5; ++k) EXPECT_LT(std::abs(shift[k] - 1250), 5 * 31);  // 5 standard deviations
}

TEST(Problem, NoiseIsRoundedAndMayBeNoneOrAll) {
  const TrainTest data = numbered_rows(100, 3);
  for (const auto &[noise, expected] : {std::pair{0.0, 0}, {1.0, 11}, {0.5, 6}, {0.1, 1}}) {
    const Problem p = make_problem(data, small(11, 5, noise), 3);
    EXPECT_EQ(std::count(p.wrong.begin(), p.wrong.end(), 1), expected) << noise;
  }
}

TEST(Problem, RowsAreUsedOnceAndTheRestIsTheTest) {
  const Problem p = make_problem(numbered_rows(60, 3), small(30, 10, 0.5), 2);
  std::set<int64_t> seen;
  for (const Rows *rows : {&p.train, &p.validation, &p.test}) {
    for (int64_t i = 0; i < rows->count(); ++i) {
      const int64_t source = rows->source[static_cast<size_t>(i)];
      seen.insert(source);
      EXPECT_EQ(rows->x[static_cast<size_t>(2 * i)], static_cast<float>(source));
      EXPECT_EQ(rows->x[static_cast<size_t>(2 * i + 1)], static_cast<float>(2 * source + 1));
      if (rows != &p.train) {
        EXPECT_EQ(rows->labels[static_cast<size_t>(i)], source % 3);
      }
    }
  }
  EXPECT_EQ(p.test.count(), 20);
  EXPECT_EQ(seen.size(), 60u);
}

TEST(Problem, SameSeedSameProblemOtherSeedAnother) {
  const TrainTest data = numbered_rows(200, 3);
  const Options o = small(100, 20, 0.5);
  const Problem a = make_problem(data, o, 11), b = make_problem(data, o, 11), c = make_problem(data, o, 12);
  EXPECT_EQ(a.train.source, b.train.source);
  EXPECT_EQ(a.train.labels, b.train.labels);
  EXPECT_NE(a.train.source, c.train.source);
  // A fixed draw, so that a change of the generator, here or on another machine, is noticed.
  const std::vector<int64_t> first(c.train.source.begin(), c.train.source.begin() + 6);
  EXPECT_EQ(first, (std::vector<int64_t>{23, 119, 102, 86, 32, 158}));
}

TEST(Problem, ScalingUsesTheTrainingRowsAlone) {
  Options o = small(30, 10, 0.5);
  o.scaling = Scaling::kStandardise;
  const Problem p = make_problem(numbered_rows(60, 3), o, 2);
  const Problem raw = make_problem(numbered_rows(60, 3), small(30, 10, 0.5), 2);
  double mean = 0, square = 0;
  for (int64_t i = 0; i < 30; ++i) mean += static_cast<double>(raw.train.x[static_cast<size_t>(2 * i)]) / 30;
  for (int64_t i = 0; i < 30; ++i)
    square += std::pow(static_cast<double>(raw.train.x[static_cast<size_t>(2 * i)]) - mean, 2) / 30;
  for (size_t i = 0; i < 20; ++i) {
    const double expected = (static_cast<double>(raw.test.x[2 * i]) - mean) / std::sqrt(square);
    EXPECT_NEAR(static_cast<double>(p.test.x[2 * i]), expected, 1e-6 * (1 + std::abs(expected)));
  }
}

TEST(Problem, ParametersAreZeroWithoutHiddenLayersElseWithinTheirBounds) {
  const TrainTest data = numbered_rows(60, 3);
  Options o = small(30, 10, 0.5);
  Problem p = make_problem(data, o, 2);
  EXPECT_EQ(p.theta0, std::vector<float>(2 * 3 + 3, 0.0f));
  o.hidden = {16, 4};
  p = make_problem(data, o, 2);
  EXPECT_EQ(p.widths, (std::vector<int64_t>{2, 16, 4, 3}));
  ASSERT_EQ(p.theta0.size(), 16u * 3 + 4 * 17 + 3 * 5);
  for (size_t i = 0; i < p.theta0.size(); ++i) {
    const double bound = 1 / std::sqrt(i < 48 ? 2.0 : i < 48 + 68 ? 16.0 : 4.0);
    EXPECT_LE(std::abs(static_cast<double>(p.theta0[i])), bound * (1 + 1e-6));
    EXPECT_NE(p.theta0[i], 0.0f);
  }
}

TEST(Problem, TooFewRowsOrClassesAreNamed) {
  const auto message = [](const TrainTest &data, const Options &o) {
    try {
      make_problem(data, o, 1);
    } catch (const DataError &error) {
      return std::string(error.what());
    }
    return std::string("no error");
  };
  EXPECT_EQ(message(numbered_rows(40, 3), small(30, 10, 0.5)),
            "numbered: has 40 rows; --rows 30 and --validation-rows 10 and at least one test row need more");
  EXPECT_EQ(message(numbered_rows(60, 1), small(30, 10, 0.5)), "numbered: only one class, at least two are needed");
}

TEST(Selected, KeepsRowsAndAppends) {
  Rows a{{1, 2, 3, 4, 5, 6}, {0, 1, 2}, {7, 8, 9}}, b{{9, 9}, {1}, {3}};
  const Rows s = selected(a, {1, 0, 1}, 2, &b);
  EXPECT_EQ(s.x, (std::vector<float>{1, 2, 5, 6, 9, 9}));
  EXPECT_EQ(s.labels, (std::vector<int32_t>{0, 2, 1}));
  EXPECT_EQ(s.source, (std::vector<int64_t>{7, 9, 3}));
  EXPECT_EQ(selected(a, {0, 0, 0}, 2, nullptr).count(), 0);
}

TEST(Detect, CountsByHand) {
  // Flagged: rows 0, 1, 2, of which 0 and 1 are wrong; row 3 is wrong and missed.
  const Detection d = detect({-1, -0.1f, -3, 0, 2}, {1, 1, 0, 1, 0});
  EXPECT_DOUBLE_EQ(d.precision, 2.0 / 3);
  EXPECT_DOUBLE_EQ(d.recall, 2.0 / 3);
  EXPECT_DOUBLE_EQ(d.f1, 2.0 / 3);
  const Detection none = detect({1, 1}, {1, 0});
  EXPECT_EQ(none.precision, 0);
  EXPECT_EQ(none.f1, 0);
}

}  // namespace
