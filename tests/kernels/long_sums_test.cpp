// SPDX-License-Identifier: Apache-2.0
//
// Sums in f32 over very many terms of one sign: parameters, rows, tasks. Each may be wrong by 2e-7 of its value: its terms are
// products of a few numbers (a rounding of 6e-8 each, some of them the same in all terms), the sum is rounded once more, and the
// additions must add less than that. One after another, a million terms would be off by up to a percent. Norms of gradients are those
// of numbers whose squares leave the range of the dtype.
#include "cases.h"
#include "plain_call.h"

namespace {

using namespace harness;

constexpr double allowed = 2e-7;

// The same number everywhere, which sums of 2^k equal terms make exact, or numbers between 0.5 and 1.5 times it.
double draw(double value, bool equal, size_t i) {
  const double spread = static_cast<double>((i * 2654435761u) % 65536) / 65536;
  return static_cast<float>(equal ? value : value * (0.5 + spread));
}

struct Plain : PlainCall {
  void run(int64_t tasks, int executor, int isa, int kind = BLV_EVALUATE, int dtype = BLV_F32) {
    const blv_method method = {sizeof method, kind, 0};
    PlainCall::run(&method, tasks, {.executor = executor, .isa = isa, .dtype = dtype});
    for (const blv_task_info &i : info) ASSERT_EQ(i.status, BLV_TASK_OK);
  }
};

void near(double got, double want, const char *what) {
  EXPECT_TRUE(std::fabs(got - want) <= allowed * std::fabs(want))
      << what << ": got " << got << ", want " << want << ", relative error " << (got - want) / want;
}

// f(executor, isa, equal terms or not); an emulated device takes fewer terms.
template <class F>
void everywhere(F f) {
  for (int executor : executors()) {
    for (int isa : levels()) {
      for (const bool equal : {true, false}) {
        SCOPED_TRACE("executor " + std::to_string(executor) + " isa v" + std::to_string(isa) +
                     (equal ? " equal terms" : " terms that differ"));
        f(executor, isa, equal);
        if (testing::Test::HasFatalFailure()) return;
      }
    }
  }
}

// A model without rows: the loss is 1/2 sum p theta^2, its gradients with respect to p are halves of sums of squares.
TEST(LongSums, OverParameters) {
  const int64_t inputs = machine() ? 64 : 401, outputs = machine() ? 64 : 749;
  everywhere([&](int executor, int isa, bool equal) {
    Plain call;
    call.widths = {inputs, outputs};
    call.inner = {sizeof(blv_objective), BLV_NETWORK, BLV_SQUARED, 0, BLV_NO_BIAS, 0, 2, call.widths.data()};
    const auto n = static_cast<size_t>(inputs * outputs);
    std::vector<float> theta(n), gradient(n), x(1), y(1), penalty = {1}, penalty_gradient(1), loss(1);
    std::vector<float> feature(static_cast<size_t>(inputs), 1.0f), feature_gradient(feature.size());
    double squares = 0;
    std::vector<double> by_feature(feature.size());
    for (size_t i = 0; i < n; i++) {
      theta[i] = static_cast<float>(draw(0.1, equal, i));
      squares += static_cast<double>(theta[i]) * theta[i];
      by_feature[i % feature.size()] += static_cast<double>(theta[i]) * theta[i];
    }
    call.slot(BLV_METHOD, BLV_THETA, BLV_VALUE, theta, 0);
    call.slot(BLV_METHOD, BLV_THETA, BLV_GRADIENT, gradient, 0);
    call.slot(BLV_INNER, BLV_X, BLV_VALUE, x, 0);
    call.slot(BLV_INNER, BLV_Y, BLV_VALUE, y, 0);
    call.slot(BLV_METHOD, BLV_LOSS, BLV_RESULT, loss, 1);
    Plain per_feature = call;
    call.slot(BLV_INNER, BLV_PENALTY, BLV_VALUE, penalty, 0, BLV_SCALAR);
    call.slot(BLV_INNER, BLV_PENALTY, BLV_GRADIENT, penalty_gradient, 0, BLV_SCALAR);
    call.run(1, executor, isa);
    near(loss[0], squares / 2, "loss");
    near(penalty_gradient[0], squares / 2, "gradient of the penalty");
    near(call.info[0].gradient_norm, std::sqrt(squares), "norm of the gradient");
    per_feature.inner.widths = per_feature.widths.data();
    per_feature.slot(BLV_INNER, BLV_PENALTY, BLV_VALUE, feature, 0, BLV_PER_FEATURE);
    per_feature.slot(BLV_INNER, BLV_PENALTY, BLV_GRADIENT, feature_gradient, 0, BLV_PER_FEATURE);
    per_feature.run(1, executor, isa);
    for (size_t j = 0; j < feature.size(); j++)
      near(feature_gradient[j], by_feature[j] / 2, "gradient of a feature's penalty");
  });
}

// The dot product in the gradient of a rate: one step from theta_0, whose gradient is that of the penalty alone.
TEST(LongSums, InTheGradientOfARate) {
  const int64_t inputs = machine() ? 64 : 401, outputs = machine() ? 64 : 249;
  everywhere([&](int executor, int isa, bool equal) {
    Case c{.widths = {inputs, outputs}, .loss = BLV_SQUARED, .outer_loss = BLV_SQUARED, .flags = BLV_NO_BIAS};
    c.rows = 0, c.outer_rows = 0, c.tasks = 1, c.dtype = BLV_F32, c.kind = BLV_UNROLL, c.steps = 1;
    c.executor = executor;
    for (int side : {BLV_INNER, BLV_OUTER}) {
      c.leaves.push_back({.side = side, .leaf = BLV_X});
      c.leaves.push_back({.side = side, .leaf = BLV_Y});
      c.leaves.push_back({.side = side, .leaf = BLV_PENALTY, .extent = BLV_SCALAR});
    }
    c.leaves.push_back({.leaf = BLV_THETA0});
    c.leaves.push_back({.leaf = BLV_RATE, .gradient = true, .extent = BLV_SCALAR});
    Problem p(c);
    double squares = 0;
    Array &theta = *p.find(BLV_METHOD, BLV_THETA0, BLV_VALUE);
    for (int64_t i = 0; i < inputs * outputs; i++) {
      const double value = draw(0.1, equal, static_cast<size_t>(i));
      theta.set(i, value), squares += value * value;
    }
    for (int side : {BLV_INNER, BLV_OUTER}) p.find(side, BLV_PENALTY, BLV_VALUE)->set(0, 1);
    p.find(BLV_METHOD, BLV_RATE, BLV_VALUE)->set(0, 0.5);  // theta_1 = theta_0 / 2, exactly
    const Outcome out = run(p, {.isa = isa});
    ASSERT_EQ(out.status, BLV_OK) << out.error;
    near(p.find(BLV_METHOD, BLV_RATE, BLV_GRADIENT)->get(0), -squares / 2, "gradient of the rate");
  });
}

// Rows (x, y) = (x_i, 0) at W = 1, b = 0: o = x_i. A ragged task, and one in lanes, goes by in blocks of rows.
TEST(LongSums, OverRows) {
  const int64_t rows = machine() ? 3000 : 200003;
  everywhere([&](int executor, int isa, bool equal) {
    Plain call;
    call.widths = {1, 1};
    call.inner = {sizeof(blv_objective), BLV_NETWORK, BLV_SQUARED, 0, 0, rows, 2, call.widths.data()};
    std::vector<float> theta = {1, 0}, gradient(2), x(static_cast<size_t>(rows)), y(x.size()), loss(1);
    double sum = 0, squares = 0;
    for (size_t i = 0; i < x.size(); i++) {
      x[i] = static_cast<float>(draw(0.7, equal, i));
      sum += x[i], squares += static_cast<double>(x[i]) * x[i];
    }
    const auto n = static_cast<double>(rows);
    call.slot(BLV_METHOD, BLV_THETA, BLV_VALUE, theta, 0);
    call.slot(BLV_METHOD, BLV_THETA, BLV_GRADIENT, gradient, 0);
    call.slot(BLV_INNER, BLV_X, BLV_VALUE, x, 0);
    call.slot(BLV_INNER, BLV_Y, BLV_VALUE, y, 0);
    call.slot(BLV_METHOD, BLV_LOSS, BLV_RESULT, loss, 1);
    call.run(1, executor, isa);
    near(loss[0], squares / n / 2, "loss");
    // Matrix products may add the 64 to 256 rows of a block one after another.
    EXPECT_TRUE(std::fabs(gradient[0] - squares / n) <= 1e-6 * squares / n) << gradient[0] << " " << squares / n;
    near(gradient[1], sum / n, "gradient of the bias");
  });
}

// What tasks share: the sum of their gradients, each 2 theta of its own.
TEST(LongSums, OverTasks) {
  const int64_t tasks = machine() ? 3000 : 100003;
  everywhere([&](int executor, int isa, bool equal) {
    Plain call;
    call.widths = {1, 1};
    call.inner = {sizeof(blv_objective), BLV_NETWORK, BLV_SQUARED, 0, BLV_NO_BIAS, 1, 2, call.widths.data()};
    std::vector<float> theta = {1}, gradient(1), x = {1}, y(static_cast<size_t>(tasks));
    double sum = 0;
    for (size_t i = 0; i < y.size(); i++) y[i] = -static_cast<float>(draw(0.7, equal, i)), sum += double(1.0f - y[i]);
    call.slot(BLV_METHOD, BLV_THETA, BLV_VALUE, theta, 0);
    call.slot(BLV_METHOD, BLV_THETA, BLV_GRADIENT, gradient, 0);
    call.slot(BLV_INNER, BLV_X, BLV_VALUE, x, 0);
    call.slot(BLV_INNER, BLV_Y, BLV_VALUE, y, 1);
    call.run(tasks, executor, isa);
    near(gradient[0], sum, "sum over tasks");
  });
}

template <class T>
void check_norm(double size, int64_t outputs) {
  for (int executor : executors()) {
    for (int isa : levels()) {
      Plain call;
      call.widths = {1, outputs};
      call.inner = {sizeof(blv_objective), BLV_NETWORK, BLV_SQUARED, 0, BLV_NO_BIAS, 1, 2, call.widths.data()};
      std::vector<T> theta(static_cast<size_t>(outputs)), gradient(theta.size()), x = {1}, y(2 * theta.size());
      double squares = 0;
      for (size_t j = 0; j < theta.size(); j++) {
        y[j] = static_cast<T>(size * (1 + static_cast<double>(j))), y[theta.size() + j] = T(j);
        squares += (static_cast<double>(y[j]) / size) * (static_cast<double>(y[j]) / size);
      }
      call.slot(BLV_METHOD, BLV_THETA, BLV_VALUE, theta, 0);
      std::vector<T> gradients(2 * theta.size());
      call.slot(BLV_METHOD, BLV_THETA, BLV_GRADIENT, gradients, outputs);
      call.slot(BLV_INNER, BLV_X, BLV_VALUE, x, 0);
      call.slot(BLV_INNER, BLV_Y, BLV_VALUE, y, outputs);
      call.run(2, executor, isa, BLV_EVALUATE, sizeof(T) == 4 ? BLV_F32 : BLV_F64);
      const double want = std::sqrt(squares), got = call.info[0].gradient_norm / size;
      const double epsilon = std::numeric_limits<T>::epsilon();
      EXPECT_TRUE(std::fabs(got - want) <= 4 * epsilon * want)
          << "size " << size << " executor " << executor << " isa v" << isa << ": " << got << ", want " << want;
      EXPECT_TRUE(call.info[1].gradient_norm > 0.5 || outputs == 1) << "a neighbour of usual size";
    }
  }
}

TEST(Norms, OfNumbersWhoseSquaresLeaveTheRange) {
  for (const int64_t outputs : {1, 3, 40}) {
    for (const double size : {1e20, 1e36, 1.0, 1e-24, 1e-37}) check_norm<float>(size, outputs);
    for (const double size : {1e160, 1e306, 1.0, 1e-170, 1e-300}) check_norm<double>(size, outputs);
  }
}

}  // namespace
