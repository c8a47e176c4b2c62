// SPDX-License-Identifier: Apache-2.0
//
// A small deterministic random generator. std::mt19937_64 is specified to the bit, the distributions of <random> are
// not, so they are written out here: the same seed gives the same rows, labels and parameters on every machine and with
// every standard library.
#ifndef BILEVEL_EXAMPLES_COMMON_RANDOM_H_
#define BILEVEL_EXAMPLES_COMMON_RANDOM_H_

#include <cstdint>
#include <random>
#include <utility>
#include <vector>

namespace examples {

class Random {
 public:
  explicit Random(uint64_t seed) : engine_(seed) {}

  // Uniform in [0, n), n >= 1; rejection, so that no value is favoured.
  uint64_t below(uint64_t n) {
    const uint64_t limit = UINT64_MAX - UINT64_MAX % n;
    uint64_t value = engine_();
    while (value >= limit) value = engine_();
    return value % n;
  }

  // Uniform in [0, 1), a multiple of 2^-53.
  double uniform() { return static_cast<double>(engine_() >> 11) * 0x1p-53; }

  // A permutation of 0 .. n-1 (Fisher-Yates).
  std::vector<int64_t> permutation(int64_t n) {
    std::vector<int64_t> order(static_cast<size_t>(n));
    for (size_t i = 0; i < order.size(); ++i) order[i] = static_cast<int64_t>(i);
    for (size_t i = order.size(); i > 1; --i) std::swap(order[i - 1], order[below(i)]);
    return order;
  }

 private:
  std::mt19937_64 engine_;
};

}  // namespace examples

#endif  // BILEVEL_EXAMPLES_COMMON_RANDOM_H_
