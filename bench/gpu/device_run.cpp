// SPDX-License-Identifier: Apache-2.0
//
// Arrays travel once, before anything is timed. In fp64 they are the fp32 numbers, widened.
#include "device_run.h"

#include <algorithm>
#include <chrono>

namespace bench {
namespace {

constexpr int64_t kPart = 1 << 24;  // elements that are widened and copied at a time

std::vector<blv_slot> slots_of(const Problem &problem, int dtype) {
  std::vector<blv_slot> slots = problem.slots;
  for (blv_slot &s : slots)
    if (s.dtype == BLV_F32) s.dtype = dtype;
  return slots;
}

bool widens(const Problem &problem, size_t slot, int dtype) {
  return dtype == BLV_F64 && problem.slots[slot].dtype == BLV_F32;
}

std::vector<double> to_doubles(const void *array, int64_t count, int dtype) {
  std::vector<double> out(static_cast<size_t>(count));
  if (dtype == BLV_F64)
    std::copy_n(static_cast<const double *>(array), count, out.begin());
  else
    std::copy_n(static_cast<const float *>(array), count, out.begin());
  return out;
}

void throw_status(const Problem &problem, blv_status status, blv_context context) {
  if (status == BLV_OK) return;
  const std::string text = problem.name + ": " + blv_status_name(status) + ": " + blv_context_error(context);
  if (status == BLV_UNSUPPORTED) throw Refused(text);
  throw std::runtime_error(text);
}

void check_tasks(const Problem &problem, const std::vector<blv_task_info> &info) {
  for (size_t i = 0; i < info.size(); ++i) {
    if (info[i].status != BLV_TASK_OK)
      throw std::runtime_error(problem.name + ": task " + std::to_string(i) + " failed with status " +
                               std::to_string(info[i].status));
  }
}

}  // namespace

DeviceRun::DeviceRun(const Problem &problem, const PlanOptions &options, const Gpu &gpu)
    : problem_(problem), gpu_(gpu), options_(options) {
  blv_context_options context{};
  context.size = sizeof context;
  context.device = gpu.ordinal();
  context.stream = gpu.stream();
  check(blv_context_create(&context, &context_));
  blv_spec spec = problem.spec(options.dtype, options.executor, options.flags);
  const std::vector<blv_slot> slots = slots_of(problem, options.dtype);
  spec.slots = slots.data();
  const auto start = std::chrono::steady_clock::now();
  check(blv_plan_create(context_, &spec, &plan_));
  plan_ms_ = std::chrono::duration<double, std::milli>(std::chrono::steady_clock::now() - start).count();
  for (size_t i = 0; i < problem.slots.size(); ++i) {
    const bool wide = widens(problem, i, options.dtype);
    arrays_.emplace_back(problem.counts[i] * (wide ? 8 : 4));
    data_.push_back(arrays_.back().data());
    if (problem.slots[i].use == BLV_VALUE) upload(problem.data[i], problem.counts[i], wide, arrays_.back());
  }
  blv_sizes sizes{};
  sizes.size = sizeof sizes;
  check(blv_plan_sizes(plan_, &sizes));
  workspace_.emplace_back(sizes.workspace_bytes);
  info_.emplace_back(problem.tasks * static_cast<int64_t>(sizeof(blv_task_info)));
  poison();
  gpu_.synchronize();
}

DeviceRun::~DeviceRun() {
  cudaStreamSynchronize(gpu_.stream());  // nothing may run on arrays that are given back
  blv_plan_destroy(plan_);
  blv_context_destroy(context_);
}

void DeviceRun::check(blv_status status) const { throw_status(problem_, status, context_); }

// On the GPU's stream: copies on another one would not be ordered before the first execute.
void DeviceRun::upload(const void *host, int64_t count, bool wide, const DeviceMemory &to) const {
  const auto copy = [&](int64_t offset, const void *from, size_t bytes) {
    check_cuda(
        cudaMemcpyAsync(static_cast<char *>(to.data()) + offset, from, bytes, cudaMemcpyHostToDevice, gpu_.stream()),
        "cudaMemcpy");
    gpu_.synchronize();
  };
  if (!wide) return copy(0, host, static_cast<size_t>(count * 4));
  std::vector<double> part;
  for (int64_t i = 0; i < count; i += kPart) {
    const float *from = static_cast<const float *>(host) + i;
    part.assign(from, from + std::min(kPart, count - i));
    copy(i * 8, part.data(), part.size() * sizeof(double));
  }
}

// All bits set is NaN in either type: what an execute does not write shows.
void DeviceRun::poison() const {
  const DeviceMemory &result = arrays_[static_cast<size_t>(problem_.result_slot)];
  check_cuda(cudaMemsetAsync(result.data(), 0xFF, static_cast<size_t>(result.bytes()), gpu_.stream()), "cudaMemset");
  check_cuda(cudaMemsetAsync(info_[0].data(), 0xFF, static_cast<size_t>(info_[0].bytes()), gpu_.stream()),
             "cudaMemset");
}

void DeviceRun::enqueue() {
  check(blv_execute(context_, plan_, problem_.tasks, data_.data(), workspace_[0].data(), workspace_[0].bytes(), nullptr,
                    static_cast<blv_task_info *>(info_[0].data())));
}

std::vector<double> DeviceRun::finish() {
  const DeviceMemory &from = arrays_[static_cast<size_t>(problem_.result_slot)];
  std::vector<char> bytes(static_cast<size_t>(from.bytes()));
  std::vector<blv_task_info> info(static_cast<size_t>(problem_.tasks));
  const auto read = [&](void *to, const DeviceMemory &memory) {
    check_cuda(
        cudaMemcpyAsync(to, memory.data(), static_cast<size_t>(memory.bytes()), cudaMemcpyDeviceToHost, gpu_.stream()),
        "cudaMemcpy");
  };
  read(bytes.data(), from);
  read(info.data(), info_[0]);
  gpu_.synchronize();
  check_tasks(problem_, info);
  poison();
  return to_doubles(bytes.data(), problem_.result_count(), options_.dtype);
}

std::string DeviceRun::describe() const {
  int64_t needed = 0;
  blv_plan_describe(plan_, nullptr, 0, &needed);
  std::string text(static_cast<size_t>(needed), '\0');
  check(blv_plan_describe(plan_, text.data(), needed, nullptr));
  text.resize(text.empty() ? 0 : text.size() - 1);
  return text;
}

namespace {

// Context and plan on the CPU, given back whatever happens.
struct CpuPlan {
  blv_context context = nullptr;
  blv_plan plan = nullptr;
  ~CpuPlan() {
    blv_plan_destroy(plan);
    blv_context_destroy(context);
  }
};

}  // namespace

std::vector<double> cpu_result(const Problem &problem, int dtype) {
  CpuPlan cpu;
  throw_status(problem, blv_context_create(nullptr, &cpu.context), nullptr);
  blv_spec spec = problem.spec(dtype, BLV_EXECUTOR_AUTO, 0);
  const std::vector<blv_slot> slots = slots_of(problem, dtype);
  spec.slots = slots.data();
  throw_status(problem, blv_plan_create(cpu.context, &spec, &cpu.plan), cpu.context);
  std::vector<Memory> wide;
  std::vector<void *> data = problem.data;
  for (size_t i = 0; i < data.size(); ++i) {
    if (!widens(problem, i, dtype)) continue;
    wide.push_back(allocate(problem.counts[i] * 8));
    data[i] = wide.back().get();
    if (problem.slots[i].use == BLV_VALUE)
      std::copy_n(static_cast<const float *>(problem.data[i]), problem.counts[i], static_cast<double *>(data[i]));
  }
  blv_sizes sizes{};
  sizes.size = sizeof sizes;
  throw_status(problem, blv_plan_sizes(cpu.plan, &sizes), nullptr);
  const Memory workspace = allocate(sizes.workspace_bytes);
  std::vector<blv_task_info> info(static_cast<size_t>(problem.tasks));
  throw_status(problem,
               blv_execute(cpu.context, cpu.plan, problem.tasks, data.data(), workspace.get(), sizes.workspace_bytes,
                           nullptr, info.data()),
               cpu.context);
  check_tasks(problem, info);
  return to_doubles(data[static_cast<size_t>(problem.result_slot)], problem.result_count(), dtype);
}

}  // namespace bench
