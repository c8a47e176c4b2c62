// SPDX-License-Identifier: Apache-2.0
//
// The plan: a checked problem, the kernel that runs it, and what that needs. Immutable once made, so that threads may
// share it.
#pragma once
#include <bilevel/bilevel.h>

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "csrc/methods/builder.h"
#include "csrc/spec/span.h"
#include "kernels/contract/backend.h"
#include "kernels/contract/problem.h"

// Alignment of the workspace: a cache line, and the widest SIMD register.
namespace bilevel {
constexpr int64_t workspace_align = 64;
}

struct blv_plan_s {
  bilevel::Problem problem;
  bilevel::MethodProgram program;      // of problem.program
  std::vector<bilevel::Layer> layers;  // of problem.network
  std::vector<blv_slot> slots;
  std::vector<bilevel::Span> spans;  // parallel to slots
  int32_t isa = 0;
  const bilevel::Kernel *kernel = nullptr;      // of the CPU
  std::unique_ptr<bilevel::DevicePlan> device;  // instead, on a CUDA device
  bilevel::Sizes sizes;
  int64_t flops = 0, bytes = 0;
  std::string description;
};

namespace bilevel {

blv_plan make_plan(blv_context context, const blv_spec *spec);
void plan_sizes(const blv_plan_s &plan, blv_sizes *out);
int64_t plan_extent(const blv_plan_s &plan, int64_t slot);
int64_t alignment_of_workspace(const blv_plan_s &plan);
// Copies the description; `needed` may be NULL.
void plan_describe(const blv_plan_s &plan, char *text, int64_t capacity, int64_t *needed);

// ---- Parts of make_plan ---------------------------------------------------------------------------------------------

// Chooses executor, storage and kernel on the CPU: the first executor that fits `limit` (0: none), with the storage that is predicted to
// be fastest of those that fit.
void choose_on_cpu(const blv_context_s &context, int32_t store, int64_t limit, blv_plan_s *plan);
// The part of it that chooses the storage for plan->kernel; false if none fits. *least: the fewest bytes that any took, 0 if none can be
// counted.
bool choose_storage(int32_t store, int64_t limit, int64_t lanes, blv_plan_s *plan, int64_t *least);
// The program with problem.storage as it stands.
void set_program(bool streams_are_far, blv_plan_s *plan);
// The operations of a program, a line each.
std::vector<std::string> list_program(const MethodProgram &program);
std::string describe(const blv_plan_s &plan);

}  // namespace bilevel
