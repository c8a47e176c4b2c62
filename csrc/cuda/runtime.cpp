// SPDX-License-Identifier: Apache-2.0
//
// Errors of the CUDA runtime, and the current device.
#include "csrc/cuda/runtime.h"

namespace bilevel {

blv_status status_of(cudaError_t error) {
  switch (error) {
    case cudaSuccess:
      return BLV_OK;
    case cudaErrorMemoryAllocation:
      return BLV_NO_MEMORY;
    case cudaErrorStubLibrary:
    case cudaErrorInsufficientDriver:
    case cudaErrorInitializationError:
    case cudaErrorDevicesUnavailable:
    case cudaErrorNoDevice:
    case cudaErrorInvalidDevice:
    case cudaErrorDeviceNotLicensed:
    case cudaErrorSystemNotReady:
    case cudaErrorSystemDriverMismatch:
    case cudaErrorCompatNotSupportedOnDevice:
      return BLV_NO_DEVICE;
    case cudaErrorIllegalAddress:
    case cudaErrorLaunchFailure:
    case cudaErrorLaunchTimeout:
    case cudaErrorAssert:
    case cudaErrorHardwareStackError:
    case cudaErrorIllegalInstruction:
    case cudaErrorMisalignedAddress:
    case cudaErrorInvalidAddressSpace:
    case cudaErrorInvalidPc:
    case cudaErrorECCUncorrectable:
    case cudaErrorNvlinkUncorrectable:
    case cudaErrorContextIsDestroyed:
    case cudaErrorContained:
    case cudaErrorTensorMemoryLeak:
    case cudaErrorExternalDevice:
      return BLV_DEVICE_FAULT;
    case cudaErrorInvalidResourceHandle:
    case cudaErrorStreamCaptureUnsupported:
    case cudaErrorStreamCaptureInvalidated:
    case cudaErrorStreamCaptureImplicit:
    case cudaErrorStreamCaptureWrongThread:
    case cudaErrorStreamCaptureIsolation:
      return BLV_INVALID;
    case cudaErrorLaunchOutOfResources:
    case cudaErrorNoKernelImageForDevice:
    case cudaErrorUnsupportedPtxVersion:
    case cudaErrorJitCompilerNotFound:
    case cudaErrorJitCompilationDisabled:
    case cudaErrorNotSupported:
      return BLV_UNSUPPORTED;
    default:
      return BLV_INTERNAL;
  }
}

blv_status check_runtime(cudaError_t error, const char *call, BackendMessage *message) {
  if (error == cudaSuccess) return BLV_OK;
  say(message, "%s: %s (%d), %s", call, cudaGetErrorName(error), static_cast<int>(error), cudaGetErrorString(error));
  (void)cudaGetLastError();
  return status_of(error);
}

cudaError_t NewError::take() const {
  const cudaError_t now = cudaPeekAtLastError();
  if (status_of(now) == BLV_DEVICE_FAULT) return now;  // it stays, whoever saw it first
  if (before_ == cudaSuccess && now != cudaSuccess) (void)cudaGetLastError();
  return now == before_ ? cudaSuccess : now;
}

CurrentDevice::CurrentDevice(int32_t ordinal) : now_(ordinal) {
  error_ = cudaGetDevice(&before_);
  if (error_ == cudaSuccess && before_ != now_) error_ = cudaSetDevice(now_);
}

CurrentDevice::~CurrentDevice() {
  if (error_ == cudaSuccess && before_ != now_ && cudaSetDevice(before_) != cudaSuccess) (void)cudaGetLastError();
}

}  // namespace bilevel
