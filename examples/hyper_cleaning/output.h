// SPDX-License-Identifier: Apache-2.0
//
// What the program leaves behind: a table on stdout, the numbers as JSON, an HTML report.
#ifndef BILEVEL_EXAMPLES_HYPER_CLEANING_OUTPUT_H_
#define BILEVEL_EXAMPLES_HYPER_CLEANING_OUTPUT_H_

#include <string>
#include <vector>

#include "examples/hyper_cleaning/options.h"
#include "examples/hyper_cleaning/problem.h"
#include "examples/hyper_cleaning/run.h"

namespace examples {

// Of one run, and of the means over two or more.
std::string run_table(const Run &run);
std::string mean_table(const std::vector<Run> &runs);
std::string json_numbers(const Options &options, const std::vector<Run> &runs);

// The first run in detail; `problem` is its problem.
std::string html_report(const Options &options, const TrainTest &data, const Problem &problem,
                        const std::vector<Run> &runs);

// The same for several outputs: "5,000", "71.25 %" ("-" for NaN), ".916".
std::string thousands(int64_t value);
std::string percent(double value);
std::string ratio(double value);

// A name for the data, for headings, and the names of its classes: those of Fashion-MNIST where the path says so.
std::string data_name(const std::string &path);
std::vector<std::string> class_names(const TrainTest &data, const std::string &path);

}  // namespace examples

#endif  // BILEVEL_EXAMPLES_HYPER_CLEANING_OUTPUT_H_
