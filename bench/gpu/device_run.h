// SPDX-License-Identifier: Apache-2.0
//
// One problem on the GPU through the C ABI: its arrays in device memory, plan, workspace, and the execute on the GPU's stream; and the
// same problem on the CPU, whose results are the reference.
#ifndef BENCH_GPU_DEVICE_RUN_H
#define BENCH_GPU_DEVICE_RUN_H
#include <cstdint>
#include <stdexcept>
#include <string>
#include <vector>

#include "bench/problem.h"
#include "gpu.h"

namespace bench {

// A plan that the library refuses (BLV_UNSUPPORTED), with its message.
struct Refused : std::runtime_error {
  using std::runtime_error::runtime_error;
};

struct PlanOptions {
  int dtype = BLV_F32;
  int executor = BLV_EXECUTOR_AUTO;
  int flags = 0;
};

class DeviceRun {
 public:
  DeviceRun(const Problem &problem, const PlanOptions &options, const Gpu &gpu);
  ~DeviceRun();
  DeviceRun(const DeviceRun &) = delete;
  DeviceRun &operator=(const DeviceRun &) = delete;

  void enqueue();  // one blv_execute; returns before it has run
  // Waits for what was enqueued, and returns the result. Throws unless every task is well. Poisons the result's array.
  std::vector<double> finish();
  std::string describe() const;
  double plan_ms() const { return plan_ms_; }
  int64_t workspace_bytes() const { return workspace_[0].bytes(); }

 private:
  void check(blv_status status) const;
  void upload(const void *host, int64_t count, bool wide, const DeviceMemory &to) const;
  void poison() const;
  const Problem &problem_;
  const Gpu &gpu_;
  PlanOptions options_;
  blv_context context_ = nullptr;
  blv_plan plan_ = nullptr;
  double plan_ms_ = 0;
  std::vector<DeviceMemory> arrays_, workspace_, info_;
  std::vector<void *> data_;
};

// The result of the problem by the CPU library in fp32 or fp64.
std::vector<double> cpu_result(const Problem &problem, int dtype);

}  // namespace bench
#endif
