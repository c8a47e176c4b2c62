// SPDX-License-Identifier: Apache-2.0
//
// Conditional graph nodes: a WHILE loop that a kernel ends, an IF / ELSE, and nesting.
#include "check.h"
__global__ void step(int *x, cudaGraphConditionalHandle h) {
  *x += 3;
  cudaGraphSetConditional(h, *x < 20);
}
__global__ void add(int *x, int v) { *x += v; }
__global__ void choose(cudaGraphConditionalHandle h, const int *x) { cudaGraphSetConditional(h, *x > 25); }
static cudaGraph_t conditional(cudaGraph_t g, cudaGraphNode_t *node, cudaGraphNode_t *dep, cudaGraphConditionalHandle h,
                               cudaGraphConditionalNodeType t, int size, int which = 0) {
  cudaGraphNodeParams p = {cudaGraphNodeTypeConditional};
  p.conditional.handle = h;
  p.conditional.type = t;
  p.conditional.size = size;
  OK(cudaGraphAddNode(node, g, dep, nullptr, dep ? 1 : 0, &p));
  return p.conditional.phGraph_out[which];
}
int main() {
  int *x;
  OK(cudaMalloc(&x, 4));
  cudaStream_t s;
  OK(cudaStreamCreate(&s));
  cudaGraph_t g, body, no;
  OK(cudaGraphCreate(&g, 0));
  cudaGraphConditionalHandle h, h2;
  OK(cudaGraphConditionalHandleCreate(&h, g, 1, cudaGraphCondAssignDefault));
  OK(cudaGraphConditionalHandleCreate(&h2, g, 0, cudaGraphCondAssignDefault));
  cudaGraphNode_t w, k, c, b;
  body = conditional(g, &w, nullptr, h, cudaGraphCondTypeWhile, 1);
  OK(cudaStreamBeginCaptureToGraph(s, body, nullptr, nullptr, 0, cudaStreamCaptureModeGlobal));
  step<<<1, 1, 0, s>>>(x, h);
  OK(cudaStreamEndCapture(s, &no));
  void *args[] = {&h2, &x};
  cudaKernelNodeParams kp = {(void *)choose, dim3(1), dim3(1), 0, args, nullptr};
  OK(cudaGraphAddKernelNode(&k, g, &w, 1, &kp));
  cudaGraphNodeParams p = {cudaGraphNodeTypeConditional};
  p.conditional.handle = h2;
  p.conditional.type = cudaGraphCondTypeIf;
  p.conditional.size = 2;
  OK(cudaGraphAddNode(&c, g, &k, nullptr, 1, &p));
  for (int q = 0; q < 2; ++q) {
    int v = q ? 1000 : 2000;
    void *a2[] = {&x, &v};
    cudaKernelNodeParams kq = {(void *)add, dim3(1), dim3(1), 0, a2, nullptr};
    OK(cudaGraphAddKernelNode(&b, p.conditional.phGraph_out[q], nullptr, 0, &kq));
  }
  cudaGraphExec_t e;
  OK(cudaGraphInstantiate(&e, g, 0));
  int r;
  for (int start : {0, 30}) {  // 0 -> 21 -> else; 30 -> one step -> 33 -> then
    OK(cudaMemcpy(x, &start, 4, cudaMemcpyHostToDevice));
    OK(cudaGraphLaunch(e, s));
    OK(cudaStreamSynchronize(s));
    OK(cudaMemcpy(&r, x, 4, cudaMemcpyDeviceToHost));
    CHECK(r == (start ? 2033 : 1021));
  }
  OK(cudaGraphExecDestroy(e));
  OK(cudaGraphDestroy(g));
  RESULT();
}
