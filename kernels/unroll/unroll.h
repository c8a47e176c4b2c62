// SPDX-License-Identifier: Apache-2.0
//
// Method UNROLL: theta_t = F_t(theta_{t-1}) for t = 1..T, the outer loss at theta_T, and the hypergradient by reverse
// accumulation (Franceschi et al. 2017, sec. 3.1). From lambda = dL_out/dtheta_T on, for t = T..1: the optimiser's adjoint turns
// lambda into mu, the adjoint of g_t = grad L_in(theta_{t-1}); one tangent pass at theta_{t-1} + eps mu then adds
//     lambda += H mu,    dleaf += (d2 L_in / dleaf dtheta) mu.
// Forward states are kept per segment, see Storage.
#pragma once
#include "kernels/task/group.h"
#ifndef __CUDACC__
#include "kernels/task/cpu/minibatch.h"
#endif
#include "kernels/unroll/optimisers.h"

namespace bilevel {
namespace BLV_ISA_NAMESPACE {

// PassOf: how the rows of a loss go by; a machine may have special ones.
template <class T, Lanes L, template <class, Lanes> class PassOf = Pass>
struct Unroll {
  using Move = Transfer<T, L>;
  using Element = typename Move::Element;
  using Mat = Matrix<Element>;
  using P = Pack<T>;
  using PassOfRows = PassOf<T, L>;

  const Problem *problem = nullptr;
  const NetworkView *net = nullptr;
  Index packs = 0, steps = 0, segment = 0, segments = 0, tape_step = 0;
  bool reverse = false, keeps_directions = false;
  PassOfRows pass;
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

  static bool runs(int32_t kind) { return kind == BLV_UNROLL; }
  static BLV_HOST_DEVICE Index tangent_planes(const Problem &p) { return p.reverse ? 1 : 0; }
  static BLV_HOST_DEVICE Index most_rows(const Problem &p) {
    Index rows = p.batch_rows ? p.batch_rows : p.inner.rows;
    return p.outer.present && p.outer.rows > rows ? p.outer.rows : rows;
  }
  static int64_t progress(const Problem &p) {
    if (!p.reverse || p.steps == 0) return p.steps + 1;
    const int64_t last = (p.steps - 1) / p.storage.segment_steps * p.storage.segment_steps;
    return 2 * p.steps + last + 1;
  }

  // What is touched most comes first: where memory on chip is short, the rows stay outside.
  BLV_HOST_DEVICE void layout(Arena &arena, const Problem &p, const NetworkView &network) {
    problem = &p, net = &network, steps = p.steps, reverse = p.reverse != 0;
    packs = parameter_packs<T, L>(network);
    keeps_directions = reverse && (p.rate.gradient || p.momentum.gradient);
    segment = reverse ? p.storage.segment_steps : steps;
    segments = steps ? (steps + segment - 1) / segment : 0;
    theta = arena.template take<P>(packs), gradient = arena.template take<P>(packs);
    result = theta;
    // g_t is of the forward sweep and mu of the reverse one: they share an array unless mu may have to outlive a segment.
    optimiser.layout(arena, p, network, packs, p.optimiser == BLV_SGD ? gradient : nullptr);
    if (reverse) layout_reverse(arena);
    inner.layout(arena, p.inner, BLV_INNER, network, p.inner.rows, 1, packs);
    if (p.outer.present) outer.layout(arena, p.outer, BLV_OUTER, network, p.outer.rows, 1, packs);
    minibatch.layout(arena, p, network, inner);
    tape_step = tape_size(network, p.batch_rows ? minibatch.view.rows : inner.rows);
    if (reverse && p.storage.tape) tape = arena.template stream<Element>(segment * tape_step);
  }

  template <class Visitor>
  BLV_HOST_DEVICE void visit(Visitor &visitor) const {
    visit_scalars(visitor, problem->loss, 0, 1, reinterpret_cast<const Element *>(&loss));
    visit_parameters(visitor, *net, problem->theta_result, 1, reinterpret_cast<const Element *>(result));
    visit_parameters(visitor, *net, problem->theta.gradient, 1, reinterpret_cast<const Element *>(lambda));
    optimiser.rate.visit(visitor);
    optimiser.momentum.visit(visitor);
    visit_side(visitor, inner, 1);
    if (problem->outer.present) visit_side(visitor, outer, 1);
  }

