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
  Index packs = 0, n_steps = 0;
  P *direction = nullptr;  // m_t of heavy ball
  P *mu = nullptr;

  // `spare`: an array that only the forward sweep needs.
  BLV_HOST_DEVICE void layout(Arena &arena, const Problem &problem, const NetworkView &net, Index parameter_packs_,
                              P *spare) {
    heavy_ball = problem.optimiser == BLV_HEAVY_BALL;
    packs = parameter_packs_, n_steps = problem.steps;
    rate.layout(arena, problem.rate, net, n_steps);
    momentum.layout(arena, problem.momentum, net, n_steps);
    if (heavy_ball) direction = arena.template take<P>(packs);
    if (problem.reverse) mu = spare ? spare : arena.template take<P>(packs);
  }

  // Packs of what a step carries to the next beside theta.
  BLV_HOST_DEVICE Index state_packs() const { return heavy_ball ? packs : 0; }
  BLV_FUNCTION void begin() {
    each(state_packs(), [&](Index i) { direction[i] = P{}; });
  }
  BLV_FUNCTION void begin_reverse() {
    each(packs, [&](Index i) { mu[i] = P{}; });
  }

  // theta_t into `to`, from theta_{t-1} and g_t (which it may overwrite). Returns what theta was moved along: m_t or g_t.
  BLV_FUNCTION const P *step(Index t, const P *from, const P *g, P *to, FiniteCheck<T> &check) {
    const P *along = heavy_ball ? move_direction(t, g) : g;
    const P *a = rate.at(t);
    const Index stride = rate.stride();
    Integers<T> bits = {};
    each(packs, [&](Index i) {
      to[i] = from[i] - a[i * stride] * along[i];
      bits |= is_not_finite_bits(to[i]);
    });
    check.bits |= bits;
    return along;
  }

  // mu of step t. `along` and `before`: m_t (SGD: g_t) and m_{t-1}; null where no rate or momentum has a gradient.
  BLV_FUNCTION void adjoint(Index t, const P *lambda, const P *along, const P *before) {
    const P *a = rate.at(t);
    const Index stride = rate.stride();
    if (heavy_ball) {
      if (t + 1 < n_steps) scale(mu, momentum.at(t + 1), momentum.stride());
      each(packs, [&](Index i) { mu[i] -= a[i * stride] * lambda[i]; });
    } else {
      each(packs, [&](Index i) { mu[i] = -a[i * stride] * lambda[i]; });
    }
    if (!along) return;
    rate.add_product(t, T(-1), lambda, along, packs);
    if (heavy_ball) momentum.add_product(t, T(1), mu, before, packs);
  }

 private:
  BLV_FUNCTION const P *move_direction(Index t, const P *g) {
    const P *u = momentum.at(t);
    const Index stride = momentum.stride();
    each(packs, [&](Index i) { direction[i] = u[i * stride] * direction[i] + g[i]; });
    return direction;
  }
  BLV_FUNCTION void scale(P *x, const P *by, Index stride) const {
    each(packs, [&](Index i) { x[i] *= by[i * stride]; });
  }
};

}  // namespace BLV_ISA_NAMESPACE
}  // namespace bilevel
