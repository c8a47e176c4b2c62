// SPDX-License-Identifier: Apache-2.0
//
// Device description, limits and occupancy: an H100-like (cc 9.0) or A100-like (cc 8.0) device with one SM's
// worth of rules taken from the CUDA C++ Programming Guide, table "Technical Specifications per Compute
// Capability".
#include <unistd.h>
#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include "rt.h"

namespace rt {

// PTXEMU_CC ("9.0", "90", "8.0") or 9.0 if the program brings PTX for compute_90 or above, else 8.0.
int device_cc() {
  if (const char *e = getenv("PTXEMU_CC"); e && *e) {
    int a = 0, b = 0;
    if (sscanf(e, "%d.%d", &a, &b) == 2) return 10 * a + b;
    return atoi(e);
  }
  return S().max_ptx_arch >= 90 ? S().max_ptx_arch : 80;
}
int multiprocessors() {
  const char *e = getenv("PTXEMU_SMS");
  return e && *e ? std::max(1, atoi(e)) : device_cc() >= 90 ? 132 : 108;
}
int device_count() {
  const char *e = getenv("PTXEMU_DEVICES");
  return e && *e ? std::max(1, atoi(e)) : 1;
}
int &current_device() {
  static thread_local int device = 0;
  return device;
}
size_t optin_shared() { return (device_cc() >= 90 ? 227 : 163) << 10; }
size_t sm_shared() { return (device_cc() >= 90 ? 228 : 164) << 10; }

// PTXEMU_MEMORY bytes (suffix K, M, G), else half of the host's memory.
size_t memory_limit() {
  if (const char *e = getenv("PTXEMU_MEMORY"); e && *e) {
    char *s;
    double v = strtod(e, &s);
    int sh = *s == 'G' ? 30 : *s == 'M' ? 20 : *s == 'K' ? 10 : 0;
    return (size_t)(v * (double)(1ull << sh));
  }
  return (size_t)sysconf(_SC_PHYS_PAGES) * (size_t)sysconf(_SC_PAGESIZE) / 2;
}

// Registers per thread from PTXEMU_RESOURCES: text of "ptxas -v" or "cuobjdump --dump-resource-usage".
int kernel_registers(const std::string &name) {
  static std::map<std::string, int> *regs = nullptr;
  if (!regs) {
    regs = new std::map<std::string, int>;
    const char *f = getenv("PTXEMU_RESOURCES");
    std::ifstream in(f ? f : "");
    std::string l, cur;
    auto after = [&](const char *key, size_t &p) {
      p = l.find(key);
      if (p == std::string::npos) return false;
      p += strlen(key);
      return true;
    };
    while (std::getline(in, l)) {
      size_t p, q;
      if (after("Compiling entry function '", p) || after("Function properties for ", p) || after("Function ", p)) {
        q = l.find_first_of("': ", p);
        cur = l.substr(p, q == std::string::npos ? q : q - p);
      }
      if (after("REG:", p)) (*regs)[cur] = atoi(l.c_str() + p);
      if (after("Used ", p) && l.find("registers") != std::string::npos) (*regs)[cur] = atoi(l.c_str() + p);
    }
  }
  auto it = regs->find(name);
  return it == regs->end() ? 0 : it->second;
}

int blocks_per_sm(Kernel &k, int threads, size_t dyn) {
  const auto &inf = info(k.program());
  if (threads <= 0 || threads > (int)inf.max_threads) return 0;
  size_t smem = inf.static_shared + dyn;
  if (smem > optin_shared()) return 0;
  int warps = (threads + 31) / 32;
  size_t n = std::min<size_t>(32, 64 / warps);
  n = std::min(n, sm_shared() / ((smem + 1024 + 127) / 128 * 128));  // 1 KiB per block is reserved
  if (int r = kernel_registers(k.name)) n = std::min<size_t>(n, 65536 / ((size_t)(r * 32 + 255) / 256 * 256 * warps));
  return (int)n;
}

}  // namespace rt

using namespace rt;

