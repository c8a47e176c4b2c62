// SPDX-License-Identifier: Apache-2.0
//
// Standard output that is an error where it cannot be written.
#ifndef BILEVEL_EXAMPLES_COMMON_CONSOLE_H_
#define BILEVEL_EXAMPLES_COMMON_CONSOLE_H_

#include <string>

namespace examples {

// Writes the text to standard output at once; throws std::runtime_error where that fails (a full disk).
void print_out(const std::string &text);

}  // namespace examples

#endif  // BILEVEL_EXAMPLES_COMMON_CONSOLE_H_
