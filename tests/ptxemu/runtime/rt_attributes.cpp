// SPDX-License-Identifier: Apache-2.0
//
// Device properties and attributes: an H100 (cc 9.0) or an A100 (cc 8.0), from NVIDIA's data sheets and the CUDA C++ Programming
// Guide, table "Technical Specifications per Compute Capability".
#include <cstdio>
#include "rt.h"

using namespace rt;

extern "C" {

cudaError_t cudaGetDeviceProperties(cudaDeviceProp *p, int dev) {
  CHECK_PRE;
  if (dev < 0 || dev >= device_count()) return ret(cudaErrorInvalidDevice);
  memset(p, 0, sizeof *p);
  bool h = device_cc() >= 90;
  snprintf(p->name, sizeof p->name, "ptxemu (CPU emulation, %s-like)", h ? "H100" : "A100");
  p->major = device_cc() / 10;
  p->minor = device_cc() % 10;
  p->multiProcessorCount = multiprocessors();
  p->totalGlobalMem = memory_limit();
  p->sharedMemPerBlock = 48 << 10;
  p->sharedMemPerBlockOptin = optin_shared();
  p->sharedMemPerMultiprocessor = sm_shared();
  p->reservedSharedMemPerBlock = 1024;
  p->regsPerBlock = p->regsPerMultiprocessor = 65536;
  p->warpSize = 32;
  p->maxThreadsPerBlock = 1024;
  p->maxThreadsPerMultiProcessor = 2048;
  p->maxBlocksPerMultiProcessor = 32;
  p->maxThreadsDim[0] = p->maxThreadsDim[1] = 1024;
  p->maxThreadsDim[2] = 64;
  p->maxGridSize[0] = INT32_MAX;
  p->maxGridSize[1] = p->maxGridSize[2] = 65535;
  p->totalConstMem = 64 << 10;
  p->l2CacheSize = (h ? 50 : 40) << 20;
  p->memoryBusWidth = 5120;
  p->memPitch = INT32_MAX;
  p->textureAlignment = 512;
  p->unifiedAddressing = p->managedMemory = p->concurrentKernels = p->cooperativeLaunch = 1;
  p->concurrentManagedAccess = p->canMapHostMemory = p->memoryPoolsSupported = 1;
  p->asyncEngineCount = 3;
  p->pciBusID = dev + 1;
  p->clusterLaunch = h;
  return cudaSuccess;
}

cudaError_t cudaDeviceGetAttribute(int *v, cudaDeviceAttr a, int dev) {
  cudaDeviceProp p;
  if (cudaError_t e = cudaGetDeviceProperties(&p, dev)) return e;
  switch (a) {
    case cudaDevAttrComputeCapabilityMajor:
      *v = p.major;
      break;
    case cudaDevAttrComputeCapabilityMinor:
      *v = p.minor;
      break;
    case cudaDevAttrMultiProcessorCount:
      *v = p.multiProcessorCount;
      break;
    case cudaDevAttrWarpSize:
      *v = 32;
      break;
    case cudaDevAttrMaxThreadsPerBlock:
      *v = 1024;
      break;
    case cudaDevAttrMaxThreadsPerMultiProcessor:
      *v = 2048;
      break;
    case cudaDevAttrMaxBlocksPerMultiprocessor:
      *v = 32;
      break;
    case cudaDevAttrMaxBlockDimX:
    case cudaDevAttrMaxBlockDimY:
      *v = 1024;
      break;
    case cudaDevAttrMaxBlockDimZ:
      *v = 64;
      break;
    case cudaDevAttrMaxGridDimX:
      *v = INT32_MAX;
      break;
    case cudaDevAttrMaxGridDimY:
    case cudaDevAttrMaxGridDimZ:
      *v = 65535;
      break;
    case cudaDevAttrMaxSharedMemoryPerBlock:
      *v = 48 << 10;
      break;
    case cudaDevAttrMaxSharedMemoryPerBlockOptin:
      *v = (int)optin_shared();
      break;
    case cudaDevAttrMaxSharedMemoryPerMultiprocessor:
      *v = (int)sm_shared();
      break;
    case cudaDevAttrReservedSharedMemoryPerBlock:
      *v = 1024;
      break;
    case cudaDevAttrMaxRegistersPerBlock:
    case cudaDevAttrMaxRegistersPerMultiprocessor:
      *v = 65536;
      break;
    case cudaDevAttrTotalConstantMemory:
      *v = 64 << 10;
      break;
    case cudaDevAttrL2CacheSize:
      *v = p.l2CacheSize;
      break;
    case cudaDevAttrClockRate:
      *v = p.major >= 9 ? 1755000 : 1410000;
      break;
    case cudaDevAttrMemoryClockRate:
      *v = p.major >= 9 ? 2619000 : 1215000;
      break;
    case cudaDevAttrGlobalMemoryBusWidth:
      *v = 5120;
      break;
    case cudaDevAttrCooperativeLaunch:
    case cudaDevAttrUnifiedAddressing:
    case cudaDevAttrManagedMemory:
    case cudaDevAttrConcurrentManagedAccess:
    case cudaDevAttrConcurrentKernels:
    case cudaDevAttrCanMapHostMemory:
    case cudaDevAttrMemoryPoolsSupported:
    case cudaDevAttrStreamPrioritiesSupported:
    case cudaDevAttrComputePreemptionSupported:
      *v = 1;
      break;
    case cudaDevAttrClusterLaunch:
      *v = p.clusterLaunch;
      break;
    case cudaDevAttrAsyncEngineCount:
      *v = 3;
      break;
    case cudaDevAttrEccEnabled:
      *v = 1;
      break;
    case cudaDevAttrPciBusId:
      *v = p.pciBusID;
      break;
    case cudaDevAttrMaxPitch:
      *v = INT32_MAX;
      break;
    case cudaDevAttrTextureAlignment:
      *v = 512;
      break;
    case cudaDevAttrPciDeviceId:
    case cudaDevAttrPciDomainId:
    case cudaDevAttrIsMultiGpuBoard:
    case cudaDevAttrMaxPersistingL2CacheSize:
    case cudaDevAttrIntegrated:
    case cudaDevAttrKernelExecTimeout:
    case cudaDevAttrTccDriver:
    case cudaDevAttrComputeMode:
    case cudaDevAttrPageableMemoryAccess:
      *v = 0;
      break;
    default:
      return ret(complain(cudaErrorNotSupported, "cudaDeviceGetAttribute: attribute %d is not known", (int)a));
  }
  return cudaSuccess;
}

}  // extern "C"
