// SPDX-License-Identifier: Apache-2.0
//
// UNROLL: T inner steps, and the hypergradient by reverse accumulation (Franceschi et al. 2017, sec. 3.1). From lambda =
// dL_out/dtheta_T on, for t = T .. 1: the optimiser's adjoint turns lambda into mu, the adjoint of g_t = grad L_in(theta_{t-1}), and a
// tangent pass at theta_{t-1} along mu adds
//     lambda += H mu,    dleaf += (d2 L_in / dleaf dtheta) mu.
// The forward sweep is kept per segment of steps, see Storage: theta at the beginning of each segment, and within the one that is
// reversed all of theta_t.
#include "csrc/methods/inner_steps.h"

namespace bilevel {
namespace {

class Reverse {
 public:
  Reverse(ProgramBuilder &builder, const Problem &problem, const ProgramTarget &target)
      : b(builder),
        p(problem),
        far(target.streams_are_far),
        segment(problem.storage.segment_steps),
        full((problem.steps - 1) / segment),
        last(problem.steps - full * segment),
        inner(builder, problem),
        j(full > 0 ? b.counter("j") : inner.t),
        k(full > 0 ? b.counter("segment") : inner.t),
        lambda(b.vector("lambda")) {
    mu = inner.optimiser.carries_adjoint ? b.zeros("mu") : b.vector("mu");
    states = b.stream("thetas", segment + 1);
    if (wants_step_leaves()) {
      for (const Vector &vector : inner.optimiser.kept(inner.step_at(inner.theta, inner.theta))) {
        kept.push_back(b.stream("kept", segment + 1));
        kept_from.push_back(vector);
      }
    }
    if (full > 0) {
      checkpoints.push_back(b.stream("checkpoint_theta", full));
      for (size_t i = 0; i < inner.s.size(); ++i) checkpoints.push_back(b.stream("checkpoint_state", full));
    }
    if (p.storage.tape) b.keep_tape(segment);
  }

  MethodProgram build() {
    b.repeat(k, full, 1, [&] { skip_segment(); });
    forward(last, full * segment);
    keep_result();
    inner.outer(lambda, true);
    reverse(last, full * segment);
    b.repeat(k, full, -1, [&] {
      restore();
      forward(segment, -1);
      reverse(segment, -1);
    });
    b.check(lambda);
    b.write(p.slot(BLV_THETA0, BLV_GRADIENT), lambda);
    return b.finish();
  }

 private:
  bool wants_step_leaves() const {
    for (const Leaf &leaf : p.step_leaves)
      if (leaf.gradient) return true;
    return false;
  }

  // t = begin + j; begin -1: of segment k.
  void find_step(int64_t begin) {
    if (full == 0) return;
    if (begin < 0)
      b.count(inner.t, k, segment, j);
    else
      b.count(inner.t, j, 0, j, begin);
  }

  // Steps of segment k that are only run through.
  void skip_segment() {
    b.copy(checkpoints[0].at(k), inner.theta);
    for (size_t i = 0; i < inner.s.size(); ++i) b.copy(checkpoints[i + 1].at(k), inner.s[i]);
    b.repeat(j, segment, 1, [&] {
      find_step(-1);
      b.gradient(inner.theta, inner.g, {.batch = inner.t});
      inner.optimiser.step(b, inner.step_at(inner.theta, inner.theta));
    });
  }
  void restore() {
    b.copy(inner.theta, checkpoints[0].at(k));
    for (size_t i = 0; i < inner.s.size(); ++i) b.copy(inner.s[i], checkpoints[i + 1].at(k));
  }

  // n steps from theta, with all that the reverse sweep reads.
  void forward(int64_t n, int64_t begin) {
    const Counter tape = p.storage.tape ? j : Counter();
    b.set(j, 0);
    for (size_t i = 0; i < kept.size(); ++i)
      if (kept_from[i].id != inner.g.id) b.copy(kept[i].at(j), kept_from[i]);
    b.copy(states.at(j), inner.theta);
    b.repeat(j, n, 1, [&] {
      find_step(begin);
      const Operand from = far ? Operand(inner.theta) : states.at(j), to = far ? Operand(inner.theta) : states.at(j, 1);
      b.gradient(from, inner.g, {.tape = tape, .batch = inner.t});
      inner.optimiser.step(b, inner.step_at(from, to));
      if (far) b.copy_along(states.at(j, 1), inner.theta);
      for (size_t i = 0; i < kept.size(); ++i) b.copy_along(kept[i].at(j, 1), kept_from[i]);
    });
    if (!far) b.copy(inner.theta, states.at(j));
  }

  void reverse(int64_t n, int64_t begin) {
    const Counter tape = p.storage.tape ? j : Counter();
    b.repeat(j, n, -1, [&] {
      find_step(begin);
      const InnerAdjoint adjoint{inner.t, j, lambda, mu, kept};
      inner.optimiser.adjoint(b, adjoint, p);
      if (far) b.copy_along(inner.theta, states.at(j));
      b.tangent(far ? Operand(inner.theta) : states.at(j), mu, lambda,
                {.leaves = true, .add = true, .tape = tape, .batch = inner.t});
      if (inner.optimiser.adjoint_after) inner.optimiser.adjoint_after(b, adjoint);
    });
  }

  // theta_T, where theta is about to be used for earlier states.
  void keep_result() {
    const Slot &slot = p.slot(BLV_THETA, BLV_RESULT);
    if (!slot) return;
    if (!far && full == 0) return b.write(slot, inner.theta);
    const Stream result = b.stream("theta_T", 1);
    b.copy(result.at(inner.t), inner.theta);
    b.write(slot, Vector{result.id, 1});
  }

  ProgramBuilder &b;
  const Problem &p;
  const bool far;
  const int64_t segment, full, last;  // steps of a segment; full segments before the last one, and its steps
  InnerSteps inner;
  const Counter j, k;  // step within a segment; segment
  Vector lambda, mu;
  Stream states;
  std::vector<Stream> kept, checkpoints;
  std::vector<Vector> kept_from;
};

void read(const blv_method *given, Problem *problem, int32_t *store) {
  const auto unroll = read_struct<blv_unroll>("spec.method", "blv_unroll", given);
  read_steps(unroll, problem);
  check_enum("spec.method.store", unroll.store, store_names);
  *store = unroll.store;
}

MethodProgram build(const Problem &p, const ProgramTarget &target) {
  ProgramBuilder b(p);
  if (p.reverse && p.steps > 0) return Reverse(b, p, target).build();
  InnerSteps inner(b, p);
  inner.run();
  const Vector lambda = p.reverse ? b.vector("lambda") : Vector();
  inner.outer(lambda, p.reverse != 0);
  b.write(p.slot(BLV_THETA, BLV_RESULT), inner.theta);
  b.write(p.slot(BLV_THETA0, BLV_GRADIENT), lambda);
  return b.finish();
}

}  // namespace

extern const Method unroll_method;
const Method unroll_method = {.id = BLV_UNROLL,
                              .name = "BLV_UNROLL",
                              .plain = "unroll",
                              .leaves_like = BLV_UNROLL,
                              .has_outer = true,
                              .has_steps = true,
                              .has_reverse = true,
                              .read = read,
                              .build = build};

}  // namespace bilevel
