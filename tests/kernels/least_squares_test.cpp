// SPDX-License-Identifier: Apache-2.0
//
// Linear least squares, where the T-step iterate has a closed form: with A = I - a H and H = X'WX / n + diag(p),
//
//     theta_T = A^T theta_0 + (I + A + ... + A^(T-1)) a X'Wy / n
//
// and so have its derivatives with respect to theta_0 (A^T)' l and y. Evaluated in long double by repeated squaring of A, not by
// running the steps, and held to 1e-11 relative.
#include "cases.h"

namespace {

using namespace harness;

using Matrix = std::vector<std::vector<long double>>;

Matrix product(const Matrix &a, const Matrix &b) {
  const size_t n = a.size();
  Matrix c(n, std::vector<long double>(b[0].size(), 0));
  for (size_t i = 0; i < n; i++) {
    for (size_t k = 0; k < b.size(); k++) {
      for (size_t j = 0; j < b[0].size(); j++) c[i][j] += a[i][k] * b[k][j];
    }
  }
  return c;
}

Matrix identity(size_t n) {
  Matrix a(n, std::vector<long double>(n, 0));
  for (size_t i = 0; i < n; i++) a[i][i] = 1;
  return a;
}

Matrix sum(const Matrix &a, const Matrix &b) {
  Matrix c = a;
  for (size_t i = 0; i < a.size(); i++) {
    for (size_t j = 0; j < a[0].size(); j++) c[i][j] += b[i][j];
  }
  return c;
}

// power = A^t, series = I + A + ... + A^(t-1).
void powers(const Matrix &a, int64_t t, Matrix *power, Matrix *series) {
  *power = identity(a.size());
  *series = Matrix(a.size(), std::vector<long double>(a.size(), 0));
  for (int bit = 62; bit >= 0; bit--) {  // (A^k, S_k) -> (A^2k, S_k + A^k S_k)
    *series = sum(*series, product(*power, *series));
    *power = product(*power, *power);
    if (t >> bit & 1) {
      *series = sum(*series, *power);
      *power = product(*power, a);
    }
  }
}

struct LeastSquares {
  Problem p;
  Matrix power, series, data;  // data: a X'W / n
  int64_t n, d;
  long double get(int side, int leaf, int64_t task, int64_t row, int64_t column) {
    const Array &a = *p.find(side, leaf, BLV_VALUE);
    return a.get(a.offset(task, 0, row, column));
  }
  LeastSquares(const Case &c, int64_t task) : p(c), n(c.rows), d(c.inputs()) {
    const long double rate = get(BLV_METHOD, BLV_RATE, task, 0, 0);
    Matrix a = identity(d);
    data = Matrix(d, std::vector<long double>(n, 0));
    for (int64_t i = 0; i < n; i++) {
      const long double w = get(BLV_INNER, BLV_WEIGHT, task, i, 0) / n * rate;
      for (int64_t j = 0; j < d; j++) {
        data[j][i] = w * get(BLV_INNER, BLV_X, task, i, j);
        for (int64_t k = 0; k < d; k++) a[j][k] -= data[j][i] * get(BLV_INNER, BLV_X, task, i, k);
      }
    }
    for (int64_t j = 0; j < d; j++) a[j][j] -= rate * get(BLV_INNER, BLV_PENALTY, task, 0, j);
    powers(a, c.steps, &power, &series);
  }
};

Case least_squares(int64_t d, int64_t steps) {
  Case c = plain_unroll(BLV_SQUARED, 0, BLV_SGD);
  c.flags = BLV_NO_BIAS;
  c.widths = {d, 1};
  c.rows = 2 * d + 3;
  c.steps = steps;
  leaf_in(c, BLV_METHOD, BLV_THETA0).gradient = true;
  leaf_in(c, BLV_INNER, BLV_Y).gradient = true;
  return c;
}

void expect_close(const std::vector<long double> &want, const std::vector<double> &got) {
  ASSERT_EQ(want.size(), got.size());
  long double norm = 0, error = 0;
  for (size_t i = 0; i < want.size(); i++) {
    norm += want[i] * want[i];
    error += (want[i] - got[i]) * (want[i] - got[i]);
  }
  EXPECT_TRUE(error <= 1e-22L * norm) << "relative error " << double(std::sqrt(error / norm));
}

void expect_closed_form(LeastSquares &s, const Outcome &out, int64_t task) {
  const auto part = [&](int leaf, int use, int64_t per_task) {
    const size_t at =
        static_cast<size_t>(s.p.find(leaf == BLV_Y ? BLV_INNER : BLV_METHOD, leaf, use) - s.p.arrays.data());
    const auto first = out.values[at].begin() + task * per_task;
    return std::vector<double>(first, first + per_task);
  };
  std::vector<long double> theta(s.d, 0), outer(s.d, 0), by_theta0(s.d, 0), by_y(s.n, 0);
  const Matrix offset = product(s.series, s.data);
  for (int64_t j = 0; j < s.d; j++) {
    for (int64_t k = 0; k < s.d; k++) theta[j] += s.power[j][k] * s.get(BLV_METHOD, BLV_THETA0, task, 0, k);
    for (int64_t i = 0; i < s.n; i++) theta[j] += offset[j][i] * s.get(BLV_INNER, BLV_Y, task, i, 0);
  }
  expect_close(theta, part(BLV_THETA, BLV_RESULT, s.d));
  for (int64_t i = 0; i < s.p.c.outer_rows; i++) {  // l = dL_out/dtheta_T
    long double residual = -s.get(BLV_OUTER, BLV_Y, task, i, 0);
    for (int64_t j = 0; j < s.d; j++) residual += s.get(BLV_OUTER, BLV_X, task, i, j) * theta[j];
    residual *= s.get(BLV_OUTER, BLV_WEIGHT, task, i, 0) / s.p.c.outer_rows;
    for (int64_t j = 0; j < s.d; j++) outer[j] += residual * s.get(BLV_OUTER, BLV_X, task, i, j);
  }
  for (int64_t j = 0; j < s.d; j++) outer[j] += s.get(BLV_OUTER, BLV_PENALTY, task, 0, j) * theta[j];
  for (int64_t j = 0; j < s.d; j++) {
    for (int64_t k = 0; k < s.d; k++) by_theta0[j] += s.power[k][j] * outer[k];
    for (int64_t i = 0; i < s.n; i++) by_y[i] += offset[j][i] * outer[j];
  }
  expect_close(by_theta0, part(BLV_THETA0, BLV_GRADIENT, s.d));
  expect_close(by_y, part(BLV_Y, BLV_GRADIENT, s.n));
}

TEST(LeastSquaresTest, ClosedForm) {
  for (int64_t d : {1, 4, 7, 16, 17}) {
    for (int64_t steps : {0, 1, 10, 100, 1000}) {
      if (machine() && steps > 100) continue;  // in the emulator that takes most of a minute
      for (int executor : executors()) {
        for (int isa : levels()) {
          Case c = least_squares(d, steps);
          c.executor = executor;
          Problem p(c);
          SCOPED_TRACE(name_of(c, {.isa = isa}));
          const Outcome out = run(p, {.isa = isa});
          ASSERT_EQ(out.status, BLV_OK) << out.error;
          for (int64_t task = 0; task < c.tasks; task++) {
            LeastSquares closed(c, task);
            ASSERT_NO_FATAL_FAILURE(expect_closed_form(closed, out, task));
          }
        }
      }
    }
  }
}

}  // namespace
