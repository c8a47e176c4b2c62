// SPDX-License-Identifier: Apache-2.0
//
// What each problem is (the same numbers as bench/peers/data.py) and how much work it needs.
//
// Needed multiply-adds, per task. M: those of one forward pass, n rows times the sum over layers of inputs x outputs; M0: those of the
// first layer. Maps (tanh, exp, softmax) and updates are not counted, so the floor lies below what any program reaches.
//   value pass      forward M, weight gradients M, signals of all layers but the first M - M0               3 M -   M0
//   tangent pass    with the values of the value pass kept ("taped"), for an adjoint l of theta:
//                   forward W' h + W h' (h' = 0 in front) 2M - M0; signals W''d + W'd' 2(M - M0);
//                   weight gradients d'h' + d h'' 2M - M0                                                     6 M - 4 M0
//   unroll          T value passes, one of the outer loss, then T tangent passes; where theta_0 has no gradient the first step needs
//                   no Hessian product: only the forward tangent (row weights) or nothing (penalties).
//   CG              logits; then for each iteration X d and the sum over rows: n d (1 + 2 K). The cross product with penalties needs no rows.
//   HVP             logits, and for each of K vectors X v and the sum over rows: n d (1 + 2 K).
#include "problem.h"

#include <algorithm>
#include <cmath>
#include <utility>

