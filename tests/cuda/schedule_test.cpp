// SPDX-License-Identifier: Apache-2.0
//
// The same bits whatever the order in which warps run (in the emulator, PTXEMU_SCHED shuffles them and shortens their turns), however
// many blocks are resident, whatever the workspace held, wherever the arrays lie, and however often an execute is repeated.
#include <cstdlib>

#include "../kernels/same_bits.h"
#include "placed.h"

namespace {

using namespace harness;

// A variable of the emulator, which reads it at every launch.
class Environment {
 public:
  Environment(const char *name, const char *value) : name_(name) {
    const char *before = std::getenv(name);
    had_ = before != nullptr;
    if (had_) before_ = before;
    if (value) setenv(name, value, 1);
    if (!value) unsetenv(name);
  }
  ~Environment() {
    if (had_) setenv(name_, before_.c_str(), 1);
    if (!had_) unsetenv(name_);
  }
  Environment(const Environment &) = delete;
  Environment &operator=(const Environment &) = delete;

 private:
  const char *name_;
  bool had_;
  std::string before_;
};

Case small(Case c) {
  c.tasks = std::min<int64_t>(c.tasks, 7);
  c.rows = std::min<int64_t>(c.rows, 140);
  c.outer_rows = std::min<int64_t>(c.outer_rows, 70);
  return c;
}

TEST(Schedule, OrderOfWarps) {
  for (const Case &c : dividing_cases()) {
    Problem p(small(c));
    for (int executor : executors()) {
      p.c.executor = executor;
      SCOPED_TRACE(name_of(p.c, {}));
      const Environment plain("PTXEMU_SCHED", nullptr);
      const Outcome first = run(p);
      for (const char *seed : {"1", "2"}) {
        const Environment shuffled("PTXEMU_SCHED", seed);
        ASSERT_NO_FATAL_FAILURE(expect_same(p, first, run(p)));
      }
    }
  }
}

TEST(Schedule, ResidentBlocks) {
  for (const Case &c : dividing_cases()) {
    Problem p(small(c));
    for (int executor : executors()) {
      p.c.executor = executor;
      SCOPED_TRACE(name_of(p.c, {}));
      const Outcome first = run(p);
      const Environment interleaved("PTXEMU_RESIDENT", "8");
      ASSERT_NO_FATAL_FAILURE(expect_same(p, first, run(p)));
    }
  }
}

// The workspace before an execute: zeros, ones in every bit (NaN), a pattern, and what another execute left.
TEST(Schedule, WorkspaceLeavesNoTrace) {
  for (const Case &c : dividing_cases()) {
    Problem p(small(c));
    for (int executor : executors()) {
      p.c.executor = executor;
      SCOPED_TRACE(name_of(p.c, {}));
      const Stream stream;
      const StreamContext context(stream.handle);
      const Plan plan(context.handle, p.spec());
      ASSERT_EQ(plan.status, BLV_OK) << blv_context_error(context.handle);
      const Placed placed(p, plan.sizes());
      std::vector<Outcome> outcomes;
      for (int fill : {0x00, 0xff, 0x41, -1}) {
        placed.upload(stream.handle);
        if (fill >= 0 && placed.sizes.workspace_bytes) {
          ASSERT_EQ(cuda_error(cudaMemsetAsync(placed.workspace->data(), fill, size_t(placed.sizes.workspace_bytes),
                                               stream.handle)),
                    "");
        }
        ASSERT_EQ(placed.run(context.handle, plan), BLV_OK) << blv_context_error(context.handle);
        outcomes.push_back(placed.download(stream.handle));
        ASSERT_NO_FATAL_FAILURE(expect_same_bits(outcomes[0], outcomes.back())) << "filled with " << fill;
      }
    }
  }
}

// Executes of several contexts at once give what each gives alone.
TEST(Schedule, RepeatedRuns) {
  for (const Case &c : dividing_cases()) {
    Problem p(small(c));
    for (int executor : executors()) {
      p.c.executor = executor;
      SCOPED_TRACE(name_of(p.c, {}));
      const Outcome first = run(p);
      for (int i = 0; i < 2; i++) ASSERT_NO_FATAL_FAILURE(expect_same(p, first, run(p)));  // other addresses each time
    }
  }
}

}  // namespace
