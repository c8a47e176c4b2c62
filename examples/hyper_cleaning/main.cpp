// SPDX-License-Identifier: Apache-2.0
//
// Hyper-cleaning: reads a labelled data set, spoils some labels, finds them again with hypergradients, and reports. See
// README.md.
#include <cstdio>
#include <exception>
#include <filesystem>
#include <new>

#include "examples/common/charts.h"
#include "examples/common/console.h"
#include "examples/common/html.h"
#include "examples/common/progress.h"
#include "examples/hyper_cleaning/cleaning.h"
#include "examples/hyper_cleaning/interrupt.h"
#include "examples/hyper_cleaning/options.h"
#include "examples/hyper_cleaning/output.h"

namespace examples {
namespace {

constexpr int kInterrupted = 130;  // 128 + SIGINT, as shells have it

TrainTest load_data(const Options &o) {
  if (o.data == Options().data && !std::filesystem::exists(o.data)) {
    throw DataError(o.data +
                    ": not found; it comes with the package dataset-fashion-mnist (sudo apt-get install "
                    "dataset-fashion-mnist), other data with --data");
  }
  return load(o.data, o.test_data, o.format, o.label_column);
}

Run clean(const Problem &problem, const Options &o, uint64_t seed, bilevel::Context &context) {
  Run run;
  run.seed = seed;
  const double start = seconds_now();
  learn_weights(problem, o, context, run);
  train_final_models(problem, o, context, run);
  run.total_seconds = seconds_now() - start;
  print_out(run_table(run));
  return run;
}

void write_outputs(const Options &o, const TrainTest &data, const Problem &problem, const std::vector<Run> &runs) {
  if (runs.size() > 1 && !runs.back().interrupted) print_out(mean_table(runs));
  if (!o.json.empty()) write_file(o.json, json_numbers(o, runs));
  if (o.no_report) return;
  write_file(o.report, html_report(o, data, problem, runs));
  print_out("\nreport: " + o.report + "\n");
}

int run_all(const Options &o) {
  // Before a minute of work, not after it.
  if (!o.no_report) check_writable(o.report);
  if (!o.json.empty()) check_writable(o.json);
  const TrainTest data = load_data(o);
  bilevel::Context context({.threads = o.threads});
  const Interrupt interrupt(context);

  const Problem first = make_problem(data, o, o.seed);
  print_out(data_name(o.data) + ": " + thousands(o.rows) + " training rows, " + fixed(100 * o.noise, 1) +
            " % with a wrong label; " + thousands(o.validation_rows) + " clean validation rows; " +
            thousands(first.test.count()) + " test rows; " + thousands(first.features) + " features, " +
            thousands(first.classes) + " classes\n");

  std::vector<Run> runs{clean(first, o, o.seed, context)};
  for (int64_t k = 1; k < o.seeds && !runs.back().interrupted; ++k) {
    const uint64_t seed = o.seed + static_cast<uint64_t>(k);
    runs.push_back(clean(make_problem(data, o, seed), o, seed, context));
  }
  write_outputs(o, data, first, runs);
  if (!runs.back().interrupted) return 0;
  std::fprintf(stderr,
               "hyper_cleaning: interrupted in the run of seed %llu after %zu of %lld hypergradients; the results "
               "above are incomplete\n",
               static_cast<unsigned long long>(runs.back().seed), runs.back().losses.size(),
               static_cast<long long>(o.hypergradients));
  return kInterrupted;
}

}  // namespace
}  // namespace examples

int main(int argc, char **argv) {
  examples::Options options;
  int exit_code = 0;
  if (!examples::parse_options(argc, argv, options, exit_code)) return exit_code;
  try {
    return examples::run_all(options);
  } catch (const std::bad_alloc &) {
    std::fprintf(stderr,
                 "hyper_cleaning: not enough memory for the models of %s; accepted: fewer --rows, --validation-rows or "
                 "--hidden units\n",
                 options.data.c_str());
  } catch (const std::exception &error) {
    std::fprintf(stderr, "hyper_cleaning: %s\n", error.what());
  }
  return 1;
}
