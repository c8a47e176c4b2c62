// SPDX-License-Identifier: Apache-2.0
//
// The bilevel part of the example: learns the row weights, and trains the models that are compared.
//
//   inner   min over theta of (1/n) sum_i sigmoid(phi_i) cross_entropy(theta; x_i, y_i), by T steps of gradient descent
//   outer   min over phi of the mean cross-entropy of theta_T on the validation rows, by Adam
#ifndef BILEVEL_EXAMPLES_HYPER_CLEANING_CLEANING_H_
#define BILEVEL_EXAMPLES_HYPER_CLEANING_CLEANING_H_

#include <bilevel/bilevel.hpp>

#include "examples/hyper_cleaning/options.h"
#include "examples/hyper_cleaning/problem.h"
#include "examples/hyper_cleaning/run.h"

namespace examples {

// The loss of the network that the options describe, on `rows`; a view of them.
bilevel::Objective<float> loss_on(const Rows &rows, const Problem &problem, const Options &options);

// Fills run.phi, losses, f1, detection, kept, hypergradient_seconds, plan. Stops early, with run.interrupted, when
// asked to. Throws std::runtime_error if training diverges.
void learn_weights(const Problem &problem, const Options &options, bilevel::Context &context, Run &run);

// Trains the four models from theta0 and fills run.models: all noisy rows; validation rows only; kept and validation
// rows; right rows only.
void train_final_models(const Problem &problem, const Options &options, bilevel::Context &context, Run &run);

}  // namespace examples

#endif  // BILEVEL_EXAMPLES_HYPER_CLEANING_CLEANING_H_
