// SPDX-License-Identifier: Apache-2.0
//
// Device work: how it is launched, queued and executed.
//
// By default every operation runs at once when it is submitted, which is one legal order. With
// PTXEMU_STREAMS=deferred it is queued, and runs only when something waits for it (stream, event or device
// synchronisation, synchronous copies, cudaFree): a missing synchronisation then shows up as stale data, and
// a pinned host buffer that is reused too early shows up as wrong data. PTXEMU_STREAMS=reverse also drains
// the streams in the opposite order of their creation, to expose missing cross-stream dependencies.
#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include "rt.h"

namespace rt {

bool deferred() {
  static const char *e = getenv("PTXEMU_STREAMS");
  return e && (!strcmp(e, "deferred") || !strcmp(e, "reverse"));
}
static bool reverse_order() {
  static const char *e = getenv("PTXEMU_STREAMS");
  return e && !strcmp(e, "reverse");
}

Stream *stream_of(cudaStream_t s) {
  State &st = S();
  st.legacy.legacy = true;
  if (s == nullptr || s == cudaStreamLegacy) return &st.legacy;
  if (s == cudaStreamPerThread) return &st.per_thread;
  return st.streams.count((Stream *)s) ? (Stream *)s : nullptr;
}

static cudaError_t device_fault(const std::exception &x) {
  const char *t = x.what();
  fprintf(stderr, "ptxemu: %s\n", t);
  return S().sticky = strstr(t, "illegal")      ? cudaErrorIllegalAddress
                      : strstr(t, "misaligned") ? cudaErrorMisalignedAddress
                      : strstr(t, "assert")     ? cudaErrorAssert
                                                : cudaErrorLaunchFailure;
}

static cudaError_t run_kernel(Work &w) {
  ptxemu::Stats st;
  auto t0 = std::chrono::steady_clock::now();
  try {
    launch(w.kernel->program(), w.spec, w.params.data(), &st);
  } catch (const std::exception &x) {
    return device_fault(x);
  }
  if (getenv("PTXEMU_TRACE")) {
    double dt = std::chrono::duration<double>(std::chrono::steady_clock::now() - t0).count();
    const auto &inf = info(w.kernel->program());
    const LaunchSpec &s = w.spec;
    fprintf(stderr,
            "ptxemu: %s <<<(%u,%u,%u),(%u,%u,%u),%zu>>> virtual regs %zu, instructions %zu, static shared "
            "%zu, local "
            "%zu: %.3f M thread-ins, %.3f M warp-ins, %.3f ms, %.1f M thread-ins/s\n",
            w.kernel->name.c_str(), s.grid.x, s.grid.y, s.grid.z, s.block.x, s.block.y, s.block.z, s.dynshared,
            inf.virtual_regs, inf.instructions, inf.static_shared, inf.local_bytes, st.thread_ins / 1e6,
            st.warp_ins / 1e6, dt * 1e3, st.thread_ins / dt / 1e6);
  }
  return cudaSuccess;
}

cudaError_t execute(Work &w) {
  if (S().sticky) return S().sticky;
  switch (w.kind) {
    case Work::EMPTY:
    case Work::WAIT:
      return cudaSuccess;
    case Work::KERNEL:
      return run_kernel(w);
    case Work::COPY: {
      const char *src = w.staged.empty() ? w.src : w.staged.data();
      size_t sp = w.staged.empty() ? w.spitch : w.width;
      auto bad = [&](const void *p, size_t pitch) {
        return mem_type(p) != MEM_NONE && !ptxemu::dev_valid(p, pitch * (w.height - 1) + w.width);
      };
      if (w.width && w.height && (bad(w.dst, w.dpitch) || (w.staged.empty() && bad(w.src, w.spitch))))
        return S().sticky = complain(cudaErrorIllegalAddress, "memcpy of memory that has been freed");
      for (size_t r = 0; r < w.height; ++r) memmove(w.dst + r * w.dpitch, src + r * sp, w.width);
      return cudaSuccess;
    }
    case Work::FILL:
      if (w.width && w.height && !ptxemu::dev_valid(w.dst, w.dpitch * (w.height - 1) + w.width))
        return S().sticky = complain(cudaErrorIllegalAddress, "memset of memory that has been freed");
      for (size_t r = 0; r < w.height; ++r)
        for (size_t k = 0; k + w.elem <= w.width; k += w.elem) {
          if (w.elem == 1) {
            memset(w.dst + r * w.dpitch, (int)w.value, w.width);
            break;
          }
          memcpy(w.dst + r * w.dpitch + k, &w.value, w.elem);
        }
      return cudaSuccess;
    case Work::HOST:
      w.fn(w.data);
      return cudaSuccess;
    case Work::RECORD:
      w.event->time = std::chrono::steady_clock::now();
      return cudaSuccess;
    case Work::GRAPH:
    case Work::CHILD:
      return run_exec(*w.exec);
    case Work::CONDITIONAL: {
      auto value = [&] { return S().conditions[w.handle]; };
      if (w.cond == cudaGraphCondTypeWhile) {
        const char *e = getenv("PTXEMU_WHILE_LIMIT");
        unsigned long long n = 0, limit = e ? strtoull(e, nullptr, 0) : 10000000;
        while (value()) {
          if (++n > limit)
            return device_fault(Fault("conditional WHILE node: more than PTXEMU_WHILE_LIMIT iterations"));
          if (cudaError_t e2 = run_exec(*w.bodies[0])) return e2;
        }
        return cudaSuccess;
      }
      unsigned v = value(), k = w.cond == cudaGraphCondTypeIf ? (v ? 0 : 1) : v;
      return k < w.bodies.size() ? run_exec(*w.bodies[k]) : cudaSuccess;
    }
  }
  return cudaErrorUnknown;
}

// Runs the queue of s up to operation number `upto`, after what it depends on in other streams.
cudaError_t drain(Stream &s, uint64_t upto) {
  while (s.completed < upto && !s.queue.empty() && !s.running) {
    Queued q = std::move(s.queue.front());
    s.queue.pop_front();
    s.running = true;
    cudaError_t e = cudaSuccess;
    for (auto &[t, n] : q.after)
      if (!e && (t == &S().legacy || t == &S().per_thread || S().streams.count(t))) e = drain(*t, n);
    if (!e) e = execute(q.w);
    s.running = false;
    ++s.completed;
    if (e) return e;
  }
  return S().sticky;
}

cudaError_t drain_all() {
  std::vector<Stream *> v{&S().legacy, &S().per_thread};
  v.insert(v.end(), S().streams.begin(), S().streams.end());
  if (reverse_order()) std::reverse(v.begin(), v.end());
  for (Stream *s : v)
    if (cudaError_t e = drain(*s, s->submitted)) return e;
  return S().sticky;
}

std::vector<Stream *> capturing() {
  std::vector<Stream *> r;
  for (Stream *s : S().streams)
    if (s->cap) r.push_back(s);
  return r;
}

// Calls that the default capture mode forbids (they might wait for the capturing stream).
cudaError_t unsafe_in_capture(const char *what) {
  for (Stream *s : capturing()) {
    if (s->cap_mode == cudaStreamCaptureModeRelaxed) continue;
    s->cap_bad = true;
    return complain(cudaErrorStreamCaptureUnsupported, "%s while a stream is capturing", what);
  }
  return cudaSuccess;
}

cudaError_t submit(cudaStream_t cs, Work w) {
  Stream *s = stream_of(cs);
  if (!s) return complain(cudaErrorInvalidResourceHandle, "unknown or destroyed stream");
  if (w.kind == Work::KERNEL && !s->legacy && s != &S().per_thread && s->device != w.spec.device)
    return complain(cudaErrorInvalidResourceHandle, "%s: launched on device %d into a stream of device %d",
                    w.kernel->name.c_str(), w.spec.device, s->device);
  if (s->legacy)
    for (Stream *c : capturing())
      if (!c->nonblocking && c->cap_mode != cudaStreamCaptureModeRelaxed) {
        c->cap_bad = true;
        return complain(cudaErrorStreamCaptureImplicit,
                        "use of the legacy default stream while a blocking stream captures");
      }
  if (s->cap) {
    if (s->cap_bad) return cudaErrorStreamCaptureInvalidated;
    if (w.kind == Work::GRAPH) {  // a captured graph launch becomes a child node
      w.kind = Work::CHILD;
    }
    Node *n = add_node(*s->cap, std::move(w), s->cap_deps);
    s->cap_deps = {n};
    return cudaSuccess;
  }
  if (!deferred()) return execute(w);
  if (w.kind == Work::COPY && w.dir == cudaMemcpyHostToDevice && mem_type(w.src) == MEM_NONE)
    for (size_t r = 0; r < w.height; ++r)
      w.staged.insert(w.staged.end(), w.src + r * w.spitch, w.src + r * w.spitch + w.width);
  bool wait = w.kind == Work::COPY && w.dir == cudaMemcpyDeviceToHost && mem_type(w.dst) == MEM_NONE;
  Queued q{std::move(w), std::move(s->after)};
  s->after.clear();
  // The legacy default stream orders itself with all blocking streams.
  if (s->legacy) {
    for (Stream *t : S().streams)
      if (!t->nonblocking && t->submitted > t->completed) q.after.push_back({t, t->submitted});
  } else if (!s->nonblocking && S().legacy.submitted > S().legacy.completed) {
    q.after.push_back({&S().legacy, S().legacy.submitted});
  }
  s->queue.push_back(std::move(q));
  ++s->submitted;
  return wait ? drain(*s, s->submitted) : cudaSuccess;  // copies to pageable memory return when done
}

cudaError_t kernel_work(Work &w, const void *f, dim3 g, dim3 b, void **args, size_t sh, Dim3 cl, bool coop) {
  auto it = S().kernels.find(f);
  if (it == S().kernels.end()) return cudaErrorInvalidDeviceFunction;
  Kernel &k = it->second;
  w.kind = Work::KERNEL;
  w.kernel = &k;
  w.func = f;
  try {
    const auto &inf = info(k.program());
    uint64_t nt = (uint64_t)b.x * b.y * b.z;
    if (!nt || b.x > 1024 || b.y > 1024 || b.z > 64 || nt > 1024 || !g.x || !g.y || !g.z || g.x > INT32_MAX ||
        g.y > 65535 || g.z > 65535)
      return cudaErrorInvalidConfiguration;
    if (nt > inf.max_threads)
      return complain(cudaErrorLaunchOutOfResources, "%s: %llu threads, but __launch_bounds__ allows %u",
                      k.name.c_str(), (unsigned long long)nt, inf.max_threads);
    size_t limit =
        k.max_dynamic >= 0 ? (size_t)k.max_dynamic : (48u << 10) - std::min<size_t>(inf.static_shared, 48u << 10);
    if (sh > limit || inf.static_shared + sh > optin_shared())
      return complain(
          cudaErrorInvalidValue,
          "%s: %zu bytes of dynamic shared memory, limit %zu (cudaFuncSetAttribute raises it to at most %zu)",
          k.name.c_str(), sh, limit, optin_shared() - inf.static_shared);
    Dim3 want = inf.req_cluster.x ? inf.req_cluster : Dim3{1, 1, 1};
    if (cl.x == 0)
      cl = want;
    else if (inf.req_cluster.x && (cl.x != want.x || cl.y != want.y || cl.z != want.z))
      return complain(cudaErrorInvalidConfiguration, "%s: cluster size differs from __cluster_dims__", k.name.c_str());
    if (cl.count() > 1) {
      if (device_cc() < 90)
        return complain(cudaErrorNotSupported, "%s: clusters need compute capability 9.0", k.name.c_str());
      if (cl.count() > (k.nonportable_cluster ? 16u : 8u) || !cl.count()) return cudaErrorInvalidClusterSize;
      if (g.x % cl.x || g.y % cl.y || g.z % cl.z)
        return complain(cudaErrorInvalidConfiguration, "%s: the grid is not a multiple of the cluster", k.name.c_str());
    }
    w.spec = {{g.x, g.y, g.z}, {b.x, b.y, b.z}, cl, sh, coop, current_device()};
    if (coop) {
      uint64_t sms = (uint64_t)multiprocessors();
      if (w.spec.grid.count() > sms * blocks_per_sm(k, (int)nt, sh)) return cudaErrorCooperativeLaunchTooLarge;
    }
    const auto &ps = inf.params;
    w.params.assign(ps.empty() ? 16 : ps.back().off + ps.back().size + 16, 0);
    for (size_t q = 0; q < ps.size(); ++q) memcpy(w.params.data() + ps[q].off, args[q], ps[q].size);
  } catch (const std::exception &x) {
    return image_error(k, x);
  }
  return cudaSuccess;
}

}  // namespace rt

