// SPDX-License-Identifier: Apache-2.0
//
// What a user is told who asks for a device and cannot have one: no plugin, a file that is none, one of another build, no driver, no
// device. Each has a status and a message of its own, the CPU works on, and nothing falls back to it. The paths of the
// plugins come from the build. A plugin that was opened stays open: these tests run one to a process.
#include <dlfcn.h>

#include <cstdlib>

#include "../capi/bad_call.h"

namespace {

using namespace harness;

// Status and message of a context on device 0.
struct Told {
  blv_status status;
  std::string message;
};

Told ask_for_device(const char *plugin) {
  if (plugin) setenv("BILEVEL_CUDA_PLUGIN", plugin, 1);
  if (!plugin) unsetenv("BILEVEL_CUDA_PLUGIN");
  blv_context_options o = {};
  o.size = sizeof o;
  o.device = 0;
  blv_context context = reinterpret_cast<blv_context>(&o);
  Told told;
  told.status = blv_context_create(&o, &context);
  told.message = blv_context_error(nullptr);
  EXPECT_TRUE(told.status == BLV_OK || context == nullptr);
  blv_context_destroy(context);
  return told;
}

void expect_refusal(const char *plugin, blv_status status, const std::string &words) {
  for (int i = 0; i < 2; i++) {  // and again: a failure is not remembered as something else
    const Told told = ask_for_device(plugin);
    EXPECT_EQ(told.status, status) << told.message;
    expect_message(told.message, words);
  }
  Problem p(evaluate_case(BLV_SQUARED, BLV_TANH));
  check(p, {}, reference(p));  // on the CPU
}

TEST(Plugin, IsNotThere) {
  expect_refusal("/nonexistent/libbilevel_cuda.so", BLV_NO_DEVICE, "plugin|/nonexistent/|exist");
}

TEST(Plugin, IsNoLibrary) { expect_refusal(__FILE__, BLV_NO_DEVICE, "plugin|plugin_test.cpp|load"); }

TEST(Plugin, HasNoEntry) { expect_refusal(BLV_TEST_NO_PLUGIN, BLV_VERSION_MISMATCH, "plugin|bilevel_cuda_backend"); }

TEST(Plugin, IsOfAnotherBuild) { expect_refusal(BLV_TEST_FOREIGN_PLUGIN, BLV_VERSION_MISMATCH, "plugin|ABI|0123"); }

TEST(Plugin, HasNoContract) { expect_refusal(BLV_TEST_EMPTY_PLUGIN, BLV_VERSION_MISMATCH, "plugin|ABI|none"); }

TEST(Emulated, NoDevice) {
  setenv("PTXEMU_NO_DEVICE", "1", 1);
  expect_refusal(BLV_TEST_EMULATED_PLUGIN, BLV_NO_DEVICE, "no device|cudaErrorNoDevice");
}

TEST(Emulated, NoDriver) {
  setenv("PTXEMU_NO_DEVICE", "driver", 1);
  expect_refusal(BLV_TEST_EMULATED_PLUGIN, BLV_NO_DEVICE, "driver|cudaErrorInsufficientDriver");
}

// A device that appears later is found: the refusal above is not remembered.
TEST(Emulated, DeviceAppears) {
  setenv("PTXEMU_NO_DEVICE", "1", 1);
  EXPECT_EQ(ask_for_device(BLV_TEST_EMULATED_PLUGIN).status, BLV_NO_DEVICE);
  unsetenv("PTXEMU_NO_DEVICE");
  const Told told = ask_for_device(BLV_TEST_EMULATED_PLUGIN);
  EXPECT_EQ(told.status, BLV_OK) << told.message;
}

// The plugin as it ships, with the static CUDA runtime, beside the library. Without a driver it must load, and say so.
TEST(Shipped, WithoutDriver) {
  void *driver = dlopen("libcuda.so.1", RTLD_LAZY);
  const Told told = ask_for_device(BLV_TEST_SHIPPED_PLUGIN);
  if (driver) {
    EXPECT_TRUE(told.status == BLV_OK || told.status == BLV_NO_DEVICE) << told.message;
  } else {
    EXPECT_EQ(told.status, BLV_NO_DEVICE);
    expect_message(told.message, "driver");
    expect_refusal(BLV_TEST_SHIPPED_PLUGIN, BLV_NO_DEVICE, "driver");
  }
  EXPECT_EQ(told.message.find("libbilevel_cuda.so can't"), std::string::npos) << told.message;
}

// Found without a variable: it lies beside the library.
TEST(Shipped, BesideTheLibrary) {
  Dl_info info = {};
  ASSERT_NE(dladdr(reinterpret_cast<void *>(&blv_version), &info), 0);
  void *driver = dlopen("libcuda.so.1", RTLD_LAZY);
  const Told told = ask_for_device(nullptr);
  if (!driver) {
    EXPECT_EQ(told.status, BLV_NO_DEVICE);
    expect_message(told.message, "driver");
  } else {
    EXPECT_NE(told.status, BLV_VERSION_MISMATCH) << told.message;
  }
}

}  // namespace
