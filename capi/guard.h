// SPDX-License-Identifier: Apache-2.0
//
// The exception guard: every entry point that can fail runs inside it, and nothing is thrown past it. What was thrown
// becomes a status and a message: the context's, or this thread's where there is no context. The body has the context
// to itself.
#pragma once
#include <bilevel/bilevel.h>

#include <exception>
#include <new>

#include "csrc/run/context.h"

namespace bilevel {

inline blv_status fail(blv_context context, blv_status status, const Text &text) noexcept {
  (context != nullptr ? context->error : thread_error()) = text;
  return status;
}

template <class Body>
blv_status guarded(blv_context context, Body &&body) noexcept {
  const ContextUse use(context);
  if (!use) return BLV_INVALID;
  try {
    const blv_status status = body();
    return status == BLV_OK ? status : fail(context, status, format("%s", blv_status_text(status)));
  } catch (const Refusal &refusal) {
    return fail(context, refusal.status, refusal.text);
  } catch (const std::bad_alloc &) {
    return fail(context, BLV_NO_MEMORY, format("%s", blv_status_text(BLV_NO_MEMORY)));
  } catch (const std::exception &exception) {
    return fail(context, BLV_INTERNAL, format("%s: %s", blv_status_text(BLV_INTERNAL), exception.what()));
  } catch (...) {
    return fail(context, BLV_INTERNAL, format("%s", blv_status_text(BLV_INTERNAL)));
  }
}

}  // namespace bilevel
