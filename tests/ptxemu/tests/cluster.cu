// SPDX-License-Identifier: Apache-2.0
//
// Thread-block clusters (compute_90): distributed shared memory, cluster barriers, mapa, special registers.
#include <cooperative_groups.h>
#include <cstring>
#include "check.h"
namespace cg = cooperative_groups;
__global__ void ring(int *out) {
  extern __shared__ int s[];
  auto cl = cg::this_cluster();
  unsigned r = cl.block_rank(), n = cl.num_blocks();
  s[threadIdx.x] = blockIdx.x * 1000 + threadIdx.x;
  cl.sync();
  int *other = cl.map_shared_rank(s, (r + 1) % n);
  out[blockIdx.x * blockDim.x + threadIdx.x] = other[threadIdx.x];
  cl.sync();
}
// Every block adds into the shared memory of every block of its cluster, as a sum over the cluster does.
__global__ void sum(double *out) {
  __shared__ double part[8][32], total[32];
  auto cl = cg::this_cluster();
  const unsigned rank = cl.block_rank(), n = cl.num_blocks(), t = threadIdx.x;
  for (unsigned k = 0; k < n; ++k) cl.map_shared_rank(&part[0][0], k)[rank * 32 + t] = 1 + blockIdx.x + 0.5 * t;
  cl.sync();
  total[t] = 0;
  for (unsigned k = 0; k < n; ++k) total[t] += part[k][t];
  cl.sync();
  out[blockIdx.x * 32 + t] = *cl.map_shared_rank(total + t, (rank + 1) % n);
  cl.sync();  // no block ends while others read its shared memory
}
__global__ void __cluster_dims__(2, 1, 1) window(int *out) {
  __shared__ int s[32];
  unsigned rank, a = (unsigned)__cvta_generic_to_shared(s + threadIdx.x), b;
  asm volatile("mov.u32 %0, %%cluster_ctarank;" : "=r"(rank));
  s[threadIdx.x] = 0;
  asm volatile("barrier.cluster.arrive.aligned;\n\tbarrier.cluster.wait.aligned;" ::: "memory");
  asm volatile("mapa.shared::cluster.u32 %0, %1, %2;" : "=r"(b) : "r"(a), "r"(rank ^ 1));
  asm volatile("st.shared::cluster.u32 [%0], %1;" ::"r"(b), "r"(threadIdx.x + 100 * rank) : "memory");
  asm volatile("barrier.cluster.arrive;\n\tbarrier.cluster.wait;" ::: "memory");
  out[blockIdx.x * 32 + threadIdx.x] = s[threadIdx.x];
}
__global__ void bad_rank(int *out) {
  __shared__ int s[32];
  s[threadIdx.x] = 1;
  out[0] = *cg::this_cluster().map_shared_rank(s, 7);
}
// One barrier of the cluster left out: 1 between write and read, 2 between read and the end of the block.
template <int MISSING>
__global__ void neighbour(int *out) {
  __shared__ int s[32];
  auto cl = cg::this_cluster();
  s[threadIdx.x] = blockIdx.x;
  if (MISSING == 1)
    __syncthreads();
  else
    cl.sync();
  if (MISSING == 2 && cl.block_rank() == 1) __nanosleep(100);
  const int v = *cl.map_shared_rank(s + threadIdx.x, (cl.block_rank() + 1) % cl.num_blocks());
  if (MISSING != 2) cl.sync();
  out[blockIdx.x * 32 + threadIdx.x] = v;
}
template <int MISSING>
static cudaError_t run_neighbour(int *d) {
  cudaLaunchAttribute at[1];
  at[0].id = cudaLaunchAttributeClusterDimension;
  at[0].val.clusterDim = {4, 1, 1};
  cudaLaunchConfig_t c = {};
  c.gridDim = dim3(8);
  c.blockDim = dim3(32);
  c.attrs = at;
  c.numAttrs = 1;
  cudaLaunchKernelEx(&c, neighbour<MISSING>, d);
  return cudaDeviceSynchronize();
}
int main(int argc, char **argv) {
  int *d;
  OK(cudaMallocManaged(&d, 4096));
  if (argc > 1 && !strcmp(argv[1], "race")) {  // PTXEMU_RACECHECK=1
    OK(run_neighbour<0>(d));
    CHECK(run_neighbour<1>(d) == cudaErrorLaunchFailure);
    OK(cudaDeviceReset());
    OK(cudaMallocManaged(&d, 4096));
    CHECK(run_neighbour<2>(d) == cudaErrorIllegalAddress);
    RESULT();
  }
  if (argc > 1) {  // PTXEMU_CC=8.0: there is no image for such a device
    window<<<4, 32>>>(d);
    FAILS(cudaGetLastError(), cudaErrorNoKernelImageForDevice);
    RESULT();
  }
  cudaLaunchAttribute at[1];
  at[0].id = cudaLaunchAttributeClusterDimension;
  at[0].val.clusterDim = {4, 1, 1};
  cudaLaunchConfig_t c = {};
  c.gridDim = dim3(8);
  c.blockDim = dim3(64);
  c.dynamicSmemBytes = 256;
  c.attrs = at;
  c.numAttrs = 1;
  OK(cudaLaunchKernelEx(&c, ring, d));
  OK(cudaDeviceSynchronize());
  for (int b = 0; b < 8; ++b) CHECK(d[b * 64 + 3] == (b / 4 * 4 + (b + 1) % 4) * 1000 + 3);
  cudaStream_t stream;
  OK(cudaStreamCreate(&stream));
  double *sums;
  OK(cudaMallocManaged(&sums, 16 * 32 * 8));
  c.dynamicSmemBytes = 0;
  c.gridDim = dim3(16);
  c.blockDim = dim3(32);
  c.stream = stream;
  for (unsigned size : {2u, 4u, 8u}) {
    at[0].val.clusterDim = {size, 1, 1};
    cudaGraph_t graph;
    cudaGraphExec_t exec;
    OK(cudaStreamBeginCapture(stream, cudaStreamCaptureModeThreadLocal));
    OK(cudaLaunchKernelEx(&c, sum, sums));
    OK(cudaStreamEndCapture(stream, &graph));
    OK(cudaGraphInstantiate(&exec, graph, 0));
    for (int round = 0; round < 2; ++round) {
      for (int k = 0; k < 16 * 32; ++k) sums[k] = -1;
      OK(cudaGraphLaunch(exec, stream));
      OK(cudaStreamSynchronize(stream));
      for (unsigned b = 0; b < 16; ++b)
        for (unsigned t = 0; t < 32; ++t) {
          double expected = 0;
          for (unsigned k = b / size * size; k < b / size * size + size; ++k) expected += 1 + k + 0.5 * t;
          CHECK(sums[b * 32 + t] == expected);
        }
    }
  }
  c.stream = nullptr;
  c.dynamicSmemBytes = 256;
  c.gridDim = dim3(8);
  c.blockDim = dim3(64);
  at[0].val.clusterDim = {4, 1, 1};
  window<<<4, 32>>>(d);
  OK(cudaDeviceSynchronize());
  for (int b = 0; b < 4; ++b) CHECK(d[b * 32 + 9] == 9 + 100 * ((b & 1) ^ 1));
  c.gridDim = dim3(6);
  FAILS(cudaLaunchKernelEx(&c, ring, d), cudaErrorInvalidConfiguration);
  c.gridDim = dim3(32);
  at[0].val.clusterDim = {16, 1, 1};
  FAILS(cudaLaunchKernelEx(&c, ring, d), cudaErrorInvalidClusterSize);
  OK(cudaFuncSetAttribute(ring, cudaFuncAttributeNonPortableClusterSizeAllowed, 1));
  c.gridDim = dim3(16);
  c.blockDim = dim3(32);
  OK(cudaLaunchKernelEx(&c, ring, d));
  cudaGetLastError();
  at[0].val.clusterDim = {2, 1, 1};
  c.gridDim = dim3(2);
  OK(cudaGetLastError());
  cudaLaunchKernelEx(&c, bad_rank, d);
  CHECK(cudaDeviceSynchronize() != cudaSuccess);
  RESULT();
}
