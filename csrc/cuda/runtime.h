// SPDX-License-Identifier: Apache-2.0
//
// What the plugin's host code needs of the CUDA runtime: errors as statuses and messages, and a current device that is
// put back. The caller's last error stays as it was: an error of ours is cleared, and no other is read.
#pragma once
#include <cuda_runtime_api.h>

#include "csrc/cuda/message.h"

namespace bilevel {

// The status that an error of the runtime is. What leaves the device unusable is BLV_DEVICE_FAULT.
blv_status status_of(cudaError_t error);

// BLV_OK for cudaSuccess; else the status, with a message "<call>: <name> (<number>), <text>", and the error is cleared.
blv_status check_runtime(cudaError_t error, const char *call, BackendMessage *message);

// Makes a device current for as long as it lives.
class CurrentDevice {
 public:
  explicit CurrentDevice(int32_t ordinal);
  ~CurrentDevice();
  CurrentDevice(const CurrentDevice &) = delete;
  CurrentDevice &operator=(const CurrentDevice &) = delete;

  cudaError_t error() const { return error_; }

 private:
  int before_ = -1, now_ = -1;
  cudaError_t error_ = cudaSuccess;
};

// The error that calls since its making have left behind; a fault of the device whenever it happened.
class NewError {
 public:
  NewError() : before_(cudaPeekAtLastError()) {}
  // Returns it; clears it, where the caller had none before.
  cudaError_t take() const;

 private:
  cudaError_t before_;
};

}  // namespace bilevel
