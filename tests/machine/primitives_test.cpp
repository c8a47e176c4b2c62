// SPDX-License-Identifier: Apache-2.0
//
// Runs the checks that maps_level.cpp, sums_level.cpp and transfer_level.cpp make at every ISA level that the processor has.
#include <gtest/gtest.h>

#include <string>
#include <tuple>

#include "tests/machine/guarded.h"
#include "tests/machine/levels.h"

namespace core_test {
namespace {

struct Source {
  const char *name, *file;
  const Checks *Level::*checks;
};
constexpr Source sources[] = {{"maps", "maps_level.cpp", &Level::map},
                              {"sums", "sums_level.cpp", &Level::sum},
                              {"transfer", "transfer_level.cpp", &Level::transfer}};

const char *file = "";
long checks = 0, failures = 0;

void expect(bool holds, const char *what, int line) {
  ++checks;
  if (holds || ++failures > 10) return;
  ADD_FAILURE() << file << ':' << line << ": " << what;
}

using Case = std::tuple<int, int>;  // source, level

class Primitives : public testing::TestWithParam<Case> {
 protected:
  template <class F>
  void run(F check_of) {
    const auto [source, index] = GetParam();
    const Level level = levels()[static_cast<size_t>(index)];
    if (!level.supported) GTEST_SKIP() << "this processor lacks x86-64-" << level.name;
    const Guarded memory(size_t{4} << 20);
    file = sources[source].file, checks = failures = 0;
    check_of (*(level.*sources[source].checks))(expect, memory.end());
    EXPECT_EQ(failures, 0);
    EXPECT_GT(checks, 1000);
  }
};

TEST_P(Primitives, Float) {
  run([](const Checks &c) { return c.check_float; });
}
TEST_P(Primitives, Double) {
  run([](const Checks &c) { return c.check_double; });
}

std::string case_name(const testing::TestParamInfo<Case> &info) {
  const auto [source, level] = info.param;
  return std::string(sources[source].name) + '_' + levels()[static_cast<size_t>(level)].name;
}

INSTANTIATE_TEST_SUITE_P(, Primitives, testing::Combine(testing::Range(0, 3), testing::Range(0, 3)), case_name);

}  // namespace
}  // namespace core_test
