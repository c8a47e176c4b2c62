// SPDX-License-Identifier: Apache-2.0
//
// Options and one subcommand per kind of workload; without a subcommand, a suite.
#include "arguments.h"

#include <CLI/CLI.hpp>

namespace bench {
namespace {

const CLI::Range kSize(int64_t{1}, int64_t{1} << 40);

struct Subcommands {
  Request sine = default_request(Kind::kSine), hvp = default_request(Kind::kHvp);
  Request cleaning = default_request(Kind::kCleaning), hpo = default_request(Kind::kHpo);
  Request evaluate = default_request(Kind::kEvaluate);
};

// A subcommand that appends *request, with its sizes as given, to the workloads to run.
CLI::App *add_workload(CLI::App *app, const char *name, const char *text, Request *request, Arguments *a) {
  CLI::App *sub = app->add_subcommand(name, text);
  sub->add_flag("--split-tf32", request->split_tf32,
                "matrix products on tensor cores, as three products of TF32 numbers");
  sub->final_callback([request, a] { a->requests.push_back(*request); });
  return sub;
}

void add_size(CLI::App *sub, const char *name, int64_t *value, const char *text) {
  sub->add_option(name, *value, text)->capture_default_str()->check(kSize);
}

void add_workloads(CLI::App *app, Subcommands *s, Arguments *a) {
  CLI::App *sub = add_workload(app, "sine", "MAML on sinusoids, 1-40-40-1 tanh, 10 + 10 rows", &s->sine, a);
  add_size(sub, "--tasks", &s->sine.tasks, "tasks");
  add_size(sub, "--steps", &s->sine.steps, "inner steps T");
  sub = add_workload(app, "hvp", "Hessian-vector products of a logistic loss", &s->hvp, a);
  add_size(sub, "--rows", &s->hvp.rows, "rows n");
  add_size(sub, "--inputs", &s->hvp.inputs, "inputs d");
  sub->add_option("--vectors", s->hvp.vectors, "vectors K")->capture_default_str()->check(CLI::Range(1, 8));
  sub = add_workload(app, "cleaning", "row weights of a softmax regression", &s->cleaning, a);
  add_size(sub, "--rows", &s->cleaning.rows, "inner rows");
  add_size(sub, "--outer-rows", &s->cleaning.outer_rows, "validation rows");
  add_size(sub, "--inputs", &s->cleaning.inputs, "inputs d");
  add_size(sub, "--classes", &s->cleaning.classes, "classes");
  add_size(sub, "--steps", &s->cleaning.steps, "inner steps T");
  sub = add_workload(app, "hpo", "penalties of logistic regressions", &s->hpo, a);
  add_size(sub, "--tasks", &s->hpo.tasks, "tasks");
  add_size(sub, "--rows", &s->hpo.rows, "inner rows, and as many validation rows");
  add_size(sub, "--inputs", &s->hpo.inputs, "inputs d");
  add_size(sub, "--steps", &s->hpo.steps, "inner steps T");
  sub = add_workload(app, "evaluate", "loss and gradient of tanh networks", &s->evaluate, a);
  add_size(sub, "--tasks", &s->evaluate.tasks, "tasks");
  add_size(sub, "--rows", &s->evaluate.rows, "rows of a task");
  sub->add_option("--widths", s->evaluate.widths, "inputs,hidden...,outputs")
      ->delimiter(',')
      ->expected(2, 17)
      ->check(kSize);
}

template <class T>
void add_choice(CLI::App *app, const char *name, T *value, const char *text, const std::map<std::string, T> &names) {
  app->add_option(name, *value, text)->transform(CLI::CheckedTransformer(names));
}

void add_options(CLI::App *app, std::string *suite_name, std::string *l2, Arguments *a) {
  app->add_option("--suite", *suite_name, "without a workload: standard, or tiny")
      ->capture_default_str()
      ->check(CLI::IsMember({"standard", "tiny"}));
  app->add_option("--filter", a->filter, "of a suite, only workloads whose name contains this");
  app->add_flag("--list", a->list, "print the names of the workloads and end");
  app->add_option("--device", a->device, "CUDA device ordinal")->capture_default_str()->check(CLI::NonNegativeNumber);
  add_choice<int>(app, "--executor", &a->plan.executor, "who runs a task (default auto)",
                  {{"auto", BLV_EXECUTOR_AUTO},
                   {"warp", BLV_WARP_PER_TASK},
                   {"block", BLV_BLOCK_PER_TASK},
                   {"cluster", BLV_CLUSTER_PER_TASK},
                   {"grid", BLV_GRID}});
  add_choice<int>(app, "--dtype", &a->plan.dtype, "f32 (default) or f64", {{"f32", BLV_F32}, {"f64", BLV_F64}});
  add_choice<Check>(app, "--check", &a->check,
                    "compare with the CPU library: none, small (cut to few tasks, rows and steps; default), full",
                    {{"none", Check::kNone}, {"small", Check::kSmall}, {"full", Check::kFull}});
  app->add_flag("--dry-run", a->dry_run, "one execute of each workload, after the comparison; no times");
  app->add_option("--l2", *l2, "L2 cache before each repetition: warm, cold or both")
      ->capture_default_str()
      ->check(CLI::IsMember({"warm", "cold", "both"}));
  app->add_flag("--graph", a->timing.graph, "also time replays of a CUDA graph");
  app->add_option("--seconds", a->timing.seconds, "least length of each timed series")->capture_default_str();
  app->add_option("--repetitions", a->timing.least, "least number of repetitions")
      ->capture_default_str()
      ->check(CLI::Range(3, 1000));
  app->add_flag("--describe", a->describe, "print each plan's own description");
  app->add_flag("--skip-refused", a->skip_refused, "go on when the library refuses a plan");
  app->add_option("--json", a->json_file, "write the report to this file; '-': to stdout, in place of the table");
  app->add_flag("--serve", a->serve, "answer commands on stdin (bench/compare.py)");
}

}  // namespace

bool parse(int argc, char **argv, Arguments *a, int *status) {
  CLI::App app("Times the library's kernels on a CUDA device, through its C ABI on device memory.",
               "bilevel_bench_gpu");
  Subcommands subcommands;
  std::string suite_name = "standard", l2 = "both";
  app.fallthrough();  // inherited by the subcommands: options may follow them
  add_options(&app, &suite_name, &l2, a);
  add_workloads(&app, &subcommands, a);
  app.require_subcommand(0, 5);
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError &e) {
    *status = app.exit(e) == 0 ? 0 : 2;
    return false;
  }
  a->timing.warm = l2 != "cold";
  a->timing.cold = l2 != "warm";
  if (a->requests.empty()) {
    for (const Request &r : suite(suite_name))
      if (r.name().find(a->filter) != std::string::npos) a->requests.push_back(r);
  }
  if (a->requests.empty()) throw std::runtime_error("no workload contains '" + a->filter + "'");
  return true;
}

}  // namespace bench
