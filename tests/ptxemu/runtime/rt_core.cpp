// SPDX-License-Identifier: Apache-2.0
//
// State, errors, and the entry points nvcc's generated code calls (registration of fat binaries, kernels and
// variables; launch configuration stack).
#include <cstdarg>
#include <cstdio>
#include <cstdlib>
#include "rt.h"

namespace rt {

State &S() {
  static State *s = new State;  // never destroyed: used during exit
  return *s;
}

static thread_local cudaError_t g_last = cudaSuccess;

cudaError_t ret(cudaError_t e) {
  if (e != cudaSuccess && e != cudaErrorNotReady) g_last = e;
  return e;
}
cudaError_t last_error(bool clear) {
  if (S().sticky) return S().sticky;
  cudaError_t e = g_last;
  if (clear) g_last = cudaSuccess;
  return e;
}

cudaError_t complain(cudaError_t e, const char *fmt, ...) {
  va_list a;
  va_start(a, fmt);
  fprintf(stderr, "ptxemu: ");
  vfprintf(stderr, fmt, a);
  fprintf(stderr, "\n");
  va_end(a);
  return e;
}

cudaError_t pre() {
  if (const char *n = getenv("PTXEMU_NO_DEVICE"); n && *n && strcmp(n, "0"))
    return !strcmp(n, "driver") || !strcmp(n, "35") ? cudaErrorInsufficientDriver : cudaErrorNoDevice;
  return S().sticky;
}

namespace {
struct Config {
  dim3 g, b;
  size_t s;
  cudaStream_t st;
};
thread_local std::vector<Config> configs;
}  // namespace

cudaError_t image_error(const Kernel &k, const std::exception &x) {
  const bool none = dynamic_cast<const NoImage *>(&x);
  return complain(none ? cudaErrorNoKernelImageForDevice : cudaErrorInvalidKernelImage, "%s: %s", k.name.c_str(),
                  x.what());
}

}  // namespace rt

using namespace rt;

