// SPDX-License-Identifier: Apache-2.0
//
// How the host side says no: it throws a Refusal, which carries the status and one sentence that names the argument,
// its value and what is accepted. The shims in capi turn it into a status and a context's message; it never leaves the
// library.
#pragma once
#include <bilevel/bilevel.h>

#include <cstdint>

#include "csrc/support/checked.h"  // what a refusal is most often about

namespace bilevel {

// A short text of fixed size: making one allocates nothing, and what does not fit is cut.
struct Text {
  char data[512] = {};
  const char *c_str() const { return data; }
};
[[gnu::format(printf, 1, 2)]] Text format(const char *pattern, ...);

struct Refusal {
  blv_status status = BLV_INTERNAL;
  Text text;
};

[[noreturn]] void refuse(blv_status status, const Text &text);
// BLV_INVALID, "<argument> is <value>; accepted: <accepted>".
[[noreturn]] void refuse_value(const char *argument, int64_t value, const char *accepted);

// Refuses a value outside [least, most].
void check_range(const char *argument, int64_t value, int64_t least, int64_t most);
// Refuses NULL.
void check_pointer(const char *argument, const void *pointer);

}  // namespace bilevel
