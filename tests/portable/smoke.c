/* SPDX-License-Identifier: Apache-2.0
 *
 * smoke LEVEL: on a processor of ISA level LEVEL (2, 3, 4; 0: below all of them) the library picks that level by itself, refuses those above,
 * and each level up to it computes the loss and hypergradient of a small unroll right. Run natively and under emulation of older
 * processors, where an instruction of a higher level on any path from loading to destroying is an illegal instruction.
 *
 * The problem: B tasks of linear least squares without bias, theta scalar, n rows x_i = 1 + i, y_i = 0, row mean; T = 2 SGD steps
 * of rate a from theta_0. With s = mean x_i^2: theta_T = (1 - a s)^T theta_0, L = s theta_T^2 / 2, and
 * dL/da = s theta_T * T (1 - a s)^(T-1) * (-s) * theta_0.
 */
#include <bilevel/bilevel.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { TASKS = 21, ROWS = 5, STEPS = 2 };

static int failures;

static void check(int ok, const char *what, int level) {
  if (ok) return;
  printf("level %d: %s\n", level, what);
  ++failures;
}

static int close_to(double value, double expected) {
  const double error = value > expected ? value - expected : expected - value;
  const double size = expected > 0 ? expected : -expected;
  return error <= 64 * 2.220446049250313e-16 * size;
}

static void check_unroll(blv_context context, int level) {
  const int64_t widths[] = {1, 1};
  const blv_objective loss = {.size = sizeof loss,
                              .model = BLV_NETWORK,
                              .loss = BLV_SQUARED,
                              .flags = BLV_NO_BIAS,
                              .rows = ROWS,
                              .n_widths = 2,
                              .widths = widths};
  const blv_unroll unroll = {.head = {.size = sizeof unroll, .kind = BLV_UNROLL}, .optimiser = BLV_SGD, .steps = STEPS};
  const blv_slot slots[] = {
      {.side = BLV_METHOD, .leaf = BLV_THETA0, .use = BLV_VALUE, .dtype = BLV_F64, .task_stride = 1},
      {.side = BLV_BOTH, .leaf = BLV_X, .use = BLV_VALUE, .dtype = BLV_F64},
      {.side = BLV_BOTH, .leaf = BLV_Y, .use = BLV_VALUE, .dtype = BLV_F64},
      {.side = BLV_METHOD, .leaf = BLV_RATE, .use = BLV_VALUE, .dtype = BLV_F64, .extent = BLV_SCALAR},
      {.side = BLV_METHOD,
       .leaf = BLV_RATE,
       .use = BLV_GRADIENT,
       .dtype = BLV_F64,
       .extent = BLV_SCALAR,
       .task_stride = 1},
      {.side = BLV_METHOD, .leaf = BLV_LOSS, .use = BLV_RESULT, .dtype = BLV_F64, .task_stride = 1},
  };
  const blv_spec spec = {.size = sizeof spec,
                         .dtype = BLV_F64,
                         .tasks = TASKS,
                         .inner = &loss,
                         .outer = &loss,
                         .method = &unroll.head,
                         .n_slots = sizeof slots / sizeof slots[0],
                         .slots = slots};
  double theta0[TASKS], x[ROWS], y[ROWS], rate = 1.0 / 64, by_rate[TASKS], value[TASKS], s = 0;
  for (int i = 0; i < ROWS; ++i) x[i] = 1 + i, y[i] = 0, s += x[i] * x[i] / ROWS;
  for (int b = 0; b < TASKS; ++b) theta0[b] = 1 + b, by_rate[b] = value[b] = -1;
  void *const data[] = {theta0, x, y, &rate, by_rate, value};

  blv_plan plan = NULL;
  blv_sizes sizes = {.size = sizeof sizes};
  check(blv_plan_create(context, &spec, &plan) == BLV_OK, blv_context_error(context), level);
  if (!plan) return;
  check(blv_plan_sizes(plan, &sizes) == BLV_OK, "blv_plan_sizes", level);
  const size_t align = (size_t)sizes.workspace_align;
  void *workspace = aligned_alloc(align, ((size_t)sizes.workspace_bytes + align) / align * align);
  check(blv_execute(context, plan, TASKS, data, workspace, sizes.workspace_bytes, NULL, NULL) == BLV_OK,
        blv_context_error(context), level);
  char text[8192] = "";
  check(blv_plan_describe(plan, text, sizeof text, NULL) == BLV_OK, "blv_plan_describe", level);
  printf("level %d: %s\n", level, text);
  free(workspace);
  blv_plan_destroy(plan);

  const double shrink = 1 - rate * s;
  for (int b = 0; b < TASKS; ++b) {
    const double theta = shrink * shrink * theta0[b];
    check(close_to(value[b], s * theta * theta / 2), "the loss", level);
    check(close_to(by_rate[b], -s * s * theta * STEPS * shrink * theta0[b]), "the hypergradient", level);
  }
}

static blv_status create(int level, blv_context *context) {
  const blv_context_options options = {
      .size = sizeof options, .device = BLV_DEVICE_CPU, .max_isa = level, .threads = 2};
  return blv_context_create(&options, context);
}

int main(int argc, char **argv) {
  if (argc != 2) return fprintf(stderr, "usage: smoke LEVEL\n"), 2;
  const int machine = atoi(argv[1]);
  blv_context context = NULL;

  if (machine == 0) {
    check(create(BLV_ISA_BEST, &context) == BLV_UNSUPPORTED && !context, "an older processor was accepted", 0);
    check(strstr(blv_context_error(NULL), "x86-64-v2") != NULL, blv_context_error(NULL), 0);
    return failures != 0;
  }
  for (int level = BLV_ISA_X86_64_V2; level <= machine; ++level) {
    const blv_status status = create(level, &context);
    check(status == BLV_OK, blv_context_error(NULL), level);
    if (status == BLV_OK) check_unroll(context, level);
    blv_context_destroy(context);
    context = NULL;
  }
  check(create(BLV_ISA_BEST, &context) == BLV_OK, blv_context_error(NULL), machine);
  if (context) check_unroll(context, machine);
  blv_context_destroy(context);
  return failures != 0;
}
