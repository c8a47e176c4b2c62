// SPDX-License-Identifier: Apache-2.0
//
// Contexts and plans of a device: what describe says, AUTO's choices, the caller's current device and last error, progress and
// cancellation, limits, and the split-TF32 option with the error that it states.
#include "../capi/bad_call.h"
#include "placed.h"

namespace {

using namespace harness;

TEST(DeviceContext, DescribeSaysWhere) {
  for (int executor : executors()) {
    Case c = unroll_case(BLV_SQUARED, BLV_TANH, BLV_SGD, BLV_F32);
    c.executor = executor;
    Problem p(c);
    const Context context;
    const Plan plan(context.handle, p.spec());
    ASSERT_EQ(plan.status, BLV_OK) << blv_context_error(context.handle);
    const char *name = executor == BLV_WARP_PER_TASK      ? "warp_per_task"
                       : executor == BLV_BLOCK_PER_TASK   ? "block_per_task"
                       : executor == BLV_CLUSTER_PER_TASK ? "cluster_per_task"
                                                          : "grid";
    expect_message(plan.describe(), std::string("executor|device|") + name);
  }
}

// AUTO names what it took and why, and taking that by name gives the same bits.
TEST(DeviceContext, AutoIsOneOfThem) {
  for (Case c : {unroll_case(BLV_SQUARED, BLV_TANH, BLV_HEAVY_BALL, BLV_F32), evaluate_case(BLV_LOGISTIC, BLV_TANH),
                 hvp_case(BLV_CROSS_ENTROPY, BLV_RELU, 4, BLV_F32)}) {
    Problem p(c);
    const Outcome chosen = run(p);
    ASSERT_EQ(chosen.status, BLV_OK) << chosen.error;
    bool found = false;
    for (int executor : executors()) {
      p.c.executor = executor;
      const Outcome named = run(p);
      ASSERT_EQ(named.status, BLV_OK) << named.error;
      const char *name = executor == BLV_WARP_PER_TASK      ? "\"warp_per_task\""
                         : executor == BLV_BLOCK_PER_TASK   ? "\"block_per_task\""
                         : executor == BLV_CLUSTER_PER_TASK ? "\"cluster_per_task\""
                                                            : "\"grid\"";
      if (chosen.description.find(name) == std::string::npos) continue;
      found = true;
      expect_same_bits(chosen, named);
    }
    EXPECT_TRUE(found) << chosen.description;
  }
}

TEST(DeviceContext, LeavesTheCallersErrorAlone) {
  Problem p(unroll_case(BLV_SQUARED, BLV_TANH, BLV_SGD));
  ASSERT_NE(cudaMemcpyAsync(nullptr, nullptr, 8, cudaMemcpyDeviceToDevice, nullptr), cudaSuccess);
  const cudaError_t mine = cudaPeekAtLastError();
  ASSERT_NE(mine, cudaSuccess);
  const Stream stream;
  const StreamContext context(stream.handle);
  const Plan plan(context.handle, p.spec());
  ASSERT_EQ(plan.status, BLV_OK) << blv_context_error(context.handle);
  const Placed placed(p, plan.sizes());
  placed.upload(stream.handle);
  EXPECT_EQ(placed.run(context.handle, plan), BLV_OK) << blv_context_error(context.handle);
  EXPECT_EQ(cudaGetLastError(), mine);
  ASSERT_EQ(difference(p, placed.download(stream.handle).values, reference(p).values), "");
}

TEST(DeviceContext, ProgressAndCancel) {
  Problem p(unroll_case(BLV_SQUARED, BLV_TANH, BLV_SGD));
  const Context context;
  const Plan plan(context.handle, p.spec());
  ASSERT_EQ(plan.status, BLV_OK) << blv_context_error(context.handle);
  ASSERT_EQ(execute(context.handle, plan, p).status, BLV_OK);
  int64_t done = -1, total = -2;
  blv_context_progress(context.handle, &done, &total);
  EXPECT_GT(total, 0);
  EXPECT_EQ(done, total);
  blv_context_cancel(context.handle);
  EXPECT_EQ(execute(context.handle, plan, p).status, BLV_CANCELLED);
  EXPECT_EQ(execute(context.handle, plan, p).status, BLV_OK) << "a request is consumed by one execute";
}

// Members that serve the CPU only are checked all the same.
TEST(DeviceContext, OptionsOfTheCpuAreChecked) {
  const auto make = [](void (*change)(blv_context_options &)) {
    blv_context_options o = {};
    o.size = sizeof o;
    o.device = device_machine().device();
    change(o);
    blv_context context = nullptr;
    const blv_status status = blv_context_create(&o, &context);
    blv_context_destroy(context);
    return status;
  };
  EXPECT_EQ(make([](blv_context_options &o) { o.threads = 3; }), BLV_OK);
  EXPECT_EQ(make([](blv_context_options &o) { o.threads = -1; }), BLV_INVALID);
  EXPECT_EQ(make([](blv_context_options &o) { o.threads = 4097; }), BLV_INVALID);
  EXPECT_EQ(make([](blv_context_options &o) { o.max_isa = 1; }), BLV_INVALID);
  EXPECT_EQ(make([](blv_context_options &o) { o.reserved = 1; }), BLV_INVALID);
  EXPECT_EQ(make([](blv_context_options &o) { o.size -= 1; }), BLV_VERSION_MISMATCH);
}

// A limit of the workspace that is met or refused; the message has the limit.
TEST(DeviceContext, WorkspaceLimit) {
  for (int executor : executors()) {
    Case c = unroll_case(BLV_CROSS_ENTROPY, BLV_TANH, BLV_SGD, BLV_F32);
    c.executor = executor;
    c.steps = 40;
    for (Leaf &leaf : c.leaves) leaf.sum = true;
    Problem p(c);
    const Context context;
    const int64_t free_bytes = Plan(context.handle, p.spec()).sizes().workspace_bytes;
    ASSERT_GT(free_bytes, 1);
    p.c.workspace_limit = free_bytes;
    EXPECT_EQ(Plan(context.handle, p.spec()).status, BLV_OK) << blv_context_error(context.handle);
    p.c.workspace_limit = 1;
    EXPECT_EQ(Plan(context.handle, p.spec()).status, BLV_TOO_SMALL);
    expect_message(blv_context_error(context.handle), "workspace_limit");
  }
}

// Three TF32 products per fp32 product: 2^-21 of the terms instead of 2^-24, held to eight times the usual tolerance; what
// has no such kernel is refused, never computed otherwise.
TEST(DeviceContext, SplitTf32) {
  int ran = 0;
  for (const std::vector<int64_t> &widths : {std::vector<int64_t>{1, 40, 40, 1}, std::vector<int64_t>{3, 4, 2}}) {
    Case c = plain_unroll(BLV_SQUARED, BLV_TANH, BLV_SGD, BLV_F32);
    for (int side : {BLV_INNER, BLV_OUTER}) {
      remove_leaf(c, side, BLV_WEIGHT);
      remove_leaf(c, side, BLV_PENALTY);
    }
    c.widths = widths;
    c.rows = c.outer_rows = 10;
    c.steps = 5;
    c.tasks = 5;
    c.plan_flags = BLV_SPLIT_TF32;
    leaf_in(c, BLV_METHOD, BLV_THETA0).gradient = true;
    for (int executor : executors()) {
      Problem p(c);
      p.c.executor = executor;
      const Outcome out = run(p);
      if (out.status == BLV_UNSUPPORTED) {
        expect_message(out.error, "TF32");
        continue;
      }
      ASSERT_EQ(out.status, BLV_OK) << out.error;
      ASSERT_EQ(difference(p, out.values, reference(p).values, 8), "") << name_of(p.c, {});
      ran++;
    }
  }
  EXPECT_GT(ran, 0) << "no kernel has the option";
}

TEST(DeviceContext, SplitTf32IsForFloatsOnADevice) {
  Problem p(unroll_case(BLV_SQUARED, BLV_TANH, BLV_SGD, BLV_F64));
  p.c.plan_flags = BLV_SPLIT_TF32;
  const Context device;
  EXPECT_EQ(Plan(device.handle, p.spec()).status, BLV_UNSUPPORTED);
  expect_message(blv_context_error(device.handle), "TF32");
  const OnHost on_host;
  Problem q(unroll_case(BLV_SQUARED, BLV_TANH, BLV_SGD, BLV_F32));
  q.c.plan_flags = BLV_SPLIT_TF32;
  const Context host;
  EXPECT_EQ(Plan(host.handle, q.spec()).status, BLV_UNSUPPORTED);
  expect_message(blv_context_error(host.handle), "TF32");
}

}  // namespace
