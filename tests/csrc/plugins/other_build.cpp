// SPDX-License-Identifier: Apache-2.0
//
// A plugin of another build: its ABI hash is another.
#include "kernels/contract/backend.h"

extern "C" __attribute__((visibility("default"))) const bilevel::Backend *bilevel_cuda_backend() {
  static constexpr bilevel::Backend backend = {
      "0123456789abcdef0123456789abcdef", nullptr, nullptr, nullptr, nullptr, nullptr};
  return &backend;
}
