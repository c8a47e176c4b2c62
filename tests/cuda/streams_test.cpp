// SPDX-License-Identifier: Apache-2.0
//
// Stream order. In the emulator (PTXEMU_STREAMS=deferred) work runs only when something waits for it: an execute must see what
// was enqueued before it, must not run before its turn, must not need anything of the host once it has returned, and what comes after it
// must see its results.
#include "../kernels/cases.h"
#include "placed.h"

namespace {

using namespace harness;

Case case_of(int executor, unsigned seed, int kind = BLV_UNROLL) {
  Case c = kind == BLV_UNROLL ? unroll_case(BLV_SQUARED, BLV_TANH, BLV_HEAVY_BALL, BLV_F64)
           : kind == BLV_HVP  ? hvp_case(BLV_CROSS_ENTROPY, BLV_TANH, 3, BLV_F32)
                              : evaluate_case(BLV_LOGISTIC, BLV_SIGMOID, BLV_F32);
  c.executor = executor;
  c.seed = seed;
  c.tasks = 4;
  for (size_t i = 0; i < c.leaves.size(); i++) c.leaves[i].sum = i % 3 == 1;
  return c;
}

std::vector<int> all_executors() {
  std::vector<int> all = executors();
  all.push_back(BLV_EXECUTOR_AUTO);
  return all;
}

// Whether work is held back until something waits for it.
bool deferred() { return emulated() && std::getenv("PTXEMU_STREAMS") != nullptr; }

class Streams : public testing::TestWithParam<int> {};  // executor

// Copies that are still pending when blv_execute is called are seen, and the call's own arguments may go at once.
TEST_P(Streams, AfterPendingCopies) {
  for (int kind : {BLV_EVALUATE, BLV_HVP, BLV_UNROLL}) {
    Problem p(case_of(GetParam(), 1, kind));
    const Stream stream;
    const StreamContext context(stream.handle);
    const Plan plan(context.handle, p.spec());
    ASSERT_EQ(plan.status, BLV_OK) << blv_context_error(context.handle);
    Placed placed(p, plan.sizes());
    const std::vector<void *> data = placed.data;
    placed.upload(stream.handle);
    ASSERT_EQ(placed.run(context.handle, plan), BLV_OK) << blv_context_error(context.handle);
    std::fill(placed.data.begin(), placed.data.end(), nullptr);
    EXPECT_TRUE(!deferred() || placed.workspace->all_pattern()) << "the execute did not wait for its turn";
    placed.data = data;
    const Expected want = reference(p);
    const Outcome out = placed.download(stream.handle);
    ASSERT_EQ(difference(p, out.values, want.values), "");
    check_info(p, out, want);
  }
}

// Several executes in a row with one workspace, each on new data, all enqueued before any has run.
TEST_P(Streams, OneWorkspaceForManyExecutes) {
  Problem a(case_of(GetParam(), 1)), b(case_of(GetParam(), 2, BLV_HVP)), c(case_of(GetParam(), 3, BLV_EVALUATE));
  const Stream stream;
  const StreamContext context(stream.handle);
  const Plan plan_a(context.handle, a.spec()), plan_b(context.handle, b.spec()), plan_c(context.handle, c.spec());
  for (const Plan *plan : {&plan_a, &plan_b, &plan_c})
    ASSERT_EQ(plan->status, BLV_OK) << blv_context_error(context.handle);
  Placed pa(a, plan_a.sizes()), pb(b, plan_b.sizes()), pc(c, plan_c.sizes());
  blv_sizes all = plan_a.sizes();
  for (const Plan *plan : {&plan_b, &plan_c}) {
    all.workspace_bytes = std::max(all.workspace_bytes, plan->sizes().workspace_bytes);
    all.workspace_align = std::max(all.workspace_align, plan->sizes().workspace_align);
  }
  const DeviceArray workspace(all.workspace_bytes, std::max<int64_t>(all.workspace_align, 1));
  for (int round = 0; round < 2; round++) {
    for (const auto &[placed, plan] : {std::pair<Placed &, const Plan &>{pa, plan_a}, {pb, plan_b}, {pc, plan_c}}) {
      placed.upload(stream.handle);
      ASSERT_EQ(blv_execute(context.handle, plan.handle, placed.p.c.tasks, placed.data.data(), workspace.data(),
                            placed.sizes.workspace_bytes, nullptr, placed.told()),
                BLV_OK)
          << blv_context_error(context.handle);
    }
  }
  for (Placed *placed : {&pa, &pb, &pc}) {
    const Expected want = reference(placed->p);
    ASSERT_EQ(difference(placed->p, placed->download(stream.handle).values, want.values), "");
  }
  EXPECT_TRUE(workspace.zones_intact());
}

// Two contexts on two streams, their executes interleaved, each with a workspace of its own; also from one plan.
TEST_P(Streams, TwoContexts) {
  Problem a(case_of(GetParam(), 1)), b(case_of(GetParam(), 2));
  const Stream first, second;
  const StreamContext one(first.handle), two(second.handle);
  const Plan plan(one.handle, a.spec());
  ASSERT_EQ(plan.status, BLV_OK) << blv_context_error(one.handle);
  const Placed pa(a, plan.sizes()), pb(b, plan.sizes());
  for (int round = 0; round < 2; round++) {
    pa.upload(first.handle);
    pb.upload(second.handle);
    ASSERT_EQ(pb.run(two.handle, plan), BLV_OK) << blv_context_error(two.handle);
    ASSERT_EQ(pa.run(one.handle, plan), BLV_OK) << blv_context_error(one.handle);
  }
  const Expected want_a = reference(a), want_b = reference(b);
  ASSERT_EQ(difference(a, pa.download(first.handle).values, want_a.values), "");
  ASSERT_EQ(difference(b, pb.download(second.handle).values, want_b.values), "");
}

// The theta_T of one stream's unroll is the theta_0 of another's, which waits for an event.
TEST_P(Streams, EventBetweenStreams) {
  Case c = case_of(GetParam(), 1);
  for (Leaf &leaf : c.leaves) leaf.sum = false;
  Problem a(c), b(c);
  const Stream first, second;
  const StreamContext one(first.handle), two(second.handle);
  const Plan plan(one.handle, a.spec());
  ASSERT_EQ(plan.status, BLV_OK) << blv_context_error(one.handle);
  const Placed pa(a, plan.sizes());
  Placed pb(b, plan.sizes());
  cudaEvent_t done = nullptr;
  ASSERT_EQ(cuda_error(cudaEventCreateWithFlags(&done, cudaEventDisableTiming)), "");
  pa.upload(first.handle);
  pb.upload(second.handle);
  ASSERT_EQ(pa.run(one.handle, plan), BLV_OK) << blv_context_error(one.handle);
  ASSERT_EQ(cuda_error(cudaEventRecord(done, first.handle)), "");
  ASSERT_EQ(cuda_error(cudaStreamWaitEvent(second.handle, done, 0)), "");
  const size_t from = size_t(a.find(BLV_METHOD, BLV_THETA, BLV_RESULT) - a.arrays.data());
  const size_t to = size_t(b.find(BLV_METHOD, BLV_THETA0, BLV_VALUE) - b.arrays.data());
  pb.data[to] = pa.data[from];
  ASSERT_EQ(pb.run(two.handle, plan), BLV_OK) << blv_context_error(two.handle);
  const Outcome second_half = pb.download(second.handle), first_half = pa.download(first.handle);
  cudaEventDestroy(done);
  for (int64_t i = 0; i < a.arrays[from].extent(); i++) b.arrays[to].set(i, a.arrays[from].get(i));
  const Expected want_a = reference(a), want_b = reference(b);
  ASSERT_EQ(difference(a, first_half.values, want_a.values), "");
  ASSERT_EQ(difference(b, second_half.values, want_b.values), "");
}

// NULL is the default stream.
TEST_P(Streams, DefaultStream) {
  Problem p(case_of(GetParam(), 1));
  const StreamContext context(nullptr);
  const Plan plan(context.handle, p.spec());
  ASSERT_EQ(plan.status, BLV_OK) << blv_context_error(context.handle);
  const Placed placed(p, plan.sizes());
  placed.upload(nullptr);
  ASSERT_EQ(placed.run(context.handle, plan), BLV_OK) << blv_context_error(context.handle);
  const Expected want = reference(p);
  ASSERT_EQ(difference(p, placed.download(nullptr).values, want.values), "");
}

// Without info, and with fewer tasks than planned: the arrays of the others are not touched.
TEST_P(Streams, NoInfoFewerTasks) {
  Problem p(case_of(GetParam(), 1));
  const Stream stream;
  const StreamContext context(stream.handle);
  const Plan plan(context.handle, p.spec());
  ASSERT_EQ(plan.status, BLV_OK) << blv_context_error(context.handle);
  for (int64_t tasks : {0, 1, 3}) {
    const Placed placed(p, plan.sizes());
    placed.upload(stream.handle);
    ASSERT_EQ(blv_execute(context.handle, plan.handle, tasks, placed.data.data(), placed.workspace->data(),
                          placed.sizes.workspace_bytes, nullptr, nullptr),
              BLV_OK)
        << blv_context_error(context.handle);
    placed.download(stream.handle);
    EXPECT_TRUE(placed.info->all_pattern()) << "info was not asked for";
    std::vector<std::vector<double>> values;
    for (const Array &a : p.arrays) {
      values.push_back(a.written() ? collect(a, tasks) : std::vector<double>());
      EXPECT_TRUE(!a.written() || gaps_intact(a, tasks)) << "slot of leaf " << a.leaf.leaf << ", tasks " << tasks;
    }
    ASSERT_EQ(difference(p, values, reference(p, tasks).values), "") << "tasks " << tasks;
  }
}

INSTANTIATE_TEST_SUITE_P(All, Streams, testing::ValuesIn(all_executors()));

}  // namespace
