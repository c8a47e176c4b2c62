// SPDX-License-Identifier: Apache-2.0
//
// Precision, recall and F1 of finding the wrong labels.
#include "examples/hyper_cleaning/run.h"

namespace examples {

Detection detect(const std::vector<float> &phi, const std::vector<char> &wrong) {
  double hits = 0, flagged = 0, all = 0;
  for (size_t i = 0; i < phi.size(); ++i) {
    const bool flag = phi[i] < 0;  // weight below 1/2
    flagged += flag;
    all += wrong[i];
    hits += flag && wrong[i];
  }
  Detection d;
  d.precision = flagged > 0 ? hits / flagged : 0;
  d.recall = all > 0 ? hits / all : 0;
  d.f1 = hits > 0 ? 2 * d.precision * d.recall / (d.precision + d.recall) : 0;
  return d;
}

}  // namespace examples
