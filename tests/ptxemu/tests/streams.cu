// SPDX-License-Identifier: Apache-2.0
//
// Streams, events, stream-ordered memory, pinned memory, 2D copies. Run in both stream modes.
#include <cstring>
#include <vector>
#include "check.h"
__global__ void add(int *p, int n, int v) {
  int i = blockIdx.x * blockDim.x + threadIdx.x;
  if (i < n) p[i] += v;
}
static void host_fn(void *p) { *(int *)p += 1; }
int main() {
  const int n = 1000;
  cudaStream_t a, b;
  OK(cudaStreamCreate(&a));
  OK(cudaStreamCreateWithFlags(&b, cudaStreamNonBlocking));
  cudaEvent_t e0, e1;
  OK(cudaEventCreate(&e0));
  OK(cudaEventCreate(&e1));
  float ms = -1;
  FAILS(cudaEventElapsedTime(&ms, e0, e1), cudaErrorInvalidResourceHandle);
  int *d, *h, *g;
  OK(cudaMallocAsync(&d, n * 4, a));
  OK(cudaMallocHost(&h, n * 4));
  for (int i = 0; i < n; ++i) h[i] = i;
  OK(cudaEventRecord(e0, a));
  OK(cudaMemcpyAsync(d, h, n * 4, cudaMemcpyHostToDevice, a));
  add<<<8, 128, 0, a>>>(d, n, 5);
  OK(cudaEventRecord(e1, a));
  OK(cudaStreamWaitEvent(b, e1, 0));
  add<<<8, 128, 0, b>>>(d, n, 7);
  OK(cudaMemcpyAsync(h, d, n * 4, cudaMemcpyDeviceToHost, b));
  OK(cudaStreamSynchronize(b));
  for (int i = 0; i < n; ++i) CHECK(h[i] == i + 12);
  OK(cudaEventSynchronize(e1));
  OK(cudaEventElapsedTime(&ms, e0, e1));
  CHECK(ms > 0);
  OK(cudaEventQuery(e1));
  int calls = 0;
  OK(cudaLaunchHostFunc(a, host_fn, &calls));
  OK(cudaStreamSynchronize(a));
  CHECK(calls == 1);
  OK(cudaFreeAsync(d, a));
  OK(cudaStreamSynchronize(a));
  FAILS(cudaFree(d), cudaErrorInvalidValue);
  cudaGetLastError();
  // pitched copies
  size_t pitch;
  OK(cudaMallocPitch(&g, &pitch, 40, 7));
  std::vector<int> x(70), y(70, -1);
  for (int i = 0; i < 70; ++i) x[i] = i;
  OK(cudaMemcpy2D(g, pitch, x.data(), 40, 40, 7, cudaMemcpyHostToDevice));
  OK(cudaMemcpy2DAsync(y.data(), 40, g, pitch, 40, 7, cudaMemcpyDeviceToHost, a));
  OK(cudaStreamSynchronize(a));
  CHECK(!memcmp(x.data(), y.data(), 280));
  OK(cudaMemset2D(g, pitch, 1, 40, 7));
  OK(cudaMemcpy2D(y.data(), 40, g, pitch, 40, 7, cudaMemcpyDeviceToHost));
  CHECK(y[69] == 0x01010101);
  FAILS(cudaMemcpy(g, x.data(), pitch * 7 + 600, cudaMemcpyHostToDevice), cudaErrorInvalidValue);
  FAILS(cudaMemset(g, 0, pitch * 7 + 600), cudaErrorInvalidValue);
  FAILS(cudaMemcpy(x.data(), y.data(), 8, cudaMemcpyDeviceToHost), cudaErrorInvalidValue);
  cudaPointerAttributes at;
  OK(cudaPointerGetAttributes(&at, h));
  CHECK(at.type == cudaMemoryTypeHost);
  OK(cudaPointerGetAttributes(&at, g + 3));
  CHECK(at.type == cudaMemoryTypeDevice);
  OK(cudaFreeHost(h));
  OK(cudaFree(g));
  OK(cudaStreamDestroy(a));
  FAILS(cudaStreamSynchronize(a), cudaErrorInvalidResourceHandle);
  OK(cudaStreamDestroy(b));
  RESULT();
}
