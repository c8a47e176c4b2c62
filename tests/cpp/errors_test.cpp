// SPDX-License-Identifier: Apache-2.0
//
// What is refused: each message names the array or argument, its value and what is accepted, and carries the status.
// Objects that were moved from refuse too, and a plan goes on after a call that failed.
#include "problems.h"

namespace bl = bilevel;
using problems::labels;
using problems::random;

namespace {

struct Small {
  static constexpr std::int64_t n = 6, d = 3, c = 2, parameters = c * (d + 1);
  std::vector<double> x = random(n * d, 1), phi = random(n, 2);
  std::vector<std::int32_t> y = labels(n, c);
  bl::Matrix<double> X{x, n, d};
  bl::Objective<double> loss = bl::softmax(X, y);

  auto plan(const bl::Objective<double> &inner) const { return bl::unroll(inner, bl::sgd(0.1), 4) | bl::reverse(loss); }
};

}  // namespace

TEST(Errors, ShapesOfViews) {
  const std::vector<double> a(11);
  expect_error(BLV_INVALID, {"4 rows", "3 columns", "11 elements", "at least 12"}, [&] { bl::Matrix(a, 4, 3); });
  expect_error(BLV_INVALID, {"row stride 2"}, [&] { bl::Matrix(a, 3, 3, 2); });
  expect_error(BLV_INVALID, {"-1 rows"}, [&] { bl::Matrix(a, -1, 3); });
  expect_error(BLV_INVALID, {"2 tasks", "at least 12"}, [&] { bl::Tensor(a, 2, 2, 3); });
}

TEST(Errors, SizesOfArrays) {
  Small p;
  const std::vector<double> five(5);
  const std::vector<std::int32_t> y5(5);
  expect_error(BLV_INVALID, {"inner weights", "5 elements", "accepted: 6"}, [&] { p.plan(p.loss.weights(five)); });
  expect_error(BLV_INVALID, {"inner targets", "5 elements", "6"}, [&] { p.plan(bl::softmax(p.X, y5)); });
  expect_error(BLV_INVALID, {"inner l2", "5 elements", "inputs = 3", "parameters = 8"},
               [&] { p.plan(p.loss.l2(five)); });
  expect_error(BLV_INVALID, {"inner l2", "per_step"}, [&] { p.plan(p.loss.l2(bl::per_step(five))); });
  expect_error(BLV_INVALID, {"rate", "5 elements", "parameters = 8", "bl::per_step"},
               [&] { bl::unroll(p.loss, bl::sgd(five), 5) | bl::reverse(p.loss); });
  expect_error(BLV_INVALID, {"rate", "steps = 4"},
               [&] { bl::unroll(p.loss, bl::sgd(bl::per_step(five)), 4) | bl::reverse(p.loss); });
  expect_error(BLV_INVALID, {"theta0", "5 elements", "8"},
               [&] { bl::unroll(p.loss, bl::sgd(0.1), 4).from(five) | bl::reverse(p.loss); });
  expect_error(BLV_INVALID, {"theta", "5 elements", "8"}, [&] { bl::value_and_gradient(p.loss, five); });
  expect_error(BLV_INVALID, {"minibatches", "5 elements"},
               [&] { bl::unroll(p.loss, bl::sgd(0.1), 4).minibatches(y5, 3) | bl::reverse(p.loss); });
  expect_error(BLV_INVALID, {"widths", "{3, 0, 2}"}, [&] {
    auto net = bl::network(p.X, p.y, {0}, bl::Activation::tanh, bl::Loss::cross_entropy);
    bl::unroll(net, bl::sgd(0.1), 4).from(five).train();
  });
  expect_error(BLV_INVALID, {"tasks", "-2"}, [&] { bl::unroll(p.loss, bl::sgd(0.1), 4).tasks(-2).train(); });
  expect_error(BLV_INVALID, {"steps", "-1"}, [&] { bl::unroll(p.loss, bl::sgd(0.1), -1); });
  expect_error(BLV_INVALID, {"vectors", "5 elements", "8"}, [&] { bl::hvp(p.loss, random(8, 1), five); });
}

