// SPDX-License-Identifier: Apache-2.0
//
// Kernels for small tanh networks, the host's side: what they run, their workspace, their launches.
#include "kernels/special/small_network/small_network.h"

#include <cuda_runtime.h>

#include <cstdio>

#include "kernels/special/allow.h"

namespace bilevel {
namespace small_network {
namespace {

constexpr int64_t most_steps = int64_t{1} << 30;
constexpr uint32_t high_part_of_tf32 = 0xffffe000u;  // sign, exponent and ten bits of the fraction
constexpr int sum_threads = 1024, sum_entries = 32;  // of a block of the second stage
constexpr int64_t shared_bytes_of_system = 1024;     // that every block takes beside its own

const char *network_refusal(const Network &network) {
  if (network.n_layers != 3) return "the kernel runs networks with two hidden layers only";
  const Layer *layers = network.layers;
  if (layers[0].inputs != 1 || layers[2].outputs != 1)
    return "the kernel runs networks with one input and one output only";
  if (layers[0].outputs != layers[1].outputs) return "the kernel runs networks with hidden layers of one width only";
  if (network.activation != BLV_TANH) return "the kernel runs tanh networks only";
  if (!network.bias) return "the kernel runs networks with biases only";
  return nullptr;
}

// The slots, losses and operations of an SGD unroll whose hypergradient is that of theta_0.
constexpr Allowed allowed = {{0, bits_of(BLV_X, BLV_Y)},
                             {0, bits_of(BLV_X, BLV_Y)},
                             {0, bits_of(BLV_X, BLV_Y)},
                             {0, bits_of(BLV_THETA0, BLV_RATE), bits_of(BLV_THETA0), bits_of(BLV_LOSS, BLV_THETA)},
                             bits_of(BLV_SQUARED),
                             bits_of(BLV_SGD),
                             bits_of(OP_GRADIENT, OP_TANGENT, OP_LINEAR, OP_DOT, OP_CHECK, OP_COUNT, OP_END),
                             FLAG_OUTER | FLAG_LEAVES | FLAG_ADD | FLAG_TAPE | FLAG_CHECK | FLAG_ROOT | FLAG_REPORT,
                             BLV_SKIP_FAILED | BLV_SPLIT_TF32};

const char *side_refusal(const Side &side) {
  if (!side.present || side.index_targets) return "the kernel runs squared losses only";
  if (side.x.value.link || side.y.value.link) return "the kernel runs features and targets without links only";
  if (side.rows < 1) return "the kernel runs tasks with rows only";
  return nullptr;
}

const char *method_refusal(const Problem &problem) {
  if (problem.kind != BLV_UNROLL || problem.dtype != BLV_F32) return "the kernel runs unrolls in BLV_F32 only";
  if (problem.steps < 1 || problem.steps > most_steps) return "the kernel runs 1 to 2^30 steps";
  const Slot &rate = problem.step_leaves[0].value;
  if (rate.extent != BLV_SCALAR || rate.link != BLV_NO_LINK || (rate.step_stride != 0 && problem.steps > 1))
    return "the kernel runs one rate, the same at every step and without a link, only";
  if (!problem.slot(BLV_THETA0, BLV_GRADIENT)) return "the kernel has the gradient with respect to theta_0 only";
  if (problem.storage.tape == 0 || problem.storage.segment_steps < problem.steps)
    return "the kernel stores the tape of all steps (BLV_STORE_TAPE) only";
  return nullptr;
}

// The smallest instance that has the width and the rows.
const Instance *find(const Family &family, const Problem &problem) {
  const int64_t width = problem.network.layers[0].outputs;
  const int64_t rows = problem.inner.rows > problem.outer.rows ? problem.inner.rows : problem.outer.rows;
  const Instance *best = nullptr;
  for (int32_t i = 0; i < family.count; i++) {
    const Instance &candidate = family.instances[i];
    if (candidate.width == width && candidate.points >= rows && (best == nullptr || candidate.points < best->points))
      best = &candidate;
  }
  return best;
}

template <class T>
Array<T> array_of(const Slot &slot, const DeviceCall &call) {
  if (!slot) return {};
  return {static_cast<T *>(call.data[slot.index]), slot.task_stride, slot.row_stride};
}

Arguments arguments_of(const Problem &problem, const Workspace &workspace, const DeviceCall &call) {
  Arguments a;
  a.theta = array_of<const float>(problem.slot(BLV_THETA0, BLV_VALUE), call);
  a.rate = array_of<const float>(problem.step_leaves[0].value, call);
  const Side *sides[2] = {&problem.inner, &problem.outer};
  for (int i = 0; i < 2; i++) {
    a.x[i] = array_of<const float>(sides[i]->x.value, call);
    a.y[i] = array_of<const float>(sides[i]->y.value, call);
    a.rows[i] = static_cast<int32_t>(sides[i]->rows);
    a.inverse_rows[i] = 1.f / static_cast<float>(a.rows[i]);
  }
  a.gradient = array_of<float>(problem.slot(BLV_THETA0, BLV_GRADIENT), call);
  a.theta_result = array_of<float>(problem.slot(BLV_THETA, BLV_RESULT), call);
  a.loss = array_of<float>(problem.slot(BLV_LOSS, BLV_RESULT), call);
  a.info = call.info;
  a.slabs = reinterpret_cast<float *>(call.workspace);
  a.partials = reinterpret_cast<float *>(call.workspace + workspace.batches * workspace.slab_bytes);
  a.tasks = call.tasks, a.steps = static_cast<int32_t>(problem.steps);
  a.skip_failed = (problem.flags & BLV_SKIP_FAILED) != 0;
  a.high_part = high_part_of_tf32;
  return a;
}

cudaError_t launch(const void *kernel, int64_t blocks, int threads, Arguments &arguments, void *stream) {
  void *values[] = {&arguments};
  return cudaLaunchKernel(kernel, dim3(static_cast<unsigned>(blocks)), dim3(static_cast<unsigned>(threads)), values, 0,
                          static_cast<cudaStream_t>(stream));
}

// Loads the kernel now, since loading it at its first launch would allocate; and asks for all the shared memory.
cudaError_t prepare(const Instance &instance) {
  cudaFuncAttributes attributes;
  cudaError_t error = cudaFuncGetAttributes(&attributes, instance.sum);
  if (error == cudaSuccess) error = cudaFuncGetAttributes(&attributes, instance.unroll);
  if (error != cudaSuccess) return error;
  return cudaFuncSetAttribute(instance.unroll, cudaFuncAttributePreferredSharedMemoryCarveout,
                              cudaSharedmemCarveoutMaxShared);
}

}  // namespace

int64_t batches_of(const Instance &instance, const DeviceFacts &facts, int64_t tasks) {
  int64_t warps = facts.shared_per_multiprocessor / (instance.shared_bytes + shared_bytes_of_system);
  if (warps > instance.warps) warps = instance.warps;
  const int64_t most = (warps > 1 ? warps : 1) * (facts.multiprocessors > 1 ? facts.multiprocessors : 1);
  return tasks < most ? tasks : most;
}

Workspace workspace_of(const Instance &instance, const DeviceFacts &facts, const Problem &problem) {
  Workspace workspace;
  workspace.batches = batches_of(instance, facts, problem.tasks);
  workspace.slab_bytes = problem.steps * instance.step_floats * static_cast<int64_t>(sizeof(float));
  if (problem.slot(BLV_THETA0, BLV_GRADIENT).task_stride == 0)
    workspace.partial_bytes = instance.partial_floats * static_cast<int64_t>(sizeof(float));
  workspace.total_bytes = workspace.batches * (workspace.slab_bytes + workspace.partial_bytes);
  return workspace;
}

const char *choose(const Family &family, const Problem &problem, const DeviceFacts &facts, const Instance **chosen) {
  if (const char *refusal = refusal_of(problem, allowed)) return refusal;
  if (const char *refusal = method_refusal(problem)) return refusal;
  if (const char *refusal = network_refusal(problem.network)) return refusal;
  if (const char *refusal = side_refusal(problem.inner)) return refusal;
  if (const char *refusal = side_refusal(problem.outer)) return refusal;
  if (problem.inner.x.value.dtype != BLV_F32 || problem.inner.y.value.dtype != BLV_F32)
    return "the kernel runs features and targets in BLV_F32 only";
  const bool wants_split = (problem.flags & BLV_SPLIT_TF32) != 0;
  if (family.split_tf32 && !wants_split)
    return "the kernel rounds as BLV_SPLIT_TF32 says, which spec.flags does not ask for";
  if (!family.split_tf32 && wants_split)
    return "spec.flags asks for BLV_SPLIT_TF32, and the kernel does not use tensor cores";
  if (facts.major < 8) return "the kernel needs compute capability 8.0";
  *chosen = find(family, problem);
  if (*chosen == nullptr) return "the kernel has no instance of this width with enough rows";
  return nullptr;
}

bool size(const Family &family, const Problem &problem, const DeviceFacts &facts, DevicePlan *plan,
          BackendMessage *message) {
  const Instance *instance = nullptr;
  if (const char *refusal = choose(family, problem, facts, &instance)) {
    std::snprintf(message->text, sizeof(message->text), "%s", refusal);
    return false;
  }
  const cudaError_t error = prepare(*instance);
  if (error != cudaSuccess) {
    std::snprintf(message->text, sizeof(message->text), "the kernel does not load: %s", cudaGetErrorString(error));
    return false;
  }
  const Workspace workspace = workspace_of(*instance, facts, problem);
  plan->device = facts;
  plan->threads = 32, plan->cluster = 1;
  plan->batches = workspace.batches;
  plan->shared_bytes = 0;  // none of it is dynamic
  plan->slab_bytes = workspace.slab_bytes;
  plan->sizes = Sizes();
  plan->sizes.workspace_bytes = workspace.total_bytes;
  plan->sizes.task_bytes = instance->shared_bytes + workspace.slab_bytes;
  plan->sizes.lanes = 1;
  plan->sizes.chunk_rows = plan->sizes.block_rows = instance->points;
  return true;
}

int enqueue(const Family &family, const Problem &problem, const DevicePlan &plan, const DeviceCall &call) {
  const Instance *instance = nullptr;
  if (choose(family, problem, plan.device, &instance) != nullptr) return cudaErrorInvalidValue;
  Arguments arguments = arguments_of(problem, workspace_of(*instance, plan.device, problem), call);
  arguments.batches = static_cast<int32_t>(batches_of(*instance, plan.device, call.tasks));
  cudaError_t error = cudaSuccess;
  if (call.tasks > 0) error = launch(instance->unroll, arguments.batches, 32, arguments, call.stream);
  if (error == cudaSuccess && arguments.gradient.task_stride == 0)
    error = launch(instance->sum, instance->partial_floats / sum_entries, sum_threads, arguments, call.stream);
  return error;
}

}  // namespace small_network
}  // namespace bilevel
