// SPDX-License-Identifier: Apache-2.0
//
// A plugin of another build, as the loader may find one beside the library: it exports the right symbol, but its contract is
// another (FOREIGN_ABI), or it has none (a null pointer).
#include "kernels/contract/backend.h"

extern "C" __attribute__((visibility("default"))) const bilevel::Backend *bilevel_cuda_backend(void) {
#ifdef FOREIGN_ABI
  static bilevel::Backend backend;
  backend.abi = FOREIGN_ABI;
  return &backend;
#else
  return nullptr;
#endif
}
