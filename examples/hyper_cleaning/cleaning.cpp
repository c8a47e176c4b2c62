// SPDX-License-Identifier: Apache-2.0
//
// Hyper-cleaning with the library: one expression for the bilevel problem, a loop of hypergradients and Adam steps.
#include "examples/hyper_cleaning/cleaning.h"

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <stdexcept>

#include "examples/common/adam.h"
#include "examples/common/charts.h"
#include "examples/common/progress.h"
#include "examples/hyper_cleaning/interrupt.h"

namespace examples {
namespace {

namespace bl = bilevel;

bl::Activation activation_named(const std::string &name) {
  if (name == "tanh") return bl::Activation::tanh;
  if (name == "sigmoid") return bl::Activation::sigmoid;
  if (name == "softplus") return bl::Activation::softplus;
  return bl::Activation::relu;
}

void judge(const Problem &p, Run &run) {
  run.detection = detect(run.phi, p.wrong);
  run.kept = run.kept_right = 0;
  for (size_t i = 0; i < run.phi.size(); ++i) {
    run.kept += run.phi[i] >= 0;
    run.kept_right += run.phi[i] >= 0 && !p.wrong[i];
  }
}

[[noreturn]] void report_divergence(const blv_task_info &info, const Options &o) {
  const std::string where = info.step > 0 ? " at inner step " + std::to_string(info.step) : "";
  throw std::runtime_error("training diverged" + where + ": --rate " + number(o.rate, 6) +
                           " is too large for these data");
}

}  // namespace

bl::Objective<float> loss_on(const Rows &rows, const Problem &p, const Options &o) {
  return bl::network(bl::Matrix(rows.x, rows.count(), p.features), rows.labels, o.hidden,
                     activation_named(o.activation), bl::Loss::cross_entropy, p.classes);
}

void learn_weights(const Problem &p, const Options &o, bl::Context &context, Run &run) {
  run.phi.assign(static_cast<size_t>(p.train.count()), 0.0f);
  judge(p, run);

  const auto inner = loss_on(p.train, p, o).weights(bl::sigmoid(run.phi));
  const auto outer = loss_on(p.validation, p, o);
  const auto training =
      bl::unroll(inner, bl::sgd(o.rate), o.steps).from(p.theta0).workspace_limit(o.workspace_mib << 20).with(context);
  auto plan = training | bl::reverse(outer);

  // The loss is a mean over the rows, so the hypergradient of one row is of the order of 1 / rows. An epsilon of that size
  // keeps Adam from moving a row that hardly matters as fast as one that does.
  Adam adam(run.phi.size(), o.outer_rate, o.epsilon());
  Progress progress("seed " + std::to_string(run.seed) + ": hypergradients", o.hypergradients);
  const double start = seconds_now();
  try {
    for (int64_t k = 1; k <= o.hypergradients && !Interrupt::requested(); ++k) {
      const auto [loss, gradient] = plan.hypergradient(run.phi);
      if (!std::isfinite(loss) || plan.info()[0].status != BLV_TASK_OK) report_divergence(plan.info()[0], o);
      adam.step(run.phi, gradient);
      judge(p, run);
      run.losses.push_back(loss);
      run.f1.push_back(run.detection.f1);
      run.hypergradient_seconds = seconds_now() - start;
      char note[64];
      std::snprintf(note, sizeof note, "validation loss %.4f", loss);
      progress.update(k, note);
    }
    run.plan = plan.describe();
  } catch (const bl::Error &error) {
    if (error.status() != BLV_CANCELLED) throw;
  }
  run.interrupted = Interrupt::requested();
}

}  // namespace examples