TEST(Errors, NetworkNeedsAnInitialisation) {
  Small p;
  auto net = bl::network(p.X, p.y, {4}, bl::Activation::tanh, bl::Loss::cross_entropy);
  expect_error(BLV_INVALID, {"theta0", ".from(theta0)", "26 parameters"},
               [&] { bl::unroll(net, bl::sgd(0.1), 4) | bl::reverse(net); });
}

TEST(Errors, ArraysThatNothingReads) {
  Small p;
  auto plan = p.plan(p.loss.weights(bl::sigmoid(p.phi)).l2(0.1));
  const auto copy = p.phi;
  expect_error(BLV_INVALID, {"nothing depends", "6 elements", "inner weights (6)", "outer X (18)"},
               [&] { plan.hypergradient(copy); });
  expect_error(BLV_INVALID, {"only a part", "inner weights", "6"},
               [&] { plan.hypergradient(std::span(p.phi).subspan(1, 3)); });
  EXPECT_EQ(plan.hypergradient(p.phi).gradient.size(), 6u);
}

TEST(Errors, LabelsOutOfRangeNameTaskAndRow) {
  Small p;
  auto y = p.y;
  auto plan = p.plan(bl::softmax(p.X, y).weights(p.phi));
  plan.hypergradient(p.phi);
  y[4] = 7;
  expect_error(BLV_INVALID, {"inner", "task 0", "label outside [0, 2)", "row 4"}, [&] { plan.hypergradient(p.phi); });
  y[4] = 1;
  EXPECT_TRUE(std::isfinite(plan.hypergradient(p.phi).loss));
}

TEST(Errors, IndicesAndRowCountsOutOfRange) {
  Small p;
  std::vector<std::int32_t> rows{0, 1, 2, 3, 4, 5}, count{6};
  auto plan = bl::unroll(p.loss.rows(count), bl::sgd(0.1), 3).minibatches(rows, 2) | bl::reverse(p.loss);
  EXPECT_TRUE(std::isfinite(plan.loss()));
  rows[3] = 6;
  expect_error(BLV_INVALID, {"task 0", "minibatch index outside [0, 6)", "step 2"}, [&] { plan.loss(); });
  rows[3] = 3;
  count[0] = 7;
  expect_error(BLV_INVALID, {"inner", "task 0", "number of rows outside [0, 6]"}, [&] { plan.loss(); });
}

TEST(Errors, TheLibraryRefusesWithItsOwnWords) {
  Small p;
  auto net = bl::network(p.X, p.y, {4}, bl::Activation::tanh, bl::Loss::cross_entropy);
  const auto theta0 = random(static_cast<std::size_t>(net.parameters()), 1);
  auto plan = bl::unroll(net, bl::sgd(0.1), 4).from(theta0) | bl::reverse(p.loss);  // not the same network
  EXPECT_THROW(plan.loss(), bl::Error);
  auto limited = bl::unroll(p.loss, bl::sgd(0.1), 4).workspace_limit(1) | bl::reverse(p.loss);
  expect_error(BLV_TOO_SMALL, {"workspace_limit"}, [&] { limited.loss(); });
}

TEST(Errors, ClassesAreThoseOfBothLosses) {
  Small p;
  const auto two = labels(Small::n, 2), three = labels(Small::n, 3);
  auto plan = bl::unroll(bl::softmax(p.X, two), bl::sgd(0.1), 4) | bl::reverse(bl::softmax(p.X, three));
  EXPECT_TRUE(std::isfinite(plan.loss()));
  EXPECT_EQ(plan.theta().size(), 3u * (Small::d + 1));
  auto given = bl::unroll(bl::softmax(p.X, two, 5), bl::sgd(0.1), 4) | bl::reverse(bl::softmax(p.X, three));
  EXPECT_EQ(given.train().size(), 5u * (Small::d + 1));
  expect_error(BLV_INVALID, {"classes", "-2"}, [&] { bl::softmax(p.X, two, -2); });
}

