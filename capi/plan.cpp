// SPDX-License-Identifier: Apache-2.0
//
// C shims: plans.
#include "csrc/plan/plan.h"

#include "capi/guard.h"
#include "csrc/spec/validate.h"

extern "C" {

int64_t blv_parameter_count(int64_t n_widths, const int64_t *widths, int32_t flags) {
  return bilevel::parameter_count(n_widths, widths, flags);
}

blv_status blv_plan_create(blv_context context, const blv_spec *spec, blv_plan *out) {
  if (out != nullptr) *out = nullptr;
  return bilevel::guarded(context, [&] {
    bilevel::check_pointer("out", out);
    bilevel::check_pointer("context", context);
    *out = bilevel::make_plan(context, spec);
    return BLV_OK;
  });
}

void blv_plan_destroy(blv_plan plan) { delete plan; }

blv_status blv_plan_sizes(blv_plan plan, blv_sizes *out) {
  return bilevel::guarded(nullptr, [&] {
    bilevel::check_pointer("plan", plan);
    bilevel::plan_sizes(*plan, out);
    return BLV_OK;
  });
}

blv_status blv_plan_extent(blv_plan plan, int64_t slot, int64_t *elements) {
  return bilevel::guarded(nullptr, [&] {
    bilevel::check_pointer("plan", plan);
    bilevel::check_pointer("elements", elements);
    *elements = bilevel::plan_extent(*plan, slot);
    return BLV_OK;
  });
}

blv_status blv_plan_describe(blv_plan plan, char *text, int64_t capacity, int64_t *needed) {
  return bilevel::guarded(nullptr, [&] {
    bilevel::check_pointer("plan", plan);
    bilevel::plan_describe(*plan, text, capacity, needed);
    return BLV_OK;
  });
}
}
