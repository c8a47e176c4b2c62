// SPDX-License-Identifier: Apache-2.0
//
// Compile with -fmad=false: host code does not contract a * b + c.
// wider PTX coverage, checked lane by lane against the same functions compiled for the host
#include <cooperative_groups.h>
#include <cuda_fp16.h>
#include <mma.h>
#include <cassert>
#include <cmath>
#include <cstdio>
#include <cstring>
#include <vector>
namespace cg = cooperative_groups;
#define HD __host__ __device__
HD __noinline__ float foo(float a, const float *b, int k) { return a * b[k] + sinf(a); }
struct S {
  float a;
  double b;
  int c[3];
};
HD __noinline__ S bar(S s, int k) {
  s.a += k;
  s.b *= 2;
  s.c[k % 3] = k;
  return s;
}
HD float core(const float *in, int n, int i, long long big, double *dd) {
  float loc[8];
  for (int k = 0; k < 8; ++k) loc[k] = in[(i + k) % n];
  float r = foo(loc[i & 7], in, i % n);
  S s{r, (double)in[i % n] + 2.0, {1, 2, 3}};
  if (i & 1) s = bar(s, i);
  float q = 0.37f * i + 0.1f;
  double z = 0.37 * i + 0.1;
  r += powf(q, 0.7f) + logf(q) + cosf(q * 1e3f) + sinf(q * 1e6f) + s.a + s.c[i % 3] + r / (1.0f + q) + erff(q * 0.01f) +
       log1pf(q) + expm1f(q * 0.001f) + tanhf(q * 0.01f) + atan2f(q, 3.0f) + cbrtf(q) + exp2f(q * 0.01f) + log2f(q) +
       log10f(q) + lgammaf(q) + fmodf(q, 0.7f) + truncf(q) + floorf(q) + ceilf(-q) + rintf(q) + hypotf(q, 2.f) +
       fmaxf(fminf(q, 3.f), -3.f) + (float)(unsigned char)i + (float)(short)(i * 77) + (float)(int)q +
       (float)(unsigned)q + ldexpf(q, 3) + (q > 5.f ? 1.f : -1.f);
  *dd = sin(z * 1e5) + cos(z * 1e9) + log(z) + pow(z, 0.3) + s.b + 1e-16 * (double)(big / (i + 1)) +
        (double)(big % (i + 3)) + 1e-16 * (double)((unsigned long long)big / (unsigned long long)(i + 7)) +
        1.0 / (1.0 + z) + erf(z * 0.01) + cbrt(z) + fmod(z, 0.37) + rint(z) + (double)(long long)z + exp(-z * 0.1) +
        tanh(z * 0.1) + sqrt(z) + atan(z) + lgamma(z) + expm1(z * 1e-3) + log1p(z) + floor(z) + sinh(z * 0.01) +
        asin(1 / (1 + z));
  return r;
}
__global__ void misc(float *o, double *d, unsigned *u, const float *in, int n, long long big) {
  int i = blockIdx.x * blockDim.x + threadIdx.x;
  if (i >= n) return;
  double dd;
  o[i] = core(in, n, i, big, &dd);
  d[i] = dd;
  unsigned h = __half_as_ushort(__float2half(0.37f * i));
  h = h * 31 + __float_as_uint(__half2float(__ushort_as_half((unsigned short)h)));
  h = h * 31 + __ffs(i) + __clz(i) + __popcll(big * i) + __clzll(big * i);
  h = h * 31 + __byte_perm(i * 0x01234567, n, 0x3715) + __funnelshift_l(i, n, 3) + __funnelshift_r(i * 77, n, 35) +
      __umulhi(i * 0x9E3779B9u, 77777) + (unsigned)__mulhi(i * -777, 123456789) + __brev(i) +
      (unsigned)(__umul64hi(big * i, big) >> 7) + __usad(i, 77, 3) + (unsigned)__mul24(i, -5);
  auto tile = cg::tiled_partition<8>(cg::this_thread_block());
  h = h * 31 + tile.shfl_down(i * 3, 1) + tile.any(i % 5 == 0) + tile.thread_rank();
  unsigned m = __match_any_sync(0xffffffffu, i & 3);
  h = h * 31 + m;
  h += __reduce_add_sync(m, i) * 7 + __reduce_max_sync(m, i ^ 5);
  if (i & 4) {
    h += __shfl_xor_sync(0xf0f0f0f0u, i, 1) * 13 + __popc(__activemask());
  } else {
    h += __shfl_sync(0x0f0f0f0fu, i, 3, 8) * 17;
  }
  h += __syncthreads_count(i % 3 == 0) + 100 * __syncthreads_and(i >= 0) + 200 * __syncthreads_or(i % 64 == 5);
  if (i == 33) printf("hello from lane %d: %f %s %llu\n", threadIdx.x, 1.5, "str", 1234567890123ull);
  u[i] = h;
}
__global__ void mma_f64(const double *A, const double *B, double *C) {
  using namespace nvcuda::wmma;
  fragment<matrix_a, 8, 8, 4, double, row_major> a;
  fragment<matrix_b, 8, 8, 4, double, col_major> b;
  fragment<accumulator, 8, 8, 4, double> c;
  fill_fragment(c, 0.0);
  for (int k = 0; k < 16; k += 4) {
    load_matrix_sync(a, A + k, 16);
    load_matrix_sync(b, B + k, 16);
    mma_sync(c, a, b, c);
  }
  store_matrix_sync(C, c, 8, mem_row_major);
}
__global__ void mma_raw(const double *A, const double *B, double *C, const float *Af, const float *Bf, float *Cf) {
  int l = threadIdx.x;
  double c0 = 0, c1 = 0;
  for (int k = 0; k < 16; k += 4)
    asm volatile("mma.sync.aligned.m8n8k4.row.col.f64.f64.f64.f64 {%0,%1}, {%2}, {%3}, {%0,%1};"
                 : "+d"(c0), "+d"(c1)
                 : "d"(A[(l >> 2) * 16 + k + (l & 3)]), "d"(B[(l >> 2) * 16 + k + (l & 3)]));
  C[(l >> 2) * 8 + 2 * (l & 3)] = c0;
  C[(l >> 2) * 8 + 2 * (l & 3) + 1] = c1;
  float f[4] = {0, 0, 0, 0};
  int g = l >> 2, t = l & 3;
  unsigned a[4], b[2];
  auto tf = [](float x) {
    unsigned r;
    asm("cvt.rna.tf32.f32 %0, %1;" : "=r"(r) : "f"(x));
    return r;
  };
  a[0] = tf(Af[g * 8 + t]);
  a[1] = tf(Af[(g + 8) * 8 + t]);
  a[2] = tf(Af[g * 8 + t + 4]);
  a[3] = tf(Af[(g + 8) * 8 + t + 4]);
  b[0] = tf(Bf[t * 8 + g]);
  b[1] = tf(Bf[(t + 4) * 8 + g]);
  asm volatile(
      "mma.sync.aligned.m16n8k8.row.col.f32.tf32.tf32.f32 {%0,%1,%2,%3}, {%4,%5,%6,%7}, {%8,%9}, "
      "{%0,%1,%2,%3};"
      : "+f"(f[0]), "+f"(f[1]), "+f"(f[2]), "+f"(f[3])
      : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b[0]), "r"(b[1]));
  Cf[g * 8 + 2 * t] = f[0];
  Cf[g * 8 + 2 * t + 1] = f[1];
  Cf[(g + 8) * 8 + 2 * t] = f[2];
  Cf[(g + 8) * 8 + 2 * t + 1] = f[3];
}
__global__ void oob(float *p, int n) { p[n + threadIdx.x] = 1; }
__global__ void badbar(int *p) {
  if (threadIdx.x < 32) {
    if (threadIdx.x < 16)
      __shfl_sync(0xffffffffu, 1, 0);
    else
      p[threadIdx.x] = 1;
    while (threadIdx.x >= 16 && atomicAdd(p, 0) == 0)
      ;
  }
  __syncthreads();
}
__global__ void badmask(int *p) {
  if (threadIdx.x < 16)
    p[threadIdx.x] = __shfl_sync(0xffffu, threadIdx.x, 0);
  else
    p[threadIdx.x] = __shfl_sync(0xffffu, threadIdx.x, 0);
}
__global__ void deadbar(int *p) {
  if (threadIdx.x < 32) {
    __syncwarp();
    asm volatile("bar.sync 1, 64;");
  } else
    asm volatile("bar.sync 2, 64;");
  p[threadIdx.x] = 1;
}
__global__ void dassert(int n) { assert(threadIdx.x < n); }
__global__ void spin(int *p) {
  if (threadIdx.x == 0) {
    while (atomicAdd(p, 0) == 0)
      ;
    p[1] = 7;
  } else if (threadIdx.x == 40) {
    atomicExch(p, 1);
  }
  __syncthreads();
  if (threadIdx.x < 32) {
    bool done = false;
    while (!done) {
      if (atomicCAS(p + 2, 0, 1) == 0) {
        p[3]++;
        __threadfence();
        atomicExch(p + 2, 0);
        done = true;
      }
    }
  }
}
#define CK(x)                                                         \
  do {                                                                \
    cudaError_t e_ = (x);                                             \
    if (e_) {                                                         \
      printf("FAIL line %d: %s\n", __LINE__, cudaGetErrorString(e_)); \
      return 1;                                                       \
    }                                                                 \
  } while (0)
