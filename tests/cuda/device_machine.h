// SPDX-License-Identifier: Apache-2.0
//
// The CUDA device as a machine of the kernel tests' harness. Every array of a call is an allocation of its own with a guard zone
// of a pattern before it and mostly after it; where there is none after it the allocation ends with the array, so that a tool
// that knows allocations (the emulator, compute-sanitizer) sees a read beyond. Nothing here dereferences a device pointer.
#pragma once
#include <cuda_runtime_api.h>
#include <gtest/gtest.h>

#include <memory>

#include "../kernels/machine.h"

namespace harness {

inline std::string cuda_error(cudaError_t e) {
  return e == cudaSuccess ? "" : std::string(cudaGetErrorName(e)) + ": " + cudaGetErrorString(e);
}

// How an array lies: `even` on a multiple of 256 bytes, else on one of its alignment only; `tight` without a zone behind it.
struct Placement {
  bool even = false, tight = false;
};

// One array: [front zone][bytes][back zone], all of them the pattern until written.
class DeviceArray {
 public:
  static constexpr unsigned char kPattern = 0xA5;
  static constexpr int64_t kZone = 256;

  DeviceArray(int64_t bytes, int64_t align, Placement placement = {});
  ~DeviceArray() { cudaFree(all_); }
  DeviceArray(const DeviceArray &) = delete;
  DeviceArray &operator=(const DeviceArray &) = delete;

  void *data() const { return static_cast<char *>(all_) + front_; }
  int64_t bytes() const { return bytes_; }
  cudaError_t write(const void *host, cudaStream_t stream) const;
  cudaError_t read(void *host, cudaStream_t stream) const;
  void poison() const;
  // After the work on all streams.
  bool zones_intact() const { return pattern(0, front_) && pattern(front_ + bytes_, total_ - front_ - bytes_); }
  bool all_pattern() const { return pattern(0, total_); }

 private:
  bool pattern(int64_t begin, int64_t length) const;
  void *all_ = nullptr;
  int64_t bytes_, front_ = 0, total_ = 0;
};

class DeviceMachine : public Machine {
 public:
  // Device `ordinal`, with a stream of its own.
  explicit DeviceMachine(int ordinal = 0);
  ~DeviceMachine() override;
  int device() const override { return ordinal_; }
  void *stream() const override { return stream_; }
  const std::vector<int> &executors() const override { return executors_; }
  void *put(void *host, int64_t bytes, int64_t align) override;
  std::string take_back() override;

  const cudaDeviceProp &properties() const { return properties_; }
  bool clusters() const { return properties_.major >= 9; }

 private:
  struct Copy {
    std::unique_ptr<DeviceArray> there;
    void *host;
  };
  int ordinal_;
  cudaStream_t stream_ = nullptr;
  cudaDeviceProp properties_ = {};
  std::vector<int> executors_;
  std::vector<Copy> copies_;
  unsigned count_ = 0;
};

// The device of this program; it exists in every program that links main.cpp, unless that could not make it.
DeviceMachine &device_machine();

// Whether the runtime is the emulator: what only it can do (inject failures, defer streams) is tested only there.
bool emulated();

}  // namespace harness
