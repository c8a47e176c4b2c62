// SPDX-License-Identifier: Apache-2.0
//
// Messages of the plugin.
#include "csrc/cuda/message.h"

#include <cstdarg>
#include <cstdio>

namespace bilevel {

void say(BackendMessage *message, const char *pattern, ...) {
  va_list arguments;
  va_start(arguments, pattern);
  std::vsnprintf(message->text, sizeof message->text, pattern, arguments);
  va_end(arguments);
}

}  // namespace bilevel
