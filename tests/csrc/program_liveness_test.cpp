// SPDX-License-Identifier: Apache-2.0
//
// Which arrays of a program share memory: expected pairs, and that programs run as interpreted in what they share.
#include "program_subject.h"

namespace bilevel {
namespace {

TEST(Buffers, OfTheMethods) {
  const Named near(BLV_UNROLL, BLV_SGD, 5, {1, 5}), far(BLV_UNROLL, BLV_SGD, 5, {1, 5}, true);
  EXPECT_EQ(near.buffer("g"), near.buffer("theta")) << "theta lives in a stream";
  EXPECT_EQ(far.buffer("lambda"), far.buffer("g")) << "the last g is in a stream";
  for (const Named *sgd : {&near, &far}) EXPECT_EQ(sgd->buffers(), 3) << "of theta, g, lambda, mu";
  const Named segments(BLV_UNROLL, BLV_SGD, 5, {1, 2});
  EXPECT_EQ(segments.buffer("mu"), segments.buffer("theta")) << "theta is in a stream while a segment is reversed";
  EXPECT_NE(segments.buffer("lambda"), segments.buffer("g")) << "earlier segments are run again";
  const Named heavy(BLV_UNROLL, BLV_HEAVY_BALL, 5, {1, 5}, true);
  for (const char *other : {"theta", "g", "m", "lambda"})
    EXPECT_NE(heavy.buffer("mu"), heavy.buffer(other)) << other << ": mu is carried";
  const Named cg(BLV_IMPLICIT, BLV_SGD, 5, {0, 5});
  EXPECT_EQ(cg.buffers(), 8) << "theta, and seven for lambda, x, kept_x, best_x, r, d, q, minus_v and g";
  EXPECT_EQ(cg.buffer("r"), cg.buffer("g"));
  EXPECT_EQ(cg.buffer("minus_v"), cg.buffer("lambda"));
  const Named forward(BLV_FORWARD, BLV_SGD, 5, {0, 5});
  EXPECT_EQ(forward.buffer("lambda"), forward.buffer("g"));
  EXPECT_NE(forward.buffer("h"), forward.buffer("z"));
  EXPECT_NE(forward.buffer("h"), forward.buffer("g")) << "of two planes";
}

using BuffersByHand = ProgramByHand;

TEST_F(BuffersByHand, ElementwiseResultsTakeThePlaceOfWhatDies) {
  const Vector theta = start(), x = b.vector("x");
  b.linear(x, {one(-1), theta});
  write(x);
  const Named n(b.finish());
  EXPECT_EQ(n.buffer("x"), n.buffer("theta"));
  expect_runs(n.program);
}

TEST_F(BuffersByHand, PassesDoNot) {
  const Vector theta = start(), g = b.vector("g"), h = b.vector("h");
  b.gradient(theta, g, {});
  b.tangent(g, g, h, {});
  write(h);
  const Named n(b.finish());
  EXPECT_NE(n.buffer("g"), n.buffer("theta"));
  EXPECT_NE(n.buffer("h"), n.buffer("g"));
  EXPECT_EQ(n.buffer("h"), n.buffer("theta")) << "which is read no more";
  expect_runs(n.program);
}

TEST_F(BuffersByHand, WhatIsReadInTheNextTurnStays) {
  const Vector theta = start(), base = b.vector("base"), step = b.vector("step"), x = b.vector("x");
  const Counter c = b.counter("c");
  b.gradient(theta, base, {});
  b.copy(x, theta);
  b.repeat(c, 3, 1, [&] {
    b.linear(x, {one(), x}, {one(-1), base});  // base: in the next turn too, though this is its last mention
    b.gradient(x, step, {});
    b.linear(x, {one(), x}, {leaf_at(leaf_rate, c, -1), step});
  });
  write(x);
  write(theta);
  const Named n(b.finish());
  EXPECT_NE(n.buffer("step"), n.buffer("base"));
  EXPECT_NE(n.buffer("x"), n.buffer("base"));
  EXPECT_NE(n.buffer("x"), n.buffer("step"));
  expect_runs(n.program);
}

TEST_F(BuffersByHand, WhatALoopThatMayNotRunLeavesStays) {
  const Vector theta = start(), kept = b.vector("kept"), before = b.vector("before");
  const Number active = b.number("active"), square = b.number("square");  // active is 0: no turn
  b.gradient(theta, kept, {});
  b.gradient(theta, before, {.outer = true});
  b.dot(square, before, before);
  b.repeat_while(active, b.counter("c"), 3, [&] { b.gradient(theta, kept, {}); });
  write(kept);
  const Named n(b.finish());
  EXPECT_NE(n.buffer("before"), n.buffer("kept")) << "which the loop overwrites, if it has a turn";
  expect_runs(n.program);
}

TEST_F(BuffersByHand, ZerosAndInputsAreThereFromTheBeginning) {
  const Vector theta = start(), zeros = b.zeros("zeros"), g = b.vector("g"), sum = b.vector("sum");
  b.gradient(theta, g, {});
  b.linear(sum, {one(), g}, {one(), zeros});
  write(sum);
  const Named n(b.finish());
  EXPECT_NE(n.buffer("zeros"), n.buffer("theta"));
  EXPECT_NE(n.buffer("zeros"), n.buffer("g"));
  expect_runs(n.program);
}

TEST_F(BuffersByHand, OutputsStayToTheEnd) {
  const Vector theta = start(), first = b.vector("first"), second = b.vector("second");
  b.gradient(theta, first, {});
  b.linear(second, {one(-1), first});
  write(first);
  write(second);
  const Named n(b.finish());
  EXPECT_NE(n.buffer("second"), n.buffer("first"));
  expect_runs(n.program);
}

TEST_F(BuffersByHand, ACopyThatGoesAlongComesAfterTheResult) {
  const Vector theta = start(), x = b.vector("x"), y = b.vector("y"), z = b.vector("z"), w = b.vector("w");
  b.linear(x, {one(-1), theta});
  b.gradient(x, y, {});
  b.linear(z, {one(), x}, {one(), theta});
  b.copy_along(w, y);
  b.linear(z, {one(), z}, {one(), w});
  write(z);
  const Named n(b.finish());
  EXPECT_NE(n.buffer("z"), n.buffer("y"));
  EXPECT_NE(n.buffer("w"), n.buffer("z"));
  EXPECT_EQ(n.buffer("w"), n.buffer("x")) << "entry by entry, x is read before w is written";
  expect_runs(n.program);
}

TEST_F(BuffersByHand, ResultsThatAreAddedToAreReadBefore) {
  const Vector theta = start(), sum = b.vector("sum"), other = b.vector("other");
  b.gradient(theta, sum, {});
  b.gradient(theta, other, {.outer = true});
  b.linear(other, {one(-1), other});
  b.gradient(other, sum, {.add = true});
  write(sum);
  const Named n(b.finish());
  EXPECT_NE(n.buffer("sum"), n.buffer("other"));
  expect_runs(n.program);
}

TEST_F(BuffersByHand, StreamsAndOtherPlanesShareNothing) {
  const Vector theta = start(), many = b.vector("many", 2), single = b.vector("single");
  const Stream stream = b.stream("stream", 2);
  const Counter c = b.counter("c");
  b.set(c, 0);
  b.copy(stream.at(c), theta);
  b.copy(stream.at(c, 1), theta);
  b.linear(many, {one(-1), stream.at(c)});
  b.linear(single, {one(), stream.at(c, 1)});
  write(many);
  write(single);
  const Named n(b.finish());
  EXPECT_NE(n.buffer("stream"), n.buffer("theta"));
  EXPECT_NE(n.buffer("many"), n.buffer("theta"));
  EXPECT_EQ(n.buffer("single"), n.buffer("theta"));
  expect_runs(n.program);
}

// That the comparisons above see a wrong buffer assignment: a program with two arrays that must not share made to share them.
TEST(Buffers, AWrongOneIsSeen) {
  for (const int kind : {BLV_UNROLL, BLV_FORWARD, BLV_IMPLICIT}) {
    Subject subject(plain_case(kind, BLV_HEAVY_BALL, 4));
    subject.problem.storage = {0, 4}, subject.problem.solver_iterations = 4;
    const MethodProgram good = build_program(subject.problem, {true});
    ASSERT_NO_FATAL_FAILURE(expect_as_interpreted(&subject, good, 1e-10));
    const Ran right = run(&subject, good, BLV_TASK_PER_CORE, BLV_ISA_X86_64_V2);
    MethodProgram bad = build_program(subject.problem, {true});
    for (size_t i = 0; i < bad.arrays.size(); i++)
      if (bad.array_names[i] == "g") {
        for (size_t j = 0; j < bad.arrays.size(); j++)
          if (bad.array_names[j] == "m") bad.arrays[j].buffer = static_cast<int16_t>(i);
      }
    const Ran wrong = run(&subject, bad, BLV_TASK_PER_CORE, BLV_ISA_X86_64_V2);
    EXPECT_NE(right.values, wrong.values) << "method " << kind;
  }
}

}  // namespace
}  // namespace bilevel
