// SPDX-License-Identifier: Apache-2.0
//
// What needs more devices than one, or a runtime that knows every stream that ever was: tested in the emulator, with PTXEMU_DEVICES=2.
#include "../capi/bad_call.h"
#include "placed.h"

namespace {

using namespace harness;

// A stream that was destroyed. CUDA does not promise to recognise one; the emulator does.
TEST(Devices, DestroyedStream) {
  cudaStream_t gone = nullptr;
  ASSERT_EQ(cuda_error(cudaStreamCreate(&gone)), "");
  Problem p(unroll_case(BLV_SQUARED, BLV_TANH, BLV_SGD));
  const StreamContext context(gone);
  const Plan plan(context.handle, p.spec());
  ASSERT_EQ(plan.status, BLV_OK) << blv_context_error(context.handle);
  const Placed placed(p, plan.sizes());
  ASSERT_EQ(cuda_error(cudaStreamDestroy(gone)), "");
  EXPECT_EQ(placed.run(context.handle, plan), BLV_INVALID);
  expect_message(blv_context_error(context.handle), "stream");
  EXPECT_TRUE(placed.untouched());
  blv_context_options o = {};
  o.size = sizeof o;
  o.device = device_machine().device();
  o.stream = gone;
  blv_context none = nullptr;
  EXPECT_EQ(blv_context_create(&o, &none), BLV_INVALID);
  expect_message(blv_context_error(nullptr), "stream");
  cudaGetLastError();
}

// While this lives, the calling thread's device is another.
class Current {
 public:
  explicit Current(int device) { EXPECT_EQ(cuda_error(cudaSetDevice(device)), ""); }
  ~Current() { cudaSetDevice(0); }
  Current(const Current &) = delete;
  Current &operator=(const Current &) = delete;
};

int current_device() {
  int device = -1;
  EXPECT_EQ(cuda_error(cudaGetDevice(&device)), "");
  return device;
}

// Arrays, workspace and info of device 1 in a call on device 0.
TEST(Devices, PointersOfAnotherDevice) {
  Problem p(unroll_case(BLV_SQUARED, BLV_TANH, BLV_SGD));
  const Context context;
  const Plan plan(context.handle, p.spec());
  ASSERT_EQ(plan.status, BLV_OK) << blv_context_error(context.handle);
  const Placed placed(p, plan.sizes());
  std::unique_ptr<Placed> there;
  {
    const Current other(1);
    there = std::make_unique<Placed>(p, plan.sizes());
  }
  const auto refused = [&](Placed &call, const std::string &words) {
    EXPECT_EQ(call.run(context.handle, plan), BLV_INVALID);
    expect_message(blv_context_error(context.handle), words);
    EXPECT_TRUE(call.untouched());
  };
  for (size_t i : {size_t(0), p.arrays.size() - 1}) {
    Placed call(p, plan.sizes());
    call.data[i] = there->data[i];
    refused(call, "data[" + std::to_string(i) + "]|another device|device 0");
  }
  Placed workspace(p, plan.sizes());
  std::swap(workspace.workspace, there->workspace);
  refused(workspace, "workspace|another device");
  std::swap(workspace.workspace, there->workspace);
  std::swap(workspace.info, there->info);
  refused(workspace, "info|another device");
}

TEST(Devices, StreamOfAnotherDevice) {
  cudaStream_t stream = nullptr;
  {
    const Current other(1);
    ASSERT_EQ(cuda_error(cudaStreamCreate(&stream)), "");
  }
  blv_context_options o = {};
  o.size = sizeof o;
  o.device = 0;
  o.stream = stream;
  blv_context context = nullptr;
  EXPECT_EQ(blv_context_create(&o, &context), BLV_INVALID);
  expect_message(blv_context_error(nullptr), "stream|device 1");
  cudaStreamDestroy(stream);
}

// Device 1 works as device 0 does, and the calling thread's current device is what it was, before and after each call.
TEST(Devices, TheSecondDeviceAndTheCurrentOne) {
  for (int current : {0, 1}) {
    for (int device : {0, 1}) {
      Problem p(unroll_case(BLV_CROSS_ENTROPY, BLV_TANH, BLV_HEAVY_BALL));
      std::unique_ptr<Stream> stream;
      std::unique_ptr<Placed> placed;
      const Current mine(current);
      ASSERT_EQ(cuda_error(cudaSetDevice(device)), "");
      stream = std::make_unique<Stream>();
      ASSERT_EQ(cuda_error(cudaSetDevice(current)), "");
      blv_context_options o = {};
      o.size = sizeof o;
      o.device = device;
      o.stream = stream->handle;
      blv_context context = nullptr;
      ASSERT_EQ(blv_context_create(&o, &context), BLV_OK) << blv_context_error(nullptr);
      EXPECT_EQ(current_device(), current);
      {
        const Plan plan(context, p.spec());
        ASSERT_EQ(plan.status, BLV_OK) << blv_context_error(context);
        EXPECT_EQ(current_device(), current);
        ASSERT_EQ(cuda_error(cudaSetDevice(device)), "");
        placed = std::make_unique<Placed>(p, plan.sizes());
        placed->upload(stream->handle);
        ASSERT_EQ(cuda_error(cudaSetDevice(current)), "");
        ASSERT_EQ(placed->run(context, plan), BLV_OK) << blv_context_error(context);
        EXPECT_EQ(current_device(), current);
      }
      ASSERT_EQ(difference(p, placed->download(stream->handle).values, reference(p).values), "");
      blv_context_destroy(context);
      EXPECT_EQ(current_device(), current);
    }
  }
}

}  // namespace
