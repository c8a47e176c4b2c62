// SPDX-License-Identifier: Apache-2.0
//
// CUDA graphs: handles, instantiation, launch.
//
// A graph is a list of nodes with dependencies; instantiation copies it into a topological order that launch
// runs from front to back. PTXEMU_GRAPH_ORDER=reverse takes the last ready node first instead of the first
// one, so that a missing dependency changes the result. Conditional handles have a value that kernels change
// with cudaGraphSetConditional.
#include "rt_graph.h"
#include <algorithm>
#include <cstdio>
#include <cstdlib>

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
Graph *graph_of(cudaGraph_t g) {
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
Graph *new_graph(cudaGraph_t *h) {
  auto g = std::make_unique<Graph>();
  *h = (cudaGraph_t)g.get();
  return (graphs()[*h] = std::move(g)).get();
}

void drop_graph(cudaGraph_t h) { graphs().erase(h); }
void name_body(cudaGraph_t h, Graph *g) { body_graphs()[h] = g; }

std::shared_ptr<Graph> clone(const Graph &g) {
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

}  // namespace rt

using namespace rt;

extern "C" {

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
