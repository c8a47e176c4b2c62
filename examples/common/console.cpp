// SPDX-License-Identifier: Apache-2.0
//
// Standard output with its errors.
#include "examples/common/console.h"

#include <cerrno>
#include <cstdio>
#include <cstring>
#include <stdexcept>

namespace examples {

void print_out(const std::string &text) {
  if (std::fwrite(text.data(), 1, text.size(), stdout) == text.size() && std::fflush(stdout) == 0) return;
  throw std::runtime_error(std::string("standard output cannot be written: ") + std::strerror(errno));
}

}  // namespace examples
