// SPDX-License-Identifier: Apache-2.0
//
// PTXEMU_STREAMS=deferred must expose a missing synchronisation and an early reuse of a pinned buffer.
#include "check.h"
__global__ void set(int *p, int v) { *p = v; }
int main() {
  cudaStream_t a, b;
  OK(cudaStreamCreateWithFlags(&a, cudaStreamNonBlocking));
  OK(cudaStreamCreateWithFlags(&b, cudaStreamNonBlocking));
  int *d, *h, r = -1;
  OK(cudaMalloc(&d, 4));
  OK(cudaMallocHost(&h, 8));
  OK(cudaMemset(d, 0, 4));
  OK(cudaDeviceSynchronize());
  h[0] = 0;
  set<<<1, 1, 0, a>>>(d, 42);
  OK(cudaMemcpyAsync(h, d, 4, cudaMemcpyDeviceToHost, b));  // no event: b does not wait for a
  OK(cudaStreamSynchronize(b));
  CHECK(h[0] == 0);
  OK(cudaStreamSynchronize(a));
  h[1] = 7;
  OK(cudaMemcpyAsync(d, h + 1, 4, cudaMemcpyHostToDevice, a));
  h[1] = 8;  // too early
  OK(cudaStreamSynchronize(a));
  OK(cudaMemcpy(&r, d, 4, cudaMemcpyDeviceToHost));
  CHECK(r == 8);
  int page = 9;
  OK(cudaMemcpyAsync(d, &page, 4, cudaMemcpyHostToDevice, a));
  page = 10;  // fine: pageable memory is copied before the call returns
  OK(cudaStreamSynchronize(a));
  OK(cudaMemcpy(&r, d, 4, cudaMemcpyDeviceToHost));
  CHECK(r == 9);
  cudaEvent_t e;
  OK(cudaEventCreate(&e));
  set<<<1, 1, 0, a>>>(d, 1);
  OK(cudaEventRecord(e, a));
  FAILS(cudaEventQuery(e), cudaErrorNotReady);
  set<<<1, 1>>>(d, 2);  // legacy stream does not wait for non-blocking streams
  OK(cudaDeviceSynchronize());
  OK(cudaEventQuery(e));
  RESULT();
}
