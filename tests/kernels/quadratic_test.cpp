// SPDX-License-Identifier: Apache-2.0
//
// Every method on quadratics, whose derivatives of any order are a line of linear algebra each; dense and diagonal, A of every task or
// shared, and solves that start from the solution of the last execute.
#include "quadratic.h"

#include <functional>

namespace {

using namespace harness;
using oracle::Dense;

// Relative to the largest element.
void expect_near(const Vector &got, const Vector &want, double tolerance, const char *what) {
  ASSERT_EQ(got.size(), want.size()) << what;
  double top = 1;
  for (double w : want) top = std::fmax(top, std::fabs(w));
  for (size_t i = 0; i < got.size(); i++)
    ASSERT_LE(std::fabs(got[i] - want[i]), tolerance * top)
        << what << " element " << i << ": " << got[i] << ", expected " << want[i];
}

// (A + A') / 2 x
Vector symmetric_product(const Dense &a, const Vector &x) {
  Vector y(a.n, 0.0);
  for (size_t i = 0; i < a.n; i++) {
    for (size_t j = 0; j < a.n; j++) y[i] += (a(i, j) + a(j, i)) / 2 * x[j];
  }
  return y;
}
Vector minus(Vector x, const Vector &y, double factor = 1) {
  for (size_t i = 0; i < x.size(); i++) x[i] -= factor * y[i];
  return x;
}
Vector times(double factor, Vector x) {
  for (double &v : x) v *= factor;
  return x;
}
// dL/dA along pairs: factor (x y' + y x') / 2, of a diagonal A its diagonal.
Vector outer_product(const Quadratic &q, double factor, const Vector &x, const Vector &y) {
  Vector all;
  for (size_t i = 0; i < x.size(); i++) {
    if (q.diagonal) all.push_back(factor * x[i] * y[i]);
    for (size_t j = 0; !q.diagonal && j < x.size(); j++) all.push_back(factor * (x[i] * y[j] + y[i] * x[j]) / 2);
  }
  return all;
}
Vector gradient(const Call &c, int side, int64_t task, const Vector &theta) {
  return minus(symmetric_product(c.matrix(side, task), theta), c.of(side, BLV_Y, BLV_VALUE, task));
}
double loss_of(const Call &c, int side, int64_t task, const Vector &theta) {
  return oracle::dot(symmetric_product(c.matrix(side, task), theta), theta) / 2 -
         oracle::dot(c.of(side, BLV_Y, BLV_VALUE, task), theta);
}

class Quadratics : public testing::TestWithParam<int> {
 protected:
  // Sizes on both sides of every vector width and tile, each executor, dense, diagonal, shared.
  void for_all(const std::function<void(const Quadratic &)> &body) const {
    for (int64_t size : machine() ? std::vector<int64_t>{1, 7, 37} : std::vector<int64_t>{1, 2, 5, 16, 17, 40}) {
      for (int executor : executors()) {
        for (int isa : levels()) {
          for (int form = 0; form < 4; form++) {
            const Quadratic q = {.size = size,
                                 .tasks = size % 2 ? 3 : 17,
                                 .dtype = GetParam(),
                                 .executor = executor,
                                 .isa = isa,
                                 .diagonal = (form & 1) != 0,
                                 .shared = (form & 2) != 0};
            SCOPED_TRACE(q.name());
            body(q);
            if (HasFatalFailure()) return;
          }
        }
      }
    }
  }
};

TEST_P(Quadratics, Evaluate) {
  for_all([](const Quadratic &q) {
    Call c(q);
    c.value(BLV_METHOD, BLV_THETA, q.size);
    c.loss(BLV_INNER);
    c.write(BLV_METHOD, BLV_LOSS, BLV_RESULT, 1);
    c.write(BLV_METHOD, BLV_THETA, BLV_GRADIENT, q.size);
    c.write(BLV_INNER, BLV_X, BLV_GRADIENT, q.size_of_a());
    c.write(BLV_INNER, BLV_Y, BLV_GRADIENT, q.size);
    c.write(BLV_INNER, BLV_PENALTY, BLV_GRADIENT, 1, false, BLV_SCALAR);
    const blv_method method = {abi_size<blv_method>, BLV_EVALUATE, 0};
    ASSERT_NO_FATAL_FAILURE(c.run(&method, false));
    const double e = 20 * double(q.size) * q.epsilon();
    for (int64_t t = 0; t < q.tasks; t++) {
      const Vector theta = c.of(BLV_METHOD, BLV_THETA, BLV_VALUE, t);
      expect_near(c.of(BLV_METHOD, BLV_LOSS, BLV_RESULT, t), {loss_of(c, BLV_INNER, t, theta)}, e, "loss");
      expect_near(c.of(BLV_METHOD, BLV_THETA, BLV_GRADIENT, t), gradient(c, BLV_INNER, t, theta), e, "gradient");
      expect_near(c.of(BLV_INNER, BLV_X, BLV_GRADIENT, t), outer_product(q, 0.5, theta, theta), e, "A");
      expect_near(c.of(BLV_INNER, BLV_Y, BLV_GRADIENT, t), times(-1, theta), e, "b");
      expect_near(c.of(BLV_INNER, BLV_PENALTY, BLV_GRADIENT, t), {oracle::dot(theta, theta) / 2}, e, "p");
    }
  });
}

TEST_P(Quadratics, Products) {
  for_all([](const Quadratic &q) {
    const int64_t k = 3;
    Call c(q);
    c.value(BLV_METHOD, BLV_THETA, q.size);
    c.value(BLV_METHOD, BLV_VECTOR, k * q.size);
    c.arrays.back().slot.step_stride = q.size;
    c.loss(BLV_INNER);
    c.write(BLV_METHOD, BLV_THETA, BLV_GRADIENT, k * q.size, false, BLV_NATURAL, q.size);
    c.write(BLV_INNER, BLV_X, BLV_GRADIENT, k * q.size_of_a(), false, BLV_NATURAL, q.size_of_a());
    c.write(BLV_INNER, BLV_Y, BLV_GRADIENT, k * q.size, false, BLV_NATURAL, q.size);
    const blv_hvp method = {{abi_size<blv_hvp>, BLV_HVP, 0}, k};
    ASSERT_NO_FATAL_FAILURE(c.run(&method.head, false));
    const double e = 20 * double(q.size) * q.epsilon();
    for (int64_t t = 0; t < q.tasks; t++) {
      const Vector theta = c.of(BLV_METHOD, BLV_THETA, BLV_VALUE, t), v = c.of(BLV_METHOD, BLV_VECTOR, BLV_VALUE, t);
      Vector h, cross_a, cross_b;
      for (int64_t j = 0; j < k; j++) {
        const Vector vj(v.begin() + j * q.size, v.begin() + (j + 1) * q.size);
        for (double x : symmetric_product(c.matrix(BLV_INNER, t), vj)) h.push_back(x);
        for (double x : outer_product(q, 1, theta, vj)) cross_a.push_back(x);
        for (double x : vj) cross_b.push_back(-x);
      }
      expect_near(c.of(BLV_METHOD, BLV_THETA, BLV_GRADIENT, t), h, e, "H v");
      expect_near(c.of(BLV_INNER, BLV_X, BLV_GRADIENT, t), cross_a, e, "A");
      expect_near(c.of(BLV_INNER, BLV_Y, BLV_GRADIENT, t), cross_b, e, "b");
    }
  });
}

// theta_0, both losses and a rate, the hypergradients of theta_0, A, b and the rate.
Call unrolled(const Quadratic &q) {
  Call c(q);
  c.value(BLV_METHOD, BLV_THETA0, q.size);
  c.loss(BLV_INNER);
  c.loss(BLV_OUTER);
  c.value(BLV_METHOD, BLV_RATE, 1, true, BLV_SCALAR);
  c.arrays.back().values[0] = c.rounded(0.2);
  c.write(BLV_METHOD, BLV_LOSS, BLV_RESULT, 1);
  c.write(BLV_METHOD, BLV_THETA, BLV_RESULT, q.size);
  return c;
}

TEST_P(Quadratics, Unroll) {
  const int64_t steps = 6;
  for_all([&](const Quadratic &q) {
    Call c = unrolled(q);
    c.write(BLV_METHOD, BLV_THETA0, BLV_GRADIENT, q.size);
    c.write(BLV_INNER, BLV_X, BLV_GRADIENT, q.size_of_a());
    c.write(BLV_INNER, BLV_Y, BLV_GRADIENT, q.size);
    c.write(BLV_METHOD, BLV_RATE, BLV_GRADIENT, 1, false, BLV_SCALAR);
    const blv_unroll method = {{abi_size<blv_unroll>, BLV_UNROLL, 0}, BLV_SGD, BLV_STORE_AUTO, steps, 0};
    ASSERT_NO_FATAL_FAILURE(c.run(&method.head, true));
    const double e = 100 * double(q.size) * q.epsilon(), rate = c.of(BLV_METHOD, BLV_RATE, BLV_VALUE, 0)[0];
    for (int64_t t = 0; t < q.tasks; t++) {
      std::vector<Vector> theta = {c.of(BLV_METHOD, BLV_THETA0, BLV_VALUE, t)};
      for (int64_t s = 0; s < steps; s++)
        theta.push_back(minus(theta.back(), gradient(c, BLV_INNER, t, theta.back()), rate));
      Vector lambda = gradient(c, BLV_OUTER, t, theta.back()), of_b(size_t(q.size), 0.0);
      Vector of_a(size_t(q.size_of_a()), 0.0);
      double of_rate = 0;
      for (int64_t s = steps; s-- > 0;) {
        const Vector &at = theta[size_t(s)];
        of_rate -= oracle::dot(lambda, gradient(c, BLV_INNER, t, at));
        of_b = minus(of_b, lambda, -rate);
        of_a = minus(of_a, outer_product(q, rate, at, lambda));
        lambda = minus(lambda, symmetric_product(c.matrix(BLV_INNER, t), lambda), rate);
      }
      expect_near(c.of(BLV_METHOD, BLV_LOSS, BLV_RESULT, t), {loss_of(c, BLV_OUTER, t, theta.back())}, e, "loss");
      expect_near(c.of(BLV_METHOD, BLV_THETA, BLV_RESULT, t), theta.back(), e, "theta_T");
      expect_near(c.of(BLV_METHOD, BLV_THETA0, BLV_GRADIENT, t), lambda, e, "theta_0");
      expect_near(c.of(BLV_INNER, BLV_X, BLV_GRADIENT, t), of_a, e, "A");
      expect_near(c.of(BLV_INNER, BLV_Y, BLV_GRADIENT, t), of_b, e, "b");
      expect_near(c.of(BLV_METHOD, BLV_RATE, BLV_GRADIENT, t), {of_rate}, e, "rate");
    }
  });
}

// Along directions of theta_0 and b: d theta_{t+1} = (I - rate H) d theta_t + rate db.
TEST_P(Quadratics, Forward) {
  const int64_t steps = 6, k = 2;
  for_all([&](const Quadratic &q) {
    Call c = unrolled(q);
    for (const auto &[side, leaf] : {std::pair<int, int>{BLV_METHOD, BLV_THETA0}, {BLV_INNER, BLV_Y}}) {
      c.value(side, leaf, k * q.size);
      c.arrays.back().slot.use = BLV_TANGENT, c.arrays.back().slot.step_stride = q.size;
    }
    c.write(BLV_METHOD, BLV_THETA_TANGENT, BLV_RESULT, k * q.size, false, BLV_NATURAL, q.size);
    c.write(BLV_METHOD, BLV_LOSS_TANGENT, BLV_RESULT, k, false, BLV_NATURAL, 1);
    const blv_forward method = {{abi_size<blv_forward>, BLV_FORWARD, 0}, BLV_SGD, 0, steps, 0, k};
    ASSERT_NO_FATAL_FAILURE(c.run(&method.head, true));
    const double e = 100 * double(q.size) * q.epsilon(), rate = c.of(BLV_METHOD, BLV_RATE, BLV_VALUE, 0)[0];
    for (int64_t t = 0; t < q.tasks; t++) {
      const Vector d_theta0 = c.of(BLV_METHOD, BLV_THETA0, BLV_TANGENT, t),
                   d_b = c.of(BLV_INNER, BLV_Y, BLV_TANGENT, t);
      const Vector at_end = gradient(c, BLV_OUTER, t, c.of(BLV_METHOD, BLV_THETA, BLV_RESULT, t));
      Vector of_theta, of_loss;
      for (int64_t j = 0; j < k; j++) {
        Vector d(d_theta0.begin() + j * q.size, d_theta0.begin() + (j + 1) * q.size);
        const Vector db(d_b.begin() + j * q.size, d_b.begin() + (j + 1) * q.size);
        for (int64_t s = 0; s < steps; s++) d = minus(d, minus(symmetric_product(c.matrix(BLV_INNER, t), d), db), rate);
        of_loss.push_back(oracle::dot(at_end, d));
        of_theta.insert(of_theta.end(), d.begin(), d.end());
      }
      expect_near(c.of(BLV_METHOD, BLV_THETA_TANGENT, BLV_RESULT, t), of_theta, e, "theta_T");
      expect_near(c.of(BLV_METHOD, BLV_LOSS_TANGENT, BLV_RESULT, t), of_loss, e, "loss");
    }
  });
}

blv_implicit by_gradients(const Quadratic &q, bool warm) {
  blv_implicit m = {};
  m.head.size = abi_size<blv_implicit>, m.head.kind = BLV_IMPLICIT, m.optimiser = BLV_SGD, m.solver = BLV_CG;
  m.iterations = 3 * q.size + 20, m.tolerance = 30 * q.epsilon(), m.warm_start = warm;
  return m;
}
Call solved(const Quadratic &q) {
  Call c = unrolled(q);
  c.write(BLV_INNER, BLV_Y, BLV_GRADIENT, q.size);
  c.write(BLV_METHOD, BLV_SOLUTION, BLV_RESULT, q.size);
  c.write(BLV_METHOD, BLV_RESIDUAL, BLV_RESULT, 1);
  return c;
}

TEST_P(Quadratics, Implicit) {
  for_all([](const Quadratic &q) {
    Call c = solved(q);
    const blv_implicit method = by_gradients(q, false);
    ASSERT_NO_FATAL_FAILURE(c.run(&method.head, true));
    EXPECT_TRUE(c.state.empty());
    for (int64_t t = 0; t < q.tasks; t++) {
      const Vector theta = c.of(BLV_METHOD, BLV_THETA, BLV_RESULT, t);
      const Vector v = oracle::solve_dense(c.matrix(BLV_INNER, t), gradient(c, BLV_OUTER, t, theta));
      expect_near(c.of(BLV_METHOD, BLV_SOLUTION, BLV_RESULT, t), v, 200 * double(q.size) * q.epsilon(), "v");
      expect_near(c.of(BLV_INNER, BLV_Y, BLV_GRADIENT, t), v, 200 * double(q.size) * q.epsilon(), "b");
    }
  });
}

// With a state, the second execute begins where the first ended: nothing is left to do, and after a small change little is. It ends at
// the same solution as from zero.
TEST_P(Quadratics, WarmStart) {
  for_all([](const Quadratic &q) {
    Call c = solved(q);
    blv_implicit method = by_gradients(q, true);
    method.tolerance = 1000 * q.epsilon();
    ASSERT_NO_FATAL_FAILURE(c.run(&method.head, true));
    ASSERT_FALSE(c.state.empty());
    const std::vector<blv_task_info> first = c.info;
    const Vector v = c.find(BLV_METHOD, BLV_SOLUTION, BLV_RESULT).values;
    ASSERT_NO_FATAL_FAILURE(c.run(&method.head, true));
    for (int64_t t = 0; t < q.tasks; t++) {
      EXPECT_GT(first[size_t(t)].iterations, 0);
      EXPECT_LE(c.info[size_t(t)].iterations, 1);
    }
    expect_near(c.find(BLV_METHOD, BLV_SOLUTION, BLV_RESULT).values, v, 8000 * q.epsilon(), "v again");

    for (Values &a : c.arrays) {
      if (a.slot.side == BLV_OUTER && a.slot.leaf == BLV_Y) a.values[0] = c.rounded(a.values[0] + 0.5);
    }
    ASSERT_NO_FATAL_FAILURE(c.run(&method.head, true));
    EXPECT_GT(c.info[0].iterations, 0);
    Call cold = c;
    cold.state.clear();
    ASSERT_NO_FATAL_FAILURE(cold.run(&method.head, true));
    expect_near(c.find(BLV_METHOD, BLV_SOLUTION, BLV_RESULT).values,
                cold.find(BLV_METHOD, BLV_SOLUTION, BLV_RESULT).values, 8000 * q.epsilon(), "v moved");
    for (int64_t t = 1; t < q.tasks; t++)
      EXPECT_LE(c.info[size_t(t)].iterations, 1) << "task " << t << " has not moved";
  });
}

// Squares of the right-hand side overflow in f32, or vanish.
TEST_P(Quadratics, RightHandSidesOfAnySize) {
  for (const double scale : {1e30, 1e-30}) {
    for_all([&](const Quadratic &q) {
      Call c = solved(q);
      for (Values &a : c.arrays) {
        if (a.slot.side != BLV_OUTER) continue;
        for (double &x : a.values) x = a.slot.leaf == BLV_Y ? c.rounded(x * scale) : 0;
      }
      const blv_implicit method = by_gradients(q, false);
      ASSERT_NO_FATAL_FAILURE(c.run(&method.head, true));
      for (int64_t t = 0; t < q.tasks; t++) {
        const Vector b = c.of(BLV_OUTER, BLV_Y, BLV_VALUE, t), got = c.of(BLV_METHOD, BLV_SOLUTION, BLV_RESULT, t);
        const Vector v = oracle::solve_dense(c.matrix(BLV_INNER, t), times(-1 / scale, b));
        expect_near(times(1 / scale, got), v, 200 * double(q.size) * q.epsilon(), "v");
        EXPECT_LE(c.of(BLV_METHOD, BLV_RESIDUAL, BLV_RESULT, t)[0], 100 * double(q.size) * q.epsilon());
      }
    });
  }
}

// Nothing to solve for, whatever the last solution was.
TEST_P(Quadratics, WarmStartOfZero) {
  for_all([](const Quadratic &q) {
    Call c = solved(q);
    const blv_implicit method = by_gradients(q, true);
    ASSERT_NO_FATAL_FAILURE(c.run(&method.head, true));
    for (Values &a : c.arrays) {
      if (a.slot.side == BLV_OUTER) std::fill(a.values.begin(), a.values.end(), 0.0);
    }
    ASSERT_NO_FATAL_FAILURE(c.run(&method.head, true));
    for (const blv_task_info &task : c.info) EXPECT_EQ(task.iterations, 0);
    for (const int leaf : {BLV_SOLUTION, BLV_RESIDUAL})
      for (const double x : c.find(BLV_METHOD, leaf, BLV_RESULT).values) ASSERT_EQ(x, 0);
  });
}

// The state of tasks that do not run is what it was.
TEST_P(Quadratics, WarmStartAfterFewerTasks) {
  for_all([](const Quadratic &q) {
    Call c = solved(q);
    blv_implicit method = by_gradients(q, true);
    method.tolerance = 1000 * q.epsilon();
    ASSERT_NO_FATAL_FAILURE(c.run(&method.head, true));
    ASSERT_NO_FATAL_FAILURE(c.run(&method.head, true, q.tasks - 1));
    ASSERT_NO_FATAL_FAILURE(c.run(&method.head, true));
    EXPECT_LE(c.info.back().iterations, 1);
  });
}

// A step with a rate behind a link that saturates: dL/da = -sigmoid(a) sigmoid(-a) lambda' g.
TEST_P(Quadratics, SlopesOfRatesBehindASigmoid) {
  for (const double a : {-12., 0.5, 12., 25.}) {
    for_all([&](const Quadratic &q) {
      Call c = unrolled(q);
      for (Values &v : c.arrays) {
        if (v.slot.leaf != BLV_RATE) continue;
        v.slot.link = BLV_SIGMOID_LINK, v.values[0] = a;
      }
      c.write(BLV_METHOD, BLV_RATE, BLV_GRADIENT, 1, false, BLV_SCALAR);
      const blv_unroll method = {{abi_size<blv_unroll>, BLV_UNROLL, 0}, BLV_SGD, BLV_STORE_AUTO, 1, 0};
      ASSERT_NO_FATAL_FAILURE(c.run(&method.head, true));
      const double rate = 1 / (1 + std::exp(-a)), slope = rate / (1 + std::exp(a));
      for (int64_t t = 0; t < q.tasks; t++) {
        const Vector theta = c.of(BLV_METHOD, BLV_THETA0, BLV_VALUE, t), g = gradient(c, BLV_INNER, t, theta);
        const Vector lambda = gradient(c, BLV_OUTER, t, minus(theta, g, rate));
        const double norms = std::sqrt(oracle::dot(lambda, lambda) * oracle::dot(g, g));
        EXPECT_LE(std::fabs(c.of(BLV_METHOD, BLV_RATE, BLV_GRADIENT, t)[0] + slope * oracle::dot(lambda, g)),
                  100 * double(q.size) * q.epsilon() * slope * norms);
      }
    });
  }
}

INSTANTIATE_TEST_SUITE_P(All, Quadratics, testing::Values(BLV_F64, BLV_F32));

}  // namespace
