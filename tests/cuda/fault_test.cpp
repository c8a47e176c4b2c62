// SPDX-License-Identifier: Apache-2.0
//
// After a fault of the device, here of a kernel of the caller's own, every call says BLV_DEVICE_FAULT and since when, outputs stay as
// they were, and the process lives on: the CPU works. One test, since nothing on the device works after it.
#include "fault.h"

#include "../capi/bad_call.h"
#include "placed.h"

namespace {

using namespace harness;

TEST(Fault, TheContextIsDeadTheProcessIsNot) {
  Problem p(unroll_case(BLV_SQUARED, BLV_TANH, BLV_SGD));
  const Expected want = reference(p);
  const Stream stream;
  const StreamContext context(stream.handle), other(nullptr);
  const Plan plan(context.handle, p.spec());
  ASSERT_EQ(plan.status, BLV_OK) << blv_context_error(context.handle);
  const Placed placed(p, plan.sizes());
  placed.upload(stream.handle);
  ASSERT_EQ(placed.run(context.handle, plan), BLV_OK) << blv_context_error(context.handle);
  ASSERT_EQ(difference(p, placed.download(stream.handle).values, want.values), "");

  enqueue_fault(stream.handle);
  ASSERT_NE(cudaStreamSynchronize(stream.handle), cudaSuccess) << "the bad kernel did not fail";

  for (const StreamContext *dead : {&context, &other}) {  // every context of the device, and for good
    EXPECT_EQ(placed.run(dead->handle, plan), BLV_DEVICE_FAULT);
    expect_message(blv_context_error(dead->handle), "cudaErrorIllegalAddress");
    EXPECT_EQ(placed.run(dead->handle, plan), BLV_DEVICE_FAULT);
    expect_message(blv_context_error(dead->handle), "context is dead since|cudaErrorIllegalAddress");
  }
  blv_plan none = nullptr;
  EXPECT_EQ(blv_plan_create(context.handle, p.spec(), &none), BLV_DEVICE_FAULT);
  EXPECT_EQ(none, nullptr);
  expect_message(blv_context_error(context.handle), "context is dead since");
  blv_context_options o = {};
  o.size = sizeof o;
  o.device = device_machine().device();
  blv_context fresh = nullptr;
  EXPECT_EQ(blv_context_create(&o, &fresh), BLV_DEVICE_FAULT);
  EXPECT_EQ(fresh, nullptr);
  expect_message(blv_context_error(nullptr), "device|cudaErrorIllegalAddress");
  EXPECT_NE(plan.describe(), "");  // what needs no device still works

  const OnHost on_host;
  const Outcome host = run(p);
  ASSERT_EQ(host.status, BLV_OK) << host.error;
  ASSERT_EQ(difference(p, host.values, want.values), "");
}

}  // namespace
