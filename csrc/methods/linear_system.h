// SPDX-License-Identifier: Apache-2.0
//
// The linear system of implicit differentiation, and what its solvers share: when a task stops, and that what it says is true.
#pragma once
#include <functional>

#include "csrc/methods/builder.h"

namespace bilevel {

// (H + damping I) v = rhs with H = d2 L_in/dtheta2 at theta, whose passes the tape holds, divided by |rhs|, whose squares neither
// overflow nor vanish:
//     A x = b,    A = H + damping I,    b = rhs / |rhs|,    v = |rhs| x.
// Numbers that are 1 or 0 say of each task what it does; one that is done keeps turning and changes nothing.
class LinearSystem {
 public:
  LinearSystem(ProgramBuilder &builder, const Problem &problem, Vector theta, Vector rhs, Counter tape);

  // x = 0, or the last solution; r = b - A x; a task is active if |r| > tolerance.
  void start();
  // begin(), then iterate() while a task is active. Then r = b - A x is computed afresh, and where it is larger than the tolerance,
  // though the recursion said otherwise, all that is done again from there, as long as it helps.
  void solve(const std::function<void()> &begin, const std::function<void()> &iterate);
  // r = b - A x, computed afresh
  void refresh();
  // v = |rhs| x, the results, and what the next execute begins from.
  void finish();

  // ---- For iterate()
  // out = A in
  void multiply(Vector in, Vector out);
  void begin_turn();
  // A task goes on where `squared` > tolerance^2 and it has turns left.
  void end_turn(Number squared);
  // Active tasks end where `okay` is 0, and fail with `status`, for the reason `stop` (BLV_STOP_*).
  void require(Number okay, int32_t status, int32_t stop);
  // Notes quotient = d.A d / d.d of some d, if the caller wants to know.
  bool wants_curvature() const { return static_cast<bool>(problem_.slot(BLV_CURVATURE, BLV_RESULT)); }
  void note_curvature(Number dot, Number squared);
  // result = where ? first : second
  void choose(Number result, Number where, Number first, Number second);

  ProgramBuilder &b;
  const Vector x, r, q;  // iterate; residual; room for a product
  const Vector v;        // the solution
  const Number rr;       // r . r
  const Number active, number_zero, number_one;
  Number relative;  // |rhs - (H + damping I) v| / |rhs|
  Number turns;

 private:
  void read_limits();
  void note_stop();
  void keep_solution();

  const Problem &problem_;
  const Vector theta_, rhs_;
  const Counter tape_, turn_, round_;
  const Vector last_v_;
  const Number size_, inverse_, damping_;
  Number tolerance2_, limit_;
  const Number turns_left_, before_, gain_, failed_, lost_, curvature_, other_;
  int32_t failure_ = 0, stop_ = 0;  // status of tasks that failed, and why
};

}  // namespace bilevel
