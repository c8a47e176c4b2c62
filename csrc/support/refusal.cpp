// SPDX-License-Identifier: Apache-2.0
//
// Refusals, the texts that they carry, and the checks that most arguments need.
#include "csrc/support/refusal.h"

#include <cstdarg>
#include <cstdio>

namespace bilevel {

Text format(const char *pattern, ...) {
  Text text;
  va_list arguments;
  va_start(arguments, pattern);
  std::vsnprintf(text.data, sizeof text.data, pattern, arguments);
  va_end(arguments);
  return text;
}

void refuse(blv_status status, const Text &text) { throw Refusal{status, text}; }

void refuse_value(const char *argument, int64_t value, const char *accepted) {
  refuse(BLV_INVALID, format("%s is %lld; accepted: %s", argument, static_cast<long long>(value), accepted));
}

void check_range(const char *argument, int64_t value, int64_t least, int64_t most) {
  if (value >= least && value <= most) return;
  const long long low = least, high = most;
  refuse_value(argument, value, (low == high ? format("%lld", low) : format("%lld to %lld", low, high)).c_str());
}

void check_pointer(const char *argument, const void *pointer) {
  if (pointer == nullptr) refuse(BLV_INVALID, format("%s is NULL; accepted: a valid pointer", argument));
}

}  // namespace bilevel
