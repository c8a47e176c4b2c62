// SPDX-License-Identifier: Apache-2.0
//
// Writing what a refusal or a failure says; what does not fit is cut.
#pragma once
#include "kernels/contract/backend.h"

namespace bilevel {

[[gnu::format(printf, 2, 3)]] void say(BackendMessage *message, const char *pattern, ...);

}  // namespace bilevel
