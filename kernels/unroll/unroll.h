// SPDX-License-Identifier: Apache-2.0
//
// Method UNROLL: theta_t = F_t(theta_{t-1}) for t = 1..T, the outer loss at theta_T, and the hypergradient by reverse
// accumulation (Franceschi et al. 2017, sec. 3.1). With g_t = grad L_in(theta_{t-1}), rate a_t and momentum u_t,
//     m_t = u_t m_{t-1} + g_t  (SGD: m_t = g_t),    theta_t = theta_{t-1} - a_t m_t.
// Reverse, with lambda = dL_out/dtheta_t and mu = the adjoint of m_t that comes from step t + 1:
//     mu -= a_t lambda;   da_t -= lambda . m_t;   du_t += mu . m_{t-1};
//     lambda += H mu and dleaf += (d2 L_in / dleaf dtheta) mu   (one tangent pass at theta_{t-1} + eps mu);   mu <- u_t
//     mu.
// Forward states are kept per segment, see Storage.
#pragma once
#include "kernels/evaluate/evaluate.h"
#include "kernels/unroll/minibatch.h"
#include "kernels/unroll/step_leaf.h"

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
  long packs = 0, T_ = 0, segment = 0, segments = 0, tape_step = 0;
  bool heavy_ball = false, reverse = false, keeps_directions = false;
  Pass<T, L> pass;
  SideData<T, L> inner, outer;
  Minibatch<T, L> minibatch;
  StepLeaf<T, L> rate, momentum;
  P *theta = nullptr, *direction = nullptr, *gradient = nullptr;  // theta_t, m_t, g_t
  P *result = nullptr;                                            // theta_T
  P *states = nullptr;                                            // of the segment at hand: theta, segment + 1 of them
  P *directions = nullptr;   // m_t, segment + 1 of them, the first is m before the segment
  P *checkpoints = nullptr;  // at the beginning of every segment: theta and (heavy ball) m
  Element *tape = nullptr;
  P *lambda = nullptr, *mu = nullptr;
  P loss = {}, norm = {};
  FiniteCheck<T> check;

  static long accumulator_planes(const Problem &) { return 1; }
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
    problem = &p, net = &network, T_ = p.steps, reverse = p.reverse != 0;
    packs = parameter_packs<T, L>(network);
    heavy_ball = p.optimiser == BLV_HEAVY_BALL;
    keeps_directions = reverse && (p.rate.gradient || p.momentum.gradient);
    segment = reverse ? p.storage.segment_steps : T_;
    segments = T_ ? (T_ + segment - 1) / segment : 0;
    inner.layout(arena, p.inner, BLV_INNER, network, p.inner.rows, 1, packs);
    if (p.outer.present) outer.layout(arena, p.outer, BLV_OUTER, network, p.outer.rows, 1, packs);
    minibatch.layout(arena, p, network, inner);
    rate.layout(arena, p.rate, network, T_);
    momentum.layout(arena, p.momentum, network, T_);
    theta = arena.take<P>(packs), gradient = arena.take<P>(packs);
    if (heavy_ball) direction = arena.take<P>(packs);
    if (p.outer.present) lambda = arena.take<P>(packs);
    result = theta;
    if (reverse) layout_reverse(arena);
  }

  template <class Visitor>
  void visit(Visitor &visitor) const {
    if (problem->loss) visitor.run(problem->loss, 0, 0, 1, 1, reinterpret_cast<const Element *>(&loss));
    visit_parameters(visitor, *net, problem->theta_result, 1, reinterpret_cast<const Element *>(result));
    visit_parameters(visitor, *net, problem->theta.gradient, 1, reinterpret_cast<const Element *>(lambda));
    rate.visit(visitor);
    if (momentum.spec->value) momentum.visit(visitor);
    visit_side(visitor, inner, 1);
    if (problem->outer.present) visit_side(visitor, outer, 1);
  }

  bool run(const Move &move, const Call &call, TaskStatus *status) {
    load(move, status);
    check = {};
    for (long s = 0; s < segments; s++) {
      if (reverse && segments > 1) save_checkpoint(s);
      if (!run_segment(move, call, s, reverse && s + 1 == segments, status)) return false;
    }
    if (is_cancelled(call)) return false;
    if (result != theta) copy(result, theta);
    if (problem->outer.present) run_outer(move, status);
    count_progress(call, 1);
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
    if (!problem->outer.present) return;
    info.loss = loss[at], info.gradient_norm = norm[at];
  }

 private:
  long steps_in(long s) const { return (s + 1) * segment < T_ ? segment : T_ - s * segment; }
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
    if (segments > 1) checkpoints = arena.take<P>(segments * packs * (heavy_ball ? 2 : 1));
    if (segments > 1 && problem->theta_result) result = arena.take<P>(packs);  // earlier segments will be run again
    tape_step = tape_size(*net, minibatch.n ? minibatch.view.rows : inner.rows);
    if (problem->storage.tape) tape = arena.take<Element>(segment * tape_step);
    mu = arena.take<P>(packs);
  }

  void load(const Move &move, TaskStatus *status) {
    inner.load(move, status);
    if (problem->outer.present) outer.load(move, status);
    rate.load(move), momentum.load(move);
    load_parameters<T, L>(move, *net, problem->theta.value, 0, reinterpret_cast<Element *>(theta));
    for (long i = 0; heavy_ball && i < packs; i++) direction[i] = P{};
    gradients(inner).clear();
    if (problem->outer.present) gradients(outer).clear();
  }

  void save_checkpoint(long s) {
    const long size = packs * (heavy_ball ? 2 : 1);
    copy(checkpoints + s * size, theta);
    if (heavy_ball) copy(checkpoints + s * size + packs, direction);
  }
  void restore_checkpoint(long s) {
    const long size = packs * (heavy_ball ? 2 : 1);
    copy(theta, checkpoints + s * size);
    if (heavy_ball) copy(direction, checkpoints + s * size + packs);
  }

  // Steps of segment s from theta and direction, which end at its last state; `keep`: with all that the reverse sweep
  // reads.
  bool run_segment(const Move &move, const Call &call, long s, bool keep, TaskStatus *status) {
    if (keep) copy(states, theta);
    if (keep && keeps_directions && heavy_ball) copy(directions, direction);
    for (long i = 0; i < steps_in(s); i++) {
      if (is_cancelled(call)) return false;
      const long t = s * segment + i;
      P *from = keep ? states + i * packs : theta, *to = keep ? from + packs : theta;
      P *m_to = keep && keeps_directions ? directions + (i + 1) * packs : direction;
      step(move, t, from, to, m_to, keep && tape ? tape + i * tape_step : nullptr, status);
      count_progress(call, 1);
    }
    if (keep) copy(theta, states + steps_in(s) * packs);
    return true;
  }

  void step(const Move &move, long t, P *from, P *to, P *m_to, Element *step_tape, TaskStatus *status) {
    P *g = heavy_ball || !m_to ? gradient : m_to;  // SGD: the direction is the gradient
    run_inner<Mode::VALUE>(move, t, from, nullptr, g, step_tape, status);
    if (heavy_ball) {
      const P *u = momentum.at(t);
      for (long i = 0, j = 0; i < packs; i++, j += momentum.stride()) direction[i] = u[j] * direction[i] + g[i];
      if (m_to != direction) copy(m_to, direction);
      g = direction;
    }
    const P *a = rate.at(t);
    Integers<T> bits = {};
    for (long i = 0, j = 0; i < packs; i++, j += rate.stride()) {
      to[i] = from[i] - a[j] * g[i];
      bits |= is_not_finite_bits(to[i]);
    }
    check.bits = bits;
    check.template report<L>(status, move.count, t + 1);
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

  void run_outer(const Move &move, TaskStatus *status) {
    loss = P{};
    pass.template run<Mode::VALUE>(view_all_rows<T, L>(outer), matrix(theta, nullptr), matrix(lambda, nullptr), &loss,
                                   nullptr, true);
    add_penalty<Mode::VALUE>(outer, Matrix<P>{theta, nullptr, packs, packs}, Matrix<P>{lambda, nullptr, packs, packs},
                             &loss, 1, packs, true);
    norm = norm_over_parameters<T, L>(lambda, packs);
    check.see(loss);
    check.see(lambda, packs);
    check.template report<L>(status, move.count, -1);
    for (long i = 0; reverse && i < packs; i++) mu[i] = P{};
  }

  bool reverse_segment(const Move &move, const Call &call, long s, TaskStatus *status) {
    for (long i = steps_in(s) - 1; i >= 0; i--) {
      if (is_cancelled(call)) return false;
      const long t = s * segment + i;
      const P *a = rate.at(t);
      if (heavy_ball) {
        for (long q = 0, j = 0; q < packs; q++, j += rate.stride()) mu[q] -= a[j] * lambda[q];
      } else {
        for (long q = 0, j = 0; q < packs; q++, j += rate.stride()) mu[q] = -a[j] * lambda[q];
      }
      if (keeps_directions) {
        rate.add_product(t, T(-1), lambda, directions + (i + 1) * packs, packs);
        if (heavy_ball) momentum.add_product(t, T(1), mu, directions + i * packs, packs);
      }
      P *at = states + i * packs;
      Element *step_tape = tape ? tape + i * tape_step : nullptr;
      if (tape)
        run_inner<Mode::TAPED>(move, t, at, mu, lambda, step_tape, status);
      else
        run_inner<Mode::JET>(move, t, at, mu, lambda, nullptr, status);
      if (heavy_ball) {
        const P *u = momentum.at(t);
        for (long q = 0, j = 0; q < packs; q++, j += momentum.stride()) mu[q] *= u[j];
      }
      count_progress(call, 1);
    }
    return true;
  }

  void finish(const Move &move, TaskStatus *status) {
    check = {};
    check.see(lambda, packs);
    rate.check(check), momentum.check(check);
    gradients(inner).finish(check);
    gradients(outer).finish(check);
    gradients(inner).add_leaves_of_both(outer);
    check.template report<L>(status, move.count, -1);
  }
};

}  // namespace BLV_ISA_NAMESPACE
}  // namespace bilevel
