// SPDX-License-Identifier: Apache-2.0
//
// An execute whose kernel is a stand-in that writes down what it sees; the plan is an unroll of 7 tasks. A test may give the plan
// another kernel.
#pragma once
#include <gtest/gtest.h>

#include <cstring>
#include <memory>
#include <string>
#include <vector>

#include "csrc/plan/plan.h"
#include "csrc/run/context.h"
#include "csrc/run/execute.h"
#include "csrc/spec/validate.h"
#include "csrc/support/float_mode.h"
#include "tests/csrc/spec_builder.h"

namespace bilevel {

// What the stand-in saw in its last run, and what it shall do.
struct Seen {
  int runs = 0;
  int64_t tasks = -1, threads = -1;
  unsigned modes[8] = {};
  blv_context cancel_during = nullptr;
};
inline Seen seen;

inline blv_status run(const Problem &, const Call &call) {
  ++seen.runs;
  seen.tasks = call.tasks, seen.threads = call.threads;
  const auto note_mode = [](void *modes, int64_t i) { static_cast<unsigned *>(modes)[i] = float_mode() & ~0x3fu; };
  call.parallel_for(call.parallel_self, call.threads, note_mode, seen.modes);
  for (int64_t step = 0; step < 10; ++step) {
    if (seen.cancel_during != nullptr && step == 4) blv_context_cancel(seen.cancel_during);
    if (__atomic_load_n(call.cancel, __ATOMIC_RELAXED)) return BLV_CANCELLED;
    __atomic_fetch_add(call.done, 1, __ATOMIC_RELAXED);
  }
  return BLV_OK;
}
inline void set_sizes(const Problem &, Sizes *result) { result->workspace_bytes = 256; }
inline int64_t progress_total(const Problem &, int64_t tasks) { return 10 * tasks; }
constexpr Kernel stand_in = {set_sizes, progress_total, run};

class Execute : public testing::Test {
 protected:
  Execute() : builder_(BLV_UNROLL) {
    seen = Seen();
    builder_.add_outer();
    ValidSpec valid = validate(builder_.get(), 4);
    plan_.problem = valid.problem;
    plan_.layers = std::move(valid.layers);
    plan_.slots = std::move(valid.slots);
    plan_.spans = std::move(valid.spans);
    plan_.isa = BLV_ISA_X86_64_V2;
    plan_.kernel = &stand_in;
    stand_in.size(plan_.problem, &plan_.sizes);
    for (size_t i = 0; i < plan_.slots.size(); ++i) {
      arrays_.emplace_back(static_cast<size_t>(plan_extent(plan_, static_cast<int64_t>(i))));
      data_.push_back(arrays_.back().data());
    }
    make_context(0);
  }
  ~Execute() override { blv_context_destroy(context_); }

  using Hook = decltype(blv_context_options::parallel_for);
  void make_context(int32_t threads, Hook parallel_for = nullptr, void *user = nullptr) {
    blv_context_destroy(context_);
    blv_context_options options = {};
    options.size = sizeof options;
    options.device = BLV_DEVICE_CPU;
    options.threads = threads;
    options.parallel_for = parallel_for;
    options.user = user;
    ASSERT_EQ(blv_context_create(&options, &context_), BLV_OK) << blv_context_error(nullptr);
  }

  blv_status execute(int64_t tasks = 7) {
    return blv_execute(context_, &plan_, tasks, data_.data(), workspace_, workspace_bytes_, nullptr, info_);
  }
  std::string error() const { return blv_context_error(context_); }

  SpecBuilder builder_;
  blv_plan_s plan_;
  std::vector<std::vector<float>> arrays_;
  std::vector<void *> data_;
  alignas(64) char workspace_[256];
  int64_t workspace_bytes_ = 256;
  blv_task_info info_[7];
  blv_context context_ = nullptr;
};

}  // namespace bilevel
