// SPDX-License-Identifier: Apache-2.0
//
// Gradients with respect to arrays behind a link keep their relative accuracy where the link saturates: sigmoid(a) near 1 has lost
// sigmoid(-a). One row, one parameter theta = 2, all leaves s = link(a): L = w (2 x - y)^2 / 2 + 2 p, so 2 x - y = s and
//     dL/da = link'(a) times s^2 / 2 (w), 2 s^2 (x), -s^2 (y), 2 (p).
#include "cases.h"

namespace {

using namespace harness;
using Real = long double;

TEST(LinkSlopes, KeepTheirDigits) {
  for (const int dtype : {BLV_F32, BLV_F64}) {
    for (const int link : {BLV_EXP, BLV_SOFTPLUS_LINK, BLV_SIGMOID_LINK}) {
      const double large = link == BLV_EXP ? 8 : 30;  // its leaves are cubed
      const std::vector<double> arguments = {-20, -5, -0.5, 0, 0.75, 5, large / 2, large};
      Case c{.widths = {1, 1}, .loss = BLV_SQUARED, .flags = BLV_NO_BIAS, .rows = 1};
      c.tasks = static_cast<int64_t>(arguments.size()), c.dtype = dtype;
      for (int leaf : {BLV_X, BLV_Y, BLV_WEIGHT, BLV_PENALTY})
        c.leaves.push_back({.side = BLV_INNER,
                            .leaf = leaf,
                            .gradient = true,
                            .link = link,
                            .extent = leaf == BLV_PENALTY ? BLV_SCALAR : 0});
      c.leaves.push_back({.leaf = BLV_THETA, .gradient = true});
      Problem p(c);
      for (size_t t = 0; t < arguments.size(); t++) {
        for (int leaf : {BLV_X, BLV_Y, BLV_WEIGHT, BLV_PENALTY}) {
          Array &a = *p.find(BLV_INNER, leaf, BLV_VALUE);
          a.set(a.offset(int64_t(t), 0, 0, 0), arguments[t]);
        }
        Array &theta = *p.find(BLV_METHOD, BLV_THETA, BLV_VALUE);
        theta.set(theta.offset(int64_t(t), 0, 0, 0), 2);
      }
      for (int executor : executors()) {
        for (int isa : levels()) {
          p.c.executor = executor;
          SCOPED_TRACE(name_of(p.c, {.isa = isa}) + " link " + std::to_string(link));
          const Outcome out = run(p, {.isa = isa});
          ASSERT_EQ(out.status, BLV_OK) << out.error;
          for (size_t t = 0; t < arguments.size(); t++) {
            const Real a = arguments[t], e = std::exp(-std::fabs(a)), near = e / (1 + e), far = 1 / (1 + e);
            const Real sigmoid = a < 0 ? near : far;
            const Real s = link == BLV_EXP            ? std::exp(a)
                           : link == BLV_SIGMOID_LINK ? sigmoid
                                                      : std::log1p(e) + (a > 0 ? a : 0);
            const Real slope = link == BLV_EXP ? s : link == BLV_SIGMOID_LINK ? near * far : sigmoid;
            const auto expect = [&](int leaf, Real factor, Real power) {
              const Real want = slope * factor * std::pow(s, power);
              const Array &g = *p.find(BLV_INNER, leaf, BLV_GRADIENT);
              const double got = g.get(g.offset(int64_t(t), 0, 0, 0));
              // Every factor s has 3 eps; the slope, the products and 2 x - y some more.
              EXPECT_TRUE(std::fabs(got - want) <= 24 * epsilon_of(c) * std::fabs(want))
                  << "leaf " << leaf << " at " << arguments[t] << ": " << got << ", want " << double(want);
            };
            expect(BLV_WEIGHT, 0.5L, 2), expect(BLV_X, 2, 2), expect(BLV_Y, -1, 2), expect(BLV_PENALTY, 2, 0);
          }
        }
      }
    }
  }
}

}  // namespace
