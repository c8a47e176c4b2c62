// SPDX-License-Identifier: Apache-2.0
//
// Small helpers of the tests: CHECK counts failures, RESULT prints the verdict and ends main.
#pragma once
#include <cuda_runtime.h>
#include <cstdio>
#include <cstdlib>
static int g_failed = 0;
#define CHECK(c)                                             \
  do {                                                       \
    if (!(c)) {                                              \
      ++g_failed;                                            \
      printf("%s:%d: failed: %s\n", __FILE__, __LINE__, #c); \
    }                                                        \
  } while (0)
#define OK(call)                                                                    \
  do {                                                                              \
    cudaError_t e_ = (call);                                                        \
    if (e_ != cudaSuccess) {                                                        \
      ++g_failed;                                                                   \
      printf("%s:%d: %s -> %s\n", __FILE__, __LINE__, #call, cudaGetErrorName(e_)); \
    }                                                                               \
  } while (0)
#define FAILS(call, code)                                                                               \
  do {                                                                                                  \
    cudaError_t e_ = (call);                                                                            \
    if (e_ != (code)) {                                                                                 \
      ++g_failed;                                                                                       \
      printf("%s:%d: %s -> %s, expected %s\n", __FILE__, __LINE__, #call, cudaGetErrorName(e_), #code); \
    }                                                                                                   \
  } while (0)
#define RESULT() return printf("%s\n", g_failed ? "FAILED" : "OK"), g_failed != 0
