/* SPDX-License-Identifier: Apache-2.0
 *
 * The library from plain C11: softmax regression of two rows, x = (1, 2) of class 0 and (3, -1) of class 2, with gradients worked
 * out by hand at two parameter vectors, one task each:
 *
 *     theta = 0:                     p = (1/3, 1/3, 1/3), L = log 3
 *     b = (log 2, 0, 0), else zero:  p = (1/2, 1/4, 1/4), L = (log 2 + log 4) / 2
 *
 * dL/dW[k] = 1/2 sum_i (p_k - [k = y_i]) x_i and dL/db[k] = 1/2 sum_i (p_k - [k = y_i]); every executor, instruction set and dtype.
 */
#include <bilevel/bilevel.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

enum { TASKS = 2, PARAMETERS = 9 };

static const double log2_of = 0.693147180559945309417;

/* Per layer W (3 x 2) and then b, as the library orders them. */
static const double gradient[TASKS][PARAMETERS] = {
    {1.0 / 6, -5.0 / 6, 4.0 / 6, 1.0 / 6, -5.0 / 6, 4.0 / 6, -1.0 / 6, 2.0 / 6, -1.0 / 6},
    {0.5, -0.75, 0.5, 0.125, -1.0, 0.625, 0.0, 0.25, -0.25},
};
static const double loss[TASKS] = {1.09861228866810969140, 1.5 * 0.693147180559945309417};

static int failures;

static void expect(int good, const char *what, const char *detail) {
  if (good) return;
  fprintf(stderr, "smoke: %s: %s\n", what, detail);
  failures++;
}

static blv_slot slot(int side, int leaf, int use, int dtype, int64_t task_stride) {
  blv_slot s = {0};
  s.side = side;
  s.leaf = leaf;
  s.use = use;
  s.dtype = dtype;
  s.task_stride = task_stride;
  return s;
}

static blv_plan make_plan(blv_context context, int dtype, int executor) {
  const int64_t widths[] = {2, 3};
  const blv_objective objective = {sizeof objective, BLV_NETWORK, BLV_CROSS_ENTROPY, 0, 0, 2, 2, widths};
  const blv_method method = {sizeof method, BLV_EVALUATE, 0};
  const blv_slot slots[] = {
      slot(BLV_INNER, BLV_X, BLV_VALUE, dtype, 0),
      slot(BLV_INNER, BLV_Y, BLV_VALUE, BLV_I32, 0),
      slot(BLV_METHOD, BLV_THETA, BLV_VALUE, dtype, PARAMETERS),
      slot(BLV_METHOD, BLV_THETA, BLV_GRADIENT, dtype, PARAMETERS),
      slot(BLV_METHOD, BLV_LOSS, BLV_RESULT, dtype, 1),
  };
  blv_spec spec = {0};
  spec.size = sizeof spec;
  spec.dtype = dtype;
  spec.tasks = TASKS;
  spec.inner = &objective;
  spec.method = &method;
  spec.n_slots = 5;
  spec.slots = slots;
  spec.executor = executor;
  blv_plan plan = NULL;
  expect(blv_plan_create(context, &spec, &plan) == BLV_OK, "plan", blv_context_error(context));
  return plan;
}

static void compare(double got, double want, double eps, const char *what) {
  char text[100];
  snprintf(text, sizeof text, "got %.17g, want %.17g", got, want);
  expect(fabs(got - want) <= 8 * eps, what, text);
}

/* Numbers go through the type of the plan. */
static void put(void *array, int dtype, int i, double v) {
  if (dtype == BLV_F32) {
    ((float *)array)[i] = (float)v;
  } else {
    ((double *)array)[i] = v;
  }
}
static double get(const void *array, int dtype, int i) {
  return dtype == BLV_F32 ? (double)((const float *)array)[i] : ((const double *)array)[i];
}

static void run(blv_context context, int dtype, int executor) {
  const double features[] = {1, 2, 3, -1}, eps = dtype == BLV_F32 ? 1.2e-7 : 2.3e-16;
  const int32_t labels[] = {0, 2};
  double x[4], theta[TASKS * PARAMETERS], g[TASKS * PARAMETERS], l[TASKS];
  for (int i = 0; i < 4; i++) put(x, dtype, i, features[i]);
  for (int i = 0; i < TASKS * PARAMETERS; i++) put(theta, dtype, i, i == PARAMETERS + 6 ? log2_of : 0.0);
  const blv_plan plan = make_plan(context, dtype, executor);
  if (!plan) return;
  blv_sizes sizes = {0};
  sizes.size = sizeof sizes;
  expect(blv_plan_sizes(plan, &sizes) == BLV_OK, "sizes", blv_context_error(NULL));
  const size_t align = (size_t)sizes.workspace_align;
  void *workspace = aligned_alloc(align, ((size_t)sizes.workspace_bytes + align) / align * align);
  void *const data[] = {x, (void *)labels, theta, g, l};
  blv_task_info info[TASKS];
  expect(blv_execute(context, plan, TASKS, data, workspace, sizes.workspace_bytes, NULL, info) == BLV_OK, "execute",
         blv_context_error(context));
  for (int t = 0; t < TASKS; t++) {
    double norm = 0;
    for (int j = 0; j < PARAMETERS; j++) {
      compare(get(g, dtype, t * PARAMETERS + j), gradient[t][j], eps, "gradient");
      norm += gradient[t][j] * gradient[t][j];
    }
    compare(get(l, dtype, t), loss[t], eps, "loss");
    compare(info[t].loss, loss[t], eps, "info.loss");
    compare(info[t].gradient_norm, sqrt(norm), eps, "info.gradient_norm");
    expect(info[t].status == BLV_TASK_OK, "info.status", "not BLV_TASK_OK");
  }
  free(workspace);
  blv_plan_destroy(plan);
}

int main(void) {
  static const int32_t levels[] = {BLV_ISA_BEST, BLV_ISA_X86_64_V2, BLV_ISA_X86_64_V3, BLV_ISA_X86_64_V4};
  static const int32_t executors[] = {BLV_EXECUTOR_AUTO, BLV_TASKS_IN_LANES, BLV_TASK_PER_CORE, BLV_ROWS_OVER_CORES};
  const int64_t widths[] = {2, 3};
  expect(blv_parameter_count(2, widths, 0) == PARAMETERS, "blv_parameter_count", "not 9");
  for (int i = 0; i < 4; i++) {
    blv_context_options options = {0};
    options.size = sizeof options;
    options.device = BLV_DEVICE_CPU;
    options.max_isa = levels[i];
    blv_context context = NULL;
    const blv_status status = blv_context_create(&options, &context);
    if (status == BLV_UNSUPPORTED && levels[i] > BLV_ISA_X86_64_V2) continue; /* this machine is older */
    expect(status == BLV_OK, "context", blv_context_error(NULL));
    for (int e = 0; e < 4 && context; e++) {
      run(context, BLV_F32, executors[e]);
      run(context, BLV_F64, executors[e]);
    }
    blv_context_destroy(context);
  }
  return failures != 0;
}