// A softmax over one class has loss 0 and no gradient: where nobody asked for it, it is a mistake in the labels.
TEST(Errors, OneClassByDefault) {
  Small p;
  const std::vector<std::int32_t> zeros(Small::n, 0), none;
  const std::vector<double> ones(Small::n, 1.0);
  const auto theta = random(Small::parameters, 3);
  const std::vector<std::string> words{"inner targets", "no label is above 0", "one class", "classes = 2"};
  const auto unroll = [&](const auto &inner) { return bl::unroll(inner, bl::sgd(0.1), 4); };
  const auto one = bl::softmax(p.X, zeros);
  expect_error(BLV_INVALID, words, [&] { unroll(one) | bl::reverse(one); });
  expect_error(BLV_INVALID, words, [&] { unroll(one) | bl::reverse(one.on(p.X, zeros)); });
  expect_error(BLV_INVALID, words,
               [&] { unroll(one.on(p.X, zeros)) | bl::reverse(one.on(p.X, zeros).on(p.X, zeros)); });
  expect_error(BLV_INVALID, words, [&] { unroll(one).train(); });
  expect_error(BLV_INVALID, words, [&] {
    auto net = bl::network(p.X, zeros, {4}, bl::Activation::tanh, bl::Loss::cross_entropy);
    unroll(net).from(theta) | bl::reverse(net);
  });
  expect_error(BLV_INVALID, {"targets", "no label is above 0"}, [&] { bl::value_and_gradient(one, theta); });
  expect_error(BLV_INVALID, {"targets", "one number per row"}, [&] { unroll(bl::softmax(p.X, ones)).train(); });
  expect_error(BLV_INVALID, {"targets", "one class"},
               [&] { unroll(bl::softmax(p.X, bl::Matrix(ones, Small::n, 1))).train(); });

  // Not where the other loss knows better, or the user says so; the other losses have no classes.
  EXPECT_TRUE(std::isfinite((unroll(one) | bl::reverse(p.loss)).loss()));
  EXPECT_TRUE(std::isfinite((unroll(p.loss) | bl::reverse(one)).loss()));
  EXPECT_TRUE(std::isfinite((unroll(bl::softmax(p.X, zeros, 2)) | bl::reverse(one)).loss()));
  EXPECT_EQ((unroll(bl::softmax(p.X, zeros, 1)) | bl::reverse(one)).loss(), 0);
  EXPECT_TRUE(std::isfinite((unroll(bl::logistic(p.X, ones)) | bl::reverse(bl::logistic(p.X, ones))).loss()));
}

// What the C ABI refuses is told in the words of this layer, which has no spec and no slots.
TEST(Errors, InTheWordsOfThisLayer) {
  Small p;
  const auto refused = [&](blv_status status, const std::vector<std::string> &words, auto &&call) {
    expect_error(status, words, call);
    try {
      call();
    } catch (const bl::Error &error) {
      for (const char *word : {"spec", "slots[", "data["})
        EXPECT_EQ(std::string(error.what()).find(word), std::string::npos) << error.what();
    }
  };
  const auto unroll = bl::unroll(p.loss, bl::sgd(0.1), 4);
  refused(BLV_TOO_SMALL, {": workspace_limit is 1 bytes"},
          [&] { (unroll.workspace_limit(1) | bl::reverse(p.loss)).loss(); });
  refused(BLV_INVALID, {": workspace_limit is -1"}, [&] { unroll.workspace_limit(-1).train(); });
  refused(BLV_INVALID, {": executor is 77"}, [&] { unroll.executor(77).train(); });
  refused(BLV_UNSUPPORTED, {"flags (skip_failed, split_tf32)", "on the CPU"}, [&] { unroll.split_tf32().train(); });
  refused(BLV_INVALID, {": store is 9"}, [&] { unroll.store(static_cast<bl::Store>(9)).train(); });
  refused(BLV_INVALID, {": steps is 2199023255552"},
          [&] { bl::unroll(p.loss, bl::sgd(0.1), std::int64_t{1} << 41).train(); });
  const std::span<const double> nowhere(reinterpret_cast<const double *>(std::uintptr_t{12}), Small::n);
  refused(BLV_INVALID, {": inner weights is 0xc; accepted: an address aligned to 8 bytes"},
          [&] { (bl::unroll(p.loss.weights(nowhere), bl::sgd(0.1), 4) | bl::reverse(p.loss)).loss(); });
  refused(BLV_INVALID, {": outer loss: a network of widths {3, 2}", "{3, 4, 2}"}, [&] {
    auto net = bl::network(p.X, p.y, {4}, bl::Activation::tanh, bl::Loss::cross_entropy);
    const auto theta0 = random(static_cast<std::size_t>(net.parameters()), 1);
    (bl::unroll(net, bl::sgd(0.1), 4).from(theta0) | bl::reverse(p.loss)).loss();
  });
  refused(BLV_INVALID, {": outer loss", "without bias"}, [&] { (unroll | bl::reverse(p.loss.no_bias())).loss(); });
}

