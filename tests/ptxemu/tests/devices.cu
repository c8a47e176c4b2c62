// SPDX-License-Identifier: Apache-2.0
//
// Two devices (PTXEMU_DEVICES=2): each has its memory and its streams; and handles that are no more.
#include "check.h"
__global__ void set(int *p) { *p = 5; }
int main() {
  int n = 0, device = -1, *p, *q;
  OK(cudaGetDeviceCount(&n));
  CHECK(n == 2);
  cudaStream_t s, t;
  OK(cudaMalloc(&p, 4));
  OK(cudaStreamCreate(&s));
  FAILS(cudaSetDevice(2), cudaErrorInvalidDevice);
  OK(cudaSetDevice(1));
  OK(cudaGetDevice(&device));
  CHECK(device == 1);
  OK(cudaMalloc(&q, 4));
  OK(cudaStreamCreate(&t));
  cudaPointerAttributes a;
  OK(cudaPointerGetAttributes(&a, p));
  CHECK(a.type == cudaMemoryTypeDevice && a.device == 0);
  OK(cudaPointerGetAttributes(&a, q));
  CHECK(a.type == cudaMemoryTypeDevice && a.device == 1);
  OK(cudaPointerGetAttributes(&a, &n));
  CHECK(a.type == cudaMemoryTypeUnregistered);
  OK(cudaStreamGetDevice(s, &device));
  CHECK(device == 0);
  OK(cudaStreamGetDevice(t, &device));
  CHECK(device == 1);
  OK(cudaStreamGetDevice(nullptr, &device));
  CHECK(device == 1);
  set<<<1, 1, 0, s>>>(q);
  FAILS(cudaGetLastError(), cudaErrorInvalidResourceHandle);
  set<<<1, 1, 0, t>>>(q);
  OK(cudaMemcpy(&n, q, 4, cudaMemcpyDefault));
  CHECK(n == 5);

  cudaEvent_t e;
  OK(cudaEventCreate(&e));
  OK(cudaEventDestroy(e));
  FAILS(cudaEventRecord(e, t), cudaErrorInvalidResourceHandle);
  OK(cudaStreamDestroy(t));
  cudaStream_t later;
  OK(cudaStreamCreate(&later));
  CHECK(later != t);
  set<<<1, 1, 0, t>>>(q);
  FAILS(cudaGetLastError(), cudaErrorInvalidResourceHandle);
  FAILS(cudaStreamQuery(t), cudaErrorInvalidResourceHandle);
  FAILS(cudaStreamGetDevice(t, &device), cudaErrorInvalidResourceHandle);
  cudaStreamCaptureStatus status;
  FAILS(cudaStreamIsCapturing(t, &status), cudaErrorInvalidResourceHandle);
  FAILS(cudaMemsetAsync(q, 0, 4, t), cudaErrorInvalidResourceHandle);

  set<<<1, 1>>>(p);  // memory of the other device
  FAILS(cudaDeviceSynchronize(), cudaErrorIllegalAddress);
  RESULT();
}
