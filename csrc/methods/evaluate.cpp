// SPDX-License-Identifier: Apache-2.0
//
// EVALUATE: L and its gradient with respect to every leaf, in one pass.
#include "csrc/methods/method.h"
#include "csrc/support/read_struct.h"

namespace bilevel {
namespace {

void read(const blv_method *given, Problem *, int32_t *) {
  read_struct<blv_method>("spec.method", "blv_method", given);
}

MethodProgram build(const Problem &p, const ProgramTarget &) {
  ProgramBuilder b(p);
  const Vector theta = b.vector("theta"), g = p.slot(BLV_THETA, BLV_GRADIENT) ? b.vector("g") : Vector();
  const Number loss = p.slot(BLV_LOSS, BLV_RESULT) ? b.number("loss") : Number();
  b.read(theta, p.slot(BLV_THETA, BLV_VALUE));
  b.check(theta);
  // g = grad L(theta)
  b.gradient(theta, g, {.leaves = true, .loss = loss});
  b.check(g, loss);
  if (g) {
    const Number norm = b.number("norm");
    b.norm(norm, g);
    b.report_norm(norm);
  }
  b.report_loss(loss);
  b.write(p.slot(BLV_LOSS, BLV_RESULT), loss);
  b.write(p.slot(BLV_THETA, BLV_GRADIENT), g);
  return b.finish();
}

}  // namespace

extern const Method evaluate_method;
const Method evaluate_method = {.id = BLV_EVALUATE,
                                .name = "BLV_EVALUATE",
                                .plain = "evaluate",
                                .leaves_like = BLV_EVALUATE,
                                .read = read,
                                .build = build};

}  // namespace bilevel
