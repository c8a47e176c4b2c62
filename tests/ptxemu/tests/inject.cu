// SPDX-License-Identifier: Apache-2.0
//
// Failure injection: the environment decides what fails, the argument says what to expect.
#include <cstring>
#include "check.h"
int main(int argc, char **argv) {
  const char *mode = argc > 1 ? argv[1] : "";
  int n = -1;
  void *p;
  if (!strcmp(mode, "malloc")) {  // PTXEMU_FAIL_MALLOC=3
    OK(cudaMalloc(&p, 16));
    OK(cudaMallocHost(&p, 16));
    FAILS(cudaMalloc(&p, 16), cudaErrorMemoryAllocation);
    CHECK(p == nullptr);
    FAILS(cudaGetLastError(), cudaErrorMemoryAllocation);
    OK(cudaGetLastError());
    OK(cudaMalloc(&p, 16));
  } else if (!strcmp(mode, "memory")) {  // PTXEMU_MEMORY=1M
    OK(cudaMalloc(&p, 800 << 10));
    void *q;
    FAILS(cudaMalloc(&q, 800 << 10), cudaErrorMemoryAllocation);
    OK(cudaFree(p));
    OK(cudaMalloc(&q, 800 << 10));
  } else if (!strcmp(mode, "nodevice")) {  // PTXEMU_NO_DEVICE=1
    FAILS(cudaGetDeviceCount(&n), cudaErrorNoDevice);
    CHECK(n == 0);
    FAILS(cudaMalloc(&p, 16), cudaErrorNoDevice);
  } else if (!strcmp(mode, "driver")) {  // PTXEMU_NO_DEVICE=driver
    FAILS(cudaGetDeviceCount(&n), cudaErrorInsufficientDriver);
  } else {
    OK(cudaGetDeviceCount(&n));
    CHECK(n == 1);
  }
  RESULT();
}
