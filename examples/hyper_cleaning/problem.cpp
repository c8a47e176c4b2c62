// SPDX-License-Identifier: Apache-2.0
//
// Draws rows, wrong labels and initial parameters, and scales the features.
#include "examples/hyper_cleaning/problem.h"

#include <algorithm>
#include <cmath>
#include <stdexcept>
#include <string>

#include "examples/common/random.h"

namespace examples {
namespace {

Rows take(const Dataset &data, const std::vector<int64_t> &order, int64_t first, int64_t count) {
  Rows out;
  out.source.assign(order.begin() + first, order.begin() + first + count);
  out.x.resize(static_cast<size_t>(count * data.features));
  float *to = out.x.data();
  for (const int64_t row : out.source) {
    data.copy_row(row, to);
    out.labels.push_back(data.labels[static_cast<size_t>(row)]);
    to += data.features;
  }
  return out;
}

// Rows as floats, which take four times as much as the bytes of images.
void check_size(const TrainTest &data, int64_t rows, int64_t test_rows) {
  const int64_t row = data.train.features * static_cast<int64_t>(sizeof(float)), most = most_bytes_of_data();
  if ((rows + test_rows) <= most / row) return;
  throw DataError(data.train_path + ": " + std::to_string(rows + test_rows) + " training and test rows of " +
                  std::to_string(data.train.features) + " features are more data than the limit of " +
                  std::to_string(most) + " bytes");
}

void draw_rows(Problem &p, const TrainTest &data, const Options &o, Random &random) {
  const int64_t total = data.train.rows(), wanted = o.rows + o.validation_rows;
  const bool separate_test = data.test.rows() > 0;
  if (total < wanted + (separate_test ? 0 : 1)) {
    throw DataError(data.train_path + ": has " + std::to_string(total) + " rows; --rows " + std::to_string(o.rows) +
                    " and --validation-rows " + std::to_string(o.validation_rows) +
                    (separate_test ? " need more" : " and at least one test row need more"));
  }
  check_size(data, total, separate_test ? data.test.rows() : 0);
  const std::vector<int64_t> order = random.permutation(total);
  p.train = take(data.train, order, 0, o.rows);
  p.validation = take(data.train, order, o.rows, o.validation_rows);
  if (separate_test) {
    std::vector<int64_t> all(static_cast<size_t>(data.test.rows()));
    for (size_t i = 0; i < all.size(); ++i) all[i] = static_cast<int64_t>(i);
    p.test = take(data.test, all, 0, data.test.rows());
  } else {
    p.test = take(data.train, order, wanted, total - wanted);
  }
}

// Exactly round(noise n) rows get a label drawn uniformly from the other classes.
void draw_wrong_labels(Problem &p, double noise, Random &random) {
  const int64_t n = p.train.count();
  p.truth = p.train.labels;
  p.wrong.assign(static_cast<size_t>(n), 0);
  const std::vector<int64_t> order = random.permutation(n);
  const auto count = static_cast<size_t>(std::llround(noise * static_cast<double>(n)));
  for (size_t k = 0; k < count; ++k) {
    const auto row = static_cast<size_t>(order[k]);
    const auto shift = 1 + static_cast<int64_t>(random.below(static_cast<uint64_t>(p.classes - 1)));
    p.train.labels[row] = static_cast<int32_t>((p.truth[row] + shift) % p.classes);
    p.wrong[row] = 1;
  }
}

struct Affine {
  std::vector<double> mean, scale;
};

// Mean and reciprocal standard deviation of each feature over the training rows; a constant feature is only centred.
Affine moments(const Rows &rows, size_t features, bool standardise) {
  Affine a{std::vector<double>(features, 0), std::vector<double>(features, 1)};
  std::vector<double> square(features, 0);
  const auto n = static_cast<double>(rows.count());
  for (size_t i = 0; i < rows.x.size(); ++i) a.mean[i % features] += static_cast<double>(rows.x[i]) / n;
  if (!standardise) return a;
  for (size_t i = 0; i < rows.x.size(); ++i) {
    const double d = static_cast<double>(rows.x[i]) - a.mean[i % features];
    square[i % features] += d * d / n;
  }
  for (size_t j = 0; j < features; ++j) a.scale[j] = square[j] > 0 ? 1 / std::sqrt(square[j]) : 1;
  return a;
}

void scale(Problem &p, bool images, Scaling scaling) {
  const auto features = static_cast<size_t>(p.features);
  if (scaling == Scaling::kAuto) scaling = images ? Scaling::kCentre : Scaling::kStandardise;
  if (images) {
    for (Rows *rows : {&p.train, &p.validation, &p.test}) {
      for (float &v : rows->x) v /= 255.0f;
    }
  }
  if (scaling == Scaling::kNone) return;
  const Affine a = moments(p.train, features, scaling == Scaling::kStandardise);
  for (Rows *rows : {&p.train, &p.validation, &p.test}) {
    for (size_t i = 0; i < rows->x.size(); ++i) {
      const size_t j = i % features;
      rows->x[i] = static_cast<float>((static_cast<double>(rows->x[i]) - a.mean[j]) * a.scale[j]);
    }
  }
}

void check_parameters(const std::vector<int64_t> &widths) {
  const int64_t most = most_bytes_of_data() / static_cast<int64_t>(sizeof(float));
  int64_t count = 0;
  for (size_t layer = 1; layer < widths.size(); ++layer) {
    const int64_t inputs = widths[layer - 1] + 1;
    if (widths[layer] > (most - count) / inputs) {
      throw std::runtime_error("--hidden: a network of more than " + std::to_string(most) +
                               " parameters; accepted: fewer or narrower layers");
    }
    count += widths[layer] * inputs;
  }
}

void draw_parameters(Problem &p, const std::vector<int64_t> &hidden, Random &random) {
  p.widths.assign(1, p.features);
  p.widths.insert(p.widths.end(), hidden.begin(), hidden.end());
  p.widths.push_back(p.classes);
  check_parameters(p.widths);
  for (size_t layer = 1; layer < p.widths.size(); ++layer) {
    const double bound = hidden.empty() ? 0 : 1 / std::sqrt(static_cast<double>(p.widths[layer - 1]));
    const int64_t count = p.widths[layer] * (p.widths[layer - 1] + 1);
    for (int64_t k = 0; k < count; ++k) p.theta0.push_back(static_cast<float>(bound * (2 * random.uniform() - 1)));
  }
}

}  // namespace

Problem make_problem(const TrainTest &data, const Options &options, uint64_t seed) {
  Problem p;
  p.features = data.train.features;
  p.classes = static_cast<int64_t>(data.train.classes.size());
  if (p.classes < 2) throw DataError(data.train_path + ": only one class, at least two are needed");
  Random random(seed);
  draw_rows(p, data, options, random);
  draw_wrong_labels(p, options.noise, random);
  scale(p, data.train.images(), options.scaling);
  draw_parameters(p, options.hidden, random);
  return p;
}

Rows selected(const Rows &rows, const std::vector<char> &keep, int64_t features, const Rows *more) {
  Rows out;
  for (size_t i = 0; i < keep.size(); ++i) {
    if (!keep[i]) continue;
    const auto first = rows.x.begin() + static_cast<std::ptrdiff_t>(i) * features;
    out.x.insert(out.x.end(), first, first + features);
    out.labels.push_back(rows.labels[i]);
    out.source.push_back(rows.source[i]);
  }
  if (more) {
    out.x.insert(out.x.end(), more->x.begin(), more->x.end());
    out.labels.insert(out.labels.end(), more->labels.begin(), more->labels.end());
    out.source.insert(out.source.end(), more->source.begin(), more->source.end());
  }
  return out;
}

}  // namespace examples
