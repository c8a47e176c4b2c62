// SPDX-License-Identifier: Apache-2.0
//
// What the files on graphs share: handles, and the work of a kernel node.
#pragma once
#include "rt.h"

namespace rt {

Graph *graph_of(cudaGraph_t g);  // null for what is no graph
Graph *new_graph(cudaGraph_t *h);
void drop_graph(cudaGraph_t h);
std::shared_ptr<Graph> clone(const Graph &g);
void name_body(cudaGraph_t h, Graph *g);  // h is a handle of a body, which its node owns
cudaError_t node_kernel_work(Work &w, void *f, dim3 g, dim3 b, unsigned sh, void **args, void **extra);

}  // namespace rt
