// SPDX-License-Identifier: Apache-2.0
//
// CUDA graphs: stream capture, explicit construction, instantiation, launch, conditional nodes.
//
// A graph is a list of nodes with dependencies; instantiation copies it into a topological order that launch
// runs from front to back. PTXEMU_GRAPH_ORDER=reverse takes the last ready node first instead of the first
// one, so that a missing dependency changes the result. Conditional handles have a value that kernels change
// with cudaGraphSetConditional.
#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include "rt.h"

namespace rt {

Node *add_node(Graph &g, Work w, std::vector<Node *> deps) {
  g.nodes.push_back(std::make_unique<Node>(Node{&g, std::move(w), std::move(deps)}));
  return g.nodes.back().get();
}

static void set_conditional(uint64_t h, uint32_t v) {
  auto it = S().conditions.find(h);
  if (it == S().conditions.end()) throw Fault("cudaGraphSetConditional: illegal handle");
  it->second = v;
}

cudaError_t run_exec(Exec &e) {
  ptxemu::on_set_conditional = set_conditional;
  for (auto &c : e.conditions)
    if (c.assign) S().conditions[c.handle] = c.value;
  for (auto &w : e.order)
    if (cudaError_t r = execute(w)) return r;
  return cudaSuccess;
}

// Topological order (null on a cycle); clones bodies of child and conditional nodes.
static std::shared_ptr<Exec> instantiate(const Graph &g) {
  const char *o = getenv("PTXEMU_GRAPH_ORDER");
  bool last_first = o && !strcmp(o, "reverse");
  auto e = std::make_shared<Exec>();
  e->conditions = g.conditions;
  std::vector<const Node *> left;
  for (auto &n : g.nodes) left.push_back(n.get());
  std::set<const Node *> done;
  while (!left.empty()) {
    auto ready = [&](const Node *n) {
      return std::all_of(n->deps.begin(), n->deps.end(), [&](Node *d) { return done.count(d); });
    };
    size_t k = left.size();
    for (size_t q = 0; q < left.size(); ++q)
      if (ready(left[q])) {
        k = q;
        if (!last_first) break;
      }
    if (k == left.size()) return nullptr;
    const Node *n = left[k];
    left.erase(left.begin() + (long)k);
    done.insert(n);
    Work w = n->work;
    if (w.kind == Work::CHILD && !w.graphs.empty()) {
      if (!(w.exec = instantiate(*w.graphs[0]))) return nullptr;
    }
    if (w.kind == Work::CONDITIONAL)
      for (auto &b : w.graphs) {
        w.bodies.push_back(instantiate(*b));
        if (!w.bodies.back()) return nullptr;
      }
    e->order.push_back(std::move(w));
    e->from.push_back(n);
  }
  return e;
}

static std::map<cudaGraph_t, std::unique_ptr<Graph>> &graphs() {
  static auto *m = new std::map<cudaGraph_t, std::unique_ptr<Graph>>;
  return *m;
}
static std::map<cudaGraph_t, Graph *> &body_graphs() {
  static auto *m = new std::map<cudaGraph_t, Graph *>;
  return *m;
}
static std::map<cudaGraphExec_t, std::shared_ptr<Exec>> &execs() {
  static auto *m = new std::map<cudaGraphExec_t, std::shared_ptr<Exec>>;
  return *m;
}
static Graph *graph_of(cudaGraph_t g) {
  auto it = graphs().find(g);
  if (it != graphs().end()) return it->second.get();
  auto b = body_graphs().find(g);
  return b == body_graphs().end() ? nullptr : b->second;
}
static void forget_bodies(Graph &g) {
  for (auto &n : g.nodes)
    for (auto &b : n->work.graphs) {
      forget_bodies(*b);
      body_graphs().erase((cudaGraph_t)b.get());
    }
}
static Graph *new_graph(cudaGraph_t *h) {
  auto g = std::make_unique<Graph>();
  *h = (cudaGraph_t)g.get();
  return (graphs()[*h] = std::move(g)).get();
}

static std::shared_ptr<Graph> clone(const Graph &g) {
  auto c = std::make_shared<Graph>();
  c->conditions = g.conditions;
  std::map<const Node *, Node *> m;
  for (auto &n : g.nodes) {
    Work w = n->work;
    for (auto &b : w.graphs) b = clone(*b);
    m[n.get()] = add_node(*c, std::move(w), {});
  }
  for (auto &n : g.nodes)
    for (Node *d : n->deps) m[n.get()]->deps.push_back(m.at(d));
  return c;
}

static cudaError_t add(cudaGraphNode_t *out, cudaGraph_t gh, const cudaGraphNode_t *deps, size_t n, Work w) {
  Graph *g = graph_of(gh);
  if (!g || !out || (n && !deps)) return cudaErrorInvalidValue;
  std::vector<Node *> d;
  for (size_t k = 0; k < n; ++k) {
    auto *x = (Node *)deps[k];
    if (!x || x->graph != g) return cudaErrorInvalidValue;
    d.push_back(x);
  }
  *out = (cudaGraphNode_t)add_node(*g, std::move(w), std::move(d));
  return cudaSuccess;
}

static cudaError_t memcpy3d_work(Work &w, const cudaMemcpy3DParms &p) {
  if (p.srcArray || p.dstArray) return complain(cudaErrorNotSupported, "cudaArray is not supported");
  if (p.extent.depth > 1) return complain(cudaErrorNotSupported, "3D copies with depth > 1 are not supported");
  auto at = [](const cudaPitchedPtr &q, const cudaPos &o) { return (char *)q.ptr + o.x + o.y * q.pitch; };
  return copy_work(w, at(p.dstPtr, p.dstPos), p.dstPtr.pitch, at(p.srcPtr, p.srcPos), p.srcPtr.pitch, p.extent.width,
                   p.extent.height, p.kind);
}
static cudaError_t node_kernel_work(Work &w, void *f, dim3 g, dim3 b, unsigned sh, void **args, void **extra) {
  if (extra) return complain(cudaErrorNotSupported, "kernel node parameters given by `extra`");
  return kernel_work(w, f, g, b, args, sh, {0, 0, 0}, false);
}

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

// ------------------------------------------------------------------------------------------------ capture
cudaError_t cudaStreamBeginCapture(cudaStream_t cs, cudaStreamCaptureMode mode) {
  CHECK_PRE;
  cudaGraph_t h;
  Graph *g = new_graph(&h);
  cudaError_t e = begin(cs, g, true, {}, mode);
  if (e) graphs().erase(h);
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
    if (owned) graphs().erase((cudaGraph_t)g);
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

// ------------------------------------------------------------------------------------------- construction
cudaError_t cudaGraphCreate(cudaGraph_t *g, unsigned) {
  CHECK_PRE;
  new_graph(g);
  return cudaSuccess;
}
cudaError_t cudaGraphDestroy(cudaGraph_t g) {
  CHECK_PRE;
  auto it = graphs().find(g);
  if (it == graphs().end()) return ret(cudaErrorInvalidValue);
  forget_bodies(*it->second);
  graphs().erase(it);
  return cudaSuccess;
}
cudaError_t cudaGraphClone(cudaGraph_t *out, cudaGraph_t gh) {
  CHECK_PRE;
  Graph *g = graph_of(gh);
  if (!g) return ret(cudaErrorInvalidValue);
  auto c = clone(*g);
  Graph *n = new_graph(out);
  *n = std::move(*c);
  for (auto &x : n->nodes) x->graph = n;
  return cudaSuccess;
}
cudaError_t cudaGraphAddKernelNode(cudaGraphNode_t *o, cudaGraph_t g, const cudaGraphNode_t *d, size_t n,
                                   const cudaKernelNodeParams *p) {
  CHECK_PRE;
  Work w;
  if (cudaError_t e =
          node_kernel_work(w, p->func, p->gridDim, p->blockDim, p->sharedMemBytes, p->kernelParams, p->extra))
    return ret(e);
  return ret(add(o, g, d, n, std::move(w)));
}
cudaError_t cudaGraphAddMemcpyNode(cudaGraphNode_t *o, cudaGraph_t g, const cudaGraphNode_t *d, size_t n,
                                   const cudaMemcpy3DParms *p) {
  CHECK_PRE;
  Work w;
  if (cudaError_t e = memcpy3d_work(w, *p)) return ret(e);
  return ret(add(o, g, d, n, std::move(w)));
}
cudaError_t cudaGraphAddMemcpyNode1D(cudaGraphNode_t *o, cudaGraph_t g, const cudaGraphNode_t *d, size_t n, void *dst,
                                     const void *src, size_t count, cudaMemcpyKind k) {
  CHECK_PRE;
  Work w;
  if (cudaError_t e = copy_work(w, dst, count, src, count, count, 1, k)) return ret(e);
  return ret(add(o, g, d, n, std::move(w)));
}
cudaError_t cudaGraphAddMemsetNode(cudaGraphNode_t *o, cudaGraph_t g, const cudaGraphNode_t *d, size_t n,
                                   const cudaMemsetParams *p) {
  CHECK_PRE;
  Work w;
  if (cudaError_t e = fill_work(w, p->dst, p->pitch, p->value, p->elementSize, p->width * p->elementSize, p->height))
    return ret(e);
  return ret(add(o, g, d, n, std::move(w)));
}
cudaError_t cudaGraphAddHostNode(cudaGraphNode_t *o, cudaGraph_t g, const cudaGraphNode_t *d, size_t n,
                                 const cudaHostNodeParams *p) {
  CHECK_PRE;
  Work w;
  w.kind = Work::HOST;
  w.fn = p->fn;
  w.data = p->userData;
  return ret(add(o, g, d, n, std::move(w)));
}
cudaError_t cudaGraphAddEmptyNode(cudaGraphNode_t *o, cudaGraph_t g, const cudaGraphNode_t *d, size_t n) {
  CHECK_PRE;
  return ret(add(o, g, d, n, Work{}));
}
cudaError_t cudaGraphAddChildGraphNode(cudaGraphNode_t *o, cudaGraph_t g, const cudaGraphNode_t *d, size_t n,
                                       cudaGraph_t child) {
  CHECK_PRE;
  Graph *c = graph_of(child);
  if (!c) return ret(cudaErrorInvalidValue);
  Work w;
  w.kind = Work::CHILD;
  w.graphs.push_back(clone(*c));
  return ret(add(o, g, d, n, std::move(w)));
}
cudaError_t cudaGraphConditionalHandleCreate(cudaGraphConditionalHandle *h, cudaGraph_t gh, unsigned value,
                                             unsigned flags) {
  CHECK_PRE;
  Graph *g = graph_of(gh);
  if (!g) return ret(cudaErrorInvalidValue);
  *h = S().next_condition++;
  S().conditions[*h] = value;
  g->conditions.push_back({*h, value, (flags & cudaGraphCondAssignDefault) != 0});
  return cudaSuccess;
}
cudaError_t cudaGraphAddNode(cudaGraphNode_t *o, cudaGraph_t g, const cudaGraphNode_t *d, const cudaGraphEdgeData *,
                             size_t n, cudaGraphNodeParams *p) {
  CHECK_PRE;
  Work w;
  cudaError_t e = cudaSuccess;
  switch (p->type) {
    case cudaGraphNodeTypeKernel:
      e = node_kernel_work(w, p->kernel.func, p->kernel.gridDim, p->kernel.blockDim, p->kernel.sharedMemBytes,
                           p->kernel.kernelParams, p->kernel.extra);
      break;
    case cudaGraphNodeTypeMemcpy:
      e = memcpy3d_work(w, p->memcpy.copyParams);
      break;
    case cudaGraphNodeTypeMemset: {
      auto &q = p->memset;
      e = fill_work(w, q.dst, q.pitch, q.value, q.elementSize, q.width * q.elementSize, q.height);
      break;
    }
    case cudaGraphNodeTypeHost:
      w.kind = Work::HOST;
      w.fn = p->host.fn;
      w.data = p->host.userData;
      break;
    case cudaGraphNodeTypeEmpty:
      break;
    case cudaGraphNodeTypeGraph:
      return cudaGraphAddChildGraphNode(o, g, d, n, p->graph.graph);
    case cudaGraphNodeTypeConditional: {
      auto &q = p->conditional;
      bool ok = q.type == cudaGraphCondTypeWhile ? q.size == 1
                : q.type == cudaGraphCondTypeIf  ? q.size == 1 || q.size == 2
                                                 : q.size >= 1;
      if (!ok || !S().conditions.count(q.handle)) return ret(cudaErrorInvalidValue);
      w.kind = Work::CONDITIONAL;
      w.handle = q.handle;
      w.cond = q.type;
      for (unsigned k = 0; k < q.size; ++k) {
        auto b = std::make_shared<Graph>();
        b->body = true;
        w.graphs.push_back(b);
      }
      std::vector<std::shared_ptr<Graph>> bodies = w.graphs;
      if ((e = add(o, g, d, n, std::move(w)))) return ret(e);
      // the list of handles lives in the first body, which lives as long as the node
      for (auto &b : bodies) {
        bodies[0]->handles.push_back((cudaGraph_t)b.get());
        body_graphs()[(cudaGraph_t)b.get()] = b.get();
      }
      q.phGraph_out = bodies[0]->handles.data();
      return cudaSuccess;
    }
    default:
      e = complain(cudaErrorNotSupported, "cudaGraphAddNode: node type %d", (int)p->type);
  }
  if (e) return ret(e);
  return ret(add(o, g, d, n, std::move(w)));
}
cudaError_t cudaGraphAddDependencies(cudaGraph_t gh, const cudaGraphNode_t *from, const cudaGraphNode_t *to,
                                     const cudaGraphEdgeData *, size_t n) {
  CHECK_PRE;
  Graph *g = graph_of(gh);
  if (!g) return ret(cudaErrorInvalidValue);
  for (size_t k = 0; k < n; ++k) {
    if (((Node *)from[k])->graph != g || ((Node *)to[k])->graph != g) return ret(cudaErrorInvalidValue);
    ((Node *)to[k])->deps.push_back((Node *)from[k]);
  }
  return cudaSuccess;
}
cudaError_t cudaGraphGetNodes(cudaGraph_t gh, cudaGraphNode_t *out, size_t *n) {
  CHECK_PRE;
  Graph *g = graph_of(gh);
  if (!g || !n) return ret(cudaErrorInvalidValue);
  if (out)
    for (size_t k = 0; k < *n; ++k) out[k] = k < g->nodes.size() ? (cudaGraphNode_t)g->nodes[k].get() : nullptr;
  *n = out ? std::min(*n, g->nodes.size()) : g->nodes.size();
  return cudaSuccess;
}
cudaError_t cudaGraphNodeGetType(cudaGraphNode_t nh, cudaGraphNodeType *t) {
  CHECK_PRE;
  switch (((Node *)nh)->work.kind) {
    case Work::KERNEL:
      *t = cudaGraphNodeTypeKernel;
      break;
    case Work::COPY:
      *t = cudaGraphNodeTypeMemcpy;
      break;
    case Work::FILL:
      *t = cudaGraphNodeTypeMemset;
      break;
    case Work::HOST:
      *t = cudaGraphNodeTypeHost;
      break;
    case Work::GRAPH:
    case Work::CHILD:
      *t = cudaGraphNodeTypeGraph;
      break;
    case Work::CONDITIONAL:
      *t = cudaGraphNodeTypeConditional;
      break;
    default:
      *t = cudaGraphNodeTypeEmpty;
  }
  return cudaSuccess;
}

// ------------------------------------------------------------------------------------ instances and launch
cudaError_t cudaGraphInstantiate(cudaGraphExec_t *out, cudaGraph_t gh, unsigned long long flags) {
  CHECK_PRE;
  Graph *g = graph_of(gh);
  if (!g || !out) return ret(cudaErrorInvalidValue);
  if (flags & cudaGraphInstantiateFlagDeviceLaunch)
    return ret(complain(cudaErrorNotSupported, "device graph launch is not supported"));
  auto e = instantiate(*g);
  if (!e) return ret(complain(cudaErrorInvalidValue, "the graph has a cycle"));
  *out = (cudaGraphExec_t)e.get();
  execs()[*out] = e;
  return cudaSuccess;
}
cudaError_t cudaGraphInstantiateWithFlags(cudaGraphExec_t *o, cudaGraph_t g, unsigned long long f) {
  return cudaGraphInstantiate(o, g, f);
}
cudaError_t cudaGraphUpload(cudaGraphExec_t, cudaStream_t) {
  CHECK_PRE;
  return cudaSuccess;
}
cudaError_t cudaGraphLaunch(cudaGraphExec_t h, cudaStream_t cs) {
  CHECK_PRE;
  auto it = execs().find(h);
  if (it == execs().end()) return ret(cudaErrorInvalidValue);
  Work w;
  w.kind = Work::GRAPH;
  w.exec = it->second;
  return ret(submit(cs, std::move(w)));
}
cudaError_t cudaGraphExecDestroy(cudaGraphExec_t h) {
  CHECK_PRE;
  return ret(execs().erase(h) ? cudaSuccess : cudaErrorInvalidValue);
}
cudaError_t cudaGraphExecKernelNodeSetParams(cudaGraphExec_t h, cudaGraphNode_t n, const cudaKernelNodeParams *p) {
  CHECK_PRE;
  auto it = execs().find(h);
  if (it == execs().end()) return ret(cudaErrorInvalidValue);
  Exec &e = *it->second;
  for (size_t k = 0; k < e.order.size(); ++k) {
    if (e.from[k] != (Node *)n || e.order[k].kind != Work::KERNEL) continue;
    Work w;
    if (cudaError_t r =
            node_kernel_work(w, p->func, p->gridDim, p->blockDim, p->sharedMemBytes, p->kernelParams, p->extra))
      return ret(r);
    e.order[k] = std::move(w);
    return cudaSuccess;
  }
  return ret(cudaErrorInvalidValue);
}
// Allowed if the new graph has the same nodes, in the same order and of the same kinds and functions.
cudaError_t cudaGraphExecUpdate(cudaGraphExec_t h, cudaGraph_t gh, cudaGraphExecUpdateResultInfo *info) {
  CHECK_PRE;
  auto it = execs().find(h);
  Graph *g = graph_of(gh);
  if (it == execs().end() || !g) return ret(cudaErrorInvalidValue);
  auto e = instantiate(*g);
  bool ok = e && e->order.size() == it->second->order.size();
  for (size_t k = 0; ok && k < e->order.size(); ++k)
    ok = e->order[k].kind == it->second->order[k].kind && e->order[k].kind != Work::CONDITIONAL;
  if (info) {
    memset(info, 0, sizeof *info);
    info->result = ok ? cudaGraphExecUpdateSuccess : cudaGraphExecUpdateErrorTopologyChanged;
  }
  if (!ok) return ret(cudaErrorGraphExecUpdateFailure);
  *it->second = *e;
  return cudaSuccess;
}

}  // extern "C"
