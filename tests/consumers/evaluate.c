/* SPDX-License-Identifier: Apache-2.0
 *
 * A consumer in C: the loss of one linear least-squares row, 1/2 (theta x - y)^2 with theta = 3, x = 2, y = 1, and its derivatives with
 * respect to theta and y. All numbers are exact in fp64: L = 12.5, dL/dtheta = 10, dL/dy = -5.
 */
#include <bilevel/bilevel.h>
#include <stdio.h>
#include <stdlib.h>

static void require(blv_status status, blv_context context) {
  if (status == BLV_OK) return;
  fprintf(stderr, "%s: %s\n", blv_status_name(status), blv_context_error(context));
  exit(1);
}

int main(void) {
  const int64_t widths[] = {1, 1};
  const blv_objective loss = {.size = sizeof loss,
                              .model = BLV_NETWORK,
                              .loss = BLV_SQUARED,
                              .flags = BLV_NO_BIAS,
                              .rows = 1,
                              .n_widths = 2,
                              .widths = widths};
  const blv_method evaluate = {.size = sizeof evaluate, .kind = BLV_EVALUATE};
  const blv_slot slots[] = {
      {.side = BLV_METHOD, .leaf = BLV_THETA, .use = BLV_VALUE, .dtype = BLV_F64},
      {.side = BLV_INNER, .leaf = BLV_X, .use = BLV_VALUE, .dtype = BLV_F64},
      {.side = BLV_INNER, .leaf = BLV_Y, .use = BLV_VALUE, .dtype = BLV_F64},
      {.side = BLV_METHOD, .leaf = BLV_THETA, .use = BLV_GRADIENT, .dtype = BLV_F64},
      {.side = BLV_INNER, .leaf = BLV_Y, .use = BLV_GRADIENT, .dtype = BLV_F64},
      {.side = BLV_METHOD, .leaf = BLV_LOSS, .use = BLV_RESULT, .dtype = BLV_F64},
  };
  const blv_spec spec = {.size = sizeof spec,
                         .dtype = BLV_F64,
                         .tasks = 1,
                         .inner = &loss,
                         .method = &evaluate,
                         .n_slots = sizeof slots / sizeof slots[0],
                         .slots = slots};
  double theta = 3, x = 2, y = 1, by_theta = 0, by_y = 0, value = 0;
  void *const data[] = {&theta, &x, &y, &by_theta, &by_y, &value};

  blv_context context = NULL;
  blv_plan plan = NULL;
  blv_sizes sizes = {.size = sizeof sizes};
  require(blv_context_create(NULL, &context), NULL);
  require(blv_plan_create(context, &spec, &plan), context);
  require(blv_plan_sizes(plan, &sizes), context);
  const size_t align = (size_t)sizes.workspace_align;
  void *workspace = aligned_alloc(align, ((size_t)sizes.workspace_bytes + align) / align * align);
  require(blv_execute(context, plan, 1, data, workspace, sizes.workspace_bytes, NULL, NULL), context);
  free(workspace);
  blv_plan_destroy(plan);
  blv_context_destroy(context);

  printf("bilevel %d: L = %g, dL/dtheta = %g, dL/dy = %g\n", blv_version(), value, by_theta, by_y);
  return !(value == 12.5 && by_theta == 10 && by_y == -5);
}