using namespace rt;

extern "C" {

cudaError_t cudaLaunchKernel(const void *f, dim3 g, dim3 b, void **a, size_t sh, cudaStream_t st) {
  CHECK_PRE;
  Work w;
  if (cudaError_t e = kernel_work(w, f, g, b, a, sh, {0, 0, 0}, false)) return ret(e);
  return ret(submit(st, std::move(w)));
}
cudaError_t cudaLaunchCooperativeKernel(const void *f, dim3 g, dim3 b, void **a, size_t sh, cudaStream_t st) {
  CHECK_PRE;
  Work w;
  if (cudaError_t e = kernel_work(w, f, g, b, a, sh, {0, 0, 0}, true)) return ret(e);
  return ret(submit(st, std::move(w)));
}
cudaError_t cudaLaunchKernelExC(const cudaLaunchConfig_t *c, const void *f, void **a) {
  CHECK_PRE;
  Dim3 cl{0, 0, 0};
  bool coop = false;
  for (unsigned k = 0; k < c->numAttrs; ++k) {
    const auto &at = c->attrs[k];
    switch (at.id) {
      case cudaLaunchAttributeIgnore:
      case cudaLaunchAttributePriority:
      case cudaLaunchAttributeAccessPolicyWindow:
      case cudaLaunchAttributePreferredSharedMemoryCarveout:
      case cudaLaunchAttributeClusterSchedulingPolicyPreference:
      case cudaLaunchAttributeProgrammaticStreamSerialization:
        break;  // no effect on results
      case cudaLaunchAttributeCooperative:
        coop = at.val.cooperative;
        break;
      case cudaLaunchAttributeClusterDimension:
        cl = {at.val.clusterDim.x, at.val.clusterDim.y, at.val.clusterDim.z};
        break;
      default:
        return ret(complain(cudaErrorNotSupported, "cudaLaunchKernelExC: launch attribute %d", (int)at.id));
    }
  }
  Work w;
  if (cudaError_t e = kernel_work(w, f, c->gridDim, c->blockDim, a, c->dynamicSmemBytes, cl, coop)) return ret(e);
  return ret(submit(c->stream, std::move(w)));
}
cudaError_t cudaLaunchHostFunc(cudaStream_t st, cudaHostFn_t fn, void *d) {
  CHECK_PRE;
  Work w;
  w.kind = Work::HOST;
  w.fn = fn;
  w.data = d;
  return ret(submit(st, std::move(w)));
}

}  // extern "C"
