// SPDX-License-Identifier: Apache-2.0
//
// Each kernel of the table says whether it runs the problem, with the storage that it has, and what that takes. The first that
// meets the limit of workspace is taken: the table goes from the special to the general, and the general kernels answer for the
// regime that suits the problem (regime.h).
#include "csrc/cuda/planner.h"

#include <algorithm>
#include <cstdio>
#include <cstring>
#include <vector>

#include "csrc/cuda/message.h"

namespace bilevel {
namespace {

bool fits_executor(const DeviceKernel &kernel, const Problem &problem) {
  return problem.executor == BLV_EXECUTOR_AUTO || problem.executor == kernel.executor;
}

// Why the kernels of each executor do not run the problem: the last word of each, since the table goes from the special
// to the general.
class Reasons {
 public:
  void add(const DeviceKernel &kernel, const char *text) {
    if (*text == '\0') return;
    for (Reason &reason : reasons_)
      if (reason.kernel->executor == kernel.executor) {
        reason = {&kernel, text};
        return;
      }
    reasons_.push_back({&kernel, text});
  }
  bool none() const { return reasons_.empty(); }
  void write(BackendMessage *message) const {
    say(message, "no CUDA kernel runs this plan");
    for (size_t i = 0; i < reasons_.size(); ++i) {
      if (said_before(i)) continue;
      const size_t used = std::strlen(message->text);
      std::snprintf(message->text + used, sizeof message->text - used, "; %s: %s", reasons_[i].kernel->name,
                    reasons_[i].text.text);
    }
  }

 private:
  struct Reason {
    Reason(const DeviceKernel *k, const char *t) : kernel(k) { say(&text, "%.200s", t); }
    const DeviceKernel *kernel;
    BackendMessage text;
  };
  bool said_before(size_t i) const {
    for (size_t j = 0; j < i; ++j)
      if (std::strcmp(reasons_[i].text.text, reasons_[j].text.text) == 0) return true;
    return false;
  }
  std::vector<Reason> reasons_;
};

class Planner {
 public:
  Planner(const KernelTable &table, const Problem &problem, const DeviceFacts &facts, int64_t limit)
      : table_(table), facts_(facts), limit_(limit), tried_(problem) {}

  // BLV_OK: *plan is that of the first kernel of the table that runs the problem within the limit. Where none answers for the regime, each
  // executor is asked by name: what can run by name is not refused.
  blv_status find(DevicePlan *plan, BackendMessage *message) {
    Answer answer = ask(plan);
    if (tried_.executor == BLV_EXECUTOR_AUTO) {
      for (const int32_t executor : {BLV_GRID, BLV_BLOCK_PER_TASK, BLV_CLUSTER_PER_TASK, BLV_WARP_PER_TASK}) {
        if (answer != Answer::NO) break;
        tried_.executor = executor;
        answer = ask(plan);
      }
      tried_.executor = BLV_EXECUTOR_AUTO;
    }
    if (answer == Answer::FITS) return BLV_OK;
    if (answer == Answer::NO) return refuse(message);
    plan->sizes.workspace_bytes = least_;
    return BLV_TOO_SMALL;
  }

 private:
  blv_status refuse(BackendMessage *message) const {
    if (reasons_.none())
      say(message, "spec.executor is %d, of which this build has no kernel; accepted: BLV_EXECUTOR_AUTO (0)",
          tried_.executor);
    else
      reasons_.write(message);
    return BLV_UNSUPPORTED;
  }

  enum class Answer { NO, TOO_LARGE, FITS };

  // Of the first kernel that fits, else the best of all. A kernel that is asked may load its code, so no more are asked.
  Answer ask(DevicePlan *plan) {
    Answer best = Answer::NO;
    for (int64_t i = 0; i < table_.count && best != Answer::FITS; ++i) best = std::max(best, ask_kernel(i, plan));
    return best;
  }

  Answer ask_kernel(int64_t i, DevicePlan *found) {
    const DeviceKernel &kernel = *table_.kernels[i];
    if (!fits_executor(kernel, tried_)) return Answer::NO;
    DevicePlan plan;
    BackendMessage why;
    if (!kernel.size(tried_, facts_, &plan, &why)) {
      reasons_.add(kernel, why.text);
      return Answer::NO;
    }
    const int64_t bytes = plan.sizes.workspace_bytes;
    if (limit_ > 0 && bytes > limit_) {
      least_ = least_ == 0 ? bytes : std::min(least_, bytes);
      return Answer::TOO_LARGE;
    }
    plan.executor = kernel.executor;
    plan.kernel = static_cast<int32_t>(i);
    plan.device = facts_;
    std::snprintf(plan.name, sizeof plan.name, "%s", kernel.name);
    *found = plan;
    return Answer::FITS;
  }

  const KernelTable table_;
  const DeviceFacts facts_;
  const int64_t limit_;
  Problem tried_;
  Reasons reasons_;
  int64_t least_ = 0;
};

}  // namespace

blv_status plan_kernel(const KernelTable &table, const Problem &problem, const DeviceFacts &facts, int64_t limit,
                       DevicePlan *plan, BackendMessage *message) {
  const blv_status status = Planner(table, problem, facts, limit).find(plan, message);
  if (status == BLV_OK && plan->reason[0] == '\0')
    std::snprintf(plan->reason, sizeof plan->reason, "the first kernel that runs it");
  return status;
}

}  // namespace bilevel
