// SPDX-License-Identifier: Apache-2.0
//
// What the builder counts, and what it refuses.
#include <functional>

#include "csrc/methods/solver.h"
#include "kernels/special/allow.h"
#include "program_subject.h"

namespace bilevel {
namespace {

TEST(Counts, Passes) {
  const auto passes = [](int kind, int optimiser, int64_t steps, const Storage &storage) {
    return Named(kind, optimiser, steps, storage).program.view.passes;
  };
  EXPECT_EQ(passes(BLV_EVALUATE, BLV_SGD, 1, {0, 1}), 1);
  EXPECT_EQ(passes(BLV_HVP, BLV_SGD, 1, {0, 1}), 1);
  for (const int optimiser : {BLV_SGD, BLV_HEAVY_BALL}) {
    EXPECT_EQ(passes(BLV_UNROLL, optimiser, 5, {1, 5}), 5 + 1 + 5);
    EXPECT_EQ(passes(BLV_UNROLL, optimiser, 5, {0, 5}), 5 + 1 + 5);
    EXPECT_EQ(passes(BLV_UNROLL, optimiser, 5, {1, 2}), 5 + 1 + 5 + 4) << "two segments are run twice";
    EXPECT_EQ(passes(BLV_UNROLL, optimiser, 0, {1, 1}), 1);
    EXPECT_EQ(passes(BLV_FORWARD, optimiser, 5, {0, 5}), 2 * 5 + 1);
    EXPECT_EQ(passes(BLV_IMPLICIT, optimiser, 5, {0, 5}), 5 + 1 + 1 + 1000 + 2)
        << "the linearisation, the residual, the cross product";
  }
}

TEST(Counts, TapeAndPlanes) {
  const Program tape = Named(BLV_UNROLL, BLV_SGD, 5, {1, 5}).program.view,
                theta = Named(BLV_UNROLL, BLV_SGD, 5, {0, 5}).program.view,
                segments = Named(BLV_UNROLL, BLV_SGD, 5, {1, 2}).program.view;
  EXPECT_EQ(tape.tape_entries, 5);
  EXPECT_EQ(tape.tape_rows, 5);
  EXPECT_EQ(theta.tape_entries, 0);
  EXPECT_EQ(theta.tape_rows, 0);
  EXPECT_EQ(segments.tape_entries, 2);
  EXPECT_EQ(tape.tangent_planes, 1);
  EXPECT_EQ(tape.leaf_planes, 1);
  const Program hvp = Named(BLV_HVP, BLV_SGD, 1, {0, 1}).program.view;
  EXPECT_EQ(hvp.tangent_planes, 3);
  EXPECT_EQ(hvp.leaf_planes, 3);
  const Program forward = Named(BLV_FORWARD, BLV_SGD, 5, {0, 5}).program.view;
  EXPECT_EQ(forward.tangent_planes, 2);
  EXPECT_EQ(forward.leaf_planes, 1) << "of the outer loss, whose gradients are those of no tangent";
  EXPECT_EQ(Named(BLV_FORWARD, BLV_SGD, 0, {0, 1}).program.view.tangent_planes, 2)
      << "leaves move, also without a step";
}

// Planes of a step leaf's tangents that no tangent pass has.
TEST(Counts, PlanesOfLeafTangents) {
  Subject subject(plain_case(BLV_FORWARD, BLV_SGD, 3));
  ProgramBuilder b(subject.problem);
  const Vector theta = b.vector("theta"), many = b.vector("many", 2);
  const Counter c = b.counter("c");
  b.read(theta, subject.problem.slot(BLV_THETA0, BLV_VALUE));
  b.set(c, 1);
  b.linear(many, {leaf_tangent_at(leaf_rate, c), theta});
  b.write(subject.problem.slot(BLV_THETA_TANGENT, BLV_RESULT), many);
  const MethodProgram program = b.finish();
  EXPECT_EQ(program.view.tangent_planes, 2);
  if (program.view.tangent_planes == 2) expect_as_interpreted(&subject, program, 1e-14);
}

// The largest program of every method and of every solver, with all results.
TEST(Counts, FitADevice) {
  for (const int kind : {BLV_EVALUATE, BLV_HVP, BLV_UNROLL, BLV_FORWARD}) {
    Case c = plain_case(kind, BLV_HEAVY_BALL, 5);
    c.vectors = 8;
    Subject subject(c);
    subject.problem.storage = {1, 2};
    EXPECT_TRUE(fits_device(build_program(subject.problem, {true}).view)) << "method " << kind;
  }
  for (const Solver *solver : solvers()) {
    Case c = plain_case(BLV_IMPLICIT, BLV_HEAVY_BALL, 5);
    c.solver = solver->id, c.solver_step = solver->needs_step ? 0.1 : 0, c.warm_start = solver->iterates;
    if (!solver->iterates) c.iterations = 0, c.tolerance = 0, c.damping = 0;
    const auto has = [&](int leaf) { return std::count(solver->leaves.begin(), solver->leaves.end(), leaf) > 0; };
    for (const int leaf : {BLV_TOLERANCE, BLV_ITERATIONS, BLV_PRECONDITIONER})
      if (has(leaf)) c.leaves.push_back({.leaf = leaf});
    c.stop_result = c.stationarity_result = true, c.curvature_result = has(BLV_CURVATURE),
    c.contraction_result = has(BLV_CONTRACTION);
    Subject subject(c);
    const MethodProgram program = build_program(subject.problem, {true});
    EXPECT_TRUE(fits_device(program.view))
        << solver->name << ": " << program.view.n_ops << " operations, " << program.view.n_numbers << " numbers";
  }
}

// Kernels written by hand list the flags that they know: one that knows no weights leaves such a program to the interpreter.
TEST(Weights, AreAFlagThatAHandWrittenKernelMustKnow) {
  Subject subject(plain_case(BLV_EVALUATE, BLV_SGD, 1));
  Allowed allowed = {};
  for (uint32_t *leaves : {allowed.inner, allowed.outer, allowed.both, allowed.method})
    std::fill_n(leaves, use_capacity, ~0u);
  allowed.losses = allowed.optimisers = allowed.ops = ~0u;
  allowed.flags = ~uint32_t{FLAG_WEIGHTED};
  for (const bool weighted : {false, true}) {
    ProgramBuilder b(subject.problem);
    const Vector theta = b.vector("theta"), g = b.vector("g");
    b.gradient(theta, g, {.weight = weighted ? b.constant("two", 2) : Number()});
    const MethodProgram program = b.finish();
    subject.problem.program = program.view;
    EXPECT_EQ(refusal_of(subject.problem, allowed) != nullptr, weighted);
  }
}

struct Refuses : ProgramByHand {
  template <class F>
  void expect_refused(F f, ProgramBuilder *builder = nullptr) {
    try {
      f();
      (builder != nullptr ? *builder : b).finish();
      ADD_FAILURE() << "accepted";
    } catch (const Refusal &refusal) {
      EXPECT_EQ(refusal.status, BLV_INTERNAL);
    }
  }
};

TEST_F(Refuses, AFirstTermOfMinusOneBesideAnother) {
  const Vector theta = start(), x = b.vector("x");
  expect_refused([&] { b.linear(x, {one(-1), theta}, {one(), theta}); });
}

TEST_F(Refuses, ASecondTermOfMinusOneBesideAFactor) {
  const Vector theta = start(), x = b.vector("x");
  const Number n = b.constant("n", 2);
  expect_refused([&] { b.linear(x, {times(n), theta}, {one(-1), theta}); });
}

// A coefficient names a number in eight bits.
TEST_F(Refuses, MoreNumbersThanACoefficientNames) {
  const Vector theta = start(), x = b.vector("x");
  Number last;
  for (int i = 0; i < 300; i++) last = b.number("n");
  expect_refused([&] { b.linear(x, {times(last), theta}); });
}

TEST_F(Refuses, MoreCountersThanAnOperationNames) {
  expect_refused([&] {
    for (int i = 0; i < 300; i++) b.counter("c");
  });
}

// The kernels read as many numbers as the result has planes.
TEST_F(Refuses, OneNumberForSeveralPlanes) {
  const Vector theta = start(), many = b.vector("many", 2);
  const Number n = b.constant("n", 2);
  expect_refused([&] { b.linear(many, {times(n), theta}); });
}

// The kernels carry the first plane of a copy along only.
TEST_F(Refuses, OrCopiesAllPlanesThatGoAlong) {
  const Vector theta = start(), many = b.vector("many", 2), z = b.vector("z", 2), w = b.vector("w", 2);
  try {
    b.linear(many, {one(-1), theta});
    b.linear(z, {one(), many}, {one(), theta});
    b.copy_along(w, many);
    write(w);
    write(many);
    expect_runs(b.finish());
  } catch (const Refusal &) {
  }
}

// ---- Operands that are not there: an interpreter would read or write elsewhere

TEST_F(Refuses, AVectorThatIsNotThere) {
  const Vector theta = start(), x = b.vector("x"), none;
  const Number n = b.number("n");
  const Counter c = b.counter("c");
  const std::function<void(ProgramBuilder &)> programs[] = {
      [&](ProgramBuilder &f) {
        f.linear(none, {one(), theta});
      },
      [&](ProgramBuilder &f) {
        f.linear(x, {one(), none});
      },
      [&](ProgramBuilder &f) {
        f.linear(x, {one(), theta}, {one(), none});
      },
      [&](ProgramBuilder &f) { f.copy_along(x, none); },
      [&](ProgramBuilder &f) {
        f.linear(x, {one(), theta}), f.copy_along(none, theta);
      },
      [&](ProgramBuilder &f) { f.map(MAP_PRODUCT, x, theta); },
      [&](ProgramBuilder &f) { f.map(MAP_ROOT, none, theta); },
      [&](ProgramBuilder &f) { f.map(MAP_ROOT, x, none); },
      [&](ProgramBuilder &f) { f.dot(n, theta, none); },
      [&](ProgramBuilder &f) { f.norm(n, none); },
      [&](ProgramBuilder &f) { f.gradient(none, x, {}); },
      [&](ProgramBuilder &f) { f.tangent(none, theta, x, {}); },
      [&](ProgramBuilder &f) { f.tangent(theta, none, x, {}); },
      [&](ProgramBuilder &f) { f.add_to_step_leaf(leaf_rate, c, 1, theta, none); },
      [&](ProgramBuilder &f) { f.read(none, subject.problem.slot(BLV_THETA0, BLV_VALUE)); },
  };
  for (size_t i = 0; i < std::size(programs); i++) {
    SCOPED_TRACE(i);
    ProgramBuilder fresh(subject.problem);
    fresh.vector("theta"), fresh.vector("x"), fresh.number("n"), fresh.counter("c");
    expect_refused([&] { programs[i](fresh); }, &fresh);
  }
}

TEST_F(Refuses, ANumberOrACounterThatIsNotThere) {
  const Vector theta = start(), x = b.vector("x");
  const Number n = b.number("n"), none;
  const Counter c = b.counter("c"), nowhere;
  const Stream stream = b.stream("stream", 3);
  const std::function<void(ProgramBuilder &)> programs[] = {
      [&](ProgramBuilder &f) {
        f.linear(x, {times(none), theta});
      },
      [&](ProgramBuilder &f) {
        f.linear(x, {leaf_at(leaf_rate, nowhere), theta});
      },
      [&](ProgramBuilder &f) {
        f.linear(x, {leaf_at(most_step_leaves, c), theta});
      },
      [&](ProgramBuilder &f) {
        f.linear(x, {leaf_tangent_at(-1, c), theta});
      },
      [&](ProgramBuilder &f) {
        f.linear(stream.at(nowhere), {one(), theta});
      },
      [&](ProgramBuilder &f) {
        f.linear(stream.at(c, 128), {one(), theta});
      },
      [&](ProgramBuilder &f) { f.dot(none, theta, theta); },
      [&](ProgramBuilder &f) { f.side_dot(none, false); },
      [&](ProgramBuilder &f) { f.compute(none, NUMBER_COPY, n); },
      [&](ProgramBuilder &f) { f.compute(n, NUMBER_COPY, none); },
      [&](ProgramBuilder &f) { f.compute(n, NUMBER_ADD, n); },
      [&](ProgramBuilder &f) { f.fail(none, BLV_TASK_CURVATURE); },
      [&](ProgramBuilder &f) { f.repeat_while(none, c, 3, [] {}); },
      [&](ProgramBuilder &f) { f.repeat(nowhere, 3, 1, [] {}); },
      [&](ProgramBuilder &f) { f.add_to_step_leaf(leaf_rate, nowhere, 1, theta, theta); },
      [&](ProgramBuilder &f) { f.gradient(theta, x, {.tape = c}); },  // of which nothing is kept
  };
  for (size_t i = 0; i < std::size(programs); i++) {
    SCOPED_TRACE(i);
    ProgramBuilder fresh(subject.problem);
    fresh.vector("theta"), fresh.vector("x"), fresh.number("n"), fresh.counter("c"), fresh.stream("stream", 3);
    expect_refused([&] { programs[i](fresh); }, &fresh);
  }
}

TEST_F(Refuses, PlanesThatDoNotFit) {
  const Vector theta = start(), two = b.vector("two", 2), three = b.vector("three", 3);
  const Number pair = b.number("pair", 2), n = b.number("n");
  const std::function<void(ProgramBuilder &)> programs[] = {
      [&](ProgramBuilder &f) {
        f.linear(two, {one(), three});
      },
      [&](ProgramBuilder &f) { f.map(MAP_ROOT, two, theta); },
      [&](ProgramBuilder &f) { f.dot(pair, three, theta); },
      [&](ProgramBuilder &f) { f.tangent(theta, two, three, {}); },
      [&](ProgramBuilder &f) { f.gradient(theta, two, {}); },
      [&](ProgramBuilder &f) { f.gradient(two, theta, {}); },
      [&](ProgramBuilder &f) { f.compute(pair, NUMBER_COPY, n); },
      [&](ProgramBuilder &f) { f.gradient(theta, {}, {.loss = pair}); },
      [&](ProgramBuilder &f) { f.gradient(theta, {}, {.weight = pair}); },
  };
  for (size_t i = 0; i < std::size(programs); i++) {
    SCOPED_TRACE(i);
    ProgramBuilder fresh(subject.problem);
    fresh.vector("theta"), fresh.vector("two", 2), fresh.vector("three", 3), fresh.number("pair", 2), fresh.number("n");
    expect_refused([&] { programs[i](fresh); }, &fresh);
  }
}

// Sixteen bits name them.
TEST_F(Refuses, MorePlanesNumbersOrArraysThanAnOperationNames) {
  expect_refused([&] { b.vector("v", 1 << 16); });
  expect_refused([&] { b.number("n", 1 << 16); });
  expect_refused([&] {
    for (int i = 0; i < 1 << 16; i++) b.vector("v");
  });
}

// Gradients of leaves are written out with all their planes.
TEST_F(Refuses, PassesThatAddDifferentPlanesToTheLeaves) {
  const Vector theta = start(), two = b.vector("two", 2), three = b.vector("three", 3);
  b.tangent(theta, three, {}, {.leaves = true});
  b.tangent(theta, three, {}, {.outer = true, .leaves = true});
  expect_refused([&] { b.tangent(theta, two, {}, {.leaves = true}); });
}

TEST_F(Refuses, AGradientAmongThem) {
  const Vector theta = start(), two = b.vector("two", 2);
  b.gradient(theta, {}, {.leaves = true});
  expect_refused([&] { b.tangent(theta, two, {}, {.leaves = true}); });
}

// A tape holds products of the loss as it was weighted.
TEST_F(Refuses, AWeightWithATape) {
  const Vector theta = start();
  const Number n = b.constant("n", 2);
  const Counter c = b.counter("c");
  b.keep_tape(1);
  expect_refused([&] { b.gradient(theta, {}, {.weight = n, .tape = c}); });
}

// The tape has as many rows as the inner loss.
TEST_F(Refuses, OrMakesRoomForATapeOfTheOuterLoss) {
  Case c = plain_case(BLV_UNROLL, BLV_SGD, 3);
  c.outer_rows = 50;
  Subject wide(c);
  ProgramBuilder builder(wide.problem);
  const Vector theta = builder.vector("theta"), g = builder.vector("g");
  const Counter tape = builder.counter("tape");
  try {
    builder.keep_tape(1);
    builder.gradient(theta, g, {.outer = true, .tape = tape});
    EXPECT_GE(builder.finish().view.tape_rows, 50);
  } catch (const Refusal &) {
  }
}

}  // namespace
}  // namespace bilevel
