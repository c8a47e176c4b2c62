// SPDX-License-Identifier: Apache-2.0
//
// A published run, digit by digit: logistic regression with one L2 penalty per parameter (the example of hypertorch, Grazzi et
// al., On the Iteration Complexity of Hypergradient Computation, ICML 2020). Inner: 100 gradient steps of 0.1 from zero. Hypergradient: reverse through
// the last 10 steps. Outer: gradient steps of 1 with momentum 0.9, penalties clamped at 1e-8. The data are those of numpy's
// RandomState(1): Mersenne Twister, polar normals, Fisher-Yates with masked rejection, all rebuilt here.
#include <gtest/gtest.h>

#include <numeric>

#include "runner.h"

namespace {

class RandomState {
 public:
  explicit RandomState(uint32_t seed) : twister_(seed) {}
  double uniform() {  // 53 bits from two words
    const uint32_t high = word() >> 5, low = word() >> 6;
    return (high * 67108864.0 + low) / 9007199254740992.0;
  }
  double normal() {  // Marsaglia's polar method; the second number is kept for the next call
    if (has_spare_) {
      has_spare_ = false;
      return spare_;
    }
    double x, y, r;
    do {
      x = 2 * uniform() - 1;
      y = 2 * uniform() - 1;
      r = x * x + y * y;
    } while (r >= 1 || r == 0);
    const double f = std::sqrt(-2 * std::log(r) / r);
    spare_ = f * x;
    has_spare_ = true;
    return f * y;
  }
  std::vector<int> permutation(int n) {
    std::vector<int> p(n);
    std::iota(p.begin(), p.end(), 0);
    for (int i = n - 1; i > 0; i--) std::swap(p[i], p[below_or_equal(i)]);
    return p;
  }

 private:
  uint32_t word() { return static_cast<uint32_t>(twister_()); }
  uint32_t below_or_equal(uint32_t top) {
    uint32_t mask = top;
    for (int shift = 1; shift < 32; shift *= 2) mask |= mask >> shift;
    uint32_t value = word() & mask;
    while (value > top) value = word() & mask;
    return value;
  }
  std::mt19937 twister_;
  double spare_ = 0;
  bool has_spare_ = false;
};

constexpr int kRows = 1000, kHalf = 500, kFeatures = 20;

struct Data {
  std::vector<double> train_x, train_y, validation_x, validation_y;
};

Data make_data() {
  RandomState random(1);
  std::vector<double> w(kFeatures), x(kRows * kFeatures), y(kRows);
  for (double &v : w) v = random.normal();
  for (double &v : x) v = random.normal();
  for (int i = 0; i < kRows; i++) {
    double score = 0;
    for (int j = 0; j < kFeatures; j++) score += x[i * kFeatures + j] * w[j];
    y[i] = score + 0.1 * random.normal() > 0 ? 1 : 0;
  }
  Data data;
  const std::vector<int> order = random.permutation(kRows);
  for (int i = 0; i < kRows; i++) {
    std::vector<double> &to_x = i < kHalf ? data.validation_x : data.train_x;
    to_x.insert(to_x.end(), &x[order[i] * kFeatures], &x[order[i] * kFeatures] + kFeatures);
    (i < kHalf ? data.validation_y : data.train_y).push_back(y[order[i]]);
  }
  return data;
}

// An unroll of `steps` steps: theta_0, penalties -> theta_T, loss on the validation rows, its gradient by the penalties.
class Unroll {
 public:
  Unroll(blv_context context, int64_t steps, int executor) : context_(context) {
    const int64_t widths[] = {kFeatures, 1};
    blv_objective loss = {};
    loss.size = sizeof loss;
    loss.model = BLV_NETWORK;
    loss.loss = BLV_LOGISTIC;
    loss.flags = BLV_NO_BIAS;
    loss.rows = kHalf;
    loss.n_widths = 2;
    loss.widths = widths;
    const blv_unroll method = {{sizeof(blv_unroll), BLV_UNROLL, 0}, BLV_SGD, BLV_STORE_AUTO, steps, 0};
    const auto slot = [](int side, int leaf, int use, int extent = 0) {
      blv_slot s = {};
      s.side = side, s.leaf = leaf, s.use = use, s.dtype = BLV_F64, s.extent = extent;
      return s;
    };
    const blv_slot slots[] = {slot(BLV_INNER, BLV_X, BLV_VALUE),
                              slot(BLV_INNER, BLV_Y, BLV_VALUE),
                              slot(BLV_OUTER, BLV_X, BLV_VALUE),
                              slot(BLV_OUTER, BLV_Y, BLV_VALUE),
                              slot(BLV_METHOD, BLV_RATE, BLV_VALUE, BLV_SCALAR),
                              slot(BLV_METHOD, BLV_THETA0, BLV_VALUE),
                              slot(BLV_INNER, BLV_PENALTY, BLV_VALUE, BLV_PER_PARAMETER),
                              slot(BLV_METHOD, BLV_THETA, BLV_RESULT),
                              slot(BLV_METHOD, BLV_LOSS, BLV_RESULT),
                              slot(BLV_INNER, BLV_PENALTY, BLV_GRADIENT, BLV_PER_PARAMETER)};
    blv_spec spec = {};
    spec.size = sizeof spec;
    spec.dtype = BLV_F64;
    spec.tasks = 1;
    spec.inner = spec.outer = &loss;
    spec.method = &method.head;
    spec.n_slots = 10;
    spec.slots = slots;
    spec.executor = executor;
    EXPECT_EQ(blv_plan_create(context, &spec, &plan_), BLV_OK) << blv_context_error(context);
    blv_sizes sizes = {};
    sizes.size = sizeof sizes;
    EXPECT_EQ(blv_plan_sizes(plan_, &sizes), BLV_OK);
    bytes_ = sizes.workspace_bytes;
    workspace_ = std::make_unique<harness::Guarded>(bytes_, sizes.workspace_align, harness::Side::kHigh);
  }
  ~Unroll() { blv_plan_destroy(plan_); }
  void run(Data &data, std::vector<double> &theta0, std::vector<double> &penalty) {
    double rate = 0.1;
    theta.resize(kFeatures);
    gradient.resize(kFeatures);
    void *const arrays[] = {data.train_x.data(),
                            data.train_y.data(),
                            data.validation_x.data(),
                            data.validation_y.data(),
                            &rate,
                            theta0.data(),
                            penalty.data(),
                            theta.data(),
                            &loss,
                            gradient.data()};
    ASSERT_EQ(blv_execute(context_, plan_, 1, arrays, workspace_->data(), bytes_, nullptr, nullptr), BLV_OK)
        << blv_context_error(context_);
  }
  std::vector<double> theta, gradient;
  double loss = 0;

