// SPDX-License-Identifier: Apache-2.0
//
// One execute of a plan: the arguments are checked before anything is written, then the kernel runs.
#pragma once
#include <bilevel/bilevel.h>

#include <cstdint>

namespace bilevel {

struct ExecuteArguments {
  int64_t tasks = 0;
  void *const *data = nullptr;
  void *workspace = nullptr;
  int64_t workspace_bytes = 0;
  void *state = nullptr;
  blv_task_info *info = nullptr;
};

// Refuses arguments that the plan can't run with.
void check_execute(const blv_context_s &context, const blv_plan_s &plan, const ExecuteArguments &arguments);

// BLV_OK or BLV_CANCELLED; refuses with BLV_HOOK_FAILED.
blv_status execute(blv_context context, const blv_plan_s &plan, const ExecuteArguments &arguments);

}  // namespace bilevel
