// SPDX-License-Identifier: Apache-2.0
//
// The storages of a problem are tried from the fastest to the smallest; with each, every kernel of the table says
// whether it runs the problem and what that takes. The first that meets the limit of workspace does: the table goes from
// the special to the general, and the general kernels answer for the regime that suits the problem (regime.h).
#include "csrc/cuda/planner.h"

#include <algorithm>
#include <cstdio>
#include <cstring>
#include <vector>

#include "csrc/cuda/message.h"
#include "csrc/plan/storage_candidates.h"

namespace bilevel {
namespace {

// More groups than this do not run at once on any device; a bound for counting bytes.
constexpr int64_t most_groups = 1 << 20;

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
      : table_(table), facts_(facts), limit_(limit), tried_(problem) {
    tried_.threads = std::clamp<int64_t>(problem.tasks, 1, most_groups);
  }

  // Whether a kernel runs the problem with this storage within the limit; *plan is that of the first of the table. Where none
  // answers for the regime, each executor is asked by name: what can run by name is not refused.
  bool find(const Storage &storage, DevicePlan *plan) {
    tried_.storage = storage;
    if (!workspace_is_countable(tried_, 1)) return false;
    countable_ = true;
    Answer answer = ask(plan);
    if (tried_.executor != BLV_EXECUTOR_AUTO) return answer == Answer::FITS;
    for (const int32_t executor : {BLV_GRID, BLV_BLOCK_PER_TASK, BLV_CLUSTER_PER_TASK, BLV_WARP_PER_TASK}) {
      if (answer != Answer::NO) break;
      tried_.executor = executor;
      answer = ask(plan);
    }
    tried_.executor = BLV_EXECUTOR_AUTO;
    return answer == Answer::FITS;
  }

  blv_status refuse(BackendMessage *message) const {
    if (!countable_) {
      say(message, "spec asks for a workspace of more than 2^62 bytes; accepted: smaller sizes");
      return BLV_INVALID;
    }
    if (least_ > 0) {
      say(message, "spec.workspace_limit is %lld bytes; accepted: 0, or >= %lld, the least that this plan needs",
          static_cast<long long>(limit_), static_cast<long long>(least_));
      return BLV_TOO_SMALL;
    }
    if (reasons_.none())
      say(message, "spec.executor is %d, of which this build has no kernel; accepted: BLV_EXECUTOR_AUTO (0)",
          tried_.executor);
    else
      reasons_.write(message);
    return BLV_UNSUPPORTED;
  }

 private:
  enum class Answer { NO, TOO_LARGE, FITS };

  // Of the first kernel that fits, else the best of all. A kernel that is asked may load its code: none is asked in vain.
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
    if (!kernel.measure(tried_, facts_, &plan, &why)) {
      reasons_.add(kernel, why.text);
      return Answer::NO;
    }
    const int64_t bytes = plan.measure.workspace_bytes;
    if (limit_ > 0 && bytes > limit_) {
      least_ = least_ == 0 ? bytes : std::min(least_, bytes);
      return Answer::TOO_LARGE;
    }
    plan.executor = kernel.executor;
    plan.kernel = static_cast<int32_t>(i);
    plan.device = facts_;
    plan.storage = tried_.storage;
    std::snprintf(plan.name, sizeof plan.name, "%s", kernel.name);
    *found = plan;
    return Answer::FITS;
  }

  const KernelTable table_;
  const DeviceFacts facts_;
  const int64_t limit_;
  Problem tried_;
  Reasons reasons_;
  bool countable_ = false;
  int64_t least_ = 0;
};

}  // namespace

blv_status plan_kernel(const KernelTable &table, const Problem &problem, const DeviceFacts &facts, int32_t store,
                       int64_t limit, DevicePlan *plan, BackendMessage *message) {
  Planner planner(table, problem, facts, limit);
  for (const Storage &storage : storage_candidates(problem, store)) {
    if (!planner.find(storage, plan)) continue;
    if (plan->reason[0] == '\0') std::snprintf(plan->reason, sizeof plan->reason, "the first kernel that runs it");
    return BLV_OK;
  }
  return planner.refuse(message);
}

}  // namespace bilevel
