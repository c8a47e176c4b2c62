// SPDX-License-Identifier: Apache-2.0
//
// The choice of executor, storage and kernel on the CPU.
#include <unistd.h>

#include <algorithm>
#include <new>

#include "csrc/plan/cost.h"
#include "csrc/plan/executor.h"
#include "csrc/plan/kernel_table.h"
#include "csrc/plan/plan.h"
#include "csrc/plan/storage.h"
#include "csrc/run/context.h"
#include "csrc/support/isa.h"
#include "csrc/support/names.h"

namespace bilevel {
namespace {

double machine_memory() {
  return static_cast<double>(sysconf(_SC_PHYS_PAGES)) * static_cast<double>(sysconf(_SC_PAGESIZE));
}

const Kernel &kernel_for(int32_t isa, const Problem &problem) {
  const Kernel *kernel = find_kernel(isa, problem.dtype, problem.executor);
  if (kernel == nullptr)
    refuse(BLV_UNSUPPORTED, format("this build has no kernel for dtype %s, executor %s, instruction set %s",
                                   name_of(dtype_names, problem.dtype), name_of(executor_names, problem.executor),
                                   plain_name_of(isa_names, isa)));
  return *kernel;
}

struct Choice {
  Storage storage;
  Sizes sizes;
  double time = 0;
};

// What a kernel needs with problem.storage, or nothing if that can't be counted or does not fit.
void try_storage(int64_t limit, int64_t lanes, blv_plan_s *plan, std::vector<Choice> *choices, int64_t *least) {
  Problem &problem = plan->problem;
  set_program(false, plan);
  if (!workspace_is_countable(problem, lanes)) return;
  Sizes sizes;
  plan->kernel->size(problem, &sizes);
  if (sizes.workspace_bytes < 0) throw std::bad_alloc();  // the kernel's word for it
  *least = *least == 0 ? sizes.workspace_bytes : std::min(*least, sizes.workspace_bytes);
  if (limit > 0 && sizes.workspace_bytes > limit) return;
  const auto bytes = static_cast<double>(sizes.workspace_bytes);
  double time = predict_time(problem, bytes);
  // What is too large comes after all else, the smaller first.
  const double memory = machine_memory();
  if (!leaves_memory(sizes.workspace_bytes, memory)) time += 1e18 * bytes / memory;
  choices->push_back({problem.storage, sizes, time});
}

}  // namespace

bool choose_storage(int32_t store, int64_t limit, int64_t lanes, blv_plan_s *plan, int64_t *least) {
  std::vector<Choice> choices;
  for (const Storage &storage : storage_candidates(plan->problem, store)) {
    plan->problem.storage = storage;
    try_storage(limit, lanes, plan, &choices, least);
  }
  if (choices.empty()) return false;
  const Choice &best = *std::min_element(choices.begin(), choices.end(),
                                         [](const Choice &a, const Choice &b) { return a.time < b.time; });
  plan->problem.storage = best.storage;
  set_program(false, plan);
  plan->sizes = best.sizes;
  return true;
}

void set_program(bool streams_are_far, blv_plan_s *plan) {
  plan->program = build_program(plan->problem, {streams_are_far});
  plan->problem.program = plan->program.view;
}

void choose_on_cpu(const blv_context_s &context, int32_t store, int64_t limit, blv_plan_s *plan) {
  Problem &problem = plan->problem;
  plan->isa = context.isa;
  const int64_t lanes = isa_lanes(plan->isa, problem.dtype == BLV_F64 ? 8 : 4);
  problem.storage = storage_candidates(problem, store)[0];
  set_program(false, plan);
  int64_t least = 0;
  for (const int32_t executor : executors_by_speed(problem, lanes)) {
    problem.executor = executor;
    plan->kernel = &kernel_for(plan->isa, problem);
    if (choose_storage(store, limit, lanes, plan, &least)) return;
  }
  refuse_workspace(limit, least);
}

}  // namespace bilevel
