// SPDX-License-Identifier: Apache-2.0
//
// Memory of the replacement runtime: allocation, pinned and managed memory, copies, fills, symbols.
// Device memory is ordinary host memory; every kind of allocation is entered in the device registry.
#include <cstdio>
#include <cstdlib>
#include "rt.h"

namespace rt {

// PTXEMU_FAIL_MALLOC=n: the n-th allocation of the process fails, once; n+ : it and all later ones.
static bool injected_failure() {
  ++S().allocs;
  const char *e = getenv("PTXEMU_FAIL_MALLOC");
  if (!e || !*e) return false;
  char *s;
  unsigned long long n = strtoull(e, &s, 10);
  return *s == '+' ? S().allocs >= n : S().allocs == n;
}

static cudaError_t allocate(void **p, size_t n, MemType t) {
  if (!p) return cudaErrorInvalidValue;
  *p = nullptr;
  if (!n) return cudaSuccess;
  if (injected_failure())
    return complain(cudaErrorMemoryAllocation, "PTXEMU_FAIL_MALLOC: allocation %llu fails", S().allocs);
  int device = current_device();
  if (n > memory_limit() || S().used[device] + n > memory_limit()) return cudaErrorMemoryAllocation;
  *p = ptxemu::dev_alloc(n, t == MEM_DEVICE ? device : ptxemu::ALL_DEVICES);
  if (!*p) return cudaErrorMemoryAllocation;
  S().mem[(uint64_t)*p] = {n, t, device};
  S().used[device] += n;
  return cudaSuccess;
}
static cudaError_t release(void *p, bool host) {
  if (!p) return cudaSuccess;
  auto it = S().mem.find((uint64_t)p);
  if (it == S().mem.end() || (it->second.type == MEM_HOST) != host) return cudaErrorInvalidValue;
  S().used[it->second.device] -= it->second.size;
  S().mem.erase(it);
  ptxemu::dev_free(p);
  return cudaSuccess;
}

Memory memory_at(const void *p) {
  auto it = S().mem.upper_bound((uint64_t)p);
  if (it != S().mem.begin()) {
    --it;
    if ((uint64_t)p < it->first + it->second.size) return it->second;
  }
  uint64_t b, n;
  if (!ptxemu::dev_range(p, b, n)) return {};
  return {n, S().registered.count(b) ? MEM_HOST : MEM_DEVICE, current_device()};  // else: __device__ variable
}
MemType mem_type(const void *p) { return memory_at(p).type; }

cudaError_t copy_work(Work &w, void *d, size_t dp, const void *s, size_t sp, size_t width, size_t h, cudaMemcpyKind k) {
  MemType td = mem_type(d), ts = mem_type(s);
  bool dd = td == MEM_DEVICE, ds = ts == MEM_DEVICE;
  if (k == cudaMemcpyDefault)
    k = td == MEM_NONE || td == MEM_HOST
            ? (ds || ts == MEM_MANAGED ? cudaMemcpyDeviceToHost : cudaMemcpyHostToHost)
            : (ds || ts == MEM_MANAGED ? cudaMemcpyDeviceToDevice : cudaMemcpyHostToDevice);
  w.kind = Work::COPY;
  w.dst = (char *)d;
  w.src = (const char *)s;
  w.dpitch = dp;
  w.spitch = sp;
  w.width = width;
  w.height = h;
  w.dir = k;
  if (!width || !h) return cudaSuccess;
  if (!d || !s || (h > 1 && (dp < width || sp < width))) return cudaErrorInvalidValue;
  size_t nd = dp * (h - 1) + width, ns = sp * (h - 1) + width;
  bool to_dev = k == cudaMemcpyHostToDevice || k == cudaMemcpyDeviceToDevice;
  bool from_dev = k == cudaMemcpyDeviceToHost || k == cudaMemcpyDeviceToDevice;
  if (k > cudaMemcpyDefault) return cudaErrorInvalidMemcpyDirection;
  if (to_dev ? td == MEM_NONE : dd)
    return complain(cudaErrorInvalidValue, "memcpy: destination %p does not fit the direction", d);
  if (from_dev ? ts == MEM_NONE : ds)
    return complain(cudaErrorInvalidValue, "memcpy: source %p does not fit the direction", s);
  if (td != MEM_NONE && !ptxemu::dev_valid(d, nd))
    return complain(cudaErrorInvalidValue, "memcpy: %zu bytes at %p run over the destination allocation", nd, d);
  if (ts != MEM_NONE && !ptxemu::dev_valid(s, ns))
    return complain(cudaErrorInvalidValue, "memcpy: %zu bytes at %p run over the source allocation", ns, s);
  return cudaSuccess;
}

cudaError_t fill_work(Work &w, void *d, size_t pitch, unsigned v, unsigned elem, size_t width, size_t h) {
  w.kind = Work::FILL;
  w.dst = (char *)d;
  w.dpitch = pitch;
  w.value = v;
  w.elem = elem;
  w.width = width;
  w.height = h;
  if (!width || !h) return cudaSuccess;
  if (elem != 1 && elem != 2 && elem != 4) return cudaErrorInvalidValue;
  if ((h > 1 && pitch < width) || !ptxemu::dev_valid(d, pitch * (h - 1) + width))
    return complain(cudaErrorInvalidValue, "memset: %zu x %zu bytes at %p are not inside one allocation", width, h, d);
  return cudaSuccess;
}

static cudaError_t symbol(const void *s, char *&p, size_t &n) {
  auto it = S().vars.find(s);
  if (it == S().vars.end()) return cudaErrorInvalidSymbol;
  try {
    p = (char *)it->second.mod->get().symbol(it->second.name).first;
    n = it->second.size;
    return p ? cudaSuccess : cudaErrorInvalidSymbol;
  } catch (const std::exception &x) {
    return complain(cudaErrorInvalidSymbol, "%s", x.what());
  }
}

// A synchronous copy: waits for the stream, not allowed while that forbids it.
static cudaError_t copy_now(void *d, size_t dp, const void *s, size_t sp, size_t width, size_t h, cudaMemcpyKind k) {
  if (cudaError_t e = unsafe_in_capture("synchronous memcpy")) return e;
  Work w;
  if (cudaError_t e = copy_work(w, d, dp, s, sp, width, h, k)) return e;
  if (cudaError_t e = submit(nullptr, std::move(w))) return e;
  return drain(S().legacy, S().legacy.submitted);
}
static cudaError_t copy_async(void *d, size_t dp, const void *s, size_t sp, size_t width, size_t h, cudaMemcpyKind k,
                              cudaStream_t st) {
  Work w;
  if (cudaError_t e = copy_work(w, d, dp, s, sp, width, h, k)) return e;
  return submit(st, std::move(w));
}

}  // namespace rt

