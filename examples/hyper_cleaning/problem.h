// SPDX-License-Identifier: Apache-2.0
//
// The cleaning problem of one seed: n training rows, some of them with a wrong label; m clean validation rows; test
// rows.
#ifndef BILEVEL_EXAMPLES_HYPER_CLEANING_PROBLEM_H_
#define BILEVEL_EXAMPLES_HYPER_CLEANING_PROBLEM_H_

#include <cstdint>
#include <string>
#include <vector>

#include "examples/common/dataset.h"
#include "examples/hyper_cleaning/options.h"

namespace examples {

struct Rows {
  std::vector<float> x;         // rows x features, scaled
  std::vector<int32_t> labels;  // given to the learner
  std::vector<int64_t> source;  // row in the data set that it comes from
  int64_t count() const { return static_cast<int64_t>(labels.size()); }
};

struct Problem {
  int64_t features = 0, classes = 0;
  Rows train, validation, test;
  std::vector<int32_t> truth;   // right labels of the training rows
  std::vector<char> wrong;      // 1 where train.labels differs from truth
  std::vector<int64_t> widths;  // of the network: features, hidden..., classes
  std::vector<float> theta0;    // zeros without hidden layers, else uniform in +-1/sqrt(inputs of the layer)
  int64_t parameters() const { return static_cast<int64_t>(theta0.size()); }
};

// The same for the same data, options and seed on every machine. Throws DataError if the data have too few rows or
// classes.
Problem make_problem(const TrainTest &data, const Options &options, uint64_t seed);

// Rows of `rows` where keep is not 0, followed by those of `more` (may be null).
Rows selected(const Rows &rows, const std::vector<char> &keep, int64_t features, const Rows *more);

}  // namespace examples

#endif  // BILEVEL_EXAMPLES_HYPER_CLEANING_PROBLEM_H_
