// SPDX-License-Identifier: Apache-2.0
//
// Stream capture with fork and join, explicit nodes, launch, update, and forbidden calls in a capture.
#include <vector>
#include "check.h"
__global__ void add(int *p, int v) { p[threadIdx.x] += v; }
__global__ void sum2(int *o, const int *a, const int *b) { o[threadIdx.x] = a[threadIdx.x] + 2 * b[threadIdx.x]; }
int main() {
  int *a, *b, *o;
  OK(cudaMalloc(&a, 256));
  OK(cudaMalloc(&b, 256));
  OK(cudaMalloc(&o, 256));
  int *h;
  OK(cudaMallocHost(&h, 256));
  cudaStream_t s, t;
  OK(cudaStreamCreate(&s));
  OK(cudaStreamCreate(&t));
  cudaEvent_t f, j;
  OK(cudaEventCreateWithFlags(&f, cudaEventDisableTiming));
  OK(cudaEventCreateWithFlags(&j, cudaEventDisableTiming));
  OK(cudaStreamBeginCapture(s, cudaStreamCaptureModeGlobal));
  OK(cudaMemsetAsync(a, 0, 256, s));
  OK(cudaEventRecord(f, s));
  OK(cudaStreamWaitEvent(t, f, 0));
  OK(cudaMemsetAsync(b, 0, 256, t));
  add<<<1, 64, 0, t>>>(b, 10);
  OK(cudaEventRecord(j, t));
  add<<<1, 64, 0, s>>>(a, 1);
  OK(cudaStreamWaitEvent(s, j, 0));
  sum2<<<1, 64, 0, s>>>(o, a, b);
  OK(cudaMemcpyAsync(h, o, 256, cudaMemcpyDeviceToHost, s));
  cudaStreamCaptureStatus st;
  OK(cudaStreamIsCapturing(t, &st));
  CHECK(st == cudaStreamCaptureStatusActive);
  cudaGraph_t g;
  OK(cudaStreamEndCapture(s, &g));
  size_t n = 0;
  OK(cudaGraphGetNodes(g, nullptr, &n));
  CHECK(n == 6);
  cudaGraphExec_t e;
  OK(cudaGraphInstantiate(&e, g, 0));
  h[5] = -1;
  for (int k = 0; k < 3; ++k) {
    OK(cudaGraphLaunch(e, s));
    OK(cudaStreamSynchronize(s));
    CHECK(h[5] == 21);
  }
  OK(cudaGraphExecDestroy(e));
  OK(cudaGraphDestroy(g));
  // capture without join
  OK(cudaStreamBeginCapture(s, cudaStreamCaptureModeGlobal));
  add<<<1, 64, 0, s>>>(a, 1);
  OK(cudaEventRecord(f, s));
  OK(cudaStreamWaitEvent(t, f, 0));
  add<<<1, 64, 0, t>>>(b, 10);
  FAILS(cudaStreamEndCapture(s, &g), cudaErrorStreamCaptureUnjoined);
  // forbidden calls
  OK(cudaStreamBeginCapture(s, cudaStreamCaptureModeGlobal));
  FAILS(cudaStreamSynchronize(s), cudaErrorStreamCaptureUnsupported);
  FAILS(cudaStreamEndCapture(s, &g), cudaErrorStreamCaptureInvalidated);
  OK(cudaStreamBeginCapture(s, cudaStreamCaptureModeGlobal));
  void *q;
  FAILS(cudaMalloc(&q, 4), cudaErrorStreamCaptureUnsupported);
  FAILS(cudaStreamEndCapture(s, &g), cudaErrorStreamCaptureInvalidated);
  cudaGetLastError();
  // explicit construction
  OK(cudaGraphCreate(&g, 0));
  cudaGraphNode_t n0, n1, n2;
  cudaMemsetParams mp = {a, 0, 3, 4, 64, 1};
  OK(cudaGraphAddMemsetNode(&n0, g, nullptr, 0, &mp));
  int v = 4;
  void *args[] = {&a, &v};
  cudaKernelNodeParams kp = {(void *)add, dim3(1), dim3(64), 0, args, nullptr};
  OK(cudaGraphAddKernelNode(&n1, g, &n0, 1, &kp));
  v = 100;  // arguments were copied
  OK(cudaGraphAddMemcpyNode1D(&n2, g, &n1, 1, h, a, 256, cudaMemcpyDeviceToHost));
  OK(cudaGraphInstantiate(&e, g, 0));
  OK(cudaGraphLaunch(e, s));
  OK(cudaStreamSynchronize(s));
  CHECK(h[63] == 7);
  OK(cudaGraphExecKernelNodeSetParams(e, n1, &kp));
  OK(cudaGraphLaunch(e, s));
  OK(cudaStreamSynchronize(s));
  CHECK(h[63] == 103);
  RESULT();
}
