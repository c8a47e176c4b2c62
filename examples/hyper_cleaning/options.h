// SPDX-License-Identifier: Apache-2.0
//
// The flags of hyper_cleaning. Defaults are the settings of the experiment that README.md tells about.
#ifndef BILEVEL_EXAMPLES_HYPER_CLEANING_OPTIONS_H_
#define BILEVEL_EXAMPLES_HYPER_CLEANING_OPTIONS_H_

#include <cstdint>
#include <string>
#include <vector>

#include "examples/common/readers.h"

namespace examples {

enum class Scaling { kAuto, kCentre, kStandardise, kNone };

struct Options {
  std::string data = "/usr/share/datasets/fashion-mnist";
  std::string test_data;
  Format format = Format::kAuto;
  std::string label_column = "-1";
  Scaling scaling = Scaling::kAuto;

  int64_t rows = 5000;
  int64_t validation_rows = 500;
  double noise = 0.5;
  uint64_t seed = 1;
  int64_t seeds = 1;

  std::vector<int64_t> hidden;
  std::string activation = "relu";
  int64_t hypergradients = 20;
  int64_t steps = 100;
  double rate = 0.3;
  double outer_rate = 0.5;
  double outer_epsilon = 0;  // 0: 1 / rows
  int64_t final_steps = 2000;

  int32_t threads = 0;
  int64_t workspace_mib = 1024;
  std::string report = "hyper_cleaning.html";
  bool no_report = false;
  std::string json;

  double epsilon() const { return outer_epsilon > 0 ? outer_epsilon : 1.0 / static_cast<double>(rows); }
};

// Reads argv. Returns true to go on; else `exit_code` says how to end (help was asked for, or a flag is wrong and
// stderr says which).
bool parse_options(int argc, char **argv, Options &options, int &exit_code);

}  // namespace examples

#endif  // BILEVEL_EXAMPLES_HYPER_CLEANING_OPTIONS_H_
