// SPDX-License-Identifier: Apache-2.0
//
// Specialised kernels of UNROLL for many small tasks: a tanh network 1-H-H-1 with squared loss, T steps of SGD, the
// gradient of the outer loss with respect to theta_0. One warp takes a batch of tasks, each from theta_0 to its
// gradient, in one launch; a second kernel adds the batches. This header has what a launch gets by value, and the
// host's side of it: whether such a kernel runs a problem, and the workspace it needs.
#pragma once
#include "kernels/contract/device_kernel.h"

namespace bilevel {
namespace small_network {

// A leaf or a result: null if the plan has no such slot. Strides in elements.
template <class T>
struct Array {
  T *data = nullptr;
  int64_t task_stride = 0, row_stride = 0;
};

struct Arguments {
  Array<const float> theta, rate, x[2], y[2];  // [0] inner, [1] outer
  Array<float> gradient, theta_result, loss;
  blv_task_info *info = nullptr;
  float *slabs = nullptr;     // [batches][steps][step_floats]: theta_{t-1} and the tape of step t
  float *partials = nullptr;  // [batches][partial_floats]: sums over a batch; used if gradient.task_stride is 0
  int64_t tasks = 0;
  int32_t batches = 0, steps = 0, rows[2] = {0, 0}, skip_failed = 0;
  float inverse_rows[2] = {0, 0};
  // 0xffffe000: the compiler drops a constant mask before a tf32 product, which ignores those bits; it then copies
  // every operand into a register quad of its own.
  uint32_t high_part = 0;
};

// What the planner and the launch have to know of one instance of a kernel.
struct Instance {
  int32_t width = 0, points = 0;
  int32_t warps = 0;         // resident on a multiprocessor, as far as registers go
  int64_t shared_bytes = 0;  // of a block
  int64_t step_floats = 0, partial_floats = 0;
  const void *unroll = nullptr, *sum = nullptr;  // kernels: void(Arguments), blocks of one warp; of 1,024 threads
};

// The instances of one kernel; split_tf32: it rounds as BLV_SPLIT_TF32 says.
struct Family {
  const Instance *instances = nullptr;
  int32_t count = 0;
  bool split_tf32 = false;
};

struct Workspace {
  int64_t batches = 0, slab_bytes = 0, partial_bytes = 0, total_bytes = 0;
};

// Tasks are cut into batches of the same size, give or take one: batch b has those from b tasks / batches on. A
// function of the number of tasks and of the device, so that sums come in the same order for every plan.
int64_t batches_of(const Instance &instance, const DeviceFacts &facts, int64_t tasks);
Workspace workspace_of(const Instance &instance, const DeviceFacts &facts, const Problem &problem);

// Nullptr if the family runs the problem on such a device and *chosen is set; else why not, one sentence.
const char *choose(const Family &family, const Problem &problem, const DeviceFacts &facts, const Instance **chosen);

// As the entries of a DeviceKernel.
bool size(const Family &family, const Problem &problem, const DeviceFacts &facts, DevicePlan *plan,
          BackendMessage *message);
int enqueue(const Family &family, const Problem &problem, const DevicePlan &plan, const DeviceCall &call);

template <Family (*family)()>
constexpr DeviceKernel device_kernel(const char *name) {
  return {name, BLV_WARP_PER_TASK,
          [](const Problem &problem, const DeviceFacts &facts, DevicePlan *plan, BackendMessage *message) {
            return size(family(), problem, facts, plan, message);
          },
          [](const Problem &problem, const DevicePlan &plan, const DeviceCall &call) {
            return enqueue(family(), problem, plan, call);
          }};
}

}  // namespace small_network
}  // namespace bilevel
