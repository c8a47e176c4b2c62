// SPDX-License-Identifier: Apache-2.0
//
// Method UNROLL: theta_t = F_t(theta_{t-1}) for t = 1..T, the outer loss at theta_T, and the hypergradient by reverse
// accumulation (Franceschi et al. 2017, sec. 3.1). From lambda = dL_out/dtheta_T on, for t = T..1: the optimiser's adjoint turns
// lambda into mu, the adjoint of g_t = grad L_in(theta_{t-1}); one tangent pass at theta_{t-1} + eps mu then adds
//     lambda += H mu,    dleaf += (d2 L_in / dleaf dtheta) mu.
// Forward states are kept per segment, see Storage.
#pragma once
#include "kernels/core/group_run.h"
#include "kernels/unroll/minibatch.h"
#include "kernels/unroll/optimisers.h"

namespace bilevel {
namespace BLV_ISA_NAMESPACE {

template <class T, Lanes L>
struct Unroll {
  using Move = Transfer<T, L>;
  using Element = typename Move::Element;
  using Mat = Matrix<Element>;
  using P = Pack<T>;

  const Problem *problem = nullptr;
  const NetworkView *net = nullptr;
  long packs = 0, steps = 0, segment = 0, segments = 0, tape_step = 0;
  bool reverse = false, keeps_directions = false;
  Pass<T, L> pass;
  SideData<T, L> inner, outer;
  Minibatch<T, L> minibatch;
  Optimiser<T, L> optimiser;
  P *theta = nullptr, *gradient = nullptr;  // theta_t, g_t
  P *result = nullptr;                      // theta_T
  P *states = nullptr;                      // of the segment at hand: theta, segment + 1 of them
  P *directions = nullptr;   // what theta was moved along, segment + 1 of them; the first is m before the segment
  P *checkpoints = nullptr;  // at the beginning of every segment: theta and the optimiser's state
  Element *tape = nullptr;
  P *lambda = nullptr;
  P loss = {}, norm = {};
  FiniteCheck<T> check;

  static long tangent_planes(const Problem &p) { return p.reverse ? 1 : 0; }
  static long most_rows(const Problem &p) {
    long rows = p.batch_rows ? p.batch_rows : p.inner.rows;
    return p.outer.present && p.outer.rows > rows ? p.outer.rows : rows;
  }
  static int64_t progress(const Problem &p) {
    if (!p.reverse || p.steps == 0) return p.steps + 1;
    const long last = (p.steps - 1) / p.storage.segment_steps * p.storage.segment_steps;
    return 2 * p.steps + last + 1;
  }

  void layout(Arena &arena, const Problem &p, const NetworkView &network) {
    problem = &p, net = &network, steps = p.steps, reverse = p.reverse != 0;
    packs = parameter_packs<T, L>(network);
    keeps_directions = reverse && (p.rate.gradient || p.momentum.gradient);
    segment = reverse ? p.storage.segment_steps : steps;
    segments = steps ? (steps + segment - 1) / segment : 0;
    inner.layout(arena, p.inner, BLV_INNER, network, p.inner.rows, 1, packs);
    if (p.outer.present) outer.layout(arena, p.outer, BLV_OUTER, network, p.outer.rows, 1, packs);
    minibatch.layout(arena, p, network, inner);
    optimiser.layout(arena, p, network, packs);
    theta = arena.take<P>(packs), gradient = arena.take<P>(packs);
    result = theta;
    if (reverse) layout_reverse(arena);
  }

  template <class Visitor>
  void visit(Visitor &visitor) const {
    if (problem->loss) visitor.run(problem->loss, 0, 0, 1, 1, reinterpret_cast<const Element *>(&loss));
    visit_parameters(visitor, *net, problem->theta_result, 1, reinterpret_cast<const Element *>(result));
    visit_parameters(visitor, *net, problem->theta.gradient, 1, reinterpret_cast<const Element *>(lambda));
    optimiser.rate.visit(visitor);
    optimiser.momentum.visit(visitor);
    visit_side(visitor, inner, 1);
    if (problem->outer.present) visit_side(visitor, outer, 1);
  }

  bool run(const Move &move, const Call &call, TaskStatus *status) {
    load(move, status);
    check = {};
    if (steps == 0) check_now(move, status, theta, 0);
    for (long s = 0; s < segments; s++) {
      if (reverse && segments > 1) save_checkpoint(s);
      if (!run_segment(move, call, s, reverse && s + 1 == segments, status)) return false;
    }
    if (is_cancelled(call)) return false;
    if (result != theta) copy(result, theta);
    if (problem->outer.present) run_outer(move, status);
    count_progress(call, 1);
    if (reverse) optimiser.begin_reverse();
    for (long s = segments - 1; reverse && s >= 0; s--) {
      if (s + 1 < segments) {
        restore_checkpoint(s);
        if (!run_segment(move, call, s, true, status)) return false;
      }
      if (!reverse_segment(move, call, s, status)) return false;
    }
    if (reverse) finish(move, status);
    return true;
  }

  void report(long lane, blv_task_info &info) const {
    const long at = L == Lanes::TASKS ? lane : 0;
    if (problem->outer.present) info.loss = loss[at];
    if (reverse) info.gradient_norm = norm[at];
  }

 private:
  long steps_in(long s) const { return (s + 1) * segment < steps ? segment : steps - s * segment; }
  Mat matrix(P *v, P *d) const {
    return {reinterpret_cast<Element *>(v), reinterpret_cast<Element *>(d), net->size, 0};
  }
  void copy(P *to, const P *from) const {
    for (long i = 0; i < packs; i++) to[i] = from[i];
  }
  SideGradients<T, L> gradients(SideData<T, L> &side) const { return {side, 1, packs}; }

