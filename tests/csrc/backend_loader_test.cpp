// SPDX-License-Identifier: Apache-2.0
//
// Opening the CUDA plugin: where it is looked for, each way in which that fails, and that it stays open.
#include "csrc/device/backend_loader.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <cstdlib>
#include <fstream>
#include <string>

#include "csrc/support/refusal.h"
#include "tests/csrc/plugins/fake_device.h"

namespace bilevel {
namespace {

struct Outcome {
  blv_status status = BLV_OK;
  std::string text;
};

Outcome open_file(const std::string &path) {
  try {
    open_plugin({path, true});
    return {};
  } catch (const Refusal &refusal) {
    return {refusal.status, refusal.text.c_str()};
  }
}

void expect(const std::string &path, blv_status status, const char *words) {
  const Outcome outcome = open_file(path);
  EXPECT_EQ(outcome.status, status) << path;
  EXPECT_NE(outcome.text.find(words), std::string::npos) << outcome.text << " lacks: " << words;
  EXPECT_NE(outcome.text.find(path.substr(0, 100)), std::string::npos) << outcome.text;
  EXPECT_NE(outcome.text.find("BILEVEL_CUDA_PLUGIN"), std::string::npos) << outcome.text;
}

TEST(BackendLoader, NoFile) {
  expect("/nowhere/libbilevel_cuda.so", BLV_NO_DEVICE, "does not exist; accepted: a build");
}

TEST(BackendLoader, NoElfFile) {
  const std::string path = testing::TempDir() + "/bilevel_no_elf_" + std::to_string(getpid()) + ".so";
  std::ofstream(path) << "this is text\n";
  expect(path, BLV_NO_DEVICE, "can't be loaded: ");
  std::ofstream(path, std::ios::trunc).close();
  expect(path, BLV_NO_DEVICE, "can't be loaded: ");
  std::remove(path.c_str());
}

TEST(BackendLoader, AFolder) { expect(testing::TempDir(), BLV_NO_DEVICE, "can't be loaded: "); }

TEST(BackendLoader, WhatItNeedsIsMissing) {
  expect(PLUGIN_MISSING_SYMBOL, BLV_NO_DEVICE, "no_library_has_this_function");
}

TEST(BackendLoader, NoSymbol) {
  expect(PLUGIN_NO_SYMBOL, BLV_VERSION_MISMATCH, "is no plugin of this library: it has no symbol bilevel_cuda_backend");
}

TEST(BackendLoader, NoTable) { expect(PLUGIN_NO_TABLE, BLV_VERSION_MISMATCH, "is of another build: its ABI is none"); }

TEST(BackendLoader, OtherBuild) {
  expect(PLUGIN_OTHER_BUILD, BLV_VERSION_MISMATCH,
         "is of another build: its ABI is 0123456789abcdef, this library's is ");
}

// A path that fills the message leaves room for what is wrong.
TEST(BackendLoader, LongPath) {
  const Outcome outcome = open_file("/" + std::string(2000, 'x') + "/" + std::string(1500, 'y'));
  EXPECT_EQ(outcome.status, BLV_NO_DEVICE);
  EXPECT_NE(outcome.text.find("can't be loaded"), std::string::npos) << outcome.text;
}

TEST(BackendLoader, LooksBesideTheLibraryUnlessTheEnvironmentSays) {
  unsetenv("BILEVEL_CUDA_PLUGIN");
  char self[4096] = {};
  ASSERT_GT(readlink("/proc/self/exe", self, sizeof self - 1), 0);
  const std::string folder = std::string(self).substr(0, std::string(self).rfind('/') + 1);
  PluginPath plugin = plugin_path();
  EXPECT_FALSE(plugin.from_environment);
  ASSERT_NE(plugin.path.rfind('/'), std::string::npos) << plugin.path;
  EXPECT_EQ(plugin.path.substr(plugin.path.rfind('/') + 1), "libbilevel_cuda.so");
  char resolved[PATH_MAX] = {};
  ASSERT_NE(realpath(plugin.path.substr(0, plugin.path.rfind('/') + 1).c_str(), resolved), nullptr) << plugin.path;
  EXPECT_EQ(std::string(resolved) + "/", folder);

  setenv("BILEVEL_CUDA_PLUGIN", "", 1);
  EXPECT_FALSE(plugin_path().from_environment);
  setenv("BILEVEL_CUDA_PLUGIN", "/a/b.so", 1);
  plugin = plugin_path();
  EXPECT_TRUE(plugin.from_environment);
  EXPECT_EQ(plugin.path, "/a/b.so");
}

// A call that fails is not the last word; one that succeeds is.
TEST(BackendLoader, TriesAgainUntilItIsOpen) {
  setenv("BILEVEL_CUDA_PLUGIN", PLUGIN_NO_SYMBOL, 1);
  EXPECT_THROW(cuda_backend(), Refusal);
  setenv("BILEVEL_CUDA_PLUGIN", PLUGIN_FAKE_DEVICE, 1);
  const Backend *backend = nullptr;
  EXPECT_NO_THROW(backend = &cuda_backend());
  setenv("BILEVEL_CUDA_PLUGIN", PLUGIN_NO_SYMBOL, 1);
  EXPECT_NO_THROW(EXPECT_EQ(&cuda_backend(), backend));
}

}  // namespace
}  // namespace bilevel
