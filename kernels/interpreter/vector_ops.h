// SPDX-License-Identifier: Apache-2.0
//
// The interpreter's operations on parameter vectors: OP_LINEAR, OP_MAP, OP_DOT. `Run` is the Interpreter, which knows where the program's
// arrays and step leaves are.
#pragma once
#include "kernels/interpreter/registers.h"

namespace bilevel {
namespace BLV_ISA_NAMESPACE {

template <class Run>
struct VectorOps {
  using T = typename Run::Scalar;
  using P = typename Run::P;
  using Numbers = typename Run::Numbers;
  static constexpr Lanes L = Run::lanes_are;

  // A coefficient of one plane: a factor per entry at a stride of 1, or the same for all at 0.
  struct Factor {
    const P *at;
    Index stride;
    T sign;
  };
  static BLV_INLINE Factor factor(const Run &run, const Coefficient &c, const Counters &counter, const Numbers &number,
                                  Index k) {
    const T sign = T(c.sign);
    if (c.kind == COEFFICIENT_NUMBER) return {number.address(c.index + k), 0, sign};
    const auto &leaf = run.step_leaves[c.index];
    const Index t = counter.get(c.counter);
    return {c.kind == COEFFICIENT_LEAF ? leaf.at(t) : leaf.tangent_at(t, k), leaf.stride(), sign};
  }

  // z = a x + b y, then w = v, for every plane of z; an operand of one plane serves all.
  static BLV_FUNCTION void linear(const Run &run, const Op &op, const Counters &counter, const Numbers &number,
                                  FiniteCheck<T> &check) {
    P *z = run.at(op.z, counter), *w = op.w ? run.at(op.w, counter) : nullptr;
    const P *x = run.at(op.x, counter), *y = op.y ? run.at(op.y, counter) : nullptr,
            *v = op.v ? run.at(op.v, counter) : nullptr;
    const bool one_plane = op.planes == 1;
    const Index x_plane = one_plane || run.places[op.x.array].planes == 1 ? 0 : run.packs,
                y_plane = one_plane || !op.y || run.places[op.y.array].planes == 1 ? 0 : run.packs;
    for (Index k = 0; k < op.planes; k++, z += run.packs, x += x_plane, y += y_plane) {
      const auto store = [&](Index i, P value) BLV_LAMBDA {
        z[i] = value;
        if (w) w[i] = v[i];
      };
      // Shapes of their own, so that a coefficient of 1 costs no product and no rounding.
      const bool a_is_one = op.a.kind == COEFFICIENT_ONE, b_is_one = op.b.kind == COEFFICIENT_ONE;
      if (!op.y) {
        if (a_is_one && op.a.sign > 0) {
          strided_for_then_sync(run.packs, [&](Index i) { store(i, x[i]); });
        } else if (a_is_one) {
          strided_for_then_sync(run.packs, [&](Index i) { store(i, -x[i]); });
        } else {
          const Factor a = factor(run, op.a, counter, number, k);
          strided_for_then_sync(run.packs, [&](Index i) { store(i, a.sign * a.at[i * a.stride] * x[i]); });
        }
      } else if (a_is_one && b_is_one) {
        const T b = T(op.b.sign);
        strided_for_then_sync(run.packs, [&](Index i) { store(i, x[i] + b * y[i]); });
      } else if (a_is_one) {
        const Factor b = factor(run, op.b, counter, number, k);
        Integers<T> bits = {};
        strided_for_then_sync(run.packs, [&](Index i) {
          const P value = x[i] + (b.sign * b.at[i * b.stride]) * y[i];
          bits |= is_not_finite_bits(value);
          store(i, value);
        });
        if (op.flags & FLAG_CHECK) check.bits |= bits;
        continue;
      } else if (b_is_one) {
        const Factor a = factor(run, op.a, counter, number, k);
        strided_for_then_sync(run.packs, [&](Index i) { store(i, (a.sign * a.at[i * a.stride]) * x[i] + y[i]); });
      } else {
        const Factor a = factor(run, op.a, counter, number, k), b = factor(run, op.b, counter, number, k);
        strided_for_then_sync(run.packs, [&](Index i) {
          store(i, (a.sign * a.at[i * a.stride]) * x[i] + (b.sign * b.at[i * b.stride]) * y[i]);
        });
      }
      if (op.flags & FLAG_CHECK) check.see(z, run.packs);
    }
  }

  // z = f(x, y) entry by entry.
  static BLV_FUNCTION void map(const Run &run, const Op &op, const Counters &counter) {
    P *z = run.at(op.z, counter);
    const P *x = run.at(op.x, counter), *y = op.y ? run.at(op.y, counter) : x;
    strided_for_then_sync(run.packs * op.planes, [&](Index i) { z[i] = map_value<T>(op.function, x[i], y[i]); });
  }

  // <x, y> of plane k; an operand of one plane serves all.
  static BLV_FUNCTION P dot(const Run &run, const Op &op, const Counters &counter, Index k) {
    const P *x = run.at(op.x, counter) + (run.places[op.x.array].planes > 1 ? k * run.packs : 0),
            *y = run.at(op.y, counter) + (run.places[op.y.array].planes > 1 ? k * run.packs : 0);
    if (op.flags & FLAG_ROOT) return norm_over_parameters<T, L>(x, run.packs);
    return total_over_parameters<T, L>(thread_sum<P>(run.packs, [&](Index i) BLV_LAMBDA { return x[i] * y[i]; }));
  }
};

}  // namespace BLV_ISA_NAMESPACE
}  // namespace bilevel