static Kernel *find(const void *f) {
  auto it = S().kernels.find(f);
  return it == S().kernels.end() ? nullptr : &it->second;
}
// Decoding may fail (unsupported instruction): report it here rather than at the launch.
template <class F>
static cudaError_t with_kernel(const void *f, F body) {
  Kernel *k = find(f);
  if (!k) return ret(cudaErrorInvalidDeviceFunction);
  try {
    return ret(body(*k));
  } catch (const std::exception &x) {
    return ret(image_error(*k, x));
  }
}

extern "C" {

cudaError_t cudaGetDeviceCount(int *n) {
  *n = 0;
  if (cudaError_t e = pre(); e == cudaErrorNoDevice || e == cudaErrorInsufficientDriver) return ret(e);
  *n = device_count();
  return cudaSuccess;
}
cudaError_t cudaGetDevice(int *d) {
  CHECK_PRE;
  *d = current_device();
  return cudaSuccess;
}
cudaError_t cudaSetDevice(int d) {
  CHECK_PRE;
  if (d < 0 || d >= device_count()) return ret(cudaErrorInvalidDevice);
  current_device() = d;
  return cudaSuccess;
}
cudaError_t cudaDeviceCanAccessPeer(int *can, int a, int b) {
  CHECK_PRE;
  if (a < 0 || a >= device_count() || b < 0 || b >= device_count()) return ret(cudaErrorInvalidDevice);
  *can = 0;
  return cudaSuccess;
}
cudaError_t cudaInitDevice(int d, unsigned, unsigned) { return cudaSetDevice(d); }
cudaError_t cudaSetDeviceFlags(unsigned) {
  CHECK_PRE;
  return cudaSuccess;
}
cudaError_t cudaGetDeviceFlags(unsigned *f) {
  CHECK_PRE;
  *f = 0;
  return cudaSuccess;
}

cudaError_t cudaDriverGetVersion(int *v) {
  *v = 13000;
  return cudaSuccess;
}
cudaError_t cudaRuntimeGetVersion(int *v) {
  *v = 13000;
  return cudaSuccess;
}
cudaError_t cudaDeviceGetStreamPriorityRange(int *least, int *greatest) {
  CHECK_PRE;
  if (least) *least = 0;
  if (greatest) *greatest = -5;
  return cudaSuccess;
}
static std::map<int, size_t> g_limits = {
    {cudaLimitStackSize, 1024}, {cudaLimitPrintfFifoSize, 1 << 20}, {cudaLimitMallocHeapSize, 8 << 20}};
cudaError_t cudaDeviceSetLimit(cudaLimit l, size_t v) {
  CHECK_PRE;
  if (!g_limits.count(l)) return ret(complain(cudaErrorNotSupported, "cudaDeviceSetLimit: limit %d", (int)l));
  g_limits[l] = v;
  return cudaSuccess;
}
cudaError_t cudaDeviceGetLimit(size_t *v, cudaLimit l) {
  CHECK_PRE;
  if (!g_limits.count(l)) return ret(complain(cudaErrorNotSupported, "cudaDeviceGetLimit: limit %d", (int)l));
  *v = g_limits[l];
  return cudaSuccess;
}
cudaError_t cudaDeviceSetCacheConfig(cudaFuncCache) { return cudaSuccess; }
cudaError_t cudaFuncSetCacheConfig(const void *, cudaFuncCache) { return cudaSuccess; }
cudaError_t cudaProfilerStart() { return cudaSuccess; }
cudaError_t cudaProfilerStop() { return cudaSuccess; }

cudaError_t cudaFuncSetAttribute(const void *f, cudaFuncAttribute a, int v) {
  CHECK_PRE;
  return with_kernel(f, [&](Kernel &k) {
    switch (a) {
      case cudaFuncAttributeMaxDynamicSharedMemorySize:
        if (v < 0 || info(k.program()).static_shared + (size_t)v > optin_shared()) return cudaErrorInvalidValue;
        k.max_dynamic = v;
        return cudaSuccess;
      case cudaFuncAttributePreferredSharedMemoryCarveout:
        return v < -1 || v > 100 ? cudaErrorInvalidValue : cudaSuccess;
      case cudaFuncAttributeNonPortableClusterSizeAllowed:
        k.nonportable_cluster = v;
        return cudaSuccess;
      default:
        return complain(cudaErrorNotSupported, "cudaFuncSetAttribute: attribute %d", (int)a);
    }
  });
}
cudaError_t cudaFuncGetAttributes(cudaFuncAttributes *a, const void *f) {
  CHECK_PRE;
  return with_kernel(f, [&](Kernel &k) {
    const auto &inf = info(k.program());
    memset(a, 0, sizeof *a);
    a->sharedSizeBytes = inf.static_shared;
    a->localSizeBytes = inf.local_bytes;
    a->maxThreadsPerBlock = (int)inf.max_threads;
    int r = kernel_registers(k.name);
    a->numRegs = r ? r : 32;  // a guess: registers are known only with PTXEMU_RESOURCES
    a->ptxVersion = a->binaryVersion = device_cc();
    a->maxDynamicSharedSizeBytes =
        k.max_dynamic >= 0 ? k.max_dynamic : (int)((48 << 10) - std::min<size_t>(inf.static_shared, 48 << 10));
    a->preferredShmemCarveout = -1;
    a->clusterDimMustBeSet = 0;
    return cudaSuccess;
  });
}
cudaError_t cudaFuncGetName(const char **n, const void *f) {
  return with_kernel(f, [&](Kernel &k) {
    *n = k.name.c_str();
    return cudaSuccess;
  });
}
cudaError_t cudaOccupancyMaxActiveBlocksPerMultiprocessor(int *n, const void *f, int threads, size_t dyn) {
  CHECK_PRE;
  return with_kernel(f, [&](Kernel &k) {
    if (threads <= 0) return cudaErrorInvalidValue;
    *n = blocks_per_sm(k, threads, dyn);
    return cudaSuccess;
  });
}
cudaError_t cudaOccupancyMaxActiveBlocksPerMultiprocessorWithFlags(int *n, const void *f, int t, size_t d, unsigned) {
  return cudaOccupancyMaxActiveBlocksPerMultiprocessor(n, f, t, d);
}
cudaError_t cudaOccupancyAvailableDynamicSMemPerBlock(size_t *n, const void *f, int blocks, int) {
  CHECK_PRE;
  return with_kernel(f, [&](Kernel &k) {
    if (blocks <= 0) return cudaErrorInvalidValue;
    size_t per = sm_shared() / blocks / 128 * 128, fix = info(k.program()).static_shared + 1024;
    *n = std::min(per > fix ? per - fix : 0, optin_shared() - info(k.program()).static_shared);
    return cudaSuccess;
  });
}
cudaError_t cudaOccupancyMaxActiveClusters(int *n, const void *f, const cudaLaunchConfig_t *c) {
  CHECK_PRE;
  return with_kernel(f, [&](Kernel &k) {
    int size = 1;
    for (unsigned q = 0; q < c->numAttrs; ++q)
      if (c->attrs[q].id == cudaLaunchAttributeClusterDimension) {
        auto &d = c->attrs[q].val.clusterDim;
        size = (int)(d.x * d.y * d.z);
      }
    if (size < 1 || size > 16) return cudaErrorInvalidClusterSize;
    int b = blocks_per_sm(k, (int)(c->blockDim.x * c->blockDim.y * c->blockDim.z), c->dynamicSmemBytes);
    *n = multiprocessors() * b / size;
    return cudaSuccess;
  });
}
cudaError_t cudaOccupancyMaxPotentialClusterSize(int *n, const void *f, const cudaLaunchConfig_t *) {
  CHECK_PRE;
  return with_kernel(f, [&](Kernel &k) {
    *n = device_cc() >= 90 ? (k.nonportable_cluster ? 16 : 8) : 1;
    return cudaSuccess;
  });
}

}  // extern "C"
