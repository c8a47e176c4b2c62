// SPDX-License-Identifier: Apache-2.0
//
// The comparison: the same model and training on four sets of rows, judged on the test rows.
#include <chrono>
#include <cmath>
#include <condition_variable>
#include <mutex>
#include <stdexcept>
#include <thread>

#include "examples/common/charts.h"
#include "examples/common/classifier.h"
#include "examples/common/progress.h"
#include "examples/hyper_cleaning/cleaning.h"
#include "examples/hyper_cleaning/interrupt.h"

namespace examples {
namespace {

namespace bl = bilevel;

// Redraws a progress bar from the library's counter while an execute runs in another thread.
class Ticker {
 public:
  Ticker(const bl::Context &context, Progress &progress, int64_t done_before) {
    if (!Progress::on_terminal()) return;
    thread_ = std::jthread([&context, &progress, done_before, this](const std::stop_token &stop) {
      std::unique_lock lock(mutex_);
      while (!wake_.wait_for(lock, stop, std::chrono::milliseconds(100), [] { return false; }) &&
             !stop.stop_requested()) {
        const auto [done, total] = context.progress();
        if (total > 0)
          progress.tick(static_cast<double>(done_before) + static_cast<double>(done) / static_cast<double>(total));
      }
    });
  }

 private:
  std::mutex mutex_;
  std::condition_variable_any wake_;
  std::jthread thread_;  // last: joined before the others go
};

struct Training {
  const Problem &problem;
  const Options &options;
  bl::Context &context;

  double test_accuracy(const Rows &rows) const {
    const Options &o = options;
    const auto theta = bl::unroll(loss_on(rows, problem, o), bl::sgd(o.rate), o.final_steps)
                           .from(problem.theta0)
                           .with(context)
                           .train();
    for (const float value : theta) {
      if (!std::isfinite(value))
        throw std::runtime_error("a final model diverged: --rate " + number(o.rate, 6) +
                                 " is too large for these data");
    }
    return accuracy(predict(problem.widths, o.activation, theta, problem.test.x), problem.test.labels);
  }
};

int64_t count(const std::vector<char> &flags) {
  int64_t n = 0;
  for (const char flag : flags) n += flag;
  return n;
}

}  // namespace

void train_final_models(const Problem &p, const Options &o, bl::Context &context, Run &run) {
  std::vector<char> kept(run.phi.size()), right(run.phi.size());
  for (size_t i = 0; i < kept.size(); ++i) {
    kept[i] = run.phi[i] >= 0;
    right[i] = !p.wrong[i];
  }
  run.models = {FinalModel{"noisy", p.train.count(), count(p.wrong)},
                FinalModel{"validation rows only", p.validation.count(), 0},
                FinalModel{"cleaned + validation", run.kept + p.validation.count(), run.kept - run.kept_right},
                FinalModel{"clean rows only", count(right), 0}};
  if (run.interrupted) return;

  const auto sets = [&](int model) {
    if (model == kNoisy) return p.train;
    if (model == kValidationOnly) return p.validation;
    if (model == kCleaned) return selected(p.train, kept, p.features, &p.validation);
    return selected(p.train, right, p.features, nullptr);
  };
  const Training training{p, o, context};
  Progress progress("seed " + std::to_string(run.seed) + ": final models", kFinalModels);
  const double start = seconds_now();
  try {
    for (int k = 0; k < kFinalModels && !Interrupt::requested(); ++k) {
      FinalModel &model = run.models[static_cast<size_t>(k)];
      if (model.rows == 0) continue;
      {
        const Ticker ticker(context, progress, k);
        model.accuracy = training.test_accuracy(sets(k));
      }
      progress.update(k + 1, model.name + " " + fixed(model.accuracy, 1) + " %");
    }
  } catch (const bl::Error &error) {
    if (error.status() != BLV_CANCELLED) throw;
  }
  run.final_seconds = seconds_now() - start;
  run.interrupted = Interrupt::requested();
}

}  // namespace examples
