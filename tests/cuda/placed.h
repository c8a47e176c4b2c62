// SPDX-License-Identifier: Apache-2.0
//
// A Problem whose arrays, workspace and info stay in device memory over several executes, for tests of streams, graphs and
// arguments: upload and download are enqueued, so that their order against executes can be seen.
#pragma once
#include "../kernels/reference.h"
#include "device_machine.h"

namespace harness {

struct Placed {
  Placed(Problem &problem, const blv_sizes &announced) : p(problem), sizes(announced) {
    for (const Array &a : p.arrays) {
      arrays.push_back(std::make_unique<DeviceArray>(a.memory->bytes(), size_of(a.slot.dtype)));
      data.push_back(arrays.back()->data());
    }
    const int64_t align = std::max<int64_t>(sizes.workspace_align, 1);
    workspace = std::make_unique<DeviceArray>(sizes.workspace_bytes, align);
    info = std::make_unique<DeviceArray>(p.c.tasks * int64_t(sizeof(blv_task_info)), 8);
  }
  // Enqueues the inputs of `p`, which may be pinned, and a pattern for what is written.
  void upload(cudaStream_t stream) const {
    for (size_t i = 0; i < arrays.size(); i++) {
      const Array &a = p.arrays[i];
      const size_t bytes = static_cast<size_t>(a.memory->bytes());
      if (!bytes) continue;
      const cudaError_t e =
          a.written() ? cudaMemsetAsync(data[i], kPoison, bytes, stream) : arrays[i]->write(a.memory->data(), stream);
      EXPECT_EQ(cuda_error(e), "") << "slot " << i;
    }
    EXPECT_EQ(cuda_error(cudaMemsetAsync(info->data(), kPoison, static_cast<size_t>(info->bytes()), stream)), "");
  }
  blv_status run(blv_context context, const Plan &plan, int64_t tasks = -1) const {
    return blv_execute(context, plan.handle, tasks < 0 ? p.c.tasks : tasks, data.data(), workspace->data(),
                       sizes.workspace_bytes, nullptr, told());
  }
  // Waits for the stream and collects what was written, as harness::execute does.
  Outcome download(cudaStream_t stream) const {
    Outcome out;
    out.status = BLV_OK;
    out.info.resize(static_cast<size_t>(p.c.tasks));
    for (size_t i = 0; i < arrays.size(); i++) {
      if (!p.arrays[i].written() || !arrays[i]->bytes()) continue;
      EXPECT_EQ(cuda_error(arrays[i]->read(p.arrays[i].memory->data(), stream)), "") << "slot " << i;
    }
    EXPECT_EQ(cuda_error(info->read(out.info.data(), stream)), "");
    EXPECT_EQ(cuda_error(cudaStreamSynchronize(stream)), "");
    for (size_t i = 0; i < arrays.size(); i++) {
      EXPECT_TRUE(arrays[i]->zones_intact()) << "slot " << i << " was left";
      out.values.push_back(p.arrays[i].written() ? collect(p.arrays[i], p.c.tasks) : std::vector<double>());
    }
    EXPECT_TRUE(workspace->zones_intact()) << "the workspace was left";
    EXPECT_TRUE(info->zones_intact()) << "info was left";
    return out;
  }
  // Nothing that an execute may write has been written: info, workspace and results are the pattern.
  bool untouched() const {
    for (size_t i = 0; i < arrays.size(); i++) {
      if (p.arrays[i].written() && !arrays[i]->all_pattern()) return false;
    }
    return workspace->all_pattern() && info->all_pattern();
  }
  blv_task_info *told() const { return static_cast<blv_task_info *>(info->data()); }

  Problem &p;
  blv_sizes sizes;
  std::vector<std::unique_ptr<DeviceArray>> arrays;
  std::unique_ptr<DeviceArray> workspace, info;
  std::vector<void *> data;
};

// A stream of its own, and one that has been destroyed.
struct Stream {
  Stream() { EXPECT_EQ(cuda_error(cudaStreamCreateWithFlags(&handle, cudaStreamNonBlocking)), ""); }
  ~Stream() { cudaStreamDestroy(handle); }
  Stream(const Stream &) = delete;
  Stream &operator=(const Stream &) = delete;
  cudaStream_t handle = nullptr;
};

// A context of the device on a given stream.
struct StreamContext {
  explicit StreamContext(cudaStream_t stream) {
    blv_context_options o = {};
    o.size = sizeof o;
    o.device = device_machine().device();
    o.stream = stream;
    status = blv_context_create(&o, &handle);
    EXPECT_EQ(status, BLV_OK) << blv_context_error(nullptr);
  }
  ~StreamContext() { blv_context_destroy(handle); }
  StreamContext(const StreamContext &) = delete;
  StreamContext &operator=(const StreamContext &) = delete;
  blv_context handle = nullptr;
  blv_status status = BLV_INTERNAL;
};

inline void expect_same_bits(const Outcome &a, const Outcome &b) {
  ASSERT_EQ(a.values.size(), b.values.size());
  for (size_t i = 0; i < a.values.size(); i++) ASSERT_TRUE(same(a.values[i], b.values[i])) << "slot " << i;
  ASSERT_EQ(a.info.size(), b.info.size());
  for (size_t t = 0; t < a.info.size(); t++) {
    ASSERT_EQ(a.info[t].status, b.info[t].status) << "task " << t;
    ASSERT_TRUE(same(a.info[t].loss, b.info[t].loss)) << "task " << t;
    ASSERT_TRUE(same(a.info[t].gradient_norm, b.info[t].gradient_norm)) << "task " << t;
  }
}

}  // namespace harness
