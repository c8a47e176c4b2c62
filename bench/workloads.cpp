// SPDX-License-Identifier: Apache-2.0
//
// What each workload is (the same table and numbers as bench/peers/data.py) and how much work it needs.
//
// Needed multiply-adds, per task. M: those of one forward pass, n rows times the sum over layers of inputs x outputs; M0: those of the
// first layer. Maps (tanh, exp, softmax) and updates are not counted, so the floor lies below what any program reaches.
//   value pass      forward M, weight gradients M, signals of all layers but the first M - M0               3 M -   M0
//   tangent pass    with the values of the value pass kept ("taped"), for an adjoint l of theta:
//                   forward W' h + W h' (h' = 0 in front) 2M - M0; signals W''d + W'd' 2(M - M0);
//                   weight gradients d'h' + d h'' 2M - M0                                                     6 M - 4 M0
//   unroll          T value passes, one of the outer loss, then T tangent passes; where theta_0 has no gradient the first step needs
//                   no Hessian product: only the forward tangent (row weights) or nothing (penalties).
//   HVP             logits, and for each of K vectors X v and the sum over rows: n d (1 + 2 K).
#include "workloads.h"

#include <algorithm>
#include <chrono>
#include <cmath>
#include <stdexcept>

namespace bench {

Workload::~Workload() {
  blv_plan_destroy(plan_);
  blv_context_destroy(context_);
}

float *Workload::array(int64_t count) {
  memory_.push_back(allocate(count * 4));
  return static_cast<float *>(memory_.back().get());
}

void Workload::slot(int side, int leaf, int use, void *data, int64_t task_stride, int extent, int link, int dtype) {
  blv_slot s{};
  s.side = side, s.leaf = leaf, s.use = use, s.dtype = dtype, s.link = link, s.extent = extent,
  s.task_stride = task_stride;
  slots_.push_back(s);
  data_.push_back(data);
}

void Workload::gradient(int side, int leaf, int64_t count, int64_t task_stride, int extent) {
  float *p = array(count);
  slot(side, leaf, BLV_GRADIENT, p, task_stride, extent);
  result = p;
  result_count = count;
}

void Workload::check(blv_status status) const {
  if (status != BLV_OK) {
    throw std::runtime_error(name + ": " + blv_status_name(status) + ": " + blv_context_error(context_));
  }
}

void Workload::prepare(const Options &options) {
  blv_context_options context{};
  context.size = sizeof context;
  context.device = BLV_DEVICE_CPU;
  context.max_isa = options.isa;
  context.threads = options.threads;
  check(blv_context_create(&context, &context_));
  blv_spec spec{};
  spec.size = sizeof spec;
  spec.dtype = BLV_F32;
  spec.tasks = tasks;
  spec.inner = &inner;
  spec.outer = method == &unroll.head ? &outer : nullptr;
  spec.method = method;
  spec.n_slots = static_cast<int64_t>(slots_.size());
  spec.slots = slots_.data();
  spec.executor = options.executor;
  const auto start = std::chrono::steady_clock::now();
  check(blv_plan_create(context_, &spec, &plan_));
  plan_ms = std::chrono::duration<double, std::milli>(std::chrono::steady_clock::now() - start).count();
  blv_sizes sizes{};
  sizes.size = sizeof sizes;
  check(blv_plan_sizes(plan_, &sizes));
  workspace_bytes_ = sizes.workspace_bytes;
  workspace_ = allocate(workspace_bytes_);
  info_.resize(static_cast<size_t>(tasks));
}

void Workload::execute() {
  check(blv_execute(context_, plan_, tasks, data_.data(), workspace_.get(), workspace_bytes_, nullptr, info_.data()));
  for (const blv_task_info &info : info_) {
    if (info.status != BLV_TASK_OK)
      throw std::runtime_error(name + ": a task failed with status " + std::to_string(info.status));
  }
}

std::string Workload::describe() const {
  int64_t needed = 0;
  blv_plan_describe(plan_, nullptr, 0, &needed);
  std::string text(static_cast<size_t>(needed), '\0');
  check(blv_plan_describe(plan_, text.data(), needed, nullptr));
  text.resize(text.empty() ? 0 : text.size() - 1);
  return text;
}

namespace {

constexpr double kPi = 3.14159265358979323846;

blv_objective objective(const Workload &w, int loss, int64_t rows, int flags) {
  blv_objective o{};
  o.size = sizeof o, o.model = BLV_NETWORK, o.loss = loss, o.activation = BLV_TANH, o.flags = flags, o.rows = rows;
  o.n_widths = static_cast<int64_t>(w.widths.size());
  o.widths = w.widths.data();
  return o;
}

void set_unroll(Workload *w, int64_t steps) {
  w->unroll.head.size = sizeof w->unroll;
  w->unroll.head.kind = BLV_UNROLL;
  w->unroll.optimiser = BLV_SGD;
  w->unroll.steps = steps;
  w->method = &w->unroll.head;
}

void set_rate(Workload *w, float rate) {
  float *p = w->array(1);
  *p = rate;
  w->slot(BLV_METHOD, BLV_RATE, BLV_VALUE, p, 0, BLV_SCALAR);
}

// Sinusoid regression (Finn, Abbeel, Levine, ICML 2017): 1-40-40-1 tanh, 10 inner and 10 outer rows, dL_out/dtheta_0 summed over tasks.
void make_sine(Workload *w, int64_t tasks, int64_t steps) {
  const int64_t rows = 10, parameters = 1761;
  const float bound = static_cast<float>(1 / std::sqrt(40.0));
  w->tasks = tasks;
  w->widths = {1, 40, 40, 1};
  w->inner = w->outer = objective(*w, BLV_SQUARED, rows, 0);
  set_unroll(w, steps);
  w->slot(BLV_METHOD, BLV_THETA0, BLV_VALUE,
          w->filled(parameters, [&](int64_t i) { return uniform(5, i) * (i < 80 ? 1.0f : bound); }), 0);
  for (int side : {BLV_INNER, BLV_OUTER}) {
    float *x = w->filled(tasks * rows, [&](int64_t i) { return 5.0f * uniform(side == BLV_INNER ? 3 : 4, i); });
    float *y = w->filled(tasks * rows, [&](int64_t i) {
      const double amplitude = 0.1 + 4.9 * 0.5 * (double{uniform(1, i / rows)} + 1);
      const double shift = kPi * 0.5 * (double{uniform(2, i / rows)} + 1);
      return static_cast<float>(amplitude * std::sin(double{x[i]} + shift));
    });
    w->slot(side, BLV_X, BLV_VALUE, x, rows);
    w->slot(side, BLV_Y, BLV_VALUE, y, rows);
  }
  set_rate(w, 0.01f);
  w->gradient(BLV_METHOD, BLV_THETA0, parameters, 0);
  const double m = 10 * (40 + 1600 + 40), m0 = 10 * 40, t = static_cast<double>(steps), b = static_cast<double>(tasks);
  w->flops = 2 * b * (t * (3 * m - m0) + (3 * m - m0) + t * (6 * m - 4 * m0));
  w->bytes = 4 * (40 * b + 2 * parameters);
}

// Hyper-cleaning: softmax regression on n weighted rows, weights sigmoid(phi), dL_out/dphi on 500 validation rows.
void make_cleaning(Workload *w) {
  const int64_t n = 5000, n_outer = 500, d = 784, c = 10, steps = 100;
  w->widths = {d, c};
  w->inner = objective(*w, BLV_CROSS_ENTROPY, n, 0);
  w->outer = objective(*w, BLV_CROSS_ENTROPY, n_outer, 0);
  set_unroll(w, steps);
  w->slot(BLV_METHOD, BLV_THETA0, BLV_VALUE, w->array((d + 1) * c), 0);
  for (int side : {BLV_INNER, BLV_OUTER}) {
    const int64_t rows = side == BLV_INNER ? n : n_outer;
    const uint64_t seed = side == BLV_INNER ? 1 : 3;
    w->slot(side, BLV_X, BLV_VALUE,
            w->filled(rows * d, [&](int64_t i) { return std::max(uniform(seed, i) - 0.6f, 0.0f) * 2.5f; }), 0);
    int32_t *labels = w->integers(rows);
    for (int64_t i = 0; i < rows; ++i) labels[i] = static_cast<int32_t>((uniform(seed + 1, i) + 1.0f) * 5.0f);
    w->slot(side, BLV_Y, BLV_VALUE, labels, 0, 0, 0, BLV_I32);
  }
  w->slot(BLV_INNER, BLV_WEIGHT, BLV_VALUE, w->filled(n, [](int64_t i) { return uniform(5, i); }), 0, 0,
          BLV_SIGMOID_LINK);
  set_rate(w, 0.3f);
  w->gradient(BLV_INNER, BLV_WEIGHT, n, 0);
  const double m = 1.0 * n * d * c, m_outer = 1.0 * n_outer * d * c;
  w->flops = 2 * (steps * 2 * m + 2 * m_outer + (steps - 1) * 2 * m + m);
  w->bytes = 4.0 * ((n + n_outer) * (d + 1) + 2 * n);
}

// Logistic regression, one penalty exp(phi_j) per feature, every task with rows and penalties of its own; dL_out/dphi per task.
void make_hpo(Workload *w, int64_t tasks) {
  const int64_t n = 500, d = 20, steps = 100;
  w->tasks = tasks;
  w->widths = {d, 1};
  w->inner = w->outer = objective(*w, BLV_LOGISTIC, n, BLV_NO_BIAS);
  set_unroll(w, steps);
  w->slot(BLV_METHOD, BLV_THETA0, BLV_VALUE, w->array(d), 0);
  for (int side : {BLV_INNER, BLV_OUTER}) {
    const uint64_t seed = side == BLV_INNER ? 1 : 3;
    float *x = w->filled(tasks * n * d, [&](int64_t i) { return 1.7320508f * uniform(seed, i); });
    w->slot(side, BLV_X, BLV_VALUE, x, n * d);
    float *y = w->filled(tasks * n,
                         [&](int64_t i) { return x[i * d] + x[i * d + 1] + uniform(seed + 1, i) > 0 ? 1.0f : 0.0f; });
    w->slot(side, BLV_Y, BLV_VALUE, y, n);
  }
  w->slot(BLV_INNER, BLV_PENALTY, BLV_VALUE, w->filled(tasks * d, [](int64_t i) { return uniform(5, i) - 3.0f; }), d,
          BLV_PER_FEATURE, BLV_EXP);
  set_rate(w, 0.5f);
  w->gradient(BLV_INNER, BLV_PENALTY, tasks * d, d, BLV_PER_FEATURE);
  const double m = 1.0 * n * d, b = static_cast<double>(tasks);
  w->flops = 2 * b * (steps * 2 * m + 2 * m + (steps - 1) * 2 * m);
  w->bytes = 4.0 * b * (2 * n * (d + 1) + 2 * d);
}

// H v_k of the mean logistic loss.
void make_hvp(Workload *w, int64_t vectors) {
  const int64_t n = 100'000, d = 1000;
  w->widths = {d, 1};
  w->inner = objective(*w, BLV_LOGISTIC, n, BLV_NO_BIAS);
  w->hvp.head.size = sizeof w->hvp;
  w->hvp.head.kind = BLV_HVP;
  w->hvp.vectors = vectors;
  w->method = &w->hvp.head;
  w->slot(BLV_METHOD, BLV_THETA, BLV_VALUE, w->filled(d, [](int64_t i) { return 0.05f * uniform(3, i); }), 0);
  w->slot(BLV_INNER, BLV_X, BLV_VALUE, w->filled(n * d, [](int64_t i) { return 1.7320508f * uniform(1, i); }), 0);
  w->slot(BLV_INNER, BLV_Y, BLV_VALUE, w->filled(n, [](int64_t i) { return uniform(2, i) > 0 ? 1.0f : 0.0f; }), 0);
  w->slot(BLV_METHOD, BLV_VECTOR, BLV_VALUE, w->filled(vectors * d, [](int64_t i) { return uniform(4, i); }), 0);
  w->gradient(BLV_METHOD, BLV_THETA, vectors * d, 0);
  const double k = static_cast<double>(vectors), nd = static_cast<double>(n * d);
  w->flops = 2 * nd * (1 + 2 * k);
  w->bytes = 4.0 * (nd + static_cast<double>(d) * (1 + 2 * k));
}

struct Entry {
  const char *name;
  void (*make)(Workload *);
};
const Entry kTable[] = {
    {"sine-T5-25", [](Workload *w) { make_sine(w, 25, 5); }},
    {"sine-T5-256", [](Workload *w) { make_sine(w, 256, 5); }},
    {"sine-T5-1024", [](Workload *w) { make_sine(w, 1024, 5); }},
    {"sine-T16-256", [](Workload *w) { make_sine(w, 256, 16); }},
    {"sine-T1-1024", [](Workload *w) { make_sine(w, 1024, 1); }},
    {"cleaning", make_cleaning},
    {"hpo-256", [](Workload *w) { make_hpo(w, 256); }},
    {"hvp-K1", [](Workload *w) { make_hvp(w, 1); }},
    {"hvp-K4", [](Workload *w) { make_hvp(w, 4); }},
    {"hvp-K8", [](Workload *w) { make_hvp(w, 8); }},
};

}  // namespace

std::vector<std::string> workload_names() {
  std::vector<std::string> names;
  for (const Entry &entry : kTable) names.emplace_back(entry.name);
  return names;
}

std::unique_ptr<Workload> make_workload(const std::string &name) {
  for (const Entry &entry : kTable) {
    if (name != entry.name) continue;
    auto workload = std::make_unique<Workload>();
    workload->name = name;
    entry.make(workload.get());
    return workload;
  }
  return nullptr;
}

}  // namespace bench
