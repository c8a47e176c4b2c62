// SPDX-License-Identifier: Apache-2.0
//
// The linear system and what its solvers share.
#include "csrc/methods/linear_system.h"

#include <algorithm>
#include <cmath>

namespace bilevel {
namespace {

// Times that a task goes on from its true residual.
constexpr int64_t most_rounds = 3;

// A smaller residual than a sixteenth of the dtype's epsilon is rounding, and curvature along it may underflow to 0.
double rounding_of(int32_t dtype) { return dtype == BLV_F64 ? 0x1p-56 : 0x1p-27; }

}  // namespace

LinearSystem::LinearSystem(ProgramBuilder &builder, const Problem &problem, Vector theta, Vector rhs, Counter tape)
    : b(builder),
      x(problem.warm_start ? b.vector("x") : b.zeros("x")),
      r(b.vector("r")),
      q(b.vector("q")),
      v(b.vector("v")),
      rr(b.number("rr")),
      active(b.number("active")),
      number_zero(b.number("zero")),
      number_one(b.constant("one", 1)),
      relative(b.number("residual")),
      turns(b.number("turns")),
      problem_(problem),
      theta_(theta),
      rhs_(rhs),
      tape_(tape),
      turn_(b.counter("turn")),
      round_(b.counter("round")),
      last_v_(problem.warm_start ? b.state("last_v") : Vector()),
      size_(b.number("rhs_norm")),
      inverse_(b.number("inverse")),
      damping_(problem.damping != 0 ? b.constant("damping", problem.damping) : Number()),
      turns_left_(b.number("turns_left")),
      before_(b.number("before")),
      gain_(b.number("gain")),
      failed_(b.number("failed")),
      lost_(b.number("lost")),
      curvature_(wants_curvature() ? b.constant("curvature", HUGE_VAL) : Number()),
      other_(b.number("other")) {}

// The tolerance is at least rounding; a task's own limit is at most the plan's.
void LinearSystem::read_limits() {
  const double rounding = rounding_of(problem_.dtype);
  const Slot &tolerances = problem_.slot(BLV_TOLERANCE, BLV_VALUE), &limits = problem_.slot(BLV_ITERATIONS, BLV_VALUE);
  tolerance2_ = b.constant("tolerance2", std::max(problem_.solver_tolerance, rounding));
  if (tolerances) {
    const Number own = b.number("tolerance");
    b.read(own, tolerances);
    b.check({}, own);
    b.report_checks();
    b.compute(tolerance2_, NUMBER_MAXIMUM, own, b.constant("rounding", rounding));
  }
  b.compute(tolerance2_, NUMBER_MULTIPLY, tolerance2_, tolerance2_);
  limit_ = b.constant("limit", static_cast<double>(problem_.solver_iterations));
  if (!limits) return;
  const Number own = b.number("iterations");
  b.read(own, limits);
  b.compute(limit_, NUMBER_MINIMUM, limit_, own);
}

void LinearSystem::start() {
  read_limits();
  b.norm(size_, rhs_);
  b.compute(inverse_, NUMBER_DIVIDE, number_one, size_);  // 0 of 0: then b = x = r = 0
  b.linear(r, {times(inverse_), rhs_});
  if (problem_.warm_start) {
    b.linear(x, {times(inverse_), last_v_});
    multiply(x, q);
    b.linear(r, {one(), r}, {one(-1), q});
  }
  b.dot(rr, r, r);
  b.compute(active, NUMBER_COPY, number_one);
  end_turn(rr);
}

void LinearSystem::solve(const std::function<void()> &begin, const std::function<void()> &iterate) {
  if (problem_.solver_iterations == 0) return;
  b.again_while(active, round_, most_rounds, [&] {
    b.compute(before_, NUMBER_MULTIPLY, rr, b.constant("quarter", 0.25));
    begin();
    b.repeat_while(active, turn_, problem_.solver_iterations, iterate);
    refresh();
    // Again where |r| has fallen to a half, unless the task has failed.
    b.compute(gain_, NUMBER_GREATER, before_, rr);
    b.compute(active, NUMBER_SUBTRACT, gain_, failed_);
    b.compute(active, NUMBER_MAXIMUM, active, number_zero);
    end_turn(rr);
  });
  b.report_checks();
  if (failure_ != 0) b.fail(failed_, failure_);
}

void LinearSystem::refresh() {
  multiply(x, q);
  b.linear(r, {times(inverse_), rhs_}, {times(number_one, -1), q});
  b.dot(rr, r, r);
}

void LinearSystem::multiply(Vector in, Vector out) {
  b.tangent(theta_, in, out, {.tape = tape_});
  if (damping_) b.linear(out, {one(), out}, {times(damping_), in});
}

void LinearSystem::begin_turn() { b.compute(turns, NUMBER_ADD, turns, active); }

void LinearSystem::end_turn(Number squared) {
  b.compute(turns_left_, NUMBER_GREATER, limit_, turns);
  b.compute(active, NUMBER_MULTIPLY, active, turns_left_);
  b.compute(other_, NUMBER_GREATER, squared, tolerance2_);
  b.compute(active, NUMBER_MULTIPLY, active, other_);
}

void LinearSystem::require(Number okay, int32_t status, int32_t stop) {
  b.compute(other_, NUMBER_MULTIPLY, active, okay);
  b.compute(lost_, NUMBER_SUBTRACT, active, other_);
  b.compute(failed_, NUMBER_ADD, failed_, lost_);
  b.compute(active, NUMBER_COPY, other_);
  failure_ = status, stop_ = stop;
}

void LinearSystem::choose(Number result, Number where, Number first, Number second) {
  const Number otherwise = b.number("otherwise"), chosen = b.number("chosen");
  b.compute(otherwise, NUMBER_SUBTRACT, number_one, where);
  b.compute(otherwise, NUMBER_SELECT, second, otherwise);
  b.compute(chosen, NUMBER_SELECT, first, where);
  b.compute(result, NUMBER_ADD, chosen, otherwise);
}

void LinearSystem::note_curvature(Number dot, Number squared) {
  if (!curvature_) return;
  const Number quotient = b.number("quotient");
  b.compute(quotient, NUMBER_DIVIDE, dot, squared);
  choose(quotient, active, quotient, curvature_);
  b.compute(curvature_, NUMBER_MINIMUM, curvature_, quotient);
}

// BLV_STOP_*: why the task stopped.
void LinearSystem::note_stop() {
  const Slot &slot = problem_.slot(BLV_STOP, BLV_RESULT);
  if (!slot) return;
  const Number stop = b.number("stop"), reason = b.constant("reason", BLV_STOP_STAGNATED);
  b.compute(turns_left_, NUMBER_GREATER, limit_, turns);
  choose(reason, turns_left_, reason, b.constant("at_limit", BLV_STOP_LIMIT));
  b.compute(stop, NUMBER_GREATER, rr, tolerance2_);
  b.compute(stop, NUMBER_MULTIPLY, stop, reason);
  if (failure_ != 0) choose(stop, failed_, b.constant("failure", stop_), stop);
  b.write_diagnostic(slot, stop);
}

void LinearSystem::finish() {
  b.compute(relative, NUMBER_ROOT, rr);
  b.linear(v, {times(size_), x});
  if (problem_.warm_start) keep_solution();
  b.check(v, relative);
  note_stop();
  b.report_iterations(turns);
  b.write(problem_.slot(BLV_RESIDUAL, BLV_RESULT), relative);
  b.write(problem_.slot(BLV_SOLUTION, BLV_RESULT), v);
  if (curvature_) b.write_diagnostic(problem_.slot(BLV_CURVATURE, BLV_RESULT), curvature_);
}

// last_v = v, but where there is no task
void LinearSystem::keep_solution() {
  const Number present = b.present(), absent = b.number("absent");
  b.compute(absent, NUMBER_SUBTRACT, number_one, present);
  b.linear(last_v_, {times(absent), last_v_}, {times(present), v});
}

}  // namespace bilevel
