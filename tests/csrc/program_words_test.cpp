// SPDX-License-Identifier: Apache-2.0
//
// Programs in words, as the description of a plan lists them.
#include "program_subject.h"

namespace bilevel {
namespace {

std::vector<std::string> words_of(int kind, int optimiser, int64_t steps, const Storage &storage) {
  return list_program(Named(kind, optimiser, steps, storage).program);
}

TEST(Words, OfSgdWithCheckpoints) {
  const std::vector<std::string> want = {
      "repeat segment = 0 .. 1",
      "  checkpoint_theta[segment] = theta",
      "  repeat j = 0 .. 1",
      "    g = gradient(theta) of inner",
      "    theta = theta - rate[t] g; check",
      "thetas[j] = theta",
      "repeat j = 0 .. 0",
      "  g = gradient(thetas[j]) of inner, tape[j]",
      "  thetas[j+1] = thetas[j] - rate[t] g; kept[j+1] = g; check",
      "theta = thetas[j]",
      "theta_T = theta",
      "loss, lambda = gradient(theta) of outer, leaves",
      "check lambda loss",
      "norm = |lambda|",
      "repeat j = 0 .. 0",
      "  mu = -rate[t] lambda",
      "  drate[t] -= lambda . kept[j+1]",
      "  lambda += tangent(thetas[j] along mu) of inner, tape[j], leaves",
      "repeat segment = 1 .. 0",
      "  theta = checkpoint_theta[segment]",
      "  thetas[j] = theta",
      "  repeat j = 0 .. 1",
      "    g = gradient(thetas[j]) of inner, tape[j]",
      "    thetas[j+1] = thetas[j] - rate[t] g; kept[j+1] = g; check",
      "  theta = thetas[j]",
      "  repeat j = 1 .. 0",
      "    mu = -rate[t] lambda",
      "    drate[t] -= lambda . kept[j+1]",
      "    lambda += tangent(thetas[j] along mu) of inner, tape[j], leaves",
      "check lambda",
  };
  EXPECT_EQ(words_of(BLV_UNROLL, BLV_SGD, 5, {1, 2}), want);
}

TEST(Words, OfHeavyBallInForwardMode) {
  const std::vector<std::string> want = {
      "repeat t = 0 .. 4",
      "  g = gradient(theta) of inner",
      "  h = tangent(theta along z) of inner, along the leaves' tangents",
      "  dm = momentum[t] dm + h",
      "  dm = dm + momentum'[t] m",
      "  m = momentum[t] m + g",
      "  theta = theta - rate[t] m; check",
      "  z = z - rate[t] dm",
      "  z = z - rate'[t] m",
      "check z",
      "loss, lambda = gradient(theta) of outer, leaves",
      "check lambda loss",
      "norm = |lambda|",
      "dloss = lambda . z",
      "dloss_leaves = leaf gradients . tangents of outer",
      "dloss = dloss + dloss_leaves",
      "check dloss",
  };
  EXPECT_EQ(words_of(BLV_FORWARD, BLV_HEAVY_BALL, 5, {0, 5}), want);
}

TEST(Words, OfMinibatches) {
  Case c = plain_case(BLV_UNROLL, BLV_SGD, 2);
  c.batch_rows = 3;
  c.leaves.push_back({.side = BLV_INNER, .leaf = BLV_BATCH, .per_step = true});
  Subject subject(c);
  subject.problem.storage = {0, 2};
  const std::vector<std::string> words = list_program(build_program(subject.problem, {false}));
  EXPECT_EQ(std::count(words.begin(), words.end(), "  g = gradient(thetas[t]) of inner, batch[t]"), 1);
  EXPECT_EQ(
      std::count(words.begin(), words.end(), "  lambda += tangent(thetas[t] along mu) of inner, batch[t], leaves"), 1);
}

TEST(Words, OfAWeightedLoss) {
  Subject subject(plain_case(BLV_UNROLL, BLV_SGD, 2));
  ProgramBuilder b(subject.problem);
  const Vector theta = b.vector("theta"), g = b.vector("g");
  b.gradient(theta, g, {.add = true, .weight = b.constant("gamma", 2)});
  EXPECT_EQ(list_program(b.finish()).back(), "g += gradient(theta) of inner, times gamma");
}

// Every line of every method says something, in the words of the program.
TEST(Words, OfEveryMethod) {
  for (const Case &c : method_cases(BLV_F64)) {
    Subject subject(c);
    for (const bool far : {false, true}) {
      subject.problem.storage = {1, std::max<int64_t>(c.steps / 2, 1)};
      const std::vector<std::string> words = list_program(build_program(subject.problem, {far}));
      EXPECT_FALSE(words.empty());
      int depth = 0;
      for (const std::string &line : words) {
        const auto indent = static_cast<int>(line.find_first_not_of(' '));
        EXPECT_EQ(indent % 2, 0) << line;
        EXPECT_LE(indent, 2 * depth) << line;
        depth = indent / 2 + (line.compare(static_cast<size_t>(indent), 7, "repeat ") == 0);
        EXPECT_EQ(line.find("  ", static_cast<size_t>(indent)), std::string::npos) << line;
        EXPECT_NE(line.back(), ' ') << line;
      }
    }
  }
}

}  // namespace
}  // namespace bilevel
