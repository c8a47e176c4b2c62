// SPDX-License-Identifier: Apache-2.0
//
// A fault that is still on its way when blv_execute is called: the call cannot know and may return BLV_OK; the first call after the
// fault has shown says BLV_DEVICE_FAULT. In the emulator with PTXEMU_STREAMS=deferred nothing has run when the call is made.
#include "../capi/bad_call.h"
#include "fault.h"
#include "placed.h"

namespace {

using namespace harness;

TEST(LateFault, IsToldByTheNextCall) {
  Problem p(unroll_case(BLV_SQUARED, BLV_TANH, BLV_SGD));
  const Stream stream;
  const StreamContext context(stream.handle);
  const Plan plan(context.handle, p.spec());
  ASSERT_EQ(plan.status, BLV_OK) << blv_context_error(context.handle);
  const Placed placed(p, plan.sizes());
  placed.upload(stream.handle);
  enqueue_fault(stream.handle);
  const blv_status early = placed.run(context.handle, plan);
  EXPECT_TRUE(early == BLV_OK || early == BLV_DEVICE_FAULT) << blv_status_name(early);
  ASSERT_NE(cudaStreamSynchronize(stream.handle), cudaSuccess) << "the bad kernel did not fail";
  for (int i = 0; i < 2; i++) {
    EXPECT_EQ(placed.run(context.handle, plan), BLV_DEVICE_FAULT);
    expect_message(blv_context_error(context.handle), "cudaErrorIllegalAddress");
  }
}

}  // namespace