  BLV_FUNCTION bool run(const Move &move, const Call &call, TaskStatus *status) {
    FiniteCheck<T> check;
    load(move, status);
    if (steps == 0) check.see(theta, packs), check.template report<L>(status, move.count, -1);
    for (Index s = 0; s < segments; s++) {
      if (reverse && segments > 1) save_checkpoint(s);
      if (!run_segment(move, call, s, reverse && s + 1 == segments, status, check)) return false;
    }
    if (is_cancelled(call)) return false;
    if (result != theta) copy(result, theta);
    if (problem->outer.present) run_outer(move, status, check);
    count_progress(call, 1);
    if (reverse) optimiser.begin_reverse();
    for (Index s = segments - 1; reverse && s >= 0; s--) {
      if (s + 1 < segments) {
        restore_checkpoint(s);
        if (!run_segment(move, call, s, true, status, check)) return false;
      }
      if (!reverse_segment(move, call, s, status)) return false;
    }
    if (reverse) finish(move, status);
    return true;
  }

  BLV_FUNCTION void report(Index lane, blv_task_info &info) const {
    const Index at = L == Lanes::TASKS ? lane : 0;
    if (problem->outer.present) info.loss = reinterpret_cast<const T *>(&loss)[at];
    if (reverse) info.gradient_norm = reinterpret_cast<const T *>(&norm)[at];
  }

 private:
  BLV_FUNCTION Index steps_in(Index s) const { return (s + 1) * segment < steps ? segment : steps - s * segment; }
  BLV_FUNCTION Mat matrix(P *v, P *d) const {
    return {reinterpret_cast<Element *>(v), reinterpret_cast<Element *>(d), net->size, 0};
  }
  BLV_FUNCTION void copy(P *to, const P *from) const {
    each(packs, [&](Index i) { to[i] = from[i]; });
  }
  BLV_FUNCTION SideGradients<T, L> gradients(SideData<T, L> &side) const { return {side, 1, packs}; }

  BLV_HOST_DEVICE void layout_reverse(Arena &arena) {
    lambda = arena.template take<P>(packs);
    states = arena.template stream<P>((segment + 1) * packs);
    if (keeps_directions) directions = arena.template stream<P>((segment + 1) * packs);
    if (segments > 1) checkpoints = arena.template stream<P>(segments * checkpoint_packs());
    // Earlier segments will be run again, and states may be brought back into theta.
    if ((segments > 1 || states_are_far) && problem->theta_result) result = arena.template stream<P>(packs);
  }

  BLV_FUNCTION void load(const Move &move, TaskStatus *status) {
    inner.load(move, status);
    if (problem->outer.present) outer.load(move, status);
    optimiser.rate.load(move), optimiser.momentum.load(move);
    load_parameters<T, L>(move, *net, problem->theta.value, 0, reinterpret_cast<Element *>(theta));
    zero_padding(gradient, packs);
    if (reverse) zero_padding(lambda, packs);
    optimiser.begin();
    pass.begin();
    gradients(inner).clear();
    if (problem->outer.present) gradients(outer).clear();
  }

  BLV_HOST_DEVICE Index checkpoint_packs() const { return packs + optimiser.state_packs(); }
  BLV_FUNCTION void save_checkpoint(Index s) {
    P *to = checkpoints + s * checkpoint_packs();
    copy(to, theta);
    if (optimiser.state_packs()) copy(to + packs, optimiser.direction);
  }
  BLV_FUNCTION void restore_checkpoint(Index s) {
    const P *from = checkpoints + s * checkpoint_packs();
    copy(theta, from);
    if (optimiser.state_packs()) copy(optimiser.direction, from + packs);
  }

