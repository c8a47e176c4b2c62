// SPDX-License-Identifier: Apache-2.0
//
// What one seed's run found out, filled as it goes: after an interruption it holds what was reached.
#ifndef BILEVEL_EXAMPLES_HYPER_CLEANING_RUN_H_
#define BILEVEL_EXAMPLES_HYPER_CLEANING_RUN_H_

#include <array>
#include <cstdint>
#include <limits>
#include <string>
#include <vector>

#include "examples/hyper_cleaning/problem.h"

namespace examples {

// How well weights below 1/2 find the wrong labels. 0 where a ratio has no denominator.
struct Detection {
  double precision = 0, recall = 0, f1 = 0;
};
Detection detect(const std::vector<float> &phi, const std::vector<char> &wrong);

struct FinalModel {
  std::string name;
  int64_t rows = 0, wrong = 0;
  double accuracy = std::numeric_limits<double>::quiet_NaN();  // %, on the test rows; NaN: not trained
};
enum { kNoisy, kValidationOnly, kCleaned, kCleanOnly, kFinalModels };

struct Run {
  uint64_t seed = 0;
  bool interrupted = false;
  std::vector<double> losses;  // validation loss at each hypergradient, before its step
  std::vector<double> f1;      // of finding the wrong labels, after each step
  std::vector<float> phi;      // logits of the row weights
  Detection detection;
  int64_t kept = 0, kept_right = 0;
  std::array<FinalModel, kFinalModels> models;
  double hypergradient_seconds = 0, final_seconds = 0, total_seconds = 0;
  std::string plan;  // the library's own description of the unroll, JSON

  double gain() const { return models[kCleaned].accuracy - models[kValidationOnly].accuracy; }
  double hypergradients_per_second() const {
    return hypergradient_seconds > 0 ? static_cast<double>(losses.size()) / hypergradient_seconds : 0;
  }
};

}  // namespace examples

#endif  // BILEVEL_EXAMPLES_HYPER_CLEANING_RUN_H_
