// SPDX-License-Identifier: Apache-2.0
//
// Streams and events.
#include <algorithm>
#include "rt.h"

using namespace rt;

extern "C" {

cudaError_t cudaStreamCreateWithPriority(cudaStream_t *s, unsigned flags, int prio) {
  CHECK_PRE;
  auto *n = new Stream;
  n->flags = flags;
  n->nonblocking = flags & cudaStreamNonBlocking;
  n->priority = prio;
  n->device = current_device();
  S().streams.insert(n);
  *s = (cudaStream_t)n;
  return cudaSuccess;
}
cudaError_t cudaStreamCreateWithFlags(cudaStream_t *s, unsigned f) { return cudaStreamCreateWithPriority(s, f, 0); }
cudaError_t cudaStreamCreate(cudaStream_t *s) { return cudaStreamCreateWithPriority(s, 0, 0); }
cudaError_t cudaStreamDestroy(cudaStream_t cs) {
  CHECK_PRE;
  Stream *s = stream_of(cs);
  if (!s || s == &S().legacy || s == &S().per_thread) return ret(cudaErrorInvalidResourceHandle);
  cudaError_t e = drain(*s, s->submitted);
  S().streams.erase(s);
  S().destroyed.emplace_back(s);
  return ret(e);
}
#define STREAM(cs)           \
  CHECK_PRE;                 \
  Stream *s = stream_of(cs); \
  if (!s) return ret(cudaErrorInvalidResourceHandle)
cudaError_t cudaStreamGetFlags(cudaStream_t cs, unsigned *f) {
  STREAM(cs);
  *f = s->flags;
  return cudaSuccess;
}
cudaError_t cudaStreamGetDevice(cudaStream_t cs, int *device) {
  STREAM(cs);
  *device = S().streams.count(s) ? s->device : current_device();
  return cudaSuccess;
}
cudaError_t cudaStreamGetPriority(cudaStream_t cs, int *p) {
  STREAM(cs);
  *p = s->priority;
  return cudaSuccess;
}
cudaError_t cudaStreamSynchronize(cudaStream_t cs) {
  STREAM(cs);
  if (s->cap) {
    s->cap_bad = true;
    return ret(complain(cudaErrorStreamCaptureUnsupported, "cudaStreamSynchronize on a capturing stream"));
  }
  return ret(s->legacy ? drain_all() : drain(*s, s->submitted));
}
cudaError_t cudaStreamQuery(cudaStream_t cs) {
  STREAM(cs);
  if (s->cap) return ret(cudaErrorStreamCaptureUnsupported);
  if (s->completed == s->submitted) return cudaSuccess;
  if (cudaError_t e = drain(*s, s->completed + 1)) return ret(e);
  return cudaErrorNotReady;
}
cudaError_t cudaDeviceSynchronize() {
  CHECK_PRE;
  if (cudaError_t e = unsafe_in_capture("cudaDeviceSynchronize")) return ret(e);
  return ret(drain_all());
}

// Null for what is no event, or no more.
static Event *event_of(cudaEvent_t e) { return S().events.count((Event *)e) ? (Event *)e : nullptr; }
cudaError_t cudaEventCreateWithFlags(cudaEvent_t *e, unsigned f) {
  CHECK_PRE;
  auto *v = new Event;
  S().events.insert(v);
  v->flags = f;
  *e = (cudaEvent_t)v;
  return cudaSuccess;
}
cudaError_t cudaEventCreate(cudaEvent_t *e) { return cudaEventCreateWithFlags(e, 0); }
cudaError_t cudaEventDestroy(cudaEvent_t e) {
  CHECK_PRE;
  Event *v = event_of(e);
  if (!v) return ret(cudaErrorInvalidResourceHandle);
  if (v->stream && (v->stream == &S().legacy || S().streams.count(v->stream))) drain(*v->stream, v->seq);
  S().events.erase(v);
  delete v;
  return cudaSuccess;
}
cudaError_t cudaEventRecord(cudaEvent_t e, cudaStream_t cs) {
  STREAM(cs);
  Event *v = event_of(e);
  if (!v) return ret(cudaErrorInvalidResourceHandle);
  if (s->cap) {
    v->cap = s->cap;
    v->cap_id = s->cap_id;
    v->cap_deps = s->cap_deps;
    return cudaSuccess;
  }
  v->cap = nullptr;
  v->recorded = true;
  Work w;
  w.kind = Work::RECORD;
  w.event = v;
  cudaError_t r = submit(cs, std::move(w));
  v->stream = s;
  v->seq = s->submitted;
  return ret(r);
}
cudaError_t cudaEventRecordWithFlags(cudaEvent_t e, cudaStream_t s, unsigned) { return cudaEventRecord(e, s); }
static bool pending(Event *v) {
  return v->recorded && v->stream &&
         (v->stream == &S().legacy || v->stream == &S().per_thread || S().streams.count(v->stream)) &&
         v->stream->completed < v->seq;
}
cudaError_t cudaEventSynchronize(cudaEvent_t e) {
  CHECK_PRE;
  Event *v = event_of(e);
  if (!v) return ret(cudaErrorInvalidResourceHandle);
  if (v->cap) return ret(cudaErrorCapturedEvent);
  return ret(pending(v) ? drain(*v->stream, v->seq) : cudaSuccess);
}
cudaError_t cudaEventQuery(cudaEvent_t e) {
  CHECK_PRE;
  Event *v = event_of(e);
  if (!v) return ret(cudaErrorInvalidResourceHandle);
  if (v->cap) return ret(cudaErrorCapturedEvent);
  if (!pending(v)) return cudaSuccess;
  if (cudaError_t r = drain(*v->stream, v->stream->completed + 1)) return ret(r);
  return cudaErrorNotReady;
}
// Host time between the two records, at least one timer tick (0.5 us) so that it can be divided by.
cudaError_t cudaEventElapsedTime(float *ms, cudaEvent_t a, cudaEvent_t b) {
  CHECK_PRE;
  Event *x = event_of(a), *y = event_of(b);
  if (!x || !y || !x->recorded || !y->recorded || ((x->flags | y->flags) & cudaEventDisableTiming))
    return ret(cudaErrorInvalidResourceHandle);
  if (pending(x) || pending(y)) return ret(cudaErrorNotReady);
  float t = std::chrono::duration<float, std::milli>(y->time - x->time).count();
  *ms = t >= 0 ? std::max(t, 0.0005f) : t;
  return cudaSuccess;
}
cudaError_t cudaStreamWaitEvent(cudaStream_t cs, cudaEvent_t e, unsigned) {
  STREAM(cs);
  Event *v = event_of(e);
  if (!v) return ret(cudaErrorInvalidResourceHandle);
  if (v->cap) {  // joins the event's capture
    if (s->cap && s->cap_id != v->cap_id) return ret(cudaErrorStreamCaptureMerge);
    if (s->legacy) return ret(cudaErrorStreamCaptureImplicit);
    Stream *org = nullptr;
    for (Stream *c : capturing())
      if (c->cap_id == v->cap_id) org = c;
    if (!org) return ret(cudaErrorInvalidValue);
    if (!s->cap) {
      s->cap = org->cap;
      s->cap_id = org->cap_id;
      s->cap_mode = org->cap_mode;
      s->cap_origin = false;
      s->cap_bad = false;
      s->cap_deps.clear();
    }
    for (Node *n : v->cap_deps)
      if (std::find(s->cap_deps.begin(), s->cap_deps.end(), n) == s->cap_deps.end()) s->cap_deps.push_back(n);
    return cudaSuccess;
  }
  if (s->cap) {
    s->cap_bad = true;
    return ret(
        complain(cudaErrorStreamCaptureIsolation, "capturing stream waits for an event recorded outside the capture"));
  }
  if (pending(v)) s->after.push_back({v->stream, v->seq});
  return cudaSuccess;
}

}  // extern "C"