  // Steps of segment s from theta and the optimiser's state, which end at its last; `keep`: with all that the reverse sweep
  // reads.
  BLV_FUNCTION bool run_segment(const Move &move, const Call &call, Index s, bool keep, TaskStatus *status,
                                FiniteCheck<T> &check) {
    const bool in_place = states_are_far || !keep;
    if (keep && keeps_directions && optimiser.state_packs()) copy(directions, optimiser.direction);
    if (!in_place) copy(states, theta);
    for (Index i = 0; i < steps_in(s); i++) {
      if (is_cancelled(call)) return false;
      const Index t = s * segment + i;
      P *from = in_place ? theta : states + i * packs, *to = in_place ? theta : from + packs;
      if (keep && in_place) copy(states + i * packs, theta);
      run_inner<Mode::VALUE>(move, t, from, nullptr, gradient, keep && tape ? tape + i * tape_step : nullptr, status);
      const P *along = optimiser.step(t, from, gradient, to, check);
      if (keep && keeps_directions) copy(directions + (i + 1) * packs, along);
      check.template report<L>(status, move.count, t + 1);
      count_progress(call, 1);
    }
    if (!in_place) copy(theta, states + steps_in(s) * packs);
    return true;
  }

  // The gradient of the inner loss into `to` (VALUE); or its derivative along `tangent`, added to `to` and to the leaves.
  template <Mode M>
  BLV_FUNCTION void run_inner(const Move &move, Index t, P *at, P *tangent, P *to, Element *step_tape,
                              TaskStatus *status) {
    constexpr bool value = M == Mode::VALUE;
    if (minibatch.n) minibatch.gather(move, inner, t, status);
    const auto view = minibatch.n ? minibatch.view : view_all_rows<T, L>(inner);
    const Mat sum = value ? matrix(to, nullptr) : matrix(nullptr, to);
    pass.template run<M>(view, matrix(at, tangent), sum, nullptr, step_tape, !value, !value);
    add_penalty<M>(inner, Matrix<P>{at, tangent, packs, packs},
                   Matrix<P>{value ? to : nullptr, value ? nullptr : to, packs, packs}, nullptr, 1, packs, !value);
    if (!value && minibatch.n) minibatch.scatter(move, inner, t, status);
  }

  // The outer loss, and where a gradient is wanted lambda and the gradients of the outer leaves.
  BLV_FUNCTION void run_outer(const Move &move, TaskStatus *status, FiniteCheck<T> &check) {
    P total = {}, length = {};
    P *to = reverse ? lambda : nullptr;
    pass.template run<Mode::VALUE>(view_all_rows<T, L>(outer), matrix(theta, nullptr), matrix(to, nullptr), &total,
                                   nullptr, reverse);
    add_penalty<Mode::VALUE>(outer, Matrix<P>{theta, nullptr, packs, packs}, Matrix<P>{to, nullptr, packs, packs},
                             &total, 1, packs, reverse);
    check.see(total);
    if (reverse) check.see(lambda, packs), length = norm_over_parameters<T, L>(lambda, packs);
    check.template report<L>(status, move.count, -1);
    control([&] { loss = total, norm = length; });
  }

  BLV_FUNCTION bool reverse_segment(const Move &move, const Call &call, Index s, TaskStatus *status) {
    for (Index i = steps_in(s) - 1; i >= 0; i--) {
      if (is_cancelled(call)) return false;
      const Index t = s * segment + i;
      const P *along = keeps_directions ? directions + (i + 1) * packs : nullptr;
      optimiser.adjoint(t, lambda, along, along ? along - packs : nullptr);
      P *at = states_are_far ? theta : states + i * packs;
      if (states_are_far) copy(theta, states + i * packs);
      if (tape)
        run_inner<Mode::TAPED>(move, t, at, optimiser.mu, lambda, tape + i * tape_step, status);
      else
        run_inner<Mode::JET>(move, t, at, optimiser.mu, lambda, nullptr, status);
      count_progress(call, 1);
    }
    return true;
  }

  BLV_FUNCTION void finish(const Move &move, TaskStatus *status) {
    FiniteCheck<T> check;
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
