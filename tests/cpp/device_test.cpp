// SPDX-License-Identifier: Apache-2.0
//
// The C++ layer on a device, with the plugin that computes nothing: what is handed to the device, where results lie, and what is
// refused before it.
#include <dlfcn.h>

#include <cstdlib>
#include <cstring>

#include "problems.h"
#include "tests/csrc/plugins/fake_device.h"

namespace bl = bilevel;

namespace {

constexpr std::int64_t n = 6, d = 3, classes = 4, P = classes * (d + 1);

// Arrays in the memory of fake device 0, 1024 bytes each.
class CppDevice : public testing::Test {
 protected:
  CppDevice() : fake_(open_fake()), context_({.device = 0}) {}

  static bl::FakeDevices &open_fake() {
    setenv("BILEVEL_CUDA_PLUGIN", PLUGIN_FAKE_DEVICE, 1);
    static void *library = dlopen(PLUGIN_FAKE_DEVICE, RTLD_NOW | RTLD_LOCAL);
    void *symbol = dlsym(library, "fake_devices");
    bl::FakeDevicesEntry entry = nullptr;
    std::memcpy(&entry, &symbol, sizeof entry);
    return *entry();
  }
  template <class T>
  bl::DeviceView<T> array(int place, std::int64_t size) {
    return bl::device(reinterpret_cast<T *>(fake_.memory[0] + 1024 * place), size);
  }
  // Labels that the host must not read.
  bl::DeviceView<const int> labels(int place) { return array<const int>(place, n); }

  auto make_plan() {
    auto inner = bl::softmax(bl::Matrix(x_, n, d), labels(1), classes).weights(bl::sigmoid(phi_)).l2(lambda_);
    auto outer = bl::softmax(bl::Matrix(xval_, n, d), labels(3), classes);
    return bl::unroll(inner, bl::sgd(rate_), 5).from(theta0_).with(context_) | bl::reverse(outer);
  }
  // Whether the last execute was given this pointer.
  bool given(const void *pointer) const {
    const void *const *begin = fake_.last.data;
    return std::find(begin, begin + fake_.last.slots, pointer) != begin + fake_.last.slots;
  }