// Shapes whose sizes no integer holds: refused by what was given, not by what is left of a product that wrapped.
TEST(Errors, SizesBeyondCounting) {
  Small p;
  const std::int64_t huge = std::int64_t{1} << 62;
  expect_error(BLV_INVALID, {"Tensor", "over an array of 18 elements"}, [&] { bl::Tensor(p.x, huge, 4, 3); });
  expect_error(BLV_INVALID, {"Tensor", "over an array of 18 elements"}, [&] { bl::Matrix(p.x, huge, 4); });
  expect_error(BLV_INVALID, {"Tensor", "over an array of 18 elements"}, [&] { bl::Matrix(p.x, 4, 4, huge); });
  expect_error(BLV_INVALID, {"minibatches", "6 elements"},
               [&] { bl::unroll(p.loss, bl::sgd(0.1), 4).minibatches(p.y, huge) | bl::reverse(p.loss); });
  expect_error(BLV_INVALID, {"rate", "6 elements"},
               [&] { bl::unroll(p.loss, bl::sgd(bl::per_step(p.phi)), huge) | bl::reverse(p.loss); });
}

TEST(Errors, MovedFrom) {
  Small p;
  auto plan = p.plan(p.loss.weights(p.phi));
  const auto before = plan.hypergradient(p.phi);
  auto moved = std::move(plan);
  const auto after = moved.hypergradient(p.phi);
  EXPECT_EQ(after.gradient, before.gradient);
  expect_error(BLV_INVALID, {"moved from"}, [&] { plan.hypergradient(p.phi); });
  expect_error(BLV_INVALID, {"moved from"}, [&] { plan.losses(); });
  expect_error(BLV_INVALID, {"moved from"}, [&] { plan.context(); });
  plan = std::move(moved);
  EXPECT_EQ(plan.hypergradient(p.phi).gradient, before.gradient);

  const auto theta = random(Small::parameters, 3);
  auto e = bl::evaluation(p.loss, theta);
  auto f = std::move(e);
  EXPECT_TRUE(std::isfinite(f.value()));
  expect_error(BLV_INVALID, {"Evaluation", "moved from"}, [&] { e.hvp(theta); });

  bl::Context context;
  const bl::Context taken = std::move(context);
  EXPECT_NE(taken.get(), nullptr);
  expect_error(BLV_INVALID, {"Context", "moved from"}, [&] { context.cancel(); });
}

// float and double, and temporaries, are refused at compile time.
static_assert(!std::is_constructible_v<bl::Matrix<float>, std::vector<double> &, int, int>);
static_assert(!std::is_constructible_v<bl::Matrix<float>, std::vector<float>, int, int>);
static_assert(std::is_constructible_v<bl::Matrix<float>, std::vector<float> &, int, int>);
static_assert(std::is_constructible_v<bl::Matrix<float>, std::span<const float>, int, int>);
static_assert(!std::is_copy_constructible_v<bl::BilevelPlan<float>>);
