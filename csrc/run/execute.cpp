// SPDX-License-Identifier: Apache-2.0
//
// Running a plan's kernel with the means of a context: threads, cancellation, progress.
#include "csrc/run/execute.h"

#include <algorithm>

#include "csrc/device/device.h"
#include "csrc/plan/plan.h"
#include "csrc/run/context.h"
#include "csrc/support/float_mode.h"
#include "csrc/support/refusal.h"

namespace bilevel {
namespace {

void run_parallel(void *context, int64_t n, void (*fn)(void *arg, int64_t i), void *arg) {
  static_cast<blv_context>(context)->parallel_for(n, fn, arg);
}

Call make_call(blv_context context, const blv_plan_s &plan, const ExecuteArguments &arguments) {
  Call call;
  call.tasks = arguments.tasks;
  call.data = arguments.data;
  call.workspace = static_cast<char *>(arguments.workspace);
  call.info = arguments.info;
  call.parallel_for = run_parallel;
  call.parallel_self = context;
  call.threads = std::min<int64_t>(plan.problem.threads, context->threads);
  call.cancel = &context->cancel;
  call.done = &context->done;
  return call;
}

}  // namespace

blv_status execute(blv_context context, const blv_plan_s &plan, const ExecuteArguments &arguments) {
  if (context->backend != nullptr) {
    execute_on_device(context, plan, arguments);
    return BLV_OK;
  }
  check_execute(*context, plan, arguments);
  start_progress(context, plan.kernel->progress_total(plan.problem, arguments.tasks));
  if (consume_cancel(context)) return BLV_CANCELLED;
  const DefaultFloatMode mode;
  try {
    const blv_status status = plan.kernel->run(plan.problem, make_call(context, plan, arguments));
    if (status == BLV_CANCELLED) consume_cancel(context);
    return status;
  } catch (const Refusal &) {  // the hook failed; kernels throw nothing
    consume_cancel(context);   // a request was for this execute, which has stopped
    throw;
  }
}

}  // namespace bilevel
