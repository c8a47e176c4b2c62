// SPDX-License-Identifier: Apache-2.0
//
// The table of inner optimisers: a row each, defined in optimisers/<name>.cpp.
#include "csrc/methods/optimiser.h"

namespace bilevel {

extern const Optimiser sgd_optimiser, heavy_ball_optimiser;

const std::vector<const Optimiser *> &optimisers() {
  static const std::vector<const Optimiser *> all = {&sgd_optimiser, &heavy_ball_optimiser};
  return all;
}

const Optimiser *find_optimiser(int32_t id) {
  for (const Optimiser *optimiser : optimisers())
    if (optimiser->id == id) return optimiser;
  return nullptr;
}

}  // namespace bilevel
