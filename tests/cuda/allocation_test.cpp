// SPDX-License-Identifier: Apache-2.0
//
// The library allocates no device memory: with every allocation of the runtime made to fail (the emulator's PTXEMU_FAIL_MALLOC), contexts,
// plans and executes go as before. In the other direction: when the caller's own allocations fail, one after another, no call of
// the library is the worse for it.
#include <cstdlib>

#include "../capi/bad_call.h"
#include "placed.h"

namespace {

using namespace harness;

Case case_of(int kind) {
  Case c = kind == BLV_UNROLL ? unroll_case(BLV_SQUARED, BLV_TANH, BLV_HEAVY_BALL)
           : kind == BLV_HVP  ? hvp_case(BLV_CROSS_ENTROPY, BLV_TANH, 4)
                              : evaluate_case(BLV_LOGISTIC, BLV_RELU);
  for (size_t i = 0; i < c.leaves.size(); i++) c.leaves[i].sum = i % 2;
  return c;
}

TEST(Allocation, TheLibraryMakesNone) {
  for (int kind : {BLV_EVALUATE, BLV_HVP, BLV_UNROLL}) {
    for (int executor : executors()) {
      Case c = case_of(kind);
      c.executor = executor;
      Problem p(c);
      const Stream stream;
      std::unique_ptr<Placed> placed;
      {
        const StreamContext context(stream.handle);
        const Plan plan(context.handle, p.spec());
        ASSERT_EQ(plan.status, BLV_OK) << blv_context_error(context.handle);
        placed = std::make_unique<Placed>(p, plan.sizes());
      }
      placed->upload(stream.handle);
      setenv("PTXEMU_FAIL_MALLOC", "1+", 1);
      {
        void *one = nullptr;
        EXPECT_EQ(cudaMalloc(&one, 1), cudaErrorMemoryAllocation) << "allocations do not fail: this test shows nothing";
        cudaGetLastError();
        const StreamContext context(stream.handle);
        const Plan plan(context.handle, p.spec());
        EXPECT_EQ(plan.status, BLV_OK) << blv_context_error(context.handle);
        EXPECT_EQ(placed->run(context.handle, plan), BLV_OK) << blv_context_error(context.handle);
      }
      unsetenv("PTXEMU_FAIL_MALLOC");
      ASSERT_EQ(difference(p, placed->download(stream.handle).values, reference(p).values), "") << name_of(c, {});
    }
  }
}

// The n-th allocation of a caller fails; what it passes on is then NULL, which is refused by name; and the context lives.
TEST(Allocation, TheCallersFailInTurn) {
  Problem p(case_of(BLV_UNROLL));
  const Stream stream;
  const StreamContext context(stream.handle);
  const Plan plan(context.handle, p.spec());
  ASSERT_EQ(plan.status, BLV_OK) << blv_context_error(context.handle);
  const blv_sizes sizes = plan.sizes();
  ASSERT_GT(sizes.workspace_bytes, 0);
  const size_t slots = p.arrays.size();
  for (size_t failing = 0; failing <= slots; failing++) {
    std::vector<void *> memory(slots + 1, nullptr);
    for (size_t i = 0; i <= slots; i++) {
      const int64_t bytes = i < slots ? p.arrays[i].memory->bytes() : sizes.workspace_bytes;
      if (i == failing) setenv("PTXEMU_FAIL_MALLOC", "1+", 1);
      const cudaError_t e = cudaMalloc(&memory[i], size_t(bytes));
      unsetenv("PTXEMU_FAIL_MALLOC");
      EXPECT_EQ(e, i == failing ? cudaErrorMemoryAllocation : cudaSuccess) << i;
    }
    EXPECT_EQ(blv_execute(context.handle, plan.handle, p.c.tasks, memory.data(), memory[slots], sizes.workspace_bytes,
                          nullptr, nullptr),
              BLV_INVALID);
    const std::string name = failing < slots ? "data[" + std::to_string(failing) + "]" : "workspace";
    expect_message(blv_context_error(context.handle), name + "|NULL");
    EXPECT_EQ(cudaGetLastError(), cudaErrorMemoryAllocation) << "the caller's own error is the caller's to read";
    for (void *m : memory) cudaFree(m);
  }
  const Placed placed(p, sizes);
  placed.upload(stream.handle);
  ASSERT_EQ(placed.run(context.handle, plan), BLV_OK) << blv_context_error(context.handle);
  ASSERT_EQ(difference(p, placed.download(stream.handle).values, reference(p).values), "");
}

}  // namespace
