// SPDX-License-Identifier: Apache-2.0
//
// Combinations that no list of cases would name: a few hundred plans drawn at random (with fixed seeds) from everything that a
// spec can say, each on one executor, instruction set and number of threads, against the plain reference. A failure prints the
// seed, with which draw() gives the same case again.
#include "draw.h"
#include "reference.h"

namespace {

using namespace harness;

double sum_of_sizes(const Expected &want) {
  double sum = 0;
  for (const auto &values : want.values) {
    for (double v : values) sum += std::fabs(v);
  }
  return sum;
}

class Combinations : public testing::TestWithParam<unsigned> {};

TEST_P(Combinations, Drawn) {
  int diverged = 0;
  for (unsigned seed = GetParam(); seed < GetParam() + 100; seed++) {
    const Case c = draw(seed, executors());
    Dice d(seed + 1000000);
    const std::vector<int> isa = levels();
    Problem p(c);
    const Expected want = reference(p);
    if (!std::isfinite(sum_of_sizes(want))) {  // a draw in thousands diverges
      diverged++;
      continue;
    }
    check(p, {.isa = isa[d.between(0, int64_t(isa.size()) - 1)], .threads = int(d.between(1, 4))}, want, 2);
    if (HasFatalFailure()) return;
  }
  EXPECT_LE(diverged, 1);
}

INSTANTIATE_TEST_SUITE_P(Seeds, Combinations, testing::Values(0, 100, 200, 300, 400, 500));

}  // namespace