  void layout_reverse(Arena &arena) {
    states = arena.take<P>((segment + 1) * packs);
    if (keeps_directions) directions = arena.take<P>((segment + 1) * packs);
    if (segments > 1) checkpoints = arena.take<P>(segments * checkpoint_packs());
    if (segments > 1 && problem->theta_result) result = arena.take<P>(packs);  // earlier segments will be run again
    tape_step = tape_size(*net, minibatch.n ? minibatch.view.rows : inner.rows);
    if (problem->storage.tape) tape = arena.take<Element>(segment * tape_step);
    lambda = arena.take<P>(packs);
  }

  void load(const Move &move, TaskStatus *status) {
    inner.load(move, status);
    if (problem->outer.present) outer.load(move, status);
    optimiser.rate.load(move), optimiser.momentum.load(move);
    load_parameters<T, L>(move, *net, problem->theta.value, 0, reinterpret_cast<Element *>(theta));
    optimiser.begin();
    gradients(inner).clear();
    if (problem->outer.present) gradients(outer).clear();
  }

  long checkpoint_packs() const { return packs + optimiser.state_packs(); }
  void save_checkpoint(long s) {
    P *to = checkpoints + s * checkpoint_packs();
    copy(to, theta);
    if (optimiser.state_packs()) copy(to + packs, optimiser.direction);
  }
  void restore_checkpoint(long s) {
    const P *from = checkpoints + s * checkpoint_packs();
    copy(theta, from);
    if (optimiser.state_packs()) copy(optimiser.direction, from + packs);
  }

  void check_now(const Move &move, TaskStatus *status, const P *x, long t) {
    check.see(x, packs);
    check.template report<L>(status, move.count, t > 0 ? t : -1);
  }

  // Steps of segment s from theta and the optimiser's state, which end at its last; `keep`: with all that the reverse sweep
  // reads.
  bool run_segment(const Move &move, const Call &call, long s, bool keep, TaskStatus *status) {
    if (keep) copy(states, theta);
    if (keep && keeps_directions && optimiser.state_packs()) copy(directions, optimiser.direction);
    for (long i = 0; i < steps_in(s); i++) {
      if (is_cancelled(call)) return false;
      const long t = s * segment + i;
      P *from = keep ? states + i * packs : theta, *to = keep ? from + packs : theta;
      run_inner<Mode::VALUE>(move, t, from, nullptr, gradient, keep && tape ? tape + i * tape_step : nullptr, status);
      const P *along = optimiser.step(t, from, gradient, to, check);
      if (keep && keeps_directions) copy(directions + (i + 1) * packs, along);
      check.template report<L>(status, move.count, t + 1);
      count_progress(call, 1);
    }
    if (keep) copy(theta, states + steps_in(s) * packs);
    return true;
  }

  // The gradient of the inner loss into `result` (VALUE); or its derivative along `tangent`, added to `result` and to
  // the leaves.
  template <Mode M>
  void run_inner(const Move &move, long t, P *at, P *tangent, P *result, Element *step_tape, TaskStatus *status) {
    constexpr bool value = M == Mode::VALUE;
    if (minibatch.n) minibatch.gather(move, inner, t, status);
    const auto view = minibatch.n ? minibatch.view : view_all_rows<T, L>(inner);
    const Mat to = value ? matrix(result, nullptr) : matrix(nullptr, result);
    pass.template run<M>(view, matrix(at, tangent), to, nullptr, step_tape, !value, !value);
    add_penalty<M>(inner, Matrix<P>{at, tangent, packs, packs},
                   Matrix<P>{value ? result : nullptr, value ? nullptr : result, packs, packs}, nullptr, 1, packs,
                   !value);
    if (!value && minibatch.n) minibatch.scatter(move, inner, t, status);
  }

  // The outer loss, and where a gradient is wanted lambda and the gradients of the outer leaves.
  void run_outer(const Move &move, TaskStatus *status) {
    loss = P{};
    P *to = reverse ? lambda : nullptr;
    pass.template run<Mode::VALUE>(view_all_rows<T, L>(outer), matrix(theta, nullptr), matrix(to, nullptr), &loss,
                                   nullptr, reverse);
    add_penalty<Mode::VALUE>(outer, Matrix<P>{theta, nullptr, packs, packs}, Matrix<P>{to, nullptr, packs, packs},
                             &loss, 1, packs, reverse);
    check.see(loss);
    if (reverse) check.see(lambda, packs), norm = norm_over_parameters<T, L>(lambda, packs);
    check.template report<L>(status, move.count, -1);
  }

  bool reverse_segment(const Move &move, const Call &call, long s, TaskStatus *status) {
    for (long i = steps_in(s) - 1; i >= 0; i--) {
      if (is_cancelled(call)) return false;
      const long t = s * segment + i;
      const P *along = keeps_directions ? directions + (i + 1) * packs : nullptr;
      optimiser.adjoint(t, lambda, along, along ? along - packs : nullptr);
      P *at = states + i * packs;
      if (tape)
        run_inner<Mode::TAPED>(move, t, at, optimiser.mu, lambda, tape + i * tape_step, status);
      else
        run_inner<Mode::JET>(move, t, at, optimiser.mu, lambda, nullptr, status);
      count_progress(call, 1);
    }
    return true;
  }

  void finish(const Move &move, TaskStatus *status) {
    check = {};
    check.see(lambda, packs);
    optimiser.rate.check(check), optimiser.momentum.check(check);
    gradients(inner).finish(check);
    gradients(outer).finish(check);
    gradients(inner).add_leaves_of_both(outer, check);
    check.template report<L>(status, move.count, -1);
  }
};

}  // namespace BLV_ISA_NAMESPACE
}  // namespace bilevel
