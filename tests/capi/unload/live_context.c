/* SPDX-License-Identifier: Apache-2.0
 *
 * dlclose while a context is alive: the threads of its pool are asleep in the library, or spin there, and must find their code
 * when they go on. A binding that is unloaded with its module does this. The context can also be used and destroyed later. */
#define _POSIX_C_SOURCE 200809L
#include <bilevel/bilevel.h>
#include <dlfcn.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { ROWS = 4096, INPUTS = 12, PARAMETERS = INPUTS + 1, THREADS = 4, SLOTS = 4 };

struct library {
  void *handle;
  blv_status (*context_create)(const blv_context_options *, blv_context *);
  void (*context_destroy)(blv_context);
  blv_status (*plan_create)(blv_context, const blv_spec *, blv_plan *);
  void (*plan_destroy)(blv_plan);
  blv_status (*plan_sizes)(blv_plan, blv_sizes *);
  blv_status (*execute)(blv_context, blv_plan, int64_t, void *const *, void *, int64_t, void *, blv_task_info *);
};

static void fail(const char *what) {
  fprintf(stderr, "capi_unload: %s\n", what);
  exit(1);
}

/* ISO C has no conversion from an object pointer to a function pointer. */
static void find(void *handle, const char *name, void *function) {
  void *symbol = dlsym(handle, name);
  if (!symbol) fail(name);
  memcpy(function, &symbol, sizeof symbol);
}

static struct library open_library(const char *path) {
  struct library l = {.handle = dlopen(path, RTLD_NOW | RTLD_LOCAL)};
  if (!l.handle) fail(dlerror());
  find(l.handle, "blv_context_create", &l.context_create);
  find(l.handle, "blv_context_destroy", &l.context_destroy);
  find(l.handle, "blv_plan_create", &l.plan_create);
  find(l.handle, "blv_plan_destroy", &l.plan_destroy);
  find(l.handle, "blv_plan_sizes", &l.plan_sizes);
  find(l.handle, "blv_execute", &l.execute);
  return l;
}

static double x[ROWS * INPUTS], y[ROWS], theta[PARAMETERS];

static blv_context make_context(const struct library *l) {
  const blv_context_options options = {.size = sizeof options, .device = BLV_DEVICE_CPU, .threads = THREADS};
  blv_context context = NULL;
  if (l->context_create(&options, &context) != BLV_OK) fail("no context");
  return context;
}

/* Least squares over all threads of the context; the gradient. */
static void run(const struct library *l, blv_context context, double *gradient) {
  const int64_t widths[] = {INPUTS, 1};
  const blv_objective objective = {sizeof objective, BLV_NETWORK, BLV_SQUARED, 0, 0, ROWS, 2, widths};
  const blv_method method = {sizeof method, BLV_EVALUATE, 0};
  const blv_slot slots[SLOTS] = {{.side = BLV_INNER, .leaf = BLV_X, .use = BLV_VALUE, .dtype = BLV_F64},
                                 {.side = BLV_INNER, .leaf = BLV_Y, .use = BLV_VALUE, .dtype = BLV_F64},
                                 {.side = BLV_METHOD, .leaf = BLV_THETA, .use = BLV_VALUE, .dtype = BLV_F64},
                                 {.side = BLV_METHOD, .leaf = BLV_THETA, .use = BLV_GRADIENT, .dtype = BLV_F64}};
  const blv_spec spec = {.size = sizeof spec,
                         .dtype = BLV_F64,
                         .tasks = 1,
                         .inner = &objective,
                         .method = &method,
                         .n_slots = SLOTS,
                         .slots = slots,
                         .executor = BLV_ROWS_OVER_CORES};
  blv_plan plan = NULL;
  if (l->plan_create(context, &spec, &plan) != BLV_OK) fail("no plan");
  blv_sizes sizes = {.size = sizeof sizes};
  if (l->plan_sizes(plan, &sizes) != BLV_OK) fail("no sizes");
  const size_t align = (size_t)sizes.workspace_align;
  void *workspace = aligned_alloc(align, ((size_t)sizes.workspace_bytes + align - 1) / align * align);
  void *const data[SLOTS] = {x, y, theta, gradient};
  if (!workspace || l->execute(context, plan, 1, data, workspace, sizes.workspace_bytes, NULL, NULL) != BLV_OK)
    fail("no execute");
  free(workspace);
  l->plan_destroy(plan);
}

static void let_the_pool_sleep(void) {
  const struct timespec time = {.tv_nsec = 50000000};
  nanosleep(&time, NULL);
}

int main(int argc, char **argv) {
  if (argc != 2) fail("one argument: the path of the library");
  for (int i = 0; i < ROWS * INPUTS; ++i) x[i] = (i * 37 % 101) / 50.0 - 1;
  for (int i = 0; i < ROWS; ++i) y[i] = i % 7;
  double first[PARAMETERS], again[PARAMETERS];

  /* A context in order: closed after it has gone. Twice, for what is left of the first time. */
  for (int round = 0; round < 2; ++round) {
    const struct library l = open_library(argv[1]);
    const blv_context context = make_context(&l);
    run(&l, context, first);
    l.context_destroy(context);
    if (dlclose(l.handle) != 0) fail(dlerror());
  }

  const struct library l = open_library(argv[1]);
  const blv_context context = make_context(&l);
  run(&l, context, again);
  if (dlclose(l.handle) != 0) fail(dlerror()); /* its threads are spinning */
  let_the_pool_sleep();
  if (memcmp(first, again, sizeof first) != 0) fail("other bits");

  /* Another opening finds the same library, and with it the context. */
  const struct library later = open_library(argv[1]);
  memset(again, 0, sizeof again);
  run(&later, context, again);
  if (memcmp(first, again, sizeof first) != 0) fail("other bits, later");
  let_the_pool_sleep();
  if (dlclose(later.handle) != 0) fail(dlerror()); /* its threads are asleep */
  later.context_destroy(context);
  return 0;
}
