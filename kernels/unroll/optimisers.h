// SPDX-License-Identifier: Apache-2.0
//
// Inner optimisers: one step as an elementwise map over the parameters, and its adjoint. With g_t = grad L_in(theta_{t-1}), rate a_t
// and momentum u_t,
//     SGD          theta_t = theta_{t-1} - a_t g_t
//     heavy ball   m_t = u_t m_{t-1} + g_t,    theta_t = theta_{t-1} - a_t m_t
// The adjoint turns lambda = dL_out/dtheta_t into mu, the adjoint of g_t; what theta_{t-1} receives through H is then H mu:
//     SGD          mu = -a_t lambda,                        da_t -= lambda . g_t
//     heavy ball   mu = u_{t+1} mu_{t+1} - a_t lambda,      da_t -= lambda . m_t,    du_t += mu . m_{t-1}
#pragma once
#include "kernels/unroll/step_leaf.h"

namespace bilevel {
namespace BLV_ISA_NAMESPACE {

template <class T, Lanes L>
struct Optimiser {
  using P = Pack<T>;

  StepLeaf<T, L> rate, momentum;
  bool heavy_ball = false;
  long packs = 0, n_steps = 0;
  P *direction = nullptr;  // m_t of heavy ball
  P *mu = nullptr;

  void layout(Arena &arena, const Problem &problem, const NetworkView &net, long parameter_packs_) {
    heavy_ball = problem.optimiser == BLV_HEAVY_BALL;
    packs = parameter_packs_, n_steps = problem.steps;
    rate.layout(arena, problem.rate, net, n_steps);
    momentum.layout(arena, problem.momentum, net, n_steps);
    if (heavy_ball) direction = arena.take<P>(packs);
    if (problem.reverse) mu = arena.take<P>(packs);
  }

  // Packs of what a step carries to the next beside theta.
  long state_packs() const { return heavy_ball ? packs : 0; }
  void begin() {
    for (long i = 0; i < state_packs(); i++) direction[i] = P{};
  }
  void begin_reverse() {
    for (long i = 0; i < packs; i++) mu[i] = P{};
  }

  // theta_t into `to`, from theta_{t-1} and g_t (which it may overwrite). Returns what theta was moved along: m_t or g_t.
  const P *step(long t, const P *from, const P *g, P *to, FiniteCheck<T> &check) {
    const P *along = heavy_ball ? move_direction(t, g) : g;
    const P *a = rate.at(t);
    const long stride = rate.stride();
    Integers<T> bits = {};
    for (long i = 0, j = 0; i < packs; i++, j += stride) {
      to[i] = from[i] - a[j] * along[i];
      bits |= is_not_finite_bits(to[i]);
    }
    check.bits |= bits;
    return along;
  }

  // mu of step t. `along` and `before`: m_t (SGD: g_t) and m_{t-1}; null where no rate or momentum has a gradient.
  void adjoint(long t, const P *lambda, const P *along, const P *before) {
    const P *a = rate.at(t);
    const long stride = rate.stride();
    if (heavy_ball) {
      if (t + 1 < n_steps) scale(mu, momentum.at(t + 1), momentum.stride());
      for (long i = 0, j = 0; i < packs; i++, j += stride) mu[i] -= a[j] * lambda[i];
    } else {
      for (long i = 0, j = 0; i < packs; i++, j += stride) mu[i] = -a[j] * lambda[i];
    }
    if (!along) return;
    rate.add_product(t, T(-1), lambda, along, packs);
    if (heavy_ball) momentum.add_product(t, T(1), mu, before, packs);
  }

 private:
  const P *move_direction(long t, const P *g) {
    const P *u = momentum.at(t);
    const long stride = momentum.stride();
    for (long i = 0, j = 0; i < packs; i++, j += stride) direction[i] = u[j] * direction[i] + g[i];
    return direction;
  }
  void scale(P *x, const P *by, long stride) const {
    for (long i = 0, j = 0; i < packs; i++, j += stride) x[i] *= by[j];
  }
};

}  // namespace BLV_ISA_NAMESPACE
}  // namespace bilevel
