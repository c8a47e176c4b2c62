// SPDX-License-Identifier: Apache-2.0
//
// C shims: contexts.
#include "csrc/run/context.h"

#include "capi/guard.h"

extern "C" {

blv_status blv_context_create(const blv_context_options *options, blv_context *out) {
  return bilevel::guarded(nullptr, [&] {
    bilevel::check_pointer("out", out);
    *out = nullptr;
    *out = bilevel::make_context(options);
    return BLV_OK;
  });
}

void blv_context_destroy(blv_context context) { delete context; }

const char *blv_context_error(blv_context context) { return bilevel::error_of(context); }

void blv_context_cancel(blv_context context) {
  if (context != nullptr) bilevel::request_cancel(context);
}

void blv_context_progress(blv_context context, int64_t *done, int64_t *total) {
  bilevel::read_progress(context, done, total);
}
}
