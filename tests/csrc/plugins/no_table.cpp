// SPDX-License-Identifier: Apache-2.0
//
// A plugin that has the symbol and no table.
#include "kernels/contract/backend.h"

extern "C" __attribute__((visibility("default"))) const bilevel::Backend *bilevel_cuda_backend() { return nullptr; }
