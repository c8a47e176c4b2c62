// SPDX-License-Identifier: Apache-2.0
//
// Command line of hyper_cleaning.
#include "examples/hyper_cleaning/options.h"

#include <CLI/CLI.hpp>
#include <cstdio>
#include <iostream>
#include <map>

#include "examples/common/labels.h"

namespace examples {
namespace {

// A number from `least` to `most`, which `accepted` says in words. (CLI::Range lets nan pass, and PositiveNumber inf.)
CLI::Validator number_in(double least, double most, const std::string &accepted) {
  return {[=](std::string &text) -> std::string {
            double value = 0;
            if (parse_number(text, value) && value >= least && value <= most) return "";
            return "'" + text + "' is not accepted; accepted: " + accepted;
          },
          ""};
}

// The library computes in float, where a smaller rate is 0 and a larger one infinite.
CLI::Validator rate() { return number_in(1e-37, 1e37, "a number from 1e-37 to 1e37"); }

void add_data_flags(CLI::App &app, Options &o) {
  const std::map<std::string, Format> formats{
      {"auto", Format::kAuto}, {"idx", Format::kIdx}, {"libsvm", Format::kLibsvm}, {"csv", Format::kCsv}};
  const std::map<std::string, Scaling> scalings{{"auto", Scaling::kAuto},
                                                {"centre", Scaling::kCentre},
                                                {"standardise", Scaling::kStandardise},
                                                {"none", Scaling::kNone}};
  app.add_option("--data", o.data, "Folder in the layout of MNIST, or an idx, libsvm or CSV file; plain or .gz")
      ->capture_default_str();
  app.add_option("--test-data", o.test_data,
                 "Test file; else the rows that are neither training nor validation rows are the test");
  app.add_option("--format", o.format, "auto, idx, libsvm or csv")
      ->transform(CLI::CheckedTransformer(formats))
      ->default_str("auto");
  app.add_option("--label-column", o.label_column,
                 "CSV: name or number of the label's column, 1 for the first, -1 for the last")
      ->capture_default_str();
  app.add_option("--scaling", o.scaling,
                 "centre: subtract the mean of each feature (images are first divided by 255); standardise: also "
                 "divide by the standard "
                 "deviation; none; auto: centre images, standardise the rest")
      ->transform(CLI::CheckedTransformer(scalings))
      ->default_str("auto");
}

void add_problem_flags(CLI::App &app, Options &o) {
  app.add_option("--rows", o.rows, "Training rows, of which some get wrong labels")
      ->check(CLI::Range(2, 10000000))
      ->capture_default_str();
  app.add_option("--validation-rows", o.validation_rows, "Clean rows of the outer loss")
      ->check(CLI::Range(1, 10000000))
      ->capture_default_str();
  app.add_option("--noise", o.noise,
                 "Share of the training rows whose label is replaced by one drawn from the other classes")
      ->check(number_in(0, 1, "a number from 0 to 1"))
      ->capture_default_str();
  app.add_option("--seed", o.seed, "Of the choice of rows, the wrong labels and the initial parameters")
      ->capture_default_str();
  app.add_option("--seeds", o.seeds, "Runs, with seeds --seed, --seed + 1, ...; the report shows the first in detail")
      ->check(CLI::Range(1, 1000))
      ->capture_default_str();
}

void add_method_flags(CLI::App &app, Options &o) {
  app.add_option("--hidden", o.hidden,
                 "Width of a hidden layer; give it again for further layers (default: none, softmax regression)")
      ->check(CLI::Range(1, 100000));
  app.add_option("--activation", o.activation, "Of hidden layers")
      ->check(CLI::IsMember({"tanh", "relu", "sigmoid", "softplus"}))
      ->capture_default_str();
  app.add_option("--hypergradients", o.hypergradients, "Outer steps")
      ->check(CLI::Range(1, 1000000))
      ->capture_default_str();
  app.add_option("--steps", o.steps, "Inner steps T of an unroll")
      ->check(CLI::Range(1, 1000000))
      ->capture_default_str();
  app.add_option("--rate", o.rate, "Inner rate, also of the final models")->check(rate())->capture_default_str();
  app.add_option("--outer-rate", o.outer_rate, "Adam's rate for the row weights' logits phi")
      ->check(rate())
      ->capture_default_str();
  app.add_option("--outer-epsilon", o.outer_epsilon, "Adam's epsilon; 0: 1 / rows, the order of a row's hypergradient")
      ->check(number_in(0, 1e37, "0, or a number up to 1e37"))
      ->capture_default_str();
  app.add_option("--final-steps", o.final_steps, "Steps that each final model is trained")
      ->check(CLI::Range(1, 10000000))
      ->capture_default_str();
}

void add_run_flags(CLI::App &app, Options &o) {
  app.add_option("--threads", o.threads, "Threads; 0: all. Results do not depend on it")
      ->check(CLI::Range(0, 1024))
      ->capture_default_str();
  app.add_option("--workspace-mib", o.workspace_mib,
                 "Most memory for the unroll's tape, in MiB; with less, more is recomputed")
      ->check(CLI::Range(1, 1 << 24))
      ->capture_default_str();
  app.add_option("--report", o.report, "HTML report to write")->capture_default_str();
  app.add_flag("--no-report", o.no_report, "Write no report");
  app.add_option("--json", o.json, "File for the numbers");
}

}  // namespace

bool parse_options(int argc, char **argv, Options &options, int &exit_code) {
  CLI::App app(
      "Hyper-cleaning: finds wrong labels with hypergradients. Every training row gets a weight; the weights follow "
      "the gradient of the loss "
      "on a few clean validation rows, taken through the whole training of the model.",
      "hyper_cleaning");
  app.option_defaults()->always_capture_default(false);
  add_data_flags(app, options);
  add_problem_flags(app, options);
  add_method_flags(app, options);
  add_run_flags(app, options);
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError &error) {
    exit_code = app.exit(error);
    std::cout.flush();
    if (!std::cout) {  // --help into a full disk
      std::perror("hyper_cleaning: standard output");
      exit_code = 1;
    }
    return false;
  }
  return true;
}

}  // namespace examples
