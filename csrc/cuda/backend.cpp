// SPDX-License-Identifier: Apache-2.0
//
// The plugin's table of functions: everything that the library asks of a CUDA device. Plain C++ over the runtime API;
// kernels are behind the table of csrc/cuda/kernel_list.cpp.
//
// Nothing here throws. enqueue neither allocates nor synchronises, and uses only calls that are allowed while a stream
// is captured.
#include <cstdio>
#include <new>

#include "csrc/cuda/planner.h"
#include "csrc/cuda/runtime.h"

#ifndef BLV_BACKEND_ABI
#error "compile with BLV_BACKEND_ABI, see cmake/BilevelBackendAbi.cmake"
#endif

namespace bilevel {
namespace {

constexpr int least_major = 8;

// ---- Opening --------------------------------------------------------------------------------------------------------

int driver_version() {
  int version = 0;
  if (cudaDriverGetVersion(&version) != cudaSuccess) (void)cudaGetLastError();
  return version;
}

blv_status no_devices(cudaError_t error, BackendMessage *message) {
  const int driver = driver_version();
  switch (error) {
    case cudaErrorInsufficientDriver:
    case cudaErrorStubLibrary:
      if (driver == 0 || error == cudaErrorStubLibrary)
        say(message, "there is no CUDA driver on this machine (%s, %d)", cudaGetErrorName(error),
            static_cast<int>(error));
      else
        say(message, "the CUDA driver is too old (%s, %d): it is for CUDA %d.%d; accepted: %d.%d or later",
            cudaGetErrorName(error), static_cast<int>(error), driver / 1000, driver % 1000 / 10, CUDART_VERSION / 1000,
            CUDART_VERSION % 1000 / 10);
      break;
    case cudaErrorNoDevice:
      say(message, "there is a CUDA driver, but no device that this process may use (%s, %d); see CUDA_VISIBLE_DEVICES",
          cudaGetErrorName(error), static_cast<int>(error));
      break;
    default:
      return check_runtime(error, "cudaGetDeviceCount", message);
  }
  (void)cudaGetLastError();
  return BLV_NO_DEVICE;
}

blv_status check_ordinal(int32_t ordinal, BackendMessage *message) {
  int count = 0;
  if (const cudaError_t error = cudaGetDeviceCount(&count); error != cudaSuccess) return no_devices(error, message);
  if (ordinal >= 0 && ordinal < count) return BLV_OK;
  say(message, "this process may use %d CUDA device%s; accepted: 0 to %d", count, count == 1 ? "" : "s", count - 1);
  return BLV_NO_DEVICE;
}

cudaError_t read_attribute(cudaDeviceAttr attribute, int32_t ordinal, int32_t *value) {
  int read = 0;
  const cudaError_t error = cudaDeviceGetAttribute(&read, attribute, ordinal);
  *value = read;
  return error;
}

cudaError_t read_facts(int32_t ordinal, DeviceFacts *facts) {
  cudaDeviceProp properties;
  if (const cudaError_t error = cudaGetDeviceProperties(&properties, ordinal); error != cudaSuccess) return error;
  facts->ordinal = ordinal;
  facts->major = properties.major;
  facts->minor = properties.minor;
  facts->multiprocessors = properties.multiProcessorCount;
  facts->driver = driver_version();
  facts->runtime = CUDART_VERSION;
  facts->shared_per_block = static_cast<int64_t>(properties.sharedMemPerBlockOptin);
  facts->shared_per_multiprocessor = static_cast<int64_t>(properties.sharedMemPerMultiprocessor);
  facts->memory_bytes = static_cast<int64_t>(properties.totalGlobalMem);
  std::snprintf(facts->name, sizeof facts->name, "%.*s", static_cast<int>(sizeof facts->name) - 1, properties.name);
  return read_attribute(cudaDevAttrCooperativeLaunch, ordinal, &facts->cooperative);
}

blv_status open(int32_t ordinal, DeviceFacts *facts, BackendMessage *message) {
  *facts = {};
  if (const blv_status status = check_ordinal(ordinal, message); status != BLV_OK) return status;
  if (const blv_status status = check_runtime(read_facts(ordinal, facts), "reading the device's attributes", message);
      status != BLV_OK)
    return status;
  if (facts->major < least_major) {
    say(message, "%s has compute capability %d.%d; accepted: %d.0 or later", facts->name, facts->major, facts->minor,
        least_major);
    return BLV_UNSUPPORTED;
  }
  const CurrentDevice device(ordinal);  // makes its primary context, if nothing else has
  return check_runtime(device.error(), "cudaSetDevice", message);
}

// ---- Streams and pointers -------------------------------------------------------------------------------------------

// The default streams have no object of their own.
bool is_default_stream(cudaStream_t stream) {
  return stream == nullptr || stream == cudaStreamLegacy || stream == cudaStreamPerThread;
}

blv_status check_stream(int32_t ordinal, void *given, BackendMessage *message) {
  const auto stream = static_cast<cudaStream_t>(given);
  if (is_default_stream(stream)) return BLV_OK;
  const CurrentDevice device(ordinal);
  if (device.error() != cudaSuccess) return check_runtime(device.error(), "cudaSetDevice", message);
  int owner = -1;
  const cudaError_t error = cudaStreamGetDevice(stream, &owner);
  if (status_of(error) == BLV_DEVICE_FAULT && error != cudaErrorContextIsDestroyed)
    return check_runtime(error, "cudaStreamGetDevice", message);
  if (error == cudaSuccess && owner == ordinal) return BLV_OK;
  if (error == cudaSuccess) {
    say(message, "options.stream is %p, a stream of CUDA device %d; accepted: NULL, or a stream of device %d", given,
        owner, ordinal);
  } else {
    say(message,
        "options.stream is %p, which is no stream, or not any more (%s, %d); accepted: NULL, or a stream of "
        "CUDA device %d",
        given, cudaGetErrorName(error), static_cast<int>(error), ordinal);
    (void)cudaGetLastError();
  }
  return BLV_INVALID;
}

MemoryKind kind_of(cudaMemoryType type) {
  switch (type) {
    case cudaMemoryTypeHost:
      return MEMORY_HOST;
    case cudaMemoryTypeDevice:
      return MEMORY_DEVICE;
    case cudaMemoryTypeManaged:
      return MEMORY_MANAGED;
    default:
      return MEMORY_UNKNOWN;
  }
}

blv_status where(const void *pointer, int32_t *kind, int32_t *ordinal, BackendMessage *message) {
  *kind = MEMORY_UNKNOWN, *ordinal = -1;
  cudaPointerAttributes attributes{};
  const cudaError_t error = cudaPointerGetAttributes(&attributes, pointer);
  if (error == cudaErrorInvalidValue) {  // how some drivers say that they don't know it
    (void)cudaGetLastError();
    return BLV_OK;
  }
  if (error != cudaSuccess) return check_runtime(error, "cudaPointerGetAttributes", message);
  *kind = kind_of(attributes.type), *ordinal = attributes.device;
  return BLV_OK;
}

// ---- Plans and executes ---------------------------------------------------------------------------------------------

blv_status plan(const Problem &problem, const DeviceFacts &facts, int64_t limit, DevicePlan *plan,
                BackendMessage *message) try {
  const CurrentDevice device(facts.ordinal);  // kernels ask the runtime what fits
  if (device.error() != cudaSuccess) return check_runtime(device.error(), "cudaSetDevice", message);
  const NewError asked;
  const blv_status status = plan_kernel(device_kernels(), problem, facts, limit, plan, message);
  const cudaError_t error = asked.take();
  return status_of(error) == BLV_DEVICE_FAULT ? check_runtime(error, "asking the device what fits", message) : status;
} catch (const std::bad_alloc &) {
  say(message, "the host could not give the memory for a plan");
  return BLV_NO_MEMORY;
}

blv_status enqueue(const Problem &problem, const DevicePlan &plan, const DeviceCall &call, BackendMessage *message) {
  const CurrentDevice device(plan.device.ordinal);
  if (device.error() != cudaSuccess) return check_runtime(device.error(), "cudaSetDevice", message);
  const DeviceKernel &kernel = *device_kernels().kernels[plan.kernel];
  return check_runtime(static_cast<cudaError_t>(kernel.enqueue(problem, plan, call)), kernel.name, message);
}

}  // namespace
}  // namespace bilevel

extern "C" __attribute__((visibility("default"))) const bilevel::Backend *bilevel_cuda_backend() {
  static constexpr bilevel::Backend backend = {BLV_BACKEND_ABI, bilevel::open,  bilevel::check_stream,
                                               bilevel::plan,   bilevel::where, bilevel::enqueue};
  return &backend;
}
