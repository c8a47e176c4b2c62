// SPDX-License-Identifier: Apache-2.0
//
// What run.sh has made with scripts/new, each of a kind and named sketch_<kind>, does what its skeleton says: the optimiser is SGD, the
// loss squared, the activation tanh, the method evaluate; leaf and model are refused by name; descriptions and messages name them all.
#include <bilevel/bilevel.hpp>
#include <cstdio>
#include <cstdlib>
#include <vector>

namespace bl = bilevel;

static void expect(bool good, const char *what) {
  if (good) return;
  std::printf("%s\n", what);
  std::exit(1);
}

template <class Call>
static void expect_refusal(blv_status status, const std::vector<std::string> &words, Call call) {
  try {
    call();
    expect(false, "nothing was refused");
  } catch (const bl::Error &error) {
    const std::string text = error.what();
    std::printf("%s\n", text.c_str());
    expect(error.status() == status, "that is another status");
    for (const std::string &word : words) expect(text.find(word) != std::string::npos, ("it lacks " + word).c_str());
  }
}

const std::vector<double> x{0, 1, 2, 3}, y{1, 3, 5, 0}, theta0{0.1, -0.2, 0.3, 0.4, 0.5, -0.6, 0.7};
std::vector<double> rate{0.1}, phi{1, 1, 1, 1};

// The hypergradient of row weights and rate, and the description.
template <class MakeOptimiser>
static std::pair<std::vector<double>, std::string> gradient(MakeOptimiser make, bl::Activation activation,
                                                            bl::Loss loss) {
  const bl::Matrix X(x, 4, 1);
  const auto inner = bl::network(X, y, {2}, activation, loss).weights(phi);
  auto plan = bl::unroll(inner, make(rate), 5).from(theta0) | bl::reverse(inner.on(X, y));
  auto [value, g_phi, g_rate] = plan.hypergradient(phi, rate);
  g_phi.push_back(g_rate[0]);
  g_phi.push_back(value);
  return {g_phi, plan.describe()};
}

static bl::Spec spec_of(const bl::Method &method) {
  bl::Spec spec;
  spec.dtype = BLV_F64;
  spec.inner = {.loss = BLV_SQUARED, .widths = {1, 1}, .rows = 4, .flags = 0};
  spec.method = method;
  spec.add({.side = BLV_INNER, .leaf = BLV_X});
  spec.add({.side = BLV_INNER, .leaf = BLV_Y});
  spec.add({.side = BLV_METHOD, .leaf = BLV_THETA});
  spec.add({.side = BLV_METHOD, .leaf = BLV_THETA, .use = BLV_GRADIENT});
  return spec;
}

static std::vector<double> theta_gradient(const bl::Context &context, const bl::Method &method, std::string *describe) {
  const bl::Plan plan(context, spec_of(method));
  const bl::Workspace workspace(plan.sizes());
  std::vector<double> g(2), theta{1, 2}, features = x, targets = y;
  void *const data[] = {features.data(), targets.data(), theta.data(), g.data()};
  plan.execute(context, 1, data, workspace);
  *describe = plan.describe();
  return g;
}

static void names_are_listed(const bl::Context &context) {
  bl::Spec spec = spec_of(bl::unroll_method(99, 1));
  expect_refusal(BLV_INVALID, {"BLV_SKETCH_OPTIMISER (3)"}, [&] { bl::Plan(context, spec); });
  spec = spec_of(bl::evaluate_method());
  spec.inner.loss = 99;
  expect_refusal(BLV_INVALID, {"BLV_SKETCH_LOSS (4)"}, [&] { bl::Plan(context, spec); });
  spec.inner.loss = BLV_SQUARED, spec.inner.widths = {1, 2, 1}, spec.inner.activation = 99;
  expect_refusal(BLV_INVALID, {"BLV_SKETCH_ACTIVATION (5)"}, [&] { bl::Plan(context, spec); });
  spec = spec_of(blv_method{sizeof(blv_method), 99, 0});
  expect_refusal(BLV_INVALID, {"BLV_SKETCH_METHOD (6)"}, [&] { bl::Plan(context, spec); });
  spec = spec_of(bl::implicit_method(BLV_SGD, 1, 99, 1, 0.1));
  expect_refusal(BLV_INVALID, {"BLV_SKETCH_SOLVER (5)"}, [&] { bl::Plan(context, spec); });
}

int main() {
  const auto sgd = [](auto &a) { return bl::sgd(a); };
  const auto sketch = [](auto &a) { return bl::sketch_optimiser(a); };
  const auto usual = gradient(sgd, bl::Activation::tanh, bl::Loss::squared);
  const auto optimiser = gradient(sketch, bl::Activation::tanh, bl::Loss::squared);
  expect(optimiser.first == usual.first, "the optimiser is not SGD");
  expect(optimiser.second.find("\"sketch_optimiser\"") != std::string::npos, "the description lacks the optimiser");
  expect(gradient(sgd, bl::Activation::sketch_activation, bl::Loss::squared).first == usual.first,
         "the activation is not tanh");
  expect(gradient(sgd, bl::Activation::tanh, bl::Loss::sketch_loss).first == usual.first, "the loss is not squared");

  const bl::Context context;
  std::string describe;
  const auto evaluated = theta_gradient(context, bl::evaluate_method(), &describe);
  expect(theta_gradient(context, bl::sketch_method_method(), &describe) == evaluated, "the method is not evaluate");
  expect(describe.find("\"sketch_method\"") != std::string::npos, "the description lacks the method");
  expect(bl::sketch_solver().kind == BLV_SKETCH_SOLVER, "the solver has another enumerator");
  names_are_listed(context);

  bl::Spec spec = spec_of(bl::evaluate_method());
  spec.add({.side = BLV_METHOD, .leaf = BLV_SKETCH_LEAF});
  expect_refusal(BLV_INVALID, {"BLV_SKETCH_LEAF (24)", "in method BLV_EVALUATE"}, [&] { bl::Plan(context, spec); });

  const std::int64_t widths[] = {1, 1};
  const blv_objective objective{sizeof objective, BLV_SKETCH_MODEL, BLV_SQUARED, 0, 0, 4, 2, widths};
  const blv_method method{sizeof method, BLV_EVALUATE, 0};
  blv_spec given{};
  given.size = sizeof given, given.dtype = BLV_F64, given.inner = &objective, given.method = &method;
  expect_refusal(BLV_UNSUPPORTED, {"BLV_SKETCH_MODEL", "gradient program"}, [&] {
    blv_plan plan = nullptr;
    bl::detail::check(blv_plan_create(context.get(), &given, &plan), context.get());
  });
  std::printf("all six kinds are as their skeletons say\n");
}