  bl::FakeDevices &fake_;
  bl::Context context_;
  bl::DeviceView<const float> x_ = array<const float>(0, n *d), xval_ = array<const float>(2, n *d);
  bl::DeviceView<float> phi_ = array<float>(4, n), lambda_ = array<float>(5, 1), rate_ = array<float>(6, 1);
  bl::DeviceView<float> theta0_ = array<float>(7, P), g_phi_ = array<float>(8, n), g_rate_ = array<float>(9, 1);
  bl::WorkspaceView memory_{fake_.memory[0] + 16384, 16384};
};

TEST_F(CppDevice, EnqueuesThePointersItWasGiven) {
  auto plan = make_plan();
  const int before = fake_.enqueues;
  const bl::DeviceResults<float> results = plan.enqueue(memory_, bl::into(phi_, g_phi_), bl::into(rate_, g_rate_));
  EXPECT_EQ(fake_.enqueues, before + 1);
  for (const void *p : {static_cast<const void *>(x_.data()), static_cast<const void *>(labels(1).data()),
                        static_cast<const void *>(phi_.data()), static_cast<const void *>(lambda_.data()),
                        static_cast<const void *>(rate_.data()), static_cast<const void *>(theta0_.data()),
                        static_cast<const void *>(g_phi_.data()), static_cast<const void *>(g_rate_.data())})
    EXPECT_TRUE(given(p));
  EXPECT_TRUE(given(results.losses));
  EXPECT_TRUE(given(results.theta));
  EXPECT_EQ(fake_.last.info, results.info);
  EXPECT_EQ(fake_.last.workspace, memory_.data);
  EXPECT_NE(plan.describe().find("cuda:0"), std::string::npos) << plan.describe();
}

TEST_F(CppDevice, ResultsDoNotOverlapAndFillTheMemory) {
  auto plan = make_plan();
  const std::int64_t bytes = plan.device_bytes(bl::into(phi_, g_phi_));
  memory_.bytes = bytes;
  const auto results = plan.enqueue(memory_, bl::into(phi_, g_phi_));
  const auto offset = [&](const void *p) { return static_cast<const char *>(p) - static_cast<char *>(memory_.data); };
  EXPECT_GE(offset(results.losses), 600);  // the workspace, by the plugin's word
  EXPECT_GE(offset(results.theta), offset(results.losses) + 4);
  EXPECT_GE(offset(results.info), offset(results.theta) + 4 * P);
  EXPECT_EQ(bytes, offset(results.info) + static_cast<std::int64_t>(sizeof(blv_task_info)));
  for (const void *p : {static_cast<const void *>(results.losses), static_cast<const void *>(results.theta),
                        static_cast<const void *>(results.info)})
    EXPECT_EQ(offset(p) % 256, 0);
  memory_.bytes = bytes - 1;
  expect_error(BLV_TOO_SMALL, {"memory has " + std::to_string(bytes - 1), "at least " + std::to_string(bytes)},
               [&] { plan.enqueue(memory_, bl::into(phi_, g_phi_)); });
}

TEST_F(CppDevice, WithoutOuterLossItTrains) {
  auto inner = bl::softmax(bl::Matrix(x_, n, d), labels(1), classes);
  bl::BilevelPlan<float> plan(bl::unroll(inner, bl::sgd(rate_), 5).from(theta0_).with(context_), std::nullopt);
  const auto results = plan.enqueue(memory_);
  EXPECT_EQ(results.losses, nullptr);
  EXPECT_TRUE(given(results.theta));
}

TEST_F(CppDevice, EvaluationAndProducts) {
  auto objective = bl::softmax(bl::Matrix(x_, n, d), labels(1), classes).l2(lambda_);
  auto e = bl::evaluation(objective, theta0_, 1, &context_);
  bl::DeviceView<float> g = array<float>(8, P), vectors = array<float>(9, 3 * P), products = array<float>(10, 3 * P);
  const auto results = e.enqueue(memory_, bl::into(theta0_, g));
  EXPECT_TRUE(given(results.losses));
  EXPECT_EQ(results.theta, nullptr);
  EXPECT_TRUE(given(g.data()));
  EXPECT_EQ(e.device_bytes_of_products(vectors, bl::into(theta0_, products)), 256 + 256 + 48);
  e.enqueue_products(memory_, vectors, bl::into(theta0_, products));
  EXPECT_TRUE(given(vectors.data()));
  EXPECT_TRUE(given(products.data()));
  expect_error(BLV_INVALID, {"goes to 16 elements", "accepted: 48"},
               [&] { e.enqueue_products(memory_, vectors, bl::into(theta0_, g)); });
}

TEST_F(CppDevice, PlanExecuteWithViews) {
  bl::Spec spec;
  spec.inner = {.loss = BLV_SQUARED, .widths = {1, 1}, .rows = 2, .flags = BLV_NO_BIAS};
  spec.add({.side = BLV_INNER, .leaf = BLV_X});
  spec.add({.side = BLV_INNER, .leaf = BLV_Y});
  spec.add({.side = BLV_METHOD, .leaf = BLV_THETA});
  spec.executor = BLV_GRID;
  const bl::Plan plan(context_, spec);
  void *const data[] = {const_cast<float *>(x_.data()), phi_.data(), rate_.data()};
  plan.execute(context_, 1, data, memory_);
  EXPECT_EQ(fake_.last.info, nullptr);
  auto *info = reinterpret_cast<blv_task_info *>(fake_.memory[0]) + 1000;
  plan.execute(context_, 1, data, memory_, info);
  EXPECT_EQ(fake_.last.info, info);
  const bl::Workspace host(plan.sizes());
  expect_error(BLV_INVALID, {"workspace", "host memory"}, [&] { plan.execute(context_, 1, data, host); });
}

// ---- What is refused ------------------------------------------------------------------------------------------------

TEST_F(CppDevice, CallsThatReturnHostMemory) {
  auto plan = make_plan();
  const auto refused = [&](auto call) { expect_error(BLV_UNSUPPORTED, {"CUDA device 0", "enqueue"}, call); };
  refused([&] { plan.hypergradient(phi_); });
  refused([&] { plan.loss(); });
  refused([&] { plan.train(); });
  refused([&] { plan.check_gradient(phi_); });
  auto e = bl::evaluation(bl::softmax(bl::Matrix(x_, n, d), labels(1), classes), theta0_, 1, &context_);
  refused([&] { e.value(); });
  refused([&] { e.value_and_gradient(); });
  refused([&] { e.hvp(theta0_); });
}

TEST_F(CppDevice, NumbersAndDefaultsAreOfTheHost) {
  const auto inner = bl::softmax(bl::Matrix(x_, n, d), labels(1), classes);
  const auto outer = bl::softmax(bl::Matrix(xval_, n, d), labels(3), classes);
  auto rate = bl::unroll(inner, bl::sgd(0.1), 5).from(theta0_).with(context_) | bl::reverse(outer);
  expect_error(BLV_INVALID, {"rate", "number", "array of 1 elements"}, [&] { rate.enqueue(memory_); });
  auto zeros = bl::unroll(inner, bl::sgd(rate_), 5).with(context_) | bl::reverse(outer);
  expect_error(BLV_INVALID, {"theta0", "default", "array of 16 elements"}, [&] { zeros.enqueue(memory_); });
  auto penalty = bl::unroll(inner.l2(1e-3), bl::sgd(rate_), 5).from(theta0_).with(context_) | bl::reverse(outer);
  expect_error(BLV_INVALID, {"inner l2"}, [&] { penalty.enqueue(memory_); });
}

TEST_F(CppDevice, LabelsNeedTheirNumberOfClasses) {
  expect_error(BLV_INVALID, {"classes is 0"}, [&] { bl::softmax(bl::Matrix(x_, n, d), labels(1)); });
}

TEST_F(CppDevice, GradientsAreNotAddedUp) {
  const auto inner = bl::softmax(bl::Matrix(x_, n, d), labels(1), classes).weights(phi_);
  const auto outer = bl::softmax(bl::Matrix(xval_, n, d), labels(3), classes).weights(phi_);
  auto plan = bl::unroll(inner, bl::sgd(rate_), 5).from(theta0_).with(context_) | bl::reverse(outer);
  expect_error(BLV_UNSUPPORTED, {"gradient of", "weights"}, [&] { plan.enqueue(memory_, bl::into(phi_, g_phi_)); });
  auto twice = make_plan();
  expect_error(BLV_UNSUPPORTED, {"gradient of inner weights"},
               [&] { twice.enqueue(memory_, bl::into(phi_, g_phi_), bl::into(phi_, array<float>(11, n))); });
}

TEST_F(CppDevice, HostPointersAndOtherMachines) {
  std::vector<float> host(n);
  auto plan = make_plan();
  expect_error(BLV_INVALID, {"host memory; accepted: device"}, [&] { plan.enqueue(memory_, bl::into(phi_, host)); });
  expect_error(BLV_INVALID, {"goes to 5 elements; accepted: 6"},
               [&] { plan.enqueue(memory_, bl::into(phi_, array<float>(8, 5))); });
  expect_error(BLV_INVALID, {"nothing depends on"},
               [&] { plan.enqueue(memory_, bl::into(g_phi_, array<float>(11, n))); });

  std::vector<float> x(n * d, 1.0f), y(n, 1.0f), theta(d + 1, 0.0f);
  auto cpu = bl::unroll(bl::least_squares(bl::Matrix(x, n, d), y), bl::sgd(0.1), 2) |
             bl::reverse(bl::least_squares(bl::Matrix(x, n, d), y));
  expect_error(BLV_UNSUPPORTED, {"enqueue", "of the CPU"}, [&] { cpu.enqueue(memory_); });
}

TEST_F(CppDevice, TensorCoresAreAskedFor) {
  const auto inner = bl::softmax(bl::Matrix(x_, n, d), labels(1), classes);
  const auto outer = inner.on(bl::Matrix(xval_, n, d), labels(3));
  auto plan =
      bl::unroll(inner, bl::sgd(rate_), 5).from(theta0_).with(context_).skip_failed().split_tf32() | bl::reverse(outer);
  plan.enqueue(memory_);
  bl::Context cpu;
  auto refused = bl::unroll(inner, bl::sgd(rate_), 5).from(theta0_).with(cpu).split_tf32() | bl::reverse(outer);
  expect_error(BLV_UNSUPPORTED, {"BLV_SPLIT_TF32", "CPU"}, [&] { refused.loss(); });
}

}  // namespace
