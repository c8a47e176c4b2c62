// SPDX-License-Identifier: Apache-2.0
//
// Plans in several threads, one plan under two contexts, cancellation and progress.
#include <functional>
#include <stdexcept>
#include <thread>

#include "problems.h"

namespace bl = bilevel;
using problems::labels;
using problems::random;

namespace {

struct Problem {
  static constexpr std::int64_t n = 60, d = 10, c = 4;
  std::vector<float> x = random<float>(n * d, 1), phi = random<float>(n, 2);
  std::vector<std::int32_t> y = labels(n, c);

  auto unroll(std::int64_t steps) const {
    return bl::unroll(bl::softmax(bl::Matrix(x, n, d), y).weights(bl::sigmoid(phi)), bl::sgd(0.1), steps);
  }
  auto outer() const { return bl::softmax(bl::Matrix(x, n, d), y); }
};

}  // namespace

TEST(Threads, TwoPlansInTwoThreads) {
  const Problem p;
  bl::Context one({.threads = 1}), two({.threads = 2});
  auto a = p.unroll(30).with(one) | bl::reverse(p.outer()), b = p.unroll(30).with(two) | bl::reverse(p.outer());
  const auto expected = (p.unroll(30) | bl::reverse(p.outer())).hypergradient(p.phi).gradient;
  std::vector<std::vector<float>> from_a, from_b;
  const auto work = [&](auto &plan, auto &results) {
    for (int i = 0; i < 20; ++i) results.push_back(plan.hypergradient(p.phi).gradient);
  };
  std::thread other([&] { work(b, from_b); });
  work(a, from_a);
  other.join();
  for (const auto &g : from_a) EXPECT_EQ(g, expected);  // the same bits, on any number of threads
  for (const auto &g : from_b) EXPECT_EQ(g, expected);
}

TEST(Threads, OneCPlanUnderTwoContexts) {
  const std::vector<double> x = random(24, 1), y = random(8, 2), theta = random(4, 3);
  bl::Spec spec;
  spec.dtype = BLV_F64;
  spec.inner = {.loss = BLV_SQUARED, .widths = {3, 1}, .rows = 8};
  spec.max_threads = 1;
  spec.add({.side = BLV_INNER, .leaf = BLV_X});
  spec.add({.side = BLV_INNER, .leaf = BLV_Y});
  spec.add({.side = BLV_METHOD, .leaf = BLV_THETA});
  spec.add({.side = BLV_METHOD, .leaf = BLV_THETA, .use = BLV_GRADIENT});
  const bl::Context one, two;
  const bl::Plan plan(one, spec);
  std::vector<double> g1(4), g2(4);
  const auto run = [&](const bl::Context &context, std::vector<double> &g) {
    const bl::Workspace workspace(plan.sizes());
    const auto in = [](const std::vector<double> &a) { return const_cast<double *>(a.data()); };
    void *const data[] = {in(x), in(y), in(theta), g.data()};
    for (int i = 0; i < 200; ++i) plan.execute(context, 1, data, workspace);
  };
  std::thread other([&] { run(two, g2); });
  run(one, g1);
  other.join();
  EXPECT_EQ(g1, g2);
  EXPECT_EQ(g1, bl::value_and_gradient(bl::least_squares(bl::Matrix(x, 8, 3), y), theta).gradient);
}

TEST(Threads, CancelThrowsAndThePlanGoesOn) {
  const Problem p;
  auto plan = p.unroll(50) | bl::reverse(p.outer());
  const auto expected = plan.hypergradient(p.phi).gradient;
  EXPECT_EQ(plan.context().progress().done, plan.context().progress().total);
  plan.context().cancel();  // the next execute takes it
  expect_error(BLV_CANCELLED, {}, [&] { plan.hypergradient(p.phi); });
  EXPECT_EQ(plan.hypergradient(p.phi).gradient, expected);
}

TEST(Threads, CancelOfARunningPlan) {
  const Problem p;
  auto plan = p.unroll(20'000'000).store(bl::Store::checkpoints) |
              bl::reverse(p.outer());  // far more than a test would wait for
  plan.context();
  std::thread other([&] {
    while (plan.context().progress().done == 0) std::this_thread::yield();
    plan.context().cancel();
  });
  expect_error(BLV_CANCELLED, {}, [&] { plan.train(); });
  other.join();
  EXPECT_LT(plan.context().progress().done, plan.context().progress().total);
}

// One context, two plans: the one that comes second, on another thread or from within the hook, is refused by an Error; the first
// goes on undisturbed, and so does the second once it is alone.
TEST(Threads, AContextInUseIsRefused) {
  const Problem p;
  struct Hook {
    std::function<void()> during = [] {};
    static void run(void *self, std::int64_t n, void (*fn)(void *, std::int64_t), void *arg) {
      static_cast<Hook *>(self)->during();
      for (std::int64_t i = 0; i < n; ++i) fn(arg, i);
    }
  } hook;
  bl::Context context({.threads = 2, .user = &hook, .parallel_for = Hook::run});
  const auto make = [&](std::int64_t steps) {
    return p.unroll(steps).executor(BLV_TASK_PER_CORE).tasks(4).with(context) | bl::reverse(p.outer());
  };
  auto first = make(5), second = make(7), third = make(9);
  const auto expected = first.hypergradient(p.phi).gradient;
  second.hypergradient(p.phi);  // its plan is made; that of the third is not
  int calls = 0;
  hook.during = [&] {
    ++calls;
    std::thread([&] {
      expect_error(BLV_INVALID, {"context is in use"}, [&] { second.hypergradient(p.phi); });
      expect_error(BLV_INVALID, {"context is in use"}, [&] { third.hypergradient(p.phi); });
    }).join();
    expect_error(BLV_INVALID, {"context is in use"}, [&] { second.hypergradient(p.phi); });
  };
  EXPECT_EQ(first.hypergradient(p.phi).gradient, expected);
  EXPECT_GT(calls, 0);
  hook.during = [] {};
  EXPECT_EQ(first.hypergradient(p.phi).gradient, expected);
  EXPECT_TRUE(std::isfinite(second.hypergradient(p.phi).loss));
  EXPECT_TRUE(std::isfinite(third.hypergradient(p.phi).loss));
}

// A hook may be C++ and throw: an Error that says so, and the plan goes on.
TEST(Threads, AHookThatThrowsIsNamed) {
  const Problem p;
  bool closed = false;
  const auto run = [](void *closed_now, std::int64_t n, void (*fn)(void *, std::int64_t), void *arg) {
    if (*static_cast<bool *>(closed_now)) throw std::runtime_error("the pool is closed");
    for (std::int64_t i = 0; i < n; ++i) fn(arg, i);
  };
  bl::Context context({.threads = 2, .user = &closed, .parallel_for = run});
  const auto unroll = p.unroll(5).executor(BLV_TASK_PER_CORE).tasks(4).with(context);
  auto plan = unroll | bl::reverse(p.outer());
  const auto expected = plan.hypergradient(p.phi).gradient;
  closed = true;
  expect_error(BLV_HOOK_FAILED, {"parallel_for threw", "the pool is closed"}, [&] { plan.hypergradient(p.phi); });
  closed = false;
  EXPECT_EQ(plan.hypergradient(p.phi).gradient, expected);
}
