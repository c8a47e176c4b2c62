// SPDX-License-Identifier: Apache-2.0
//
// Graphs built by hand: nodes and their dependencies.
#include <algorithm>
#include "rt_graph.h"

namespace rt {

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

cudaError_t node_kernel_work(Work &w, void *f, dim3 g, dim3 b, unsigned sh, void **args, void **extra) {
  if (extra) return complain(cudaErrorNotSupported, "kernel node parameters given by `extra`");
  return kernel_work(w, f, g, b, args, sh, {0, 0, 0}, false);
}

}  // namespace rt

using namespace rt;

extern "C" {

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
        name_body((cudaGraph_t)b.get(), b.get());
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

}  // extern "C"
