// SPDX-License-Identifier: Apache-2.0
//
// Dense linear algebra of a few dozen unknowns, as in a textbook: Gaussian elimination with partial pivoting.
#pragma once
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <utility>
#include <vector>

namespace oracle {

struct Dense {
  explicit Dense(size_t size) : n(size), entries(size * size, 0.0) {}
  double &operator()(size_t i, size_t j) { return entries[i * n + j]; }
  double operator()(size_t i, size_t j) const { return entries[i * n + j]; }
  size_t n;
  std::vector<double> entries;  // row by row
};

// x with a x = b. A matrix that is singular gives NaN or infinity.
inline std::vector<double> solve_dense(Dense a, std::vector<double> b) {
  const size_t n = a.n;
  for (size_t k = 0; k < n; k++) {
    size_t pivot = k;
    for (size_t i = k + 1; i < n; i++) {
      if (std::fabs(a(i, k)) > std::fabs(a(pivot, k))) pivot = i;
    }
    for (size_t j = 0; j < n; j++) std::swap(a(k, j), a(pivot, j));
    std::swap(b[k], b[pivot]);
    for (size_t i = k + 1; i < n; i++) {
      const double factor = a(i, k) / a(k, k);
      for (size_t j = k; j < n; j++) a(i, j) -= factor * a(k, j);
      b[i] -= factor * b[k];
    }
  }
  for (size_t k = n; k-- > 0;) {
    for (size_t j = k + 1; j < n; j++) b[k] -= a(k, j) * b[j];
    b[k] /= a(k, k);
  }
  return b;
}

inline std::vector<double> product(const Dense &a, const std::vector<double> &x) {
  std::vector<double> y(a.n, 0.0);
  for (size_t i = 0; i < a.n; i++) {
    for (size_t j = 0; j < a.n; j++) y[i] += a(i, j) * x[j];
  }
  return y;
}

inline double dot(const std::vector<double> &x, const std::vector<double> &y) {
  double sum = 0;
  for (size_t i = 0; i < x.size(); i++) sum += x[i] * y[i];
  return sum;
}

// Whether Cholesky's factor exists.
inline bool is_positive_definite(Dense a) {
  for (size_t k = 0; k < a.n; k++) {
    for (size_t j = 0; j < k; j++) a(k, k) -= a(k, j) * a(k, j);
    if (!(a(k, k) > 0)) return false;
    a(k, k) = std::sqrt(a(k, k));
    for (size_t i = k + 1; i < a.n; i++) {
      for (size_t j = 0; j < k; j++) a(i, k) -= a(i, j) * a(k, j);
      a(i, k) /= a(k, k);
    }
  }
  return true;
}

// Conjugate gradients as Hestenes & Stiefel wrote them, at most `limit` iterations.
struct ConjugateGradients {
  std::vector<double> x;
  int64_t iterations = 0;
};
inline ConjugateGradients conjugate_gradients(const Dense &a, const std::vector<double> &b, int64_t limit,
                                              double tolerance) {
  ConjugateGradients c;
  c.x.assign(a.n, 0.0);
  std::vector<double> r = b, d = b;
  const double stop = tolerance * std::sqrt(dot(b, b));
  while (c.iterations < limit && std::sqrt(dot(r, r)) > stop) {
    const std::vector<double> q = product(a, d);
    const double before = dot(r, r), alpha = before / dot(d, q);
    for (size_t i = 0; i < a.n; i++) c.x[i] += alpha * d[i], r[i] -= alpha * q[i];
    const double beta = dot(r, r) / before;
    for (size_t i = 0; i < a.n; i++) d[i] = r[i] + beta * d[i];
    c.iterations++;
  }
  return c;
}

inline double row_sum_norm(const Dense &a) {
  double top = 0;
  for (size_t i = 0; i < a.n; i++) {
    double sum = 0;
    for (size_t j = 0; j < a.n; j++) sum += std::fabs(a(i, j));
    top = std::fmax(top, sum);
  }
  return top;
}

// |a| |a^-1|
inline double condition_of(const Dense &a) {
  Dense inverse(a.n);
  for (size_t j = 0; j < a.n; j++) {
    std::vector<double> unit(a.n, 0.0);
    unit[j] = 1;
    const std::vector<double> column = solve_dense(a, unit);
    for (size_t i = 0; i < a.n; i++) inverse(i, j) = column[i];
  }
  return row_sum_norm(a) * row_sum_norm(inverse);
}

}  // namespace oracle