namespace bench {

void *Problem::array(int64_t count) {
  memory_.push_back(allocate(count * 4));
  return memory_.back().get();
}

void Problem::slot(int side, int leaf, int use, void *array, int64_t count, int64_t task_stride, int extent, int link,
                   int dtype) {
  blv_slot s{};
  s.side = side, s.leaf = leaf, s.use = use, s.dtype = dtype, s.link = link, s.extent = extent;
  s.task_stride = task_stride;
  slots.push_back(s);
  data.push_back(array);
  counts.push_back(count);
}

void Problem::gradient(int side, int leaf, int64_t count, int64_t task_stride, int extent) {
  result_slot = static_cast<int64_t>(slots.size());
  slot(side, leaf, BLV_GRADIENT, array(count), count, task_stride, extent);
}

blv_spec Problem::spec(int dtype, int executor, int flags) const {
  blv_spec s{};
  s.size = sizeof s;
  s.dtype = dtype;
  s.tasks = tasks;
  s.inner = &inner;
  s.outer = method == &unroll.head || method == &implicit.head ? &outer : nullptr;
  s.method = method;
  s.n_slots = static_cast<int64_t>(slots.size());
  s.slots = slots.data();
  s.executor = executor;
  s.flags = flags;
  return s;
}

namespace {

constexpr double kPi = 3.14159265358979323846;

blv_objective objective(const Problem &p, int loss, int64_t rows, int flags) {
  blv_objective o{};
  o.size = sizeof o, o.model = BLV_NETWORK, o.loss = loss, o.activation = BLV_TANH, o.flags = flags, o.rows = rows;
  o.n_widths = static_cast<int64_t>(p.widths.size());
  o.widths = p.widths.data();
  return o;
}

void set_unroll(Problem *p, int64_t steps) {
  p->unroll.head.size = sizeof p->unroll;
  p->unroll.head.kind = BLV_UNROLL;
  p->unroll.optimiser = BLV_SGD;
  p->unroll.steps = steps;
  p->method = &p->unroll.head;
}

void set_rate(Problem *p, float rate) {
  p->values(
      BLV_METHOD, BLV_RATE, 1, 0, [&](int64_t) { return rate; }, BLV_SCALAR);
}

// Uniform in (-1, 1) over the square root of each layer's inputs.
double bound_at(const std::vector<int64_t> &widths, int64_t parameter) {
  for (size_t l = 0; l + 1 < widths.size(); ++l) {
    const int64_t count = widths[l + 1] * (widths[l] + 1);
    if (parameter < count) return 1 / std::sqrt(static_cast<double>(widths[l]));
    parameter -= count;
  }
  return 1;
}

// Multiply-adds of one row's forward pass.
double products(const std::vector<int64_t> &widths) {
  double sum = 0;
  for (size_t l = 0; l + 1 < widths.size(); ++l) sum += static_cast<double>(widths[l] * widths[l + 1]);
  return sum;
}

// Pixels and classes of both sides, and the row weights.
void add_images(Problem *p) {
  const int64_t d = p->widths.front(), c = p->widths.back();
  for (int side : {BLV_INNER, BLV_OUTER}) {
    const int64_t rows = side == BLV_INNER ? p->inner.rows : p->outer.rows;
    const uint64_t seed = side == BLV_INNER ? 1 : 3;
    p->values(side, BLV_X, rows * d, 0, [&](int64_t i) { return std::max(uniform(seed, i) - 0.6f, 0.0f) * 2.5f; });
    p->values<int32_t>(side, BLV_Y, rows, 0, [&](int64_t i) {
      return static_cast<int32_t>((uniform(seed + 1, i) + 1.0f) * static_cast<float>(c) / 2);
    });
  }
  p->values(
      BLV_INNER, BLV_WEIGHT, p->inner.rows, 0, [](int64_t i) { return uniform(5, i); }, 0, BLV_SIGMOID_LINK);
}

}  // namespace

void make_sine(Problem *p, int64_t tasks, int64_t steps) {
  const int64_t rows = 10, parameters = 1761;
  const float bound = static_cast<float>(1 / std::sqrt(40.0));
  p->tasks = tasks;
  p->widths = {1, 40, 40, 1};
  p->inner = p->outer = objective(*p, BLV_SQUARED, rows, 0);
  set_unroll(p, steps);
  p->values(BLV_METHOD, BLV_THETA0, parameters, 0, [&](int64_t i) { return uniform(5, i) * (i < 80 ? 1.0f : bound); });
  for (int side : {BLV_INNER, BLV_OUTER}) {
    const uint64_t seed = side == BLV_INNER ? 3 : 4;
    const float *x = p->values(side, BLV_X, tasks * rows, rows, [&](int64_t i) { return 5.0f * uniform(seed, i); });
    p->values(side, BLV_Y, tasks * rows, rows, [&](int64_t i) {
      const double amplitude = 0.1 + 4.9 * 0.5 * (double{uniform(1, i / rows)} + 1);
      const double shift = kPi * 0.5 * (double{uniform(2, i / rows)} + 1);
      return static_cast<float>(amplitude * std::sin(double{x[i]} + shift));
    });
  }
  set_rate(p, 0.01f);
  p->gradient(BLV_METHOD, BLV_THETA0, parameters, 0);
  const double m = 10 * (40 + 1600 + 40), m0 = 10 * 40, t = static_cast<double>(steps), b = static_cast<double>(tasks);
  p->flops = 2 * b * (t * (3 * m - m0) + (3 * m - m0) + t * (6 * m - 4 * m0));
  p->bytes = 4 * (40 * b + 2 * parameters);
}

void make_cleaning(Problem *p, int64_t n, int64_t n_outer, int64_t d, int64_t c, int64_t steps) {
  p->widths = {d, c};
  p->inner = objective(*p, BLV_CROSS_ENTROPY, n, 0);
  p->outer = objective(*p, BLV_CROSS_ENTROPY, n_outer, 0);
  set_unroll(p, steps);
  p->values(BLV_METHOD, BLV_THETA0, (d + 1) * c, 0, [](int64_t) { return 0.0f; });
  add_images(p);
  set_rate(p, 0.3f);
  p->gradient(BLV_INNER, BLV_WEIGHT, n, 0);
  const double t = static_cast<double>(steps), dc = static_cast<double>(d * c);
  const double m = dc * static_cast<double>(n), m_outer = dc * static_cast<double>(n_outer);
  p->flops = 2 * (t * 2 * m + 2 * m_outer + (steps > 0 ? (t - 1) * 2 * m + m : 0));
  p->bytes = 4.0 * static_cast<double>((n + n_outer) * (d + 1) + 2 * n);
}

void make_minibatches(Problem *p, int64_t n, int64_t n_outer, std::vector<int64_t> widths, int64_t batch,
                      int64_t steps) {
  p->widths = std::move(widths);
  const int64_t d = p->widths.front();
  const int64_t parameters = blv_parameter_count(static_cast<int64_t>(p->widths.size()), p->widths.data(), 0);
  p->inner = objective(*p, BLV_CROSS_ENTROPY, n, 0);
  p->outer = objective(*p, BLV_CROSS_ENTROPY, n_outer, 0);
  set_unroll(p, steps);
  p->unroll.optimiser = BLV_HEAVY_BALL;
  p->unroll.batch_rows = batch;
  p->values(BLV_METHOD, BLV_THETA0, parameters, 0,
            [&](int64_t i) { return uniform(6, i) * static_cast<float>(bound_at(p->widths, i)); });
  add_images(p);
  p->values<int32_t>(BLV_INNER, BLV_BATCH, steps * batch, 0, [&](int64_t i) {
    return static_cast<int32_t>((uniform(7, i) + 1.0f) * static_cast<float>(n) / 2);
  });
  p->slots.back().step_stride = batch;
  set_rate(p, 0.05f);
  p->values(
      BLV_METHOD, BLV_MOMENTUM, 1, 0, [](int64_t) { return 0.9f; }, BLV_SCALAR);
  p->gradient(BLV_INNER, BLV_WEIGHT, n, 0);
  const double weights = products(p->widths), first = static_cast<double>(d * p->widths[1]);
  const double m = weights * static_cast<double>(batch), m0 = first * static_cast<double>(batch);
  const double t = static_cast<double>(steps), rows = static_cast<double>(n_outer);
  p->flops =
      2 * (t * (3 * m - m0) + rows * (3 * weights - first) + (steps > 0 ? (t - 1) * (6 * m - 4 * m0) + 2 * m - m0 : 0));
  p->bytes = 4.0 * static_cast<double>((n + n_outer) * (d + 1) + 2 * n + steps * batch);
}

void make_hpo(Problem *p, int64_t tasks, int64_t n, int64_t d, int64_t steps) {
  p->tasks = tasks;
  p->widths = {d, 1};
  p->inner = p->outer = objective(*p, BLV_LOGISTIC, n, BLV_NO_BIAS);
  set_unroll(p, steps);
  p->values(BLV_METHOD, BLV_THETA0, d, 0, [](int64_t) { return 0.0f; });
  for (int side : {BLV_INNER, BLV_OUTER}) {
    const uint64_t seed = side == BLV_INNER ? 1 : 3;
    const float *x =
        p->values(side, BLV_X, tasks * n * d, n * d, [&](int64_t i) { return 1.7320508f * uniform(seed, i); });
    p->values(side, BLV_Y, tasks * n, n, [&](int64_t i) {
      const float second = d > 1 ? x[i * d + 1] : 0.0f;
      return x[i * d] + second + uniform(seed + 1, i) > 0 ? 1.0f : 0.0f;
    });
  }
  p->values(
      BLV_INNER, BLV_PENALTY, tasks * d, d, [](int64_t i) { return uniform(5, i) - 3.0f; }, BLV_PER_FEATURE, BLV_EXP);
  set_rate(p, 0.5f);
  p->gradient(BLV_INNER, BLV_PENALTY, tasks * d, d, BLV_PER_FEATURE);
  const double m = static_cast<double>(n * d), b = static_cast<double>(tasks), t = static_cast<double>(steps);
  p->flops = 2 * b * (t * 2 * m + 2 * m + (steps > 0 ? (t - 1) * 2 * m : 0));
  p->bytes = 4.0 * b * static_cast<double>(2 * n * (d + 1) + 2 * d);
}

// X is read again by every product if it is larger than any cache.
constexpr double kLargestCache = 128e6;

void make_implicit(Problem *p, int64_t tasks, int64_t n, int64_t n_outer, int64_t d, int64_t iterations) {
  p->tasks = tasks;
  p->widths = {d, 1};
  p->inner = objective(*p, BLV_LOGISTIC, n, BLV_NO_BIAS);
  p->outer = objective(*p, BLV_LOGISTIC, n_outer, BLV_NO_BIAS);
  p->implicit.head.size = sizeof p->implicit;
  p->implicit.head.kind = BLV_IMPLICIT;
  p->implicit.optimiser = BLV_SGD;
  p->implicit.solver = BLV_CG;
  p->implicit.iterations = iterations;
  p->method = &p->implicit.head;
  p->values(BLV_METHOD, BLV_THETA0, tasks * d, d, [](int64_t i) { return 0.05f * uniform(6, i); });
  for (int side : {BLV_INNER, BLV_OUTER}) {
    const uint64_t seed = side == BLV_INNER ? 1 : 3;
    const int64_t rows = side == BLV_INNER ? n : n_outer;
    p->values(side, BLV_X, tasks * rows * d, rows * d, [&](int64_t i) {
      const float scale = 1.0f + 16.0f * (static_cast<float>(i % d) / static_cast<float>(d));
      return 1.7320508f * uniform(seed, i) / scale;
    });
    p->values(side, BLV_Y, tasks * rows, rows, [&](int64_t i) { return uniform(seed + 1, i) > 0 ? 1.0f : 0.0f; });
  }
  p->values(
      BLV_INNER, BLV_PENALTY, tasks * d, d, [](int64_t i) { return uniform(5, i) - 8.0f; }, BLV_PER_FEATURE, BLV_EXP);
  set_rate(p, 0.5f);
  p->gradient(BLV_INNER, BLV_PENALTY, tasks * d, d, BLV_PER_FEATURE);
  const double nd = static_cast<double>(n * d), outer = static_cast<double>(n_outer * d),
               b = static_cast<double>(tasks), k = static_cast<double>(iterations);
  p->flops = 2 * b * (nd * (1 + 2 * k) + 2 * outer);
  const double reads = 4 * b * nd > kLargestCache ? 1 + k : 1;
  p->bytes = 4 * b * (reads * nd + outer + static_cast<double>(n + n_outer + 3 * d));
}

void make_hvp(Problem *p, int64_t n, int64_t d, int64_t vectors) {
  p->widths = {d, 1};
  p->inner = objective(*p, BLV_LOGISTIC, n, BLV_NO_BIAS);
  p->hvp.head.size = sizeof p->hvp;
  p->hvp.head.kind = BLV_HVP;
  p->hvp.vectors = vectors;
  p->method = &p->hvp.head;
  p->values(BLV_METHOD, BLV_THETA, d, 0, [](int64_t i) { return 0.05f * uniform(3, i); });
  p->values(BLV_INNER, BLV_X, n * d, 0, [](int64_t i) { return 1.7320508f * uniform(1, i); });
  p->values(BLV_INNER, BLV_Y, n, 0, [](int64_t i) { return uniform(2, i) > 0 ? 1.0f : 0.0f; });
  p->values(BLV_METHOD, BLV_VECTOR, vectors * d, 0, [](int64_t i) { return uniform(4, i); });
  p->gradient(BLV_METHOD, BLV_THETA, vectors * d, 0);
  const double k = static_cast<double>(vectors), nd = static_cast<double>(n * d);
  p->flops = 2 * nd * (1 + 2 * k);
  p->bytes = 4.0 * (nd + static_cast<double>(d) * (1 + 2 * k));
}

void make_evaluate(Problem *p, int64_t tasks, int64_t n, std::vector<int64_t> widths) {
  p->tasks = tasks;
  p->widths = std::move(widths);
  const int64_t d = p->widths.front(), c = p->widths.back();
  const int64_t parameters = blv_parameter_count(static_cast<int64_t>(p->widths.size()), p->widths.data(), 0);
  p->inner = objective(*p, BLV_SQUARED, n, 0);
  p->evaluate.size = sizeof p->evaluate;
  p->evaluate.kind = BLV_EVALUATE;
  p->method = &p->evaluate;
  p->values(BLV_METHOD, BLV_THETA, tasks * parameters, parameters,
            [&](int64_t i) { return uniform(3, i) * static_cast<float>(bound_at(p->widths, i % parameters)); });
  p->values(BLV_INNER, BLV_X, tasks * n * d, n * d, [](int64_t i) { return 1.7320508f * uniform(1, i); });
  p->values(BLV_INNER, BLV_Y, tasks * n * c, n * c, [](int64_t i) { return uniform(2, i); });
  p->gradient(BLV_METHOD, BLV_THETA, tasks * parameters, parameters);
  const double m = static_cast<double>(n) * products(p->widths);
  const double m0 = static_cast<double>(n) * static_cast<double>(p->widths[0] * p->widths[1]);
  p->flops = 2 * static_cast<double>(tasks) * (3 * m - m0);
  p->bytes = 4.0 * static_cast<double>(tasks) * static_cast<double>(n * (d + c) + 2 * parameters);
}

}  // namespace bench
