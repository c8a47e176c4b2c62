// SPDX-License-Identifier: Apache-2.0
//
// Sample: shared memory (static + dynamic), __syncwarp, shuffles, __syncthreads, templates, float/double
// math, atomics.
#include <cuda_runtime.h>
#include <cmath>
#include <cstdio>
#include <vector>
#define CK(x)                                                                                      \
  do {                                                                                             \
    cudaError_t e_ = (x);                                                                          \
    if (e_ != cudaSuccess) {                                                                       \
      printf("FAIL %s:%d %s -> %d %s\n", __FILE__, __LINE__, #x, (int)e_, cudaGetErrorString(e_)); \
      return 1;                                                                                    \
    }                                                                                              \
  } while (0)

template <typename T>
__device__ T act(T x);
template <>
__device__ float act<float>(float x) {
  return tanhf(x) + expf(-x * x) + sqrtf(fabsf(x));
}
template <>
__device__ double act<double>(double x) {
  return tanh(x) + exp(-x * x) + sqrt(fabs(x));
}

__constant__ float cbias[4] = {0.5f, 0.25f, -1.0f, 2.0f};
__device__ unsigned int gcount;

template <typename T>
__device__ T warp_sum(T v) {
  for (int o = 16; o > 0; o >>= 1) v += __shfl_xor_sync(0xffffffffu, v, o);
  return v;
}

// y[i] = act(x[i]); block sum -> atomicAdd
template <typename T, int BS>
__global__ void act_reduce(const T *x, T *y, T *sum, int n) {
  __shared__ T ws[BS / 32];
  int i = blockIdx.x * BS + threadIdx.x;
  T v = 0;
  if (i < n) {
    v = act<T>(x[i]);
    y[i] = v;
  }
  T s = warp_sum(v);
  if ((threadIdx.x & 31) == 0) ws[threadIdx.x >> 5] = s;
  __syncthreads();
  if (threadIdx.x < 32) {
    s = threadIdx.x < BS / 32 ? ws[threadIdx.x] : T(0);
    __syncwarp();
    s = warp_sum(s);
    if (threadIdx.x == 0) {
      atomicAdd(sum, s);
      atomicInc(&gcount, 0xffffffffu);
    }
  }
}

// tiled matmul with dynamic shared memory, C = A*B + bias
template <typename T, int TS>
__global__ void matmul(const T *A, const T *B, T *C, int n) {
  extern __shared__ __align__(16) unsigned char smem[];
  T *as = reinterpret_cast<T *>(smem);
  T *bs = as + TS * (TS + 1);
  int tx = threadIdx.x, ty = threadIdx.y, row = blockIdx.y * TS + ty, col = blockIdx.x * TS + tx;
  T acc = 0;
  for (int k0 = 0; k0 < n; k0 += TS) {
    as[ty * (TS + 1) + tx] = (row < n && k0 + tx < n) ? A[row * n + k0 + tx] : T(0);
    bs[ty * (TS + 1) + tx] = (col < n && k0 + ty < n) ? B[(k0 + ty) * n + col] : T(0);
    __syncthreads();
#pragma unroll
    for (int k = 0; k < TS; ++k) acc += as[ty * (TS + 1) + k] * bs[k * (TS + 1) + tx];
    __syncthreads();
  }
  if (row < n && col < n) C[row * n + col] = acc + T(cbias[col & 3]);
}

// divergent loops + ballot + histogram in shared + switch
__global__ void divergent(const int *in, int *out, int *hist, int n) {
  __shared__ int h[16];
  if (threadIdx.x < 16) h[threadIdx.x] = 0;
  __syncthreads();
  int i = blockIdx.x * blockDim.x + threadIdx.x;
  int c = 0;
  if (i < n) {
    unsigned v = in[i];
    while (v != 1) {
      v = (v & 1) ? 3 * v + 1 : v >> 1;
      ++c;
      if (c > 500) break;
    }
    atomicAdd(&h[c & 15], 1);
    switch (c % 7) {
      case 0:
        c += 10;
        break;
      case 1:
        c *= 3;
        break;
      case 2:
        c ^= 0x55;
        break;
      case 3:
        c = __popc(c);
        break;
      case 4:
        c = __brev(c) >> 20;
        break;
      case 5:
        c -= 7;
        break;
      default:
        c = c * c;
    }
    out[i] = c;
  }
  unsigned b = __ballot_sync(0xffffffffu, i < n && (c & 1));
  if ((threadIdx.x & 31) == 0) atomicAdd(&hist[16], __popc(b));
  __syncthreads();
  if (threadIdx.x < 16) atomicAdd(&hist[threadIdx.x], h[threadIdx.x]);
}

// vectorised copy, float4
__global__ void saxpy4(const float4 *x, float4 *y, float a, int n4) {
  for (int i = blockIdx.x * blockDim.x + threadIdx.x; i < n4; i += gridDim.x * blockDim.x) {
    float4 u = x[i], v = y[i];
    v.x = fmaf(a, u.x, v.x);
    v.y = fmaf(a, u.y, v.y);
    v.z = fmaf(a, u.z, v.z);
    v.w = fmaf(a, u.w, v.w);
    y[i] = v;
  }
}

template <typename T>
static int test_act(cudaStream_t st) {
  const int n = 1000;
  std::vector<T> x(n), y(n);
  for (int i = 0; i < n; ++i) x[i] = T((i - 500) * 0.01);
  T *dx, *dy, *ds, s = 0;
  CK(cudaMalloc(&dx, n * sizeof(T)));
  CK(cudaMalloc(&dy, n * sizeof(T)));
  CK(cudaMalloc(&ds, sizeof(T)));
  CK(cudaMemcpyAsync(dx, x.data(), n * sizeof(T), cudaMemcpyHostToDevice, st));
  CK(cudaMemsetAsync(ds, 0, sizeof(T), st));
  act_reduce<T, 128><<<(n + 127) / 128, 128, 0, st>>>(dx, dy, ds, n);
  CK(cudaGetLastError());
  CK(cudaMemcpyAsync(y.data(), dy, n * sizeof(T), cudaMemcpyDeviceToHost, st));
  CK(cudaMemcpyAsync(&s, ds, sizeof(T), cudaMemcpyDeviceToHost, st));
  CK(cudaStreamSynchronize(st));
  double maxrel = 0, ref = 0;
  for (int i = 0; i < n; ++i) {
    double a = x[i], r = std::tanh(a) + std::exp(-a * a) + std::sqrt(std::fabs(a));
    ref += r;
    maxrel = std::fmax(maxrel, std::fabs(y[i] - r) / std::fmax(1e-3, std::fabs(r)));
  }
  printf("act<%s>: maxrel %.3g sum %.17g ref %.17g\n", sizeof(T) == 4 ? "float" : "double", maxrel, (double)s, ref);
  CK(cudaFree(dx));
  CK(cudaFree(dy));
  CK(cudaFree(ds));
  return !(maxrel < (sizeof(T) == 4 ? 1e-5 : 1e-13) && std::fabs(s - ref) < (sizeof(T) == 4 ? 1e-2 : 1e-9));
}
template <typename T>
static int test_mm(int n) {
  std::vector<T> A(n * n), B(n * n), C(n * n);
  for (int i = 0; i < n * n; ++i) {
    A[i] = T((i * 37 % 101) - 50) / 64;
    B[i] = T((i * 53 % 97) - 48) / 32;
  }
  T *a, *b, *c;
  size_t by = A.size() * sizeof(T);
  CK(cudaMalloc(&a, by));
  CK(cudaMalloc(&b, by));
  CK(cudaMalloc(&c, by));
  CK(cudaMemcpy(a, A.data(), by, cudaMemcpyHostToDevice));
  CK(cudaMemcpy(b, B.data(), by, cudaMemcpyHostToDevice));
  const int TS = 16;
  int g = (n + TS - 1) / TS;
  size_t sh = 2 * TS * (TS + 1) * sizeof(T);
  CK(cudaFuncSetAttribute(matmul<T, TS>, cudaFuncAttributeMaxDynamicSharedMemorySize, (int)65536));
  matmul<T, TS><<<dim3(g, g), dim3(TS, TS), sh>>>(a, b, c, n);
  CK(cudaGetLastError());
  CK(cudaDeviceSynchronize());
  CK(cudaMemcpy(C.data(), c, by, cudaMemcpyDeviceToHost));
  double err = 0;
  const double bias[4] = {0.5, 0.25, -1, 2};
  for (int i = 0; i < n; ++i)
    for (int j = 0; j < n; ++j) {
      double r = bias[j & 3];
      for (int k = 0; k < n; ++k) r += (double)A[i * n + k] * B[k * n + j];
      err = std::fmax(err, std::fabs(r - C[i * n + j]));
    }
  printf("matmul<%s> n=%d maxerr %.3g\n", sizeof(T) == 4 ? "float" : "double", n, err);
  CK(cudaFree(a));
  CK(cudaFree(b));
  CK(cudaFree(c));
  return !(err < (sizeof(T) == 4 ? 1e-3 : 1e-11));
}
static int test_div() {
  const int n = 1000;
  std::vector<int> in(n), out(n), h(17);
  for (int i = 0; i < n; ++i) in[i] = i + 1;
  int *di, *dq, *dh;
  CK(cudaMalloc(&di, n * 4));
  CK(cudaMalloc(&dq, n * 4));
  CK(cudaMalloc(&dh, 17 * 4));
  CK(cudaMemcpy(di, in.data(), n * 4, cudaMemcpyHostToDevice));
  CK(cudaMemset(dh, 0, 17 * 4));
  divergent<<<8, 128>>>(di, dq, dh, n);
  CK(cudaGetLastError());
  CK(cudaMemcpy(out.data(), dq, n * 4, cudaMemcpyDeviceToHost));
  CK(cudaMemcpy(h.data(), dh, 17 * 4, cudaMemcpyDeviceToHost));
  std::vector<int> rh(17);
  int bad = 0;
  for (int i = 0; i < n; ++i) {
    unsigned v = in[i];
    int c = 0;
    while (v != 1) {
      v = (v & 1) ? 3 * v + 1 : v >> 1;
      if (++c > 500) break;
    }
    rh[c & 15]++;
    unsigned br = 0;
    switch (c % 7) {
      case 0:
        c += 10;
        break;
      case 1:
        c *= 3;
        break;
      case 2:
        c ^= 0x55;
        break;
      case 3:
        c = __builtin_popcount(c);
        break;
      case 4:
        for (int k = 0; k < 32; ++k) br |= ((unsigned)c >> k & 1) << (31 - k);
        c = (int)(br >> 20);
        break;
      case 5:
        c -= 7;
        break;
      default:
        c = c * c;
    }
    bad += c != out[i];
    rh[16] += c & 1;
  }
  for (int i = 0; i < 17; ++i) bad += rh[i] != h[i];
  printf("divergent: bad %d\n", bad);
  CK(cudaFree(di));
  CK(cudaFree(dq));
  CK(cudaFree(dh));
  return bad != 0;
}
static int test_saxpy() {
  const int n = 4096;
  std::vector<float> x(n), y(n), r(n);
  for (int i = 0; i < n; ++i) {
    x[i] = i * 0.5f;
    y[i] = i * 0.25f;
    r[i] = std::fmaf(3.0f, x[i], y[i]);
  }
  float *dx, *dy;
  CK(cudaMalloc(&dx, n * 4));
  CK(cudaMalloc(&dy, n * 4));
  CK(cudaMemcpy(dx, x.data(), n * 4, cudaMemcpyHostToDevice));
  CK(cudaMemcpy(dy, y.data(), n * 4, cudaMemcpyHostToDevice));
  cudaEvent_t e0, e1;
  CK(cudaEventCreate(&e0));
  CK(cudaEventCreate(&e1));
  CK(cudaEventRecord(e0));
  saxpy4<<<4, 64>>>((float4 *)dx, (float4 *)dy, 3.0f, n / 4);
  CK(cudaGetLastError());
  CK(cudaEventRecord(e1));
  CK(cudaEventSynchronize(e1));
  float ms;
  CK(cudaEventElapsedTime(&ms, e0, e1));
  CK(cudaMemcpy(y.data(), dy, n * 4, cudaMemcpyDeviceToHost));
  int bad = 0;
  for (int i = 0; i < n; ++i) bad += y[i] != r[i];
  printf("saxpy4: bad %d\n", bad);
  return bad != 0;
}
int main(int argc, char **argv) {
  int nd = -1;
  CK(cudaGetDeviceCount(&nd));
  printf("devices: %d\n", nd);
  cudaDeviceProp p;
  CK(cudaGetDeviceProperties(&p, 0));
  printf("dev0: %s cc %d.%d sms %d smem/blk optin %zu\n", p.name, p.major, p.minor, p.multiProcessorCount,
         p.sharedMemPerBlockOptin);
  cudaStream_t st;
  CK(cudaStreamCreate(&st));
  int bad = 0;
  bad += test_act<float>(st);
  bad += test_act<double>(st);
  bad += test_mm<float>(70);
  bad += test_mm<double>(50);
  bad += test_div();
  bad += test_saxpy();
  unsigned gc = 0;
  CK(cudaMemcpyFromSymbol(&gc, gcount, 4));
  printf("gcount %u (want 16)\n", gc);
  bad += gc != 16;
  CK(cudaStreamDestroy(st));
  printf("%s\n", bad ? "SAMPLE FAILED" : "SAMPLE OK");
  return bad;
}
