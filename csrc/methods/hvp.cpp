// SPDX-License-Identifier: Apache-2.0
//
// HVP: for K vectors v_k, H v_k and at every other leaf the cross product (d2 L / dleaf dtheta) v_k, in one pass at theta + eps v_k.
#include "csrc/methods/method.h"
#include "csrc/support/limits.h"
#include "csrc/support/read_struct.h"

namespace bilevel {
namespace {

void read(const blv_method *given, Problem *problem, int32_t *) {
  const auto hvp = read_struct<blv_hvp>("spec.method", "blv_hvp", given);
  check_range("spec.method.vectors", hvp.vectors, 1, most_planes);
  problem->planes = hvp.vectors;
}

MethodProgram build(const Problem &p, const ProgramTarget &) {
  ProgramBuilder b(p);
  const bool wants_h = static_cast<bool>(p.slot(BLV_THETA, BLV_GRADIENT));
  const Vector theta = b.vector("theta"), v = b.vector("v", p.planes), h = wants_h ? b.vector("h", p.planes) : Vector();
  const Number loss = p.slot(BLV_LOSS, BLV_RESULT) ? b.number("loss") : Number();
  b.read(theta, p.slot(BLV_THETA, BLV_VALUE));
  b.read(v, p.slot(BLV_VECTOR, BLV_VALUE));
  b.check(theta);
  b.check(v);
  // h = H v
  b.tangent(theta, v, h, {.leaves = true, .loss = loss});
  b.check(h, loss);
  b.report_loss(loss);
  b.write(p.slot(BLV_LOSS, BLV_RESULT), loss);
  b.write(p.slot(BLV_THETA, BLV_GRADIENT), h);
  return b.finish();
}

}  // namespace

extern const Method hvp_method;
const Method hvp_method = {.id = BLV_HVP,
                           .name = "BLV_HVP",
                           .plain = "hvp",
                           .leaves_like = BLV_HVP,
                           .has_products = true,
                           .planes = "vectors",
                           .read = read,
                           .build = build};

}  // namespace bilevel
