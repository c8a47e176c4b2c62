// SPDX-License-Identifier: Apache-2.0
//
// Adam (Kingma and Ba, ICLR 2015, Algorithm 1) for the outer variable phi, with moments in double.
#ifndef BILEVEL_EXAMPLES_COMMON_ADAM_H_
#define BILEVEL_EXAMPLES_COMMON_ADAM_H_

#include <cmath>
#include <span>
#include <vector>

namespace examples {

class Adam {
 public:
  Adam(size_t size, double rate, double epsilon = 1e-8)
      : rate_(rate), epsilon_(epsilon), mean_(size, 0), square_(size, 0) {}

  void step(std::span<float> phi, std::span<const float> gradient) {
    ++steps_;
    const double mean_scale = 1 / (1 - std::pow(kBeta1, steps_)), square_scale = 1 / (1 - std::pow(kBeta2, steps_));
    for (size_t i = 0; i < mean_.size(); ++i) {
      const double g = static_cast<double>(gradient[i]);
      mean_[i] = kBeta1 * mean_[i] + (1 - kBeta1) * g;
      square_[i] = kBeta2 * square_[i] + (1 - kBeta2) * g * g;
      const double change = rate_ * mean_[i] * mean_scale / (std::sqrt(square_[i] * square_scale) + epsilon_);
      phi[i] = static_cast<float>(static_cast<double>(phi[i]) - change);
    }
  }

 private:
  static constexpr double kBeta1 = 0.9, kBeta2 = 0.999;
  double rate_, epsilon_;
  int steps_ = 0;
  std::vector<double> mean_, square_;
};

}  // namespace examples

#endif  // BILEVEL_EXAMPLES_COMMON_ADAM_H_
