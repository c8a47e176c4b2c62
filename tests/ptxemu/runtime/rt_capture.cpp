// SPDX-License-Identifier: Apache-2.0
//
// Stream capture.
#include <algorithm>
#include "rt_graph.h"

namespace rt {

static bool reaches(const std::vector<Node *> &from, const Node *target) {
  std::set<const Node *> seen;
  std::vector<const Node *> work(from.begin(), from.end());
  while (!work.empty()) {
    const Node *n = work.back();
    work.pop_back();
    if (n == target) return true;
    if (!seen.insert(n).second) continue;
    work.insert(work.end(), n->deps.begin(), n->deps.end());
  }
  return false;
}

static cudaError_t begin(cudaStream_t cs, Graph *g, bool owned, std::vector<Node *> deps, cudaStreamCaptureMode mode) {
  Stream *s = stream_of(cs);
  if (!s) return cudaErrorInvalidResourceHandle;
  if (s->legacy) return complain(cudaErrorStreamCaptureUnsupported, "the legacy default stream cannot be captured");
  if (s->cap) return cudaErrorIllegalState;
  s->cap = g;
  s->cap_origin = true;
  s->cap_owned = owned;
  s->cap_bad = false;
  s->cap_mode = mode;
  s->cap_id = S().next_capture++;
  s->cap_deps = std::move(deps);
  return cudaSuccess;
}

}  // namespace rt

using namespace rt;

extern "C" {

cudaError_t cudaStreamBeginCapture(cudaStream_t cs, cudaStreamCaptureMode mode) {
  CHECK_PRE;
  cudaGraph_t h;
  Graph *g = new_graph(&h);
  cudaError_t e = begin(cs, g, true, {}, mode);
  if (e) drop_graph(h);
  return ret(e);
}
cudaError_t cudaStreamBeginCaptureToGraph(cudaStream_t cs, cudaGraph_t gh, const cudaGraphNode_t *deps,
                                          const cudaGraphEdgeData *, size_t n, cudaStreamCaptureMode mode) {
  CHECK_PRE;
  Graph *g = graph_of(gh);
  if (!g) return ret(cudaErrorInvalidValue);
  std::vector<Node *> d;
  for (size_t k = 0; k < n; ++k) d.push_back((Node *)deps[k]);
  return ret(begin(cs, g, false, d, mode));
}
cudaError_t cudaStreamEndCapture(cudaStream_t cs, cudaGraph_t *out) {
  CHECK_PRE;
  Stream *s = stream_of(cs);
  *out = nullptr;
  if (!s) return ret(cudaErrorInvalidResourceHandle);
  if (!s->cap) return ret(cudaErrorIllegalState);
  if (!s->cap_origin) return ret(cudaErrorStreamCaptureUnmatched);
  bool bad = s->cap_bad, unjoined = false;
  for (Stream *t : S().streams) {
    if (t == s || !t->cap || t->cap_id != s->cap_id) continue;
    for (Node *n : t->cap_deps) unjoined |= !reaches(s->cap_deps, n);
    bad |= t->cap_bad;
    t->cap = nullptr;
    t->cap_deps.clear();
  }
  Graph *g = s->cap;
  bool owned = s->cap_owned;
  s->cap = nullptr;
  s->cap_deps.clear();
  if (bad || unjoined) {
    if (owned) drop_graph((cudaGraph_t)g);
    return ret(bad ? cudaErrorStreamCaptureInvalidated : cudaErrorStreamCaptureUnjoined);
  }
  *out = (cudaGraph_t)g;
  return cudaSuccess;
}
cudaError_t cudaStreamIsCapturing(cudaStream_t cs, cudaStreamCaptureStatus *st) {
  CHECK_PRE;
  Stream *s = stream_of(cs);
  if (!s) return ret(cudaErrorInvalidResourceHandle);
  *st = !s->cap      ? cudaStreamCaptureStatusNone
        : s->cap_bad ? cudaStreamCaptureStatusInvalidated
                     : cudaStreamCaptureStatusActive;
  return cudaSuccess;
}
cudaError_t cudaStreamGetCaptureInfo(cudaStream_t cs, cudaStreamCaptureStatus *st, unsigned long long *id,
                                     cudaGraph_t *g, const cudaGraphNode_t **deps, const cudaGraphEdgeData **edges,
                                     size_t *n) {
  if (cudaError_t e = cudaStreamIsCapturing(cs, st)) return e;
  Stream *s = stream_of(cs);
  if (*st == cudaStreamCaptureStatusNone) return cudaSuccess;
  if (id) *id = s->cap_id;
  if (g) *g = (cudaGraph_t)s->cap;
  s->cap_list.assign(s->cap_deps.begin(), s->cap_deps.end());
  if (deps) *deps = (const cudaGraphNode_t *)s->cap_list.data();
  if (edges) *edges = nullptr;
  if (n) *n = s->cap_list.size();
  return cudaSuccess;
}
cudaError_t cudaStreamUpdateCaptureDependencies(cudaStream_t cs, cudaGraphNode_t *deps, const cudaGraphEdgeData *,
                                                size_t n, unsigned flags) {
  CHECK_PRE;
  Stream *s = stream_of(cs);
  if (!s || !s->cap) return ret(cudaErrorIllegalState);
  if (flags == cudaStreamSetCaptureDependencies) s->cap_deps.clear();
  for (size_t k = 0; k < n; ++k) s->cap_deps.push_back((Node *)deps[k]);
  return cudaSuccess;
}
cudaError_t cudaThreadExchangeStreamCaptureMode(cudaStreamCaptureMode *) {
  return ret(complain(cudaErrorNotSupported, "cudaThreadExchangeStreamCaptureMode"));
}

}  // extern "C"
