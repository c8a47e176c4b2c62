// SPDX-License-Identifier: Apache-2.0
//
// The table of methods: a row each, defined in <name>.cpp.
#include "csrc/methods/method.h"

namespace bilevel {

extern const Method evaluate_method, hvp_method, unroll_method, forward_method, implicit_method;

const std::vector<const Method *> &methods() {
  static const std::vector<const Method *> all = {&evaluate_method, &hvp_method, &unroll_method, &forward_method,
                                                  &implicit_method};
  return all;
}

const Method *find_method(int32_t id) {
  for (const Method *method : methods())
    if (method->id == id) return method;
  return nullptr;
}

}  // namespace bilevel
