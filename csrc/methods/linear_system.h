// SPDX-License-Identifier: Apache-2.0
//
// The linear system of implicit differentiation, and what its solvers share: stopping tests, restarts from the true residual, results.
#pragma once
#include <functional>

#include "csrc/methods/builder.h"

namespace bilevel {

constexpr double epsilon_of(int32_t dtype) { return dtype == BLV_F64 ? 0x1p-52 : 0x1p-23; }

// (H + damping I) v = rhs with H = d2 L_in/dtheta2 at theta, whose passes the tape holds, scaled to |b| = 1, so that r.r neither
// overflows nor underflows:
//     A x = b,    A = H + damping I,    b = rhs / |rhs|,    v = |rhs| x.
// Numbers that are 1 or 0 say of each task what it does; one that is done keeps turning and changes nothing.
class LinearSystem {
 public:
  LinearSystem(ProgramBuilder &builder, const Problem &problem, Vector theta, Vector rhs, Counter tape);

  // x = 0, or the last solution; r = b - A x; a task is active if |r| > tolerance.
  void start();
  // begin(), then iterate() while a task is active, then end(). Then r = b - A x is computed afresh, and where it is larger than the tolerance,
  // though the recursion said otherwise, all that is done again from there, while it halves |r|. An x with which |r| is not smaller is
  // given up; the first one, too, if the solver is one whose |r| never grows.
  // All three are run once per round.
  struct Parts {
    std::function<void()> begin = [] {}, iterate = [] {}, end = [] {};
    bool never_grows = false;
  };
  void solve(const Parts &solver);
  // v = |rhs| x, the results, and what the next execute begins from.
  void finish();

  // ---- For a solver
  // out = A in
  void multiply(Vector in, Vector out);
  // r = b - A x, computed afresh
  void refresh();
  void begin_iteration();
  // What a task brings is no number that there could be, BLV_TASK_BAD_SOLVER, where `holds` is not 1.
  void expect(Number holds);
  // A task goes on where `squared` > tolerance^2 and it has iterations left.
  void end_iteration(Number squared);
  // Active tasks end where first > second does not hold.
  void only_where_greater(Number first, Number second);
  // Active tasks end where `holds` is 0, and fail with `status`, for the reason `stop` (BLV_STOP_*); but not after a restart, where what
  // is left to solve may be rounding errors.
  void require(Number holds, int32_t status, int32_t stop);
  // Notes quotient = d.A d / d.d of some d, if the caller wants to know.
  bool wants_curvature() const { return static_cast<bool>(curvature_); }
  void note_curvature(Number quotient);
  // result = where ? first : second
  void choose(Number result, Number where, Number first, Number second);

  ProgramBuilder &b;
  const Vector x, r, q;  // iterate; residual; room for a product
  const Vector v;        // the solution
  const Number rr;       // r . r
  const Number active, number_zero, number_one;

 private:
  void read_limits();
  void expect_in_order(Number low, Number high);
  void give_up_worse(bool never_grows);
  void note_stop();
  void keep_solution();

  const Problem &problem_;
  const Vector theta_, rhs_;
  const Counter tape_, iteration_, round_;
  const Vector last_v_, kept_x_;
  const Number size_, inverse_, damping_, iterations_, residual_;
  Number tolerance2_, limit_;
  const Number before_, again_, failed_, curvature_;
  const Number test_, first_, second_;           // of single steps
  int32_t failed_status_ = 0, failed_stop_ = 0;  // of tasks that failed
};

}  // namespace bilevel
