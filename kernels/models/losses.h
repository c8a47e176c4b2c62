// SPDX-License-Identifier: Apache-2.0
//
// The losses, a short file each in losses/; which there are is listed in kernels/contract/losses.h.
#pragma once
#include "kernels/contract/losses.h"
#include "kernels/models/losses/cross_entropy.h"
#include "kernels/models/losses/logistic.h"
#include "kernels/models/losses/squared.h"

namespace bilevel {
namespace BLV_ISA_NAMESPACE {

// X is the executor's Map over the outputs, or over the rows where there is one output and lanes lie within a task.
template <class X, class Mat, class P = typename X::P>
BLV_FUNCTION BLV_NOINLINE void loss_rows(X x, const LossArguments<Mat, P> &a) {
#define BLV_CASE(enumerator, name, targets) \
  case enumerator:                          \
    return x.for_rows(a.n, a.outputs, [&](Index i) BLV_LAMBDA { name##_row(x, a, i); });
  switch (a.loss) { BLV_LOSSES(BLV_CASE) }
#undef BLV_CASE
}

}  // namespace BLV_ISA_NAMESPACE
}  // namespace bilevel
