// SPDX-License-Identifier: Apache-2.0
//
// Predictions of a feed-forward network: the plain forward pass, for test accuracies. Parameters are in the library's
// order: per layer the weight (outputs x inputs, row-major), then the bias.
#ifndef BILEVEL_EXAMPLES_COMMON_CLASSIFIER_H_
#define BILEVEL_EXAMPLES_COMMON_CLASSIFIER_H_

#include <cstdint>
#include <span>
#include <string>
#include <vector>

namespace examples {

// Index of the largest output for each of the rows of x (rows x widths[0]). `activation`: "tanh", "relu", "sigmoid" or
// "softplus".
std::vector<int32_t> predict(std::span<const int64_t> widths, const std::string &activation,
                             std::span<const float> theta, std::span<const float> x);

// Percentage of equal entries; NaN without entries.
double accuracy(std::span<const int32_t> predicted, std::span<const int32_t> truth);

}  // namespace examples

#endif  // BILEVEL_EXAMPLES_COMMON_CLASSIFIER_H_
