/* SPDX-License-Identifier: Apache-2.0
 *
 * A libbilevel.so that makes no plan, as an older one does that does not know what a workload asks for.
 */
#include <bilevel/bilevel.h>
#include <stddef.h>

int32_t blv_version(void) { return 0; }
const char *blv_status_name(blv_status status) { return status == BLV_UNSUPPORTED ? "BLV_UNSUPPORTED" : "?"; }
const char *blv_context_error(blv_context context) { return context ? "unknown \"workload\"" : ""; }
blv_status blv_context_create(const blv_context_options *options, blv_context *out) {
  static int some;
  *out = (blv_context)&some;
  return options ? BLV_OK : BLV_INVALID;
}
void blv_context_destroy(blv_context context) { (void)context; }
blv_status blv_plan_create(blv_context context, const blv_spec *spec, blv_plan *out) {
  *out = NULL;
  return context && spec ? BLV_UNSUPPORTED : BLV_INVALID;
}
void blv_plan_destroy(blv_plan plan) { (void)plan; }
