// SPDX-License-Identifier: Apache-2.0
//
// The plugin is opened once, by whichever thread comes first.
#include <bilevel/bilevel.h>
#include <dlfcn.h>
#include <gtest/gtest.h>

#include <cstdlib>
#include <cstring>
#include <thread>
#include <vector>

#include "tests/csrc/plugins/fake_device.h"

namespace bilevel {
namespace {

TEST(ThreadsBackend, OneEntryForAllThreads) {
  setenv("BILEVEL_CUDA_PLUGIN", PLUGIN_FAKE_DEVICE, 1);
  constexpr int threads = 8;
  blv_context contexts[threads] = {};
  std::vector<std::thread> running;
  for (int i = 0; i < threads; ++i)
    running.emplace_back([&contexts, i] {
      blv_context_options options{};
      options.size = sizeof options;
      options.device = i % 2;
      blv_context_create(&options, &contexts[i]);
    });
  for (std::thread &thread : running) thread.join();
  for (blv_context context : contexts) {
    EXPECT_NE(context, nullptr);
    blv_context_destroy(context);
  }
  void *library = dlopen(PLUGIN_FAKE_DEVICE, RTLD_NOW | RTLD_NOLOAD);
  ASSERT_NE(library, nullptr) << "the plugin is not open any more";
  void *symbol = dlsym(library, "fake_devices");
  FakeDevicesEntry entry = nullptr;
  std::memcpy(&entry, &symbol, sizeof entry);
  ASSERT_NE(entry, nullptr);
  EXPECT_EQ(entry()->entries, 1);
  EXPECT_EQ(entry()->opens, threads);
  dlclose(library);
}

}  // namespace
}  // namespace bilevel
