// SPDX-License-Identifier: Apache-2.0
//
// A call on a test's own vectors, as a program would make it, on the machine of this program.
#pragma once
#include <type_traits>

#include "runner.h"

namespace harness {

struct PlainCall {
  blv_objective inner = {}, outer = {};  // outer.size 0: none
  std::vector<int64_t> widths;
  std::vector<blv_slot> slots;
  std::vector<HostArray> arrays;
  std::vector<blv_task_info> info;

  template <class T>
  void slot(int side, int leaf, int use, std::vector<T> &array, int64_t task_stride, int extent = 0) {
    const int dtype = std::is_same_v<T, float>     ? BLV_F32
                      : std::is_same_v<T, double>  ? BLV_F64
                      : std::is_same_v<T, int32_t> ? BLV_I32
                                                   : BLV_I64;
    slots.push_back({side, leaf, use, dtype, 0, extent, task_stride, 0, 0});
    arrays.push_back({array.data(), static_cast<int64_t>(array.size() * sizeof(T)), sizeof(T)});
  }

  struct Options {
    int executor = BLV_EXECUTOR_AUTO, isa = BLV_ISA_BEST, dtype = BLV_F32;
    int fill = kPoison;  // of the workspace
  };
  void run(const blv_method *method, int64_t tasks, const Options &options) {
    const Context context({.isa = options.isa});
    ASSERT_EQ(context.status, BLV_OK) << blv_context_error(nullptr);
    blv_spec spec = {};
    spec.size = sizeof spec, spec.dtype = options.dtype, spec.tasks = tasks, spec.executor = options.executor;
    spec.inner = &inner, spec.outer = outer.size ? &outer : nullptr, spec.method = method;
    spec.n_slots = static_cast<int64_t>(slots.size()), spec.slots = slots.data();
    const Plan plan(context.handle, &spec);
    ASSERT_EQ(plan.status, BLV_OK) << blv_context_error(context.handle);
    const blv_sizes sizes = plan.sizes();
    Guarded workspace(sizes.workspace_bytes, sizes.workspace_align, Side::kLow);
    std::memset(workspace.data(), options.fill, static_cast<size_t>(sizes.workspace_bytes));
    info.assign(static_cast<size_t>(tasks), {});
    ASSERT_EQ(execute_there(context.handle, plan, tasks, arrays, workspace, info), BLV_OK)
        << blv_context_error(context.handle);
  }
};

}  // namespace harness
