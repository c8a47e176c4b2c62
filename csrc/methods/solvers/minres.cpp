// SPDX-License-Identifier: Apache-2.0
//
// MINRES (Paige & Saunders, Solution of Sparse Indefinite Systems of Linear Equations, SIAM J. Numer. Anal. 12, 1975), for any
// symmetric A: |r| is the smallest in the Krylov space. Lanczos vectors v_k, A v_k = beta_k v_{k-1} + alpha_k v_k + beta_{k+1} v_{k+1},
// and a rotation (cosine, sine) per iteration that keeps the tridiagonal matrix upper triangular.
// Where |A r| is rounding beside |A| |r|, r is the least that a singular A leaves, and the next direction would be rounding, too: it ends.
#include "csrc/methods/solver.h"

namespace bilevel {
namespace {

class Minres {
 public:
  Minres(LinearSystem &system, const Problem &problem)
      : s(system), b(system.b), exhausted(b.constant("exhausted", epsilon_of(problem.dtype))) {}

  void solve() {
    s.solve({.begin = [&] { begin(); }, .iterate = [&] { iterate(); }, .never_grows = true});
  }

 private:
  // beta_1 = |r|, and no iteration before
  void begin() {
    for (const Vector &vector : {y_before, w, w_before}) b.copy(vector, zeros);
    b.copy(y, s.r);
    b.compute(beta, NUMBER_ROOT, s.rr);
    b.compute(residual_norm, NUMBER_COPY, beta);
    for (const Number &number : {beta_before, delta_bar, epsilon, sine, top})
      b.compute(number, NUMBER_COPY, s.number_zero);
    b.compute(cosine, NUMBER_SUBTRACT, s.number_zero, s.number_one);
  }

  // y = beta_k v_k on entry
  void iterate() {
    s.begin_iteration();
    lanczos();
    rotate();
    // w_k = (v_k - epsilon_k w_{k-2} - delta_k w_{k-1}) / gamma_k
    b.compute(inverse, NUMBER_DIVIDE, s.active, gamma);
    b.compute(epsilon_before, NUMBER_MULTIPLY, epsilon_before, inverse);
    b.compute(delta, NUMBER_MULTIPLY, delta, inverse);
    b.linear(w_before, {times(inverse), v}, {times(epsilon_before, -1), w_before});
    b.linear(v, {one(), w_before}, {times(delta, -1), w});
    b.copy(w_before, w);
    b.copy_along(w, v);
    // x += phi w_k,  |r| = residual_norm
    b.linear(s.x, {one(), s.x}, {times(phi), w});
    b.compute(square, NUMBER_MULTIPLY, residual_norm, residual_norm);
    s.end_iteration(square);
  }

  // v_k = y / beta_k,  y = A v_k - alpha_k v_k - beta_k v_{k-1}
  void lanczos() {
    b.compute(inverse, NUMBER_DIVIDE, s.active, beta);
    b.linear(v, {times(inverse), y});
    s.multiply(v, s.q);
    b.compute(ratio, NUMBER_DIVIDE, beta, beta_before);
    b.linear(s.q, {one(), s.q}, {times(ratio, -1), y_before});
    b.dot(alpha, v, s.q);
    b.check({}, alpha);
    s.note_curvature(alpha);
    b.compute(ratio, NUMBER_DIVIDE, alpha, beta);
    b.linear(s.q, {one(), s.q}, {times(ratio, -1), y});
    b.copy(y_before, y);
    b.copy_along(y, s.q);
    b.compute(beta_before, NUMBER_COPY, beta);
    b.norm(beta, y);
  }

  // Column k of the tridiagonal matrix becomes (epsilon_k, delta_k, gamma_k).
  void rotate() {
    b.compute(epsilon_before, NUMBER_COPY, epsilon);
    combine(delta, cosine, delta_bar, NUMBER_ADD, sine, alpha);
    combine(gamma_bar, sine, delta_bar, NUMBER_SUBTRACT, cosine, alpha);
    b.compute(epsilon, NUMBER_MULTIPLY, sine, beta);
    b.compute(delta_bar, NUMBER_MULTIPLY, cosine, beta);
    b.compute(delta_bar, NUMBER_SUBTRACT, s.number_zero, delta_bar);
    combine(gamma, gamma_bar, gamma_bar, NUMBER_ADD, beta, beta);
    // It ends where (|A r| / |A| |r|)^2 <= epsilon. |A r| = |r| |(gamma_bar, delta_bar)| before the rotation; |A| is at least the largest gamma
    b.compute(top, NUMBER_MAXIMUM, gamma, top);
    combine(reach, gamma_bar, gamma_bar, NUMBER_ADD, delta_bar, delta_bar);
    b.compute(least, NUMBER_MULTIPLY, top, exhausted);
    s.only_where_greater(reach, least);
    b.compute(gamma, NUMBER_ROOT, gamma);
    b.compute(cosine, NUMBER_DIVIDE, gamma_bar, gamma);
    b.compute(sine, NUMBER_DIVIDE, beta, gamma);
    b.compute(phi, NUMBER_MULTIPLY, cosine, residual_norm);
    b.compute(phi, NUMBER_SELECT, phi, s.active);
    b.compute(residual_norm, NUMBER_MULTIPLY, sine, residual_norm);
  }

  // z = x1 x2 (+ or -) x3 x4
  void combine(Number z, Number x1, Number x2, NumberFunction sign, Number x3, Number x4) {
    b.compute(left, NUMBER_MULTIPLY, x1, x2);
    b.compute(right, NUMBER_MULTIPLY, x3, x4);
    b.compute(z, sign, left, right);
  }

  LinearSystem &s;
  ProgramBuilder &b;
  const Vector v = b.vector("lanczos"), y = b.vector("y"), y_before = b.vector("y_before"), w = b.vector("w"),
               w_before = b.vector("w_before"), zeros = b.zeros("zeros");
  const Number alpha = b.number("alpha"), beta = b.number("beta"), beta_before = b.number("beta_before"),
               delta = b.number("delta"), delta_bar = b.number("delta_bar"), epsilon = b.number("epsilon"),
               epsilon_before = b.number("epsilon_before"), gamma = b.number("gamma"),
               gamma_bar = b.number("gamma_bar"), cosine = b.number("cosine"), sine = b.number("sine"),
               phi = b.number("phi"), residual_norm = b.number("residual_norm"), inverse = b.number("over"),
               ratio = b.number("ratio"), square = b.number("square"), exhausted, top = b.number("top"),
               reach = b.number("reach"), least = b.number("least"), left = b.number("left"), right = b.number("right");
};

}  // namespace

extern const Solver minres_solver;
const Solver minres_solver = {.id = BLV_MINRES,
                              .name = "BLV_MINRES",
                              .plain = "minres",
                              .iterates = true,
                              .leaves = {BLV_TOLERANCE, BLV_ITERATIONS, BLV_CURVATURE},
                              .solve = [](LinearSystem &s, const Problem &p) { Minres(s, p).solve(); }};

}  // namespace bilevel