extern "C" {

void **__cudaRegisterFatBinary(void *w) {
  auto *m = new FatModule{w, nullptr};
  S().modules.push_back(m);
  try {
    for (const PtxImage &image : ptx_images(w)) S().max_ptx_arch = std::max(S().max_ptx_arch, image.arch);
  } catch (const std::exception &) {  // said again at the first launch, which fails
  }
  return (void **)m;
}
void __cudaRegisterFatBinaryEnd(void **) {}
void __cudaUnregisterFatBinary(void **) {}
char __cudaInitModule(void **) { return 1; }
void __cudaRegisterFunction(void **h, const char *f, char *, const char *n, int, uint3 *, uint3 *, dim3 *, dim3 *,
                            int *) {
  S().kernels[f] = Kernel{(FatModule *)h, n};
}
void __cudaRegisterVar(void **h, char *hv, char *, const char *n, int, size_t sz, int, int) {
  S().vars[hv] = {(FatModule *)h, n, sz};
}
void __cudaRegisterManagedVar(void **, void **, char *, const char *n, int, size_t, int, int) {
  complain(cudaErrorNotSupported, "__managed__ variable %s is not supported", n);
  abort();
}
unsigned __cudaPushCallConfiguration(dim3 g, dim3 b, size_t s, struct CUstream_st *st) {
  configs.push_back({g, b, s, st});
  return 0;
}
cudaError_t __cudaPopCallConfiguration(dim3 *g, dim3 *b, size_t *s, void *st) {
  if (configs.empty()) return cudaErrorMissingConfiguration;
  auto &c = configs.back();
  *g = c.g;
  *b = c.b;
  *s = c.s;
  *(cudaStream_t *)st = c.st;
  configs.pop_back();
  return cudaSuccess;
}
// In recent toolkits the launch stub looks up a handle first; the handle here is the host function itself.
cudaError_t __cudaGetKernel(cudaKernel_t *k, const void *f) {
  if (!S().kernels.count(f)) return ret(cudaErrorInvalidDeviceFunction);
  *k = (cudaKernel_t)f;
  return cudaSuccess;
}
cudaError_t __cudaLaunchKernel(cudaKernel_t k, dim3 g, dim3 b, void **a, size_t s, cudaStream_t st) {
  return cudaLaunchKernel((const void *)k, g, b, a, s, st);
}

cudaError_t cudaGetLastError() { return last_error(true); }
cudaError_t cudaPeekAtLastError() { return last_error(false); }

#define ERRORS(X)                                                                                                   \
  X(cudaSuccess, "no error")                                                                                        \
  X(cudaErrorInvalidValue, "invalid argument")                                                                      \
  X(cudaErrorMemoryAllocation, "out of memory")                                                                     \
  X(cudaErrorInitializationError, "initialization error")                                                           \
  X(cudaErrorInvalidConfiguration, "invalid configuration argument")                                                \
  X(cudaErrorInvalidSymbol, "invalid device symbol")                                                                \
  X(cudaErrorInvalidMemcpyDirection, "invalid copy direction for memcpy")                                           \
  X(cudaErrorInsufficientDriver, "CUDA driver version is insufficient for CUDA runtime version")                    \
  X(cudaErrorMissingConfiguration, "__global__ function call is not configured")                                    \
  X(cudaErrorInvalidDeviceFunction, "invalid device function")                                                      \
  X(cudaErrorNoDevice, "no CUDA-capable device is detected")                                                        \
  X(cudaErrorInvalidDevice, "invalid device ordinal")                                                               \
  X(cudaErrorInvalidKernelImage, "device kernel image is invalid")                                                  \
  X(cudaErrorNoKernelImageForDevice, "no kernel image is available for execution on the device")                    \
  X(cudaErrorInvalidPtx, "a PTX JIT compilation failed")                                                            \
  X(cudaErrorInvalidResourceHandle, "invalid resource handle")                                                      \
  X(cudaErrorIllegalState, "the operation cannot be performed in the present state")                                \
  X(cudaErrorNotReady, "device not ready")                                                                          \
  X(cudaErrorIllegalAddress, "an illegal memory access was encountered")                                            \
  X(cudaErrorLaunchOutOfResources, "too many resources requested for launch")                                       \
  X(cudaErrorLaunchTimeout, "the launch timed out and was terminated")                                              \
  X(cudaErrorAssert, "device-side assert triggered")                                                                \
  X(cudaErrorHostMemoryAlreadyRegistered, "part or all of the requested memory range is already mapped")            \
  X(cudaErrorHostMemoryNotRegistered, "pointer does not correspond to a registered memory region")                  \
  X(cudaErrorMisalignedAddress, "misaligned address")                                                               \
  X(cudaErrorLaunchFailure, "unspecified launch failure")                                                           \
  X(cudaErrorCooperativeLaunchTooLarge, "too many blocks in cooperative launch")                                    \
  X(cudaErrorNotPermitted, "operation not permitted")                                                               \
  X(cudaErrorNotSupported, "operation not supported")                                                               \
  X(cudaErrorInvalidClusterSize, "the number of blocks in a cluster is not supported")                              \
  X(cudaErrorStreamCaptureUnsupported, "operation not permitted when stream is capturing")                          \
  X(cudaErrorStreamCaptureInvalidated, "operation failed due to a previous error during capture")                   \
  X(cudaErrorStreamCaptureMerge, "operation would result in a merge of separate capture sequences")                 \
  X(cudaErrorStreamCaptureUnmatched, "capture was not ended in the same stream as it began")                        \
  X(cudaErrorStreamCaptureUnjoined, "capturing stream has unjoined work")                                           \
  X(cudaErrorStreamCaptureIsolation, "dependency created on uncaptured work in another stream")                     \
  X(cudaErrorStreamCaptureImplicit, "operation would make the legacy stream depend on a capturing blocking stream") \
  X(cudaErrorCapturedEvent, "operation not permitted on an event last recorded in a capturing stream")              \
  X(cudaErrorGraphExecUpdateFailure,                                                                                \
    "the graph update was not performed because it included changes which violated constraints specific to "        \
    "instantiated graph update")                                                                                    \
  X(cudaErrorUnknown, "unknown error")

const char *cudaGetErrorString(cudaError_t e) {
#define X(n, s) \
  case n:       \
    return s;
  switch (e) {
    ERRORS(X)
    default:
      return "unrecognized error code";
  }
#undef X
}
const char *cudaGetErrorName(cudaError_t e) {
#define X(n, s) \
  case n:       \
    return #n;
  switch (e) {
    ERRORS(X)
    default:
      return "unrecognized error code";
  }
#undef X
}

}  // extern "C"
