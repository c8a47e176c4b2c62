// SPDX-License-Identifier: Apache-2.0
//
// C shims: execute.
#include "csrc/run/execute.h"

#include "capi/guard.h"

extern "C" {

blv_status blv_execute(blv_context context, blv_plan plan, int64_t tasks, void *const *data, void *workspace,
                       int64_t workspace_bytes, void *state, blv_task_info *info) {
  return bilevel::guarded(context, [&] {
    bilevel::check_pointer("context", context);
    bilevel::check_pointer("plan", plan);
    return bilevel::execute(context, *plan, {tasks, data, workspace, workspace_bytes, state, info});
  });
}
}
