// SPDX-License-Identifier: Apache-2.0
//
// The linear system and what its solvers share.
#include "csrc/methods/linear_system.h"

#include <algorithm>
#include <cmath>

namespace bilevel {
namespace {

// Solves of a task: the first, and two from its true residual.
constexpr int64_t most_rounds = 3;

// A smaller residual than a sixteenth of the dtype's epsilon is rounding, and curvature along it may underflow to 0.
double rounding_of(int32_t dtype) { return epsilon_of(dtype) / 16; }

}  // namespace

LinearSystem::LinearSystem(ProgramBuilder &builder, const Problem &problem, Vector theta, Vector rhs, Counter tape)
    : b(builder),
      x(problem.warm_start ? b.vector("x") : b.zeros("x")),
      r(b.vector("r")),
      q(b.vector("q")),
      v(b.vector("v")),
      rr(b.number("r.r")),
      active(b.number("active")),
      number_zero(b.number("zero")),
      number_one(b.constant("one", 1)),
      problem_(problem),
      theta_(theta),
      rhs_(rhs),
      tape_(tape),
      iteration_(b.counter("iteration")),
      round_(b.counter("round")),
      last_v_(problem.warm_start ? b.state("last_v") : Vector()),
      kept_x_(b.vector("kept_x")),
      size_(b.number("rhs_norm")),
      inverse_(b.number("inverse")),
      damping_(problem.damping != 0 ? b.constant("damping", problem.damping) : Number()),
      iterations_(b.number("iterations")),
      residual_(b.number("residual")),
      before_(b.number("before")),
      again_(b.number("again")),
      failed_(b.number("failed")),
      curvature_(problem.slot(BLV_CURVATURE, BLV_RESULT) ? b.constant("curvature", HUGE_VAL) : Number()),
      test_(b.number("test")),
      first_(b.number("first")),
      second_(b.number("second")) {}

// The tolerance is at least rounding; a task's own limit is at most the plan's.
void LinearSystem::read_limits() {
  const double rounding = rounding_of(problem_.dtype);
  const Slot &tolerances = problem_.slot(BLV_TOLERANCE, BLV_VALUE), &limits = problem_.slot(BLV_ITERATIONS, BLV_VALUE);
  tolerance2_ = b.constant("tolerance2", std::max(problem_.solver_tolerance, rounding));
  if (tolerances) {
    const Number own = b.number("tolerance");
    b.read(own, tolerances);
    expect_in_order(number_zero, own);
    b.compute(test_, NUMBER_GREATER, number_one, own);
    expect(test_);
    b.compute(tolerance2_, NUMBER_MAXIMUM, own, b.constant("rounding", rounding));
  }
  b.compute(tolerance2_, NUMBER_MULTIPLY, tolerance2_, tolerance2_);
  limit_ = b.constant("limit", static_cast<double>(problem_.solver_iterations));
  if (!limits) return;
  const Number own = b.number("own_limit");
  b.read(own, limits);
  expect_in_order(number_zero, own);
  b.compute(limit_, NUMBER_MINIMUM, limit_, own);
}

void LinearSystem::expect(Number holds) {
  b.compute(first_, NUMBER_SUBTRACT, number_one, holds);
  b.fail(first_, BLV_TASK_BAD_SOLVER);
}

// low <= high
void LinearSystem::expect_in_order(Number low, Number high) {
  b.compute(test_, NUMBER_GREATER, low, high);
  b.compute(test_, NUMBER_SUBTRACT, number_one, test_);
  expect(test_);
}

void LinearSystem::start() {
  read_limits();
  b.norm(size_, rhs_);
  b.compute(inverse_, NUMBER_DIVIDE, number_one, size_);  // 0 of 0: then b = x = r = 0
  if (problem_.warm_start) {
    b.linear(x, {times(inverse_), last_v_});
    refresh();
  } else {
    b.linear(r, {times(inverse_), rhs_});
    b.dot(rr, r, r);
  }
  b.compute(active, NUMBER_COPY, number_one);
  end_iteration(rr);
}

void LinearSystem::solve(const Parts &solver) {
  if (problem_.solver_iterations == 0) return;
  b.again_while(active, round_, most_rounds, [&] {
    b.compute(before_, NUMBER_COPY, rr);
    b.copy(kept_x_, x);
    solver.begin();
    b.repeat_while(active, iteration_, problem_.solver_iterations, solver.iterate);
    solver.end();
    refresh();
    give_up_worse(solver.never_grows);
    b.compute(again_, NUMBER_COPY, number_one);
    end_iteration(rr);
  });
  b.report_checks();
  if (failed_status_ != 0) b.fail(failed_, failed_status_);
}

// Then a task is active where r.r has fallen to a quarter and can fall further, unless it has failed.
void LinearSystem::give_up_worse(bool never_grows) {
  const Number better = b.number("better"), worse = b.number("worse");
  b.compute(better, NUMBER_GREATER, before_, rr);
  if (!never_grows) choose(better, again_, better, number_one);
  b.compute(worse, NUMBER_SUBTRACT, number_one, better);
  b.linear(x, {times(better), x}, {times(worse), kept_x_});
  choose(rr, better, rr, before_);
  b.compute(test_, NUMBER_MULTIPLY, before_, b.constant("quarter", 0.25));
  b.compute(test_, NUMBER_GREATER, test_, rr);
  b.compute(test_, NUMBER_SUBTRACT, test_, failed_);
  b.compute(active, NUMBER_MAXIMUM, test_, number_zero);
  // A tolerance below two epsilon is out of reach, since b - A x itself loses as much: then only what is far from it goes on.
  const double epsilon = epsilon_of(problem_.dtype);
  b.compute(test_, NUMBER_GREATER, tolerance2_, b.constant("reachable", 4 * epsilon * epsilon));
  choose(test_, test_, tolerance2_, b.constant("far", 256 * epsilon * epsilon));
  only_where_greater(rr, test_);
}

void LinearSystem::refresh() {
  multiply(x, q);
  // -1 q, since a program has no form a x - y
  b.linear(r, {times(inverse_), rhs_}, {times(number_one, -1), q});
  b.dot(rr, r, r);
}

void LinearSystem::multiply(Vector in, Vector out) {
  b.tangent(theta_, in, out, {.tape = tape_});
  if (damping_) b.linear(out, {one(), out}, {times(damping_), in});
}

void LinearSystem::begin_iteration() { b.compute(iterations_, NUMBER_ADD, iterations_, active); }

void LinearSystem::end_iteration(Number squared) {
  only_where_greater(limit_, iterations_);
  only_where_greater(squared, tolerance2_);
}

void LinearSystem::only_where_greater(Number first, Number second) {
  b.compute(test_, NUMBER_GREATER, first, second);
  b.compute(active, NUMBER_MULTIPLY, active, test_);
}

void LinearSystem::require(Number holds, int32_t status, int32_t stop) {
  b.compute(first_, NUMBER_MULTIPLY, active, holds);
  b.compute(second_, NUMBER_SUBTRACT, active, first_);
  b.compute(active, NUMBER_COPY, first_);
  b.compute(first_, NUMBER_SUBTRACT, number_one, again_);
  b.compute(second_, NUMBER_MULTIPLY, second_, first_);
  b.compute(failed_, NUMBER_ADD, failed_, second_);
  failed_status_ = status, failed_stop_ = stop;
}

void LinearSystem::choose(Number result, Number where, Number first, Number second) {
  b.compute(second_, NUMBER_SUBTRACT, number_one, where);
  b.compute(second_, NUMBER_SELECT, second, second_);
  b.compute(first_, NUMBER_SELECT, first, where);
  b.compute(result, NUMBER_ADD, first_, second_);
}

void LinearSystem::note_curvature(Number quotient) {
  if (!curvature_) return;
  choose(test_, active, quotient, curvature_);
  b.compute(curvature_, NUMBER_MINIMUM, curvature_, test_);
}

// BLV_STOP_*: why the task stopped.
void LinearSystem::note_stop() {
  const Slot &slot = problem_.slot(BLV_STOP, BLV_RESULT);
  if (!slot) return;
  const Number stop = b.number("stop"), reason = b.constant("reason", BLV_STOP_STAGNATED);
  b.compute(test_, NUMBER_GREATER, limit_, iterations_);
  choose(reason, test_, reason, b.constant("at_limit", BLV_STOP_LIMIT));
  b.compute(test_, NUMBER_GREATER, rr, tolerance2_);
  b.compute(stop, NUMBER_MULTIPLY, test_, reason);
  if (failed_status_ != 0) choose(stop, failed_, b.constant("failure", failed_stop_), stop);
  b.write_diagnostic(slot, stop);
}

void LinearSystem::finish() {
  b.compute(residual_, NUMBER_ROOT, rr);
  b.linear(v, {times(size_), x});
  if (problem_.warm_start) keep_solution();
  b.check(v, residual_);
  note_stop();
  b.report_iterations(iterations_);
  b.write(problem_.slot(BLV_RESIDUAL, BLV_RESULT), residual_);
  b.write(problem_.slot(BLV_SOLUTION, BLV_RESULT), v);
  b.write_diagnostic(problem_.slot(BLV_CURVATURE, BLV_RESULT), curvature_);
}

// last_v = v, but where there is no task
void LinearSystem::keep_solution() {
  const Number present = b.present(), absent = b.number("absent");
  b.compute(absent, NUMBER_SUBTRACT, number_one, present);
  b.linear(last_v_, {times(absent), last_v_}, {times(present), v});
}

}  // namespace bilevel