int main() {
  int n = 256;
  long long big = 0x123456789abcdefLL;
  float *o, *in;
  double *d;
  unsigned *u;
  CK(cudaMallocManaged(&o, n * 4));
  CK(cudaMallocManaged(&in, n * 4));
  CK(cudaMallocManaged(&d, n * 8));
  CK(cudaMallocManaged(&u, n * 4));
  for (int i = 0; i < n; ++i) in[i] = (i * 37 % 101) / 50.f - 1;
  misc<<<2, 128>>>(o, d, u, in, n, big);
  CK(cudaDeviceSynchronize());
  double ef = 0, ed = 0;
  int wf = -1, wd = -1;
  for (int i = 0; i < n; ++i) {
    double dd;
    float r = core(in, n, i, big, &dd);
    double x = fabs(o[i] - r) / fabs(r), y = fabs(d[i] - dd) / fabs(dd);
    if (!(x <= ef)) ef = x, wf = i;
    if (!(y <= ed)) ed = y, wd = i;
  }
  printf("misc: float maxrel %.3g (at %d) double maxrel %.3g (at %d) h[0..3] %08x %08x %08x %08x\n", ef, wf, ed, wd,
         u[0], u[1], u[33], u[255]);
  int bad = !(ef < 2e-5) + !(ed < 1e-12);
  double *A, *B, *C;
  float *Af, *Bf, *Cf;
  cudaMallocManaged(&A, 8 * 16 * 8);
  cudaMallocManaged(&B, 8 * 16 * 8);
  cudaMallocManaged(&C, 512);
  cudaMallocManaged(&Af, 512);
  cudaMallocManaged(&Bf, 256);
  cudaMallocManaged(&Cf, 512);
  for (int i = 0; i < 128; ++i) {
    A[i] = (i * 7 % 13) - 6;
    B[i] = (i * 5 % 11) - 5;
    Af[i] = (i * 3 % 17) - 8;
    if (i < 64) Bf[i] = (i * 5 % 19) - 9;
  }
  mma_raw<<<1, 32>>>(A, B, C, Af, Bf, Cf);
  CK(cudaDeviceSynchronize());
  double em = 0;
  for (int i = 0; i < 8; ++i)
    for (int j = 0; j < 8; ++j) {
      double r = 0;
      for (int k = 0; k < 16; ++k) r += A[i * 16 + k] * B[j * 16 + k];
      em = fmax(em, fabs(r - C[i * 8 + j]));
    }
  for (int i = 0; i < 16; ++i)
    for (int j = 0; j < 8; ++j) {
      double r = 0;
      for (int k = 0; k < 8; ++k) r += Af[i * 8 + k] * Bf[k * 8 + j];
      em = fmax(em, fabs(r - Cf[i * 8 + j]));
    }
  printf("mma f64 m8n8k4 + tf32 m16n8k8: err %g\n", em);
  bad += em != 0;
  int *p;
  CK(cudaMallocManaged(&p, 1024));
  memset(p, 0, 1024);
  spin<<<1, 64>>>(p);
  CK(cudaDeviceSynchronize());
  printf("spin/lock: %d %d\n", p[1], p[3]);
  bad += p[1] != 7 || p[3] != 32;
  auto expect = [&](const char *nm) {
    cudaError_t e = cudaDeviceSynchronize();
    printf("%s -> %s\n", nm, cudaGetErrorString(e));
    bad += e == cudaSuccess;
    cudaDeviceReset();
    cudaMallocManaged(&p, 1024);
    memset(p, 0, 1024);
    cudaMallocManaged(&o, n * 4);
  };
  oob<<<1, 64>>>(o, n - 60);
  expect("out of bounds store");
  badmask<<<1, 32>>>(p);
  expect("shfl mask not naming the caller");
  deadbar<<<1, 64>>>(p);
  expect("barrier deadlock");
  dassert<<<1, 64>>>(40);
  expect("device assert");
  printf("%s\n", bad ? "MISC FAILED" : "MISC OK");
  return bad;
}