using namespace rt;

extern "C" {

cudaError_t cudaMalloc(void **p, size_t n) {
  CHECK_PRE;
  if (cudaError_t e = unsafe_in_capture("cudaMalloc")) return ret(e);
  return ret(allocate(p, n, MEM_DEVICE));
}
cudaError_t cudaMallocPitch(void **p, size_t *pitch, size_t w, size_t h) {
  CHECK_PRE;
  *pitch = (w + 511) / 512 * 512;
  return ret(allocate(p, *pitch * h, MEM_DEVICE));
}
cudaError_t cudaFree(void *p) {
  CHECK_PRE;
  if (p)
    if (cudaError_t e = unsafe_in_capture("cudaFree")) return ret(e);
  if (cudaError_t e = drain_all()) return ret(e);  // cudaFree waits for the device
  return ret(release(p, false));
}
cudaError_t cudaMallocAsync(void **p, size_t n, cudaStream_t st) {
  CHECK_PRE;
  Stream *s = stream_of(st);
  if (s && s->cap)
    return ret(complain(cudaErrorStreamCaptureUnsupported, "cudaMallocAsync in a stream capture is not supported"));
  return ret(allocate(p, n, MEM_DEVICE));
}
cudaError_t cudaMallocFromPoolAsync(void **p, size_t n, cudaMemPool_t, cudaStream_t st) {
  return cudaMallocAsync(p, n, st);
}
cudaError_t cudaFreeAsync(void *p, cudaStream_t st) {
  CHECK_PRE;
  Stream *s = stream_of(st);
  if (!s) return ret(cudaErrorInvalidResourceHandle);
  if (s->cap)
    return ret(complain(cudaErrorStreamCaptureUnsupported, "cudaFreeAsync in a stream capture is not supported"));
  if (!deferred()) return ret(release(p, false));
  if (mem_type(p) != MEM_DEVICE) return ret(cudaErrorInvalidValue);
  Work w;
  w.kind = Work::HOST;  // in stream order
  w.fn = [](void *q) { release(q, false); };
  w.data = p;
  return ret(submit(st, std::move(w)));
}
cudaError_t cudaMallocHost(void **p, size_t n) {
  CHECK_PRE;
  return ret(allocate(p, n, MEM_HOST));
}
cudaError_t cudaHostAlloc(void **p, size_t n, unsigned) { return cudaMallocHost(p, n); }
cudaError_t cudaFreeHost(void *p) {
  CHECK_PRE;
  if (cudaError_t e = drain_all()) return ret(e);
  return ret(release(p, true));
}
cudaError_t cudaMallocManaged(void **p, size_t n, unsigned) {
  CHECK_PRE;
  return ret(allocate(p, n, MEM_MANAGED));
}
cudaError_t cudaHostRegister(void *p, size_t n, unsigned) {
  CHECK_PRE;
  if (!p || !n) return ret(cudaErrorInvalidValue);
  if (mem_type(p) != MEM_NONE) return ret(cudaErrorHostMemoryAlreadyRegistered);
  ptxemu::dev_register(p, n);
  S().registered.insert((uint64_t)p);
  return cudaSuccess;
}
cudaError_t cudaHostUnregister(void *p) {
  CHECK_PRE;
  if (!S().registered.erase((uint64_t)p)) return ret(cudaErrorHostMemoryNotRegistered);
  ptxemu::dev_unregister(p);
  return cudaSuccess;
}
cudaError_t cudaHostGetDevicePointer(void **d, void *h, unsigned) {
  CHECK_PRE;
  if (mem_type(h) != MEM_HOST) return ret(cudaErrorInvalidValue);
  *d = h;
  return cudaSuccess;
}
cudaError_t cudaMemGetInfo(size_t *f, size_t *t) {
  CHECK_PRE;
  *t = memory_limit();
  *f = *t - std::min(*t, S().used[current_device()]);
  return cudaSuccess;
}
cudaError_t cudaPointerGetAttributes(cudaPointerAttributes *a, const void *p) {
  CHECK_PRE;
  memset(a, 0, sizeof *a);
  const Memory m = memory_at(p);
  const MemType t = m.type;
  a->type = t == MEM_DEVICE    ? cudaMemoryTypeDevice
            : t == MEM_HOST    ? cudaMemoryTypeHost
            : t == MEM_MANAGED ? cudaMemoryTypeManaged
                               : cudaMemoryTypeUnregistered;
  a->device = t == MEM_NONE ? -2 : m.device;
  if (t != MEM_NONE) a->devicePointer = (void *)p;
  if (t == MEM_HOST || t == MEM_MANAGED) a->hostPointer = (void *)p;
  return cudaSuccess;
}
cudaError_t cudaMemPrefetchAsync(const void *, size_t, cudaMemLocation, unsigned, cudaStream_t) {
  CHECK_PRE;
  return cudaSuccess;
}
cudaError_t cudaMemAdvise(const void *, size_t, cudaMemoryAdvise, cudaMemLocation) {
  CHECK_PRE;
  return cudaSuccess;
}
static int g_pool;
cudaError_t cudaDeviceGetDefaultMemPool(cudaMemPool_t *p, int) {
  CHECK_PRE;
  *p = (cudaMemPool_t)&g_pool;
  return cudaSuccess;
}
cudaError_t cudaMemPoolSetAttribute(cudaMemPool_t, cudaMemPoolAttr, void *) {
  CHECK_PRE;
  return cudaSuccess;
}
cudaError_t cudaMemPoolTrimTo(cudaMemPool_t, size_t) {
  CHECK_PRE;
  return cudaSuccess;
}

cudaError_t cudaMemcpy(void *d, const void *s, size_t n, cudaMemcpyKind k) {
  CHECK_PRE;
  return ret(copy_now(d, n, s, n, n, 1, k));
}
cudaError_t cudaMemcpyAsync(void *d, const void *s, size_t n, cudaMemcpyKind k, cudaStream_t st) {
  CHECK_PRE;
  return ret(copy_async(d, n, s, n, n, 1, k, st));
}
cudaError_t cudaMemcpy2D(void *d, size_t dp, const void *s, size_t sp, size_t w, size_t h, cudaMemcpyKind k) {
  CHECK_PRE;
  return ret(copy_now(d, dp, s, sp, w, h, k));
}
cudaError_t cudaMemcpy2DAsync(void *d, size_t dp, const void *s, size_t sp, size_t w, size_t h, cudaMemcpyKind k,
                              cudaStream_t st) {
  CHECK_PRE;
  return ret(copy_async(d, dp, s, sp, w, h, k, st));
}
cudaError_t cudaMemset2DAsync(void *d, size_t p, int v, size_t w, size_t h, cudaStream_t st) {
  CHECK_PRE;
  Work k;
  if (cudaError_t e = fill_work(k, d, p, (unsigned)v & 255, 1, w, h)) return ret(e);
  return ret(submit(st, std::move(k)));
}
cudaError_t cudaMemsetAsync(void *d, int v, size_t n, cudaStream_t st) { return cudaMemset2DAsync(d, n, v, n, 1, st); }
cudaError_t cudaMemset(void *d, int v, size_t n) { return cudaMemset2DAsync(d, n, v, n, 1, nullptr); }
cudaError_t cudaMemset2D(void *d, size_t p, int v, size_t w, size_t h) {
  return cudaMemset2DAsync(d, p, v, w, h, nullptr);
}

static cudaError_t to_symbol(const void *sym, const void *src, size_t n, size_t off, cudaMemcpyKind k, bool async,
                             cudaStream_t st) {
  char *p;
  size_t z;
  if (cudaError_t e = symbol(sym, p, z)) return e;
  if (off > z || n > z - off) return cudaErrorInvalidValue;
  return async ? copy_async(p + off, n, src, n, n, 1, k, st) : copy_now(p + off, n, src, n, n, 1, k);
}
static cudaError_t from_symbol(void *dst, const void *sym, size_t n, size_t off, cudaMemcpyKind k, bool async,
                               cudaStream_t st) {
  char *p;
  size_t z;
  if (cudaError_t e = symbol(sym, p, z)) return e;
  if (off > z || n > z - off) return cudaErrorInvalidValue;
  return async ? copy_async(dst, n, p + off, n, n, 1, k, st) : copy_now(dst, n, p + off, n, n, 1, k);
}
cudaError_t cudaMemcpyToSymbol(const void *s, const void *src, size_t n, size_t off, cudaMemcpyKind k) {
  CHECK_PRE;
  return ret(to_symbol(s, src, n, off, k, false, nullptr));
}
cudaError_t cudaMemcpyToSymbolAsync(const void *s, const void *src, size_t n, size_t off, cudaMemcpyKind k,
                                    cudaStream_t st) {
  CHECK_PRE;
  return ret(to_symbol(s, src, n, off, k, true, st));
}
cudaError_t cudaMemcpyFromSymbol(void *d, const void *s, size_t n, size_t off, cudaMemcpyKind k) {
  CHECK_PRE;
  return ret(from_symbol(d, s, n, off, k, false, nullptr));
}
cudaError_t cudaMemcpyFromSymbolAsync(void *d, const void *s, size_t n, size_t off, cudaMemcpyKind k, cudaStream_t st) {
  CHECK_PRE;
  return ret(from_symbol(d, s, n, off, k, true, st));
}
cudaError_t cudaGetSymbolAddress(void **d, const void *s) {
  CHECK_PRE;
  size_t z;
  char *p = nullptr;
  cudaError_t e = symbol(s, p, z);
  *d = p;
  return ret(e);
}
cudaError_t cudaGetSymbolSize(size_t *n, const void *s) {
  CHECK_PRE;
  char *p;
  return ret(symbol(s, p, *n));
}

// Frees everything, resets __device__ variables, and clears a device fault.
cudaError_t cudaDeviceReset() {
  std::lock_guard<std::recursive_mutex> lk(S().mu);
  if (cudaError_t e = pre(); e == cudaErrorNoDevice || e == cudaErrorInsufficientDriver) return ret(e);
  if (!S().sticky) drain_all();
  for (auto &[p, m] : S().mem) ptxemu::dev_free((void *)p);
  S().mem.clear();
  S().used.clear();
  for (auto *m : S().modules)
    if (m->m) m->m->reset_variables();
  for (Stream *s : S().streams) s->queue.clear(), s->completed = s->submitted;
  S().legacy.queue.clear();
  S().legacy.completed = S().legacy.submitted;
  S().sticky = cudaSuccess;
  last_error(true);
  return cudaSuccess;
}

}  // extern "C"
