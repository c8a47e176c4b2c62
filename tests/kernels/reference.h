// SPDX-License-Identifier: Apache-2.0
//
// Compares what a Problem produced with the plain reference of tests/oracles. The tolerance of an array is
//
//     eps * growth * scale,   growth = 8 (T + 1) (sqrt(n) + sum of widths),   scale = max |reference array| (or the size of one term)
//
// eps of the dtype; growth: every element is a sum over rows of products along paths through the widths, T + 1 times over.
#pragma once
#include <limits>

#include "../oracles/task.h"
#include "runner.h"

namespace harness {

inline std::vector<double> one_task(const Array &a, int64_t task) {
  std::vector<double> all;
  for (int64_t step = 0; step < a.steps; step++) {
    for (int64_t row = 0; row < a.rows; row++) {
      for (int64_t column = 0; column < a.columns; column++) all.push_back(a.get(a.offset(task, step, row, column)));
    }
  }
  return all;
}

inline std::vector<int64_t> integers(const std::vector<double> &v) { return std::vector<int64_t>(v.begin(), v.end()); }

inline oracle::Task oracle_task(const Problem &p, int64_t task) {
  const Case &c = p.c;
  oracle::Task t;
  t.net = {c.widths, c.activation, !(c.flags & BLV_NO_BIAS)};
  t.kind = c.kind;
  t.optimiser = c.optimiser;
  t.steps = c.trains() ? c.steps : 0;
  t.batch_rows = c.trains() ? c.batch_rows : 0;
  t.vectors = c.kind == BLV_HVP || c.kind == BLV_FORWARD ? c.vectors : 0;
  t.damping = c.damping;
  t.inner = {c.loss, c.count_of(BLV_INNER, task), {}};
  t.outer = {c.outer_loss, c.count_of(BLV_OUTER, task), {}};
  for (const Array &a : p.arrays) {
    if (a.slot.use != BLV_VALUE || a.leaf.leaf == BLV_ROWS) continue;
    const std::vector<double> value = one_task(a, task);
    if (a.leaf.leaf == BLV_BATCH) {
      for (int64_t s = 0; s < c.steps; s++) {
        for (int64_t i = 0; i < c.batch_rows; i++)
          t.batch.push_back(int64_t(value[(a.leaf.per_step ? s * c.batch_rows : 0) + i]));
      }
    } else if (a.leaf.leaf == BLV_Y && a.leaf.dtype) {
      if (a.leaf.side & BLV_INNER) t.inner.label = integers(value);
      if (a.leaf.side & BLV_OUTER) t.outer.label = integers(value);
    } else {
      t.arrays[{a.leaf.side, a.leaf.leaf}] = {value, a.leaf.link, a.leaf.extent, a.leaf.per_step, a.leaf.gradient};
    }
  }
  for (const Array &a : p.arrays) {
    if (a.slot.use == BLV_TANGENT) t.arrays.at({a.leaf.side, a.leaf.leaf}).tangents = one_task(a, task);
  }
  return t;
}

struct Expected {
  std::vector<oracle::Answer> tasks;
  std::vector<std::vector<double>> values;  // as Outcome::values
};

inline void append(std::vector<double> &to, const std::vector<double> &from) {
  to.insert(to.end(), from.begin(), from.end());
}

inline Expected reference(const Problem &p, int64_t tasks = -1) {
  Expected e;
  if (tasks < 0) tasks = p.c.tasks;
  for (int64_t t = 0; t < tasks; t++) e.tasks.push_back(oracle::solve(oracle_task(p, t)));
  for (const Array &a : p.arrays) {
    std::vector<double> all;
    if (a.written() && a.task_stride == 0 && a.slot.use == BLV_GRADIENT)
      all.assign(static_cast<size_t>(a.logical()), 0.0);
    for (const oracle::Answer &answer : e.tasks) {
      if (!a.written()) continue;
      std::vector<double> one;
      if (a.leaf.leaf == BLV_LOSS) one = {answer.loss};
      if (a.slot.use == BLV_RESULT && a.leaf.leaf == BLV_THETA) one = answer.theta;
      if (a.leaf.leaf == BLV_LOSS_TANGENT) one = answer.loss_tangent;
      if (a.leaf.leaf == BLV_THETA_TANGENT) one = answer.theta_tangent;
      if (a.leaf.leaf == BLV_SOLUTION) one = answer.solution;
      if (a.leaf.leaf == BLV_RESIDUAL) one = {0.0};
      if (a.slot.use == BLV_GRADIENT) {
        for (const auto &g : answer.gradient.at({a.leaf.side, a.leaf.leaf})) append(one, g);
      }
      if (a.task_stride) append(all, one);
      for (size_t i = 0; i < one.size() && !a.task_stride; i++) all[i] += one[i];
    }
    e.values.push_back(all);
  }
  return e;
}

inline double epsilon_of(const Case &c) {
  return c.dtype == BLV_F64 ? std::numeric_limits<double>::epsilon() : std::numeric_limits<float>::epsilon();
}

inline double growth(const Case &c) {
  double widths = 0;
  for (int64_t w : c.widths) widths += static_cast<double>(w);
  const double n = static_cast<double>(std::max(c.rows, c.outer_rows));
  return 8 * (std::sqrt(n) + widths) * (c.trains() ? static_cast<double>(c.steps) + 1 : 1.0);
}

inline double largest(const std::vector<double> &v) {
  double top = 0;
  for (double x : v) top = std::fmax(top, std::fabs(x));
  return top;
}

// Size of one of the terms of which an element of this array is the sum: what it may be when they cancel.
inline double term(const Problem &p, const Array &a) {
  const bool by_rows = a.leaf.leaf == BLV_X || a.leaf.leaf == BLV_Y || a.leaf.leaf == BLV_WEIGHT;
  const double n = static_cast<double>(std::max<int64_t>(p.c.rows_of(a.leaf.side), 1));
  return 0.1 / (by_rows ? n : 1.0);
}

// First difference above the tolerance, in words; empty if there is none.
inline std::string difference(const Problem &p, const std::vector<std::vector<double>> &got,
                              const std::vector<std::vector<double>> &want, double factor = 1) {
  static const char *const leaves[] = {"?",       "THETA0",       "THETA",         "X",        "Y",        "WEIGHT",
                                       "PENALTY", "ROWS",         "BATCH",         "RATE",     "MOMENTUM", "VECTOR",
                                       "LOSS",    "LOSS_TANGENT", "THETA_TANGENT", "RESIDUAL", "SOLUTION"};
  for (size_t i = 0; i < p.arrays.size(); i++) {
    const Array &a = p.arrays[i];
    const double scale = std::fmax(largest(want[i]), term(p, a));
    const double tolerance = factor * epsilon_of(p.c) * growth(p.c) * scale;
    const std::string name = "slot " + std::to_string(i) + " (side " + std::to_string(a.slot.side) + " " +
                             leaves[a.slot.leaf] + " use " + std::to_string(a.slot.use) + ")";
    if (got[i].size() != want[i].size()) return name + ": sizes differ";
    for (size_t j = 0; j < want[i].size(); j++) {
      const double error = std::fabs(got[i][j] - want[i][j]);
      if (!(error <= tolerance)) {
        char text[200];
        std::snprintf(text, sizeof text, " element %zu of %zu: got %.17g, want %.17g, error %.2g > %.2g", j,
                      want[i].size(), got[i][j], want[i][j], error, tolerance);
        return name + text;
      }
    }
  }
  return "";
}

inline std::string name_of(const Case &c, const Means &m) {
  std::string s = "kind " + std::to_string(c.kind) + " loss " + std::to_string(c.loss) + "/" +
                  std::to_string(c.outer_loss) + " activation " + std::to_string(c.activation) + " optimiser " +
                  std::to_string(c.optimiser) + " store " + std::to_string(c.store) + " T " + std::to_string(c.steps) +
                  " batch " + std::to_string(c.batch_rows) + " dtype " + std::to_string(c.dtype) + " executor " +
                  std::to_string(c.executor) + " isa v" + std::to_string(m.isa) + " threads " +
                  std::to_string(m.threads) + " rows " + std::to_string(c.rows) + "," + std::to_string(c.outer_rows) +
                  " tasks " + std::to_string(c.tasks) + " flags " + std::to_string(c.flags) + " seed " +
                  std::to_string(c.seed) + " widths";
  for (int64_t w : c.widths) s += " " + std::to_string(w);
  return s;
}

// The infos say that every task went well, with the loss and gradient norm of the reference.
inline void check_info(const Problem &p, const Outcome &out, const Expected &want) {
  for (size_t t = 0; t < out.info.size(); t++) {
    const blv_task_info &info = out.info[t];
    ASSERT_EQ(info.status, BLV_TASK_OK) << "task " << t;
    ASSERT_EQ(info.step, -1) << "task " << t;
    ASSERT_EQ(info.row, -1) << "task " << t;
    if (p.c.kind == BLV_IMPLICIT) {
      ASSERT_GE(info.iterations, 0) << "task " << t;
      ASSERT_LE(info.iterations, p.c.iterations) << "task " << t;
    } else {
      ASSERT_EQ(info.iterations, p.c.trains() ? p.c.steps : 0) << "task " << t;
    }
    const double tolerance = epsilon_of(p.c) * growth(p.c);
    const oracle::Answer &a = want.tasks[t];
    if (std::isfinite(info.loss)) {
      ASSERT_LE(std::fabs(info.loss - a.loss), tolerance * std::fmax(1, std::fabs(a.loss))) << "task " << t;
    }
    if (std::isfinite(info.gradient_norm) && p.c.kind != BLV_HVP) {
      ASSERT_LE(std::fabs(info.gradient_norm - a.gradient_norm), tolerance * std::fmax(1, a.gradient_norm))
          << "task " << t;
    }
  }
}

// Runs a problem and holds it to the reference.
inline void check(Problem &p, const Means &means, const Expected &want, double factor = 1) {
  SCOPED_TRACE(name_of(p.c, means));
  const Outcome out = run(p, means);
  ASSERT_EQ(out.status, BLV_OK) << out.error;
  ASSERT_EQ(difference(p, out.values, want.values, factor), "") << out.description;
  check_info(p, out, want);
}

inline void check(const Case &c, const Means &means = {}, double factor = 1) {
  Problem p(c);
  check(p, means, reference(p), factor);
}

// The same with every executor and every level of this machine.
inline void check_everywhere(const Case &c, double factor = 1) {
  Problem p(c);
  const Expected want = reference(p);
  for (int executor : executors()) {
    for (int isa : levels()) {
      p.c.executor = executor;
      check(p, {.isa = isa}, want, factor);
      if (testing::Test::HasFatalFailure()) return;
    }
  }
}

}  // namespace harness