 private:
  blv_context context_;
  blv_plan plan_ = nullptr;
  int64_t bytes_ = 0;
  std::unique_ptr<harness::Guarded> workspace_;
};

TEST(Trace, NumpyRandomState) {
  RandomState random(1);
  EXPECT_NEAR(random.normal(), 1.62434536, 5e-9);  // the first numbers of numpy.random.RandomState(1).randn
  EXPECT_NEAR(random.normal(), -0.61175641, 5e-9);
  EXPECT_NEAR(random.normal(), -0.52817175, 5e-9);
}

TEST(Trace, LogisticPerParameterPenalty) {
  struct Published {
    int step;
    double loss;
  };
  const std::vector<Published> published = {{0, .574399},  {10, .533768}, {20, .361522},
                                            {30, .322504}, {50, .294467}, {100, .285354}};
  Data data = make_data();
  for (int executor : harness::executors()) {
    const harness::Context context;
    Unroll forward(context.handle, 90, executor), reverse(context.handle, 10, executor);
    std::vector<double> zero(kFeatures, 0.0), penalty(kFeatures, 1.0), velocity(kFeatures, 0.0);
    size_t next = 0;
    for (int step = 0; step <= 100; step++) {
      ASSERT_NO_FATAL_FAILURE(forward.run(data, zero, penalty));
      ASSERT_NO_FATAL_FAILURE(reverse.run(data, forward.theta, penalty));
      if (published[next].step == step) {
        EXPECT_NEAR(reverse.loss, published[next].loss, 6e-7) << "outer step " << step << " executor " << executor;
        next++;
      }
      for (int j = 0; j < kFeatures; j++) {
        velocity[j] = 0.9 * velocity[j] + reverse.gradient[j];
        penalty[j] = std::fmax(penalty[j] - velocity[j], 1e-8);
      }
    }
    EXPECT_EQ(next, published.size());
  }
}

}  // namespace
