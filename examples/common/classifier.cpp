// SPDX-License-Identifier: Apache-2.0
//
// Forward pass, row by row.
#include "examples/common/classifier.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>

namespace examples {
namespace {

// Sixteen sums at once: a single one could not be vectorised without changing its order.
float dot(const float *a, const float *b, size_t n) {
  std::array<float, 16> sums{};
  size_t k = 0;
  for (; k + 16 <= n; k += 16) {
    for (size_t lane = 0; lane < 16; ++lane) sums[lane] += a[k + lane] * b[k + lane];
  }
  for (; k < n; ++k) sums[k % 16] += a[k] * b[k];
  float total = 0;
  for (const float sum : sums) total += sum;
  return total;
}

float activate(const std::string &activation, float z) {
  if (activation == "relu") return std::max(z, 0.0f);
  if (activation == "sigmoid") return 1.0f / (1.0f + std::exp(-z));
  if (activation == "softplus") return std::max(z, 0.0f) + std::log1p(std::exp(-std::abs(z)));
  return std::tanh(z);
}

}  // namespace

std::vector<int32_t> predict(std::span<const int64_t> widths, const std::string &activation,
                             std::span<const float> theta, std::span<const float> x) {
  const auto inputs = static_cast<size_t>(widths.front());
  std::vector<int32_t> out;
  std::vector<float> from, to;
  for (size_t row = 0; row + inputs <= x.size(); row += inputs) {
    from.assign(x.begin() + static_cast<std::ptrdiff_t>(row), x.begin() + static_cast<std::ptrdiff_t>(row + inputs));
    const float *weight = theta.data();
    for (size_t layer = 1; layer < widths.size(); ++layer) {
      const size_t n = from.size(), m = static_cast<size_t>(widths[layer]);
      const float *bias = weight + m * n;
      to.resize(m);
      for (size_t j = 0; j < m; ++j) {
        const float z = dot(weight + j * n, from.data(), n) + bias[j];
        to[j] = layer + 1 < widths.size() ? activate(activation, z) : z;
      }
      weight = bias + m;
      from.swap(to);
    }
    out.push_back(static_cast<int32_t>(std::max_element(from.begin(), from.end()) - from.begin()));
  }
  return out;
}

double accuracy(std::span<const int32_t> predicted, std::span<const int32_t> truth) {
  if (truth.empty()) return std::numeric_limits<double>::quiet_NaN();
  size_t right = 0;
  for (size_t i = 0; i < truth.size(); ++i) right += predicted[i] == truth[i];
  return 100.0 * static_cast<double>(right) / static_cast<double>(truth.size());
}

}  // namespace examples
