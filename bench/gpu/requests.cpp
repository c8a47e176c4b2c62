// SPDX-License-Identifier: Apache-2.0
//
// The workloads' names, default sizes and suites.
#include "requests.h"

#include <algorithm>
#include <stdexcept>

#include "json.h"

namespace bench {
namespace {

// Joined by x.
std::string shape(const std::vector<int64_t> &sizes) {
  std::string text;
  for (const int64_t size : sizes) text.append(text.empty() ? "" : "x").append(std::to_string(size));
  return text;
}

Request sine(int64_t tasks, int64_t steps, bool split) {
  Request r;
  r.kind = Kind::kSine, r.tasks = tasks, r.steps = steps, r.split_tf32 = split;
  return r;
}

Request hvp(int64_t rows, int64_t inputs, int64_t vectors) {
  Request r;
  r.kind = Kind::kHvp, r.rows = rows, r.inputs = inputs, r.vectors = vectors;
  return r;
}

Request cleaning(int64_t rows, int64_t outer_rows, int64_t inputs, int64_t classes, int64_t steps) {
  Request r;
  r.kind = Kind::kCleaning, r.rows = rows, r.outer_rows = outer_rows, r.inputs = inputs, r.classes = classes;
  r.steps = steps;
  return r;
}

Request hpo(int64_t tasks, int64_t rows, int64_t inputs, int64_t steps) {
  Request r;
  r.kind = Kind::kHpo, r.tasks = tasks, r.rows = rows, r.inputs = inputs, r.steps = steps;
  return r;
}

Request evaluate(int64_t tasks, int64_t rows, std::vector<int64_t> widths) {
  Request r;
  r.kind = Kind::kEvaluate, r.tasks = tasks, r.rows = rows, r.widths = std::move(widths);
  return r;
}

}  // namespace

std::string Request::name() const {
  const auto number = [](int64_t value) { return std::to_string(value); };
  std::string text;
  switch (kind) {
    case Kind::kSine:
      text = "sine-T" + number(steps) + "-" + number(tasks);
      break;
    case Kind::kHvp:
      text = "hvp-" + shape({rows, inputs}) + "-K" + number(vectors);
      break;
    case Kind::kCleaning:
      text = "cleaning-" + shape({rows, inputs, classes}) + "-T" + number(steps);
      break;
    case Kind::kHpo:
      text = "hpo-" + shape({rows, inputs}) + "-T" + number(steps) + "-" + number(tasks);
      break;
    case Kind::kEvaluate:
      text = "evaluate-" + shape(widths) + "-n" + number(rows) + "-" + number(tasks);
      break;
  }
  return text + (split_tf32 ? "-split-tf32" : "");
}

std::string Request::sizes() const {
  JsonObject json;
  const auto add = [&](const char *name, int64_t value) { json.number(name, static_cast<double>(value)); };
  if (kind != Kind::kHvp && kind != Kind::kCleaning) add("tasks", tasks);
  if (kind != Kind::kSine) add("rows", rows);
  if (kind == Kind::kCleaning) add("outer_rows", outer_rows), add("classes", classes);
  if (kind != Kind::kSine && kind != Kind::kEvaluate) add("inputs", inputs);
  if (kind != Kind::kHvp && kind != Kind::kEvaluate) add("steps", steps);
  if (kind == Kind::kHvp) add("vectors", vectors);
  if (kind == Kind::kEvaluate) json.text("widths", shape(widths));
  return json.finish();
}

Request Request::cut() const {
  Request r = *this;
  r.tasks = std::min<int64_t>(tasks, 5);
  r.rows = std::min<int64_t>(rows, 67);
  r.outer_rows = std::min<int64_t>(outer_rows, 35);
  r.steps = std::min<int64_t>(steps, 3);
  return r;
}

std::unique_ptr<Problem> Request::make() const {
  const int64_t wide = widths.empty() ? 1 : *std::max_element(widths.begin(), widths.end());
  const double elements = static_cast<double>(tasks) * static_cast<double>(std::max(rows, outer_rows)) *
                          static_cast<double>(std::max({inputs, classes, vectors, wide}));
  if (elements > 0x1p38) throw std::runtime_error(name() + ": arrays of more than 2^38 elements");
  auto problem = std::make_unique<Problem>();
  Problem *p = problem.get();
  p->name = name();
  switch (kind) {
    case Kind::kSine:
      make_sine(p, tasks, steps);
      break;
    case Kind::kHvp:
      make_hvp(p, rows, inputs, vectors);
      break;
    case Kind::kCleaning:
      make_cleaning(p, rows, outer_rows, inputs, classes, steps);
      break;
    case Kind::kHpo:
      make_hpo(p, tasks, rows, inputs, steps);
      break;
    case Kind::kEvaluate:
      make_evaluate(p, tasks, rows, widths);
      break;
  }
  return problem;
}

Request default_request(Kind kind) {
  switch (kind) {
    case Kind::kSine:
      return sine(4096, 5, false);
    case Kind::kHvp:
      return hvp(1'000'000, 1000, 1);
    case Kind::kCleaning:
      return cleaning(5000, 500, 784, 10, 100);
    case Kind::kHpo:
      return hpo(4096, 500, 20, 100);
    case Kind::kEvaluate:
      break;
  }
  return evaluate(4096, 32, {20, 40, 40, 1});
}

std::vector<Request> suite(const std::string &name) {
  if (name == "standard")
    return {sine(4096, 5, false),
            sine(4096, 5, true),
            sine(256, 16, false),
            hvp(1'000'000, 1000, 1),
            hvp(1'000'000, 1000, 4),
            cleaning(5000, 500, 784, 10, 100),
            hpo(4096, 500, 20, 100),
            evaluate(4096, 32, {20, 40, 40, 1}),
            evaluate(1, 100'000, {784, 128, 10})};
  if (name == "tiny")
    return {sine(3, 1, false),         sine(3, 1, true), hvp(40, 33, 2),
            cleaning(24, 9, 17, 3, 2), hpo(2, 20, 5, 2), evaluate(2, 9, {3, 4, 2})};
  throw std::runtime_error("no suite '" + name + "': standard, tiny");
}

}  // namespace bench
