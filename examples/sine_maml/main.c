/* SPDX-License-Identifier: Apache-2.0
 *
 * MAML on sinusoids (Finn et al., ICML 2017, sec. 5.1) in C11: learns an initialisation theta_0 of a 1-40-40-1
 * network such that T = 5 steps of gradient descent on 10 points of an unknown sinusoid fit 10 other points of it. One
 * blv_execute runs 256 tasks and gives the sum of their hypergradients dL_outer/dtheta_0; Adam follows it. */
#include <bilevel/bilevel.h>
#include <math.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

enum { TASKS = 256, POINTS = 10, INNER_STEPS = 5, OUTER_STEPS = 100, SLOTS = 8 };

/* Uniform in [low, high): splitmix64. */
static float uniform(float low, float high) {
  static uint64_t state = 1;
  uint64_t z = state += 0x9e3779b97f4a7c15u;
  z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
  z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
  return low + (high - low) * (float)((z ^ (z >> 31)) >> 40) * 0x1p-24f;
}

static float x_in[TASKS * POINTS], y_in[TASKS * POINTS], x_out[TASKS * POINTS], y_out[TASKS * POINTS], loss[TASKS];

/* Fresh sinusoids, amplitude in [.1, 5], phase in [0, pi], x in [-5, 5]. */
static void draw_tasks(void) {
  for (int i = 0; i < TASKS; ++i) {
    const float amplitude = uniform(0.1f, 5), phase = uniform(0, 3.14159265f);
    for (int k = i * POINTS; k < (i + 1) * POINTS; ++k) {
      x_in[k] = uniform(-5, 5);
      y_in[k] = amplitude * sinf(x_in[k] - phase);
      x_out[k] = uniform(-5, 5);
      y_out[k] = amplitude * sinf(x_out[k] - phase);
    }
  }
}

static void adam(float *theta, const float *gradient, float *mean, float *square, int64_t n, int step) {
  const float rate = 3e-3f, mean_scale = 1 / (1 - powf(0.9f, (float)step)),
              square_scale = 1 / (1 - powf(0.999f, (float)step));
  for (int64_t i = 0; i < n; ++i) {
    const float g = gradient[i] / TASKS;
    mean[i] = 0.9f * mean[i] + 0.1f * g;
    square[i] = 0.999f * square[i] + 0.001f * g * g;
    theta[i] -= rate * mean[i] * mean_scale / (sqrtf(square[i] * square_scale) + 1e-8f);
  }
}

static blv_plan make_plan(blv_context context, const int64_t *widths) {
  const blv_objective objective = {sizeof objective, BLV_NETWORK, BLV_SQUARED, BLV_TANH, 0, POINTS, 4, widths};
  const blv_unroll unroll = {{sizeof unroll, BLV_UNROLL, 0}, BLV_SGD, BLV_STORE_AUTO, INNER_STEPS, 0};
  const blv_slot slots[SLOTS] = {
      {.side = BLV_INNER, .leaf = BLV_X, .use = BLV_VALUE, .dtype = BLV_F32, .task_stride = POINTS},
      {.side = BLV_INNER, .leaf = BLV_Y, .use = BLV_VALUE, .dtype = BLV_F32, .task_stride = POINTS},
      {.side = BLV_OUTER, .leaf = BLV_X, .use = BLV_VALUE, .dtype = BLV_F32, .task_stride = POINTS},
      {.side = BLV_OUTER, .leaf = BLV_Y, .use = BLV_VALUE, .dtype = BLV_F32, .task_stride = POINTS},
      {.side = BLV_METHOD, .leaf = BLV_RATE, .use = BLV_VALUE, .dtype = BLV_F32, .extent = BLV_SCALAR},
      {.side = BLV_METHOD, .leaf = BLV_THETA0, .use = BLV_VALUE, .dtype = BLV_F32},    /* task stride 0: shared, and */
      {.side = BLV_METHOD, .leaf = BLV_THETA0, .use = BLV_GRADIENT, .dtype = BLV_F32}, /* the sum over tasks */
      {.side = BLV_METHOD, .leaf = BLV_LOSS, .use = BLV_RESULT, .dtype = BLV_F32, .task_stride = 1},
  };
  const blv_spec spec = {.size = sizeof spec,
                         .dtype = BLV_F32,
                         .tasks = TASKS,
                         .inner = &objective,
                         .outer = &objective,
                         .method = &unroll.head,
                         .n_slots = SLOTS,
                         .slots = slots};
  blv_plan plan = NULL;
  if (blv_plan_create(context, &spec, &plan) != BLV_OK)
    fprintf(stderr, "sine_maml: no plan: %s\n", blv_context_error(context));
  return plan;
}

int main(void) {
  const int64_t widths[] = {1, 40, 40, 1}, n = blv_parameter_count(4, widths, 0);
  blv_context context = NULL;
  if (blv_context_create(NULL, &context) != BLV_OK) {
    fprintf(stderr, "sine_maml: no context: %s\n", blv_context_error(NULL));
    return 1;
  }
  blv_plan plan = make_plan(context, widths);
  if (!plan) return 1;
  blv_sizes sizes = {.size = sizeof sizes};
  blv_plan_sizes(plan, &sizes);
  const size_t align = (size_t)sizes.workspace_align,
               bytes = ((size_t)sizes.workspace_bytes + align - 1) / align * align;
  void *workspace = aligned_alloc(align, bytes ? bytes : align);
  float *theta = calloc((size_t)n * 4, sizeof *theta), *gradient = theta + n, *mean = theta + 2 * n,
        *square = theta + 3 * n;
  if (!workspace || !theta) return 1;

  int64_t at = 0;
  for (int layer = 1; layer < 4; ++layer) { /* weights uniform in +-1/sqrt(inputs), biases 0 */
    const float bound = 1 / sqrtf((float)widths[layer - 1]);
    for (int64_t k = 0; k < widths[layer] * widths[layer - 1]; ++k) theta[at++] = uniform(-bound, bound);
    at += widths[layer];
  }

  float rate = 0.01f;
  double first = 0, last = 0;
  void *const data[SLOTS] = {x_in, y_in, x_out, y_out, &rate, theta, gradient, loss};
  for (int step = 1; step <= OUTER_STEPS; ++step) {
    draw_tasks();
    if (blv_execute(context, plan, TASKS, data, workspace, sizes.workspace_bytes, NULL, NULL) != BLV_OK) {
      fprintf(stderr, "sine_maml: %s\n", blv_context_error(context));
      return 1;
    }
    double mean_loss = 0;
    for (int i = 0; i < TASKS; ++i) mean_loss += (double)loss[i] / TASKS;
    if (step <= 10) first += mean_loss / 10;
    if (step > OUTER_STEPS - 10) last += mean_loss / 10;
    if (step == 1 || step % 10 == 0)
      printf("step %3d  mean loss after %d inner steps %.4f\n", step, INNER_STEPS, mean_loss);
    adam(theta, gradient, mean, square, n, step);
  }
  free(theta);
  free(workspace);
  blv_plan_destroy(plan);
  blv_context_destroy(context);
  printf("mean of the first ten steps %.4f, of the last ten %.4f\n", first, last);
  if (fflush(stdout) != 0 || ferror(stdout)) {
    perror("sine_maml: standard output");
    return 1;
  }
  return last < 0.8 * first ? 0 : 1; /* NaN is a failure, too */
}
