// SPDX-License-Identifier: Apache-2.0
//
// Runs the checks of pack_level.cpp at every ISA level that the processor has.
#include <gtest/gtest.h>
#include <sys/mman.h>
#include <unistd.h>

#include "tests/machine/levels.h"

namespace core_test {
namespace {

int checks = 0;

void expect(bool holds, const char *what, int line) {
  ++checks;
  EXPECT_TRUE(holds) << "pack_level.cpp:" << line << ": " << what;
}

class PackTest : public testing::TestWithParam<int> {
 protected:
  void SetUp() override {
    const size_t page = static_cast<size_t>(sysconf(_SC_PAGESIZE));
    pages_ = mmap(nullptr, 2 * page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    ASSERT_NE(pages_, MAP_FAILED);
    page_end_ = static_cast<char *>(pages_) + page;
    ASSERT_EQ(mprotect(page_end_, page, PROT_NONE), 0);
    checks = 0;
  }
  void TearDown() override { munmap(pages_, 2 * static_cast<size_t>(sysconf(_SC_PAGESIZE))); }

  char *page_end_ = nullptr;

 private:
  void *pages_ = nullptr;
};

TEST_P(PackTest, Float) {
  const Level level = levels()[static_cast<size_t>(GetParam())];
  if (!level.supported) GTEST_SKIP() << "this processor lacks x86-64-" << level.name;
  level.pack->check_float(expect, page_end_);
  EXPECT_GT(checks, 300);
}

TEST_P(PackTest, Double) {
  const Level level = levels()[static_cast<size_t>(GetParam())];
  if (!level.supported) GTEST_SKIP() << "this processor lacks x86-64-" << level.name;
  level.pack->check_double(expect, page_end_);
  EXPECT_GT(checks, 300);
}

INSTANTIATE_TEST_SUITE_P(, PackTest, testing::Range(0, 3), [](const testing::TestParamInfo<int> &info) {
  return std::string(levels()[static_cast<size_t>(info.param)].name);
});

}  // namespace
}  // namespace core_test
