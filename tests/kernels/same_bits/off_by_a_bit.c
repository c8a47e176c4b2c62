/* SPDX-License-Identifier: Apache-2.0
 *
 * A libbilevel.so that hands every call to the one whose path is in OFF_BY_A_BIT_REAL, and then flips the last bit of the first
 * element of the first gradient of every HVP in fp32. It refuses logistic losses of the method BLV_EVALUATE.
 */
#include <bilevel/bilevel.h>
#include <dlfcn.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>

static void *real(const char *name) {
  static void *library;
  if (library == NULL) {
    const char *path = getenv("OFF_BY_A_BIT_REAL");
    library = path ? dlopen(path, RTLD_NOW | RTLD_LOCAL) : NULL;
  }
  void *found = library ? dlsym(library, name) : NULL;
  if (found == NULL) {
    fprintf(stderr, "off_by_a_bit: no %s\n", name);
    abort();
  }
  return found;
}
#define FORWARD(result, name, parameters, arguments) \
  result name parameters { return ((result(*) parameters)real(#name))arguments; }

FORWARD(int32_t, blv_version, (void), ())
FORWARD(const char *, blv_status_name, (blv_status status), (status))
FORWARD(const char *, blv_status_text, (blv_status status), (status))
FORWARD(blv_status, blv_context_create, (const blv_context_options *options, blv_context *out), (options, out))
FORWARD(void, blv_context_destroy, (blv_context context), (context))
FORWARD(const char *, blv_context_error, (blv_context context), (context))
FORWARD(int64_t, blv_parameter_count, (int64_t n_widths, const int64_t *widths, int32_t flags),
        (n_widths, widths, flags))
FORWARD(void, blv_plan_destroy, (blv_plan plan), (plan))
FORWARD(blv_status, blv_plan_sizes, (blv_plan plan, blv_sizes *out), (plan, out))
FORWARD(blv_status, blv_plan_describe, (blv_plan plan, char *text, int64_t capacity, int64_t *needed),
        (plan, text, capacity, needed))

static int64_t flipped = -1; /* the slot, of the last plan that was made */

blv_status blv_plan_create(blv_context context, const blv_spec *spec, blv_plan *out) {
  flipped = -1;
  for (int64_t i = spec->n_slots - 1; i >= 0; --i) {
    if (spec->slots[i].use == BLV_GRADIENT) flipped = i;
  }
  if (spec->method->kind != BLV_HVP || spec->dtype != BLV_F32) flipped = -1;
  if (spec->method->kind == BLV_EVALUATE && spec->inner->loss == BLV_LOGISTIC) return BLV_UNSUPPORTED;
  return ((blv_status(*)(blv_context, const blv_spec *, blv_plan *))real("blv_plan_create"))(context, spec, out);
}

blv_status blv_execute(blv_context context, blv_plan plan, int64_t tasks, void *const *data, void *workspace,
                       int64_t workspace_bytes, void *state, blv_task_info *info) {
  const blv_status status =
      ((blv_status(*)(blv_context, blv_plan, int64_t, void *const *, void *, int64_t, void *, blv_task_info *))real(
          "blv_execute"))(context, plan, tasks, data, workspace, workspace_bytes, state, info);
  if (flipped >= 0) *(unsigned char *)data[flipped] ^= 1;
  return status;
}
