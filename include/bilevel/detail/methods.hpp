// SPDX-License-Identifier: Apache-2.0
//
// What the hypergradient of a bilevel problem is taken by: reverse or forward accumulation through the inner steps, or
// implicit differentiation at their end. `unroll(...) | reverse(outer)` becomes another method by another word.
#ifndef BILEVEL_DETAIL_METHODS_HPP
#define BILEVEL_DETAIL_METHODS_HPP
#include <bilevel/detail/objective.hpp>

namespace bilevel {

/// An outer loss whose gradient is taken by reverse accumulation. Made by reverse.
template <class T>
struct Reverse {
  Objective<T> outer;
};

/// The outer loss at the end of the inner steps; the hypergradient goes back through all of them. It costs a few
/// times the steps, whatever the number of hyperparameters, and memory that grows with the steps (see Store).
template <class T>
Reverse<T> reverse(const Objective<T> &outer) {
  return detail::guarded([&] { return Reverse<T>{outer}; });
}

/// An outer loss whose derivatives are taken by forward accumulation. Made by forward.
template <class T>
struct Forward {
  Objective<T> outer;
};

/// The same, with derivatives that go along with the steps: for few hyperparameters, or few directions of them
/// (BilevelPlan::derivative). Memory does not grow with the steps; the time is proportional to the hyperparameters.
template <class T>
Forward<T> forward(const Objective<T> &outer) {
  return detail::guarded([&] { return Forward<T>{outer}; });
}

/// How the linear system of implicit differentiation is solved. Made by cg, minres, neumann or identity.
struct Solver {
  std::int32_t kind = BLV_CG;
  double tolerance = 1e-6;
  std::int64_t iterations = 100;
  double damping = 0;
  double step = 0;
};

/// Conjugate gradients on (H + damping I) v = dL_out/dtheta, H the Hessian of the inner loss at theta_T: until the
/// residual is `tolerance` times the right-hand side, or for `iterations` products with H. H + damping I must be
/// positive definite.
inline Solver cg(double tolerance = 1e-6, std::int64_t iterations = 100, double damping = 0) {
  return {BLV_CG, tolerance, iterations, damping};
}

/// The same by minimal residuals, where H + damping I may be indefinite.
inline Solver minres(double tolerance = 1e-6, std::int64_t iterations = 100, double damping = 0) {
  return {BLV_MINRES, tolerance, iterations, damping};
}

/// A step, so that no other number is taken for one.
struct StepSize {
  double value;
  explicit StepSize(double step) : value(step) {}
};

/// The same by the Neumann series step sum_k (I - step (H + damping I))^k, of `iterations` terms at most. It converges
/// where H + damping I is positive definite and step less than 2 / |H + damping I|; a task where it diverges fails.
inline Solver neumann(StepSize step, double tolerance = 1e-6, std::int64_t iterations = 100, double damping = 0) {
  return {BLV_NEUMANN, tolerance, iterations, damping, step.value};
}

/// v = dL_out/dtheta, without a solve (T1-T2).
inline Solver identity() { return {BLV_IDENTITY, 0, 0, 0}; }

/// An outer loss whose gradient is taken by implicit differentiation. Made by implicit.
template <class T>
struct Implicit {
  Objective<T> outer;
  Solver solver;
};

/// The same, from the optimality condition of the inner loss at theta_T, which the steps must have reached: exact where
/// its gradient is 0, and then independent of how they got there. No step is stored, and initial parameters, rates and
/// momenta have no gradient.
template <class T>
Implicit<T> implicit(const Objective<T> &outer, const Solver &solver = cg()) {
  return detail::guarded([&] { return Implicit<T>{outer, solver}; });
}

/// An array and K directions of it. Made by along.
template <class T>
struct Along {
  Array<T> array;
  const T *tangents = nullptr;
  std::int64_t size = 0;
};

/// K directions of `array`, 1 to 8, each with its layout, one after another.
template <class A, class E>
auto along(const A &array, const E &tangents) {
  using T = detail::ValueOf<E>;
  static_assert(detail::RealRange<const E &>, "directions are a named array, or a view, of float or double");
  return Along<T>{detail::real_array_of<T>(array), std::ranges::data(tangents), detail::count(tangents)};
}

namespace detail {

/// The method of a plan: BLV_UNROLL, BLV_FORWARD or BLV_IMPLICIT.
struct Differentiation {
  std::int32_t method = BLV_UNROLL;
  Solver solver{};
};

/// The inner steps of a method without what it does after them.
inline Method steps_alone(const Method &method) {
  const auto *m = std::get_if<blv_implicit>(&method);
  return m != nullptr ? unroll_method(m->optimiser, m->steps, m->batch_rows) : method;
}

}  // namespace detail

}  // namespace bilevel
#endif  // BILEVEL_DETAIL_METHODS_HPP
