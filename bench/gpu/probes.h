// SPDX-License-Identifier: Apache-2.0
//
// Kernels that measure or prepare the GPU itself: a pass of reads (bandwidth; it also empties the L2 cache of everything else), a
// delay, and loops of arithmetic. All return at once; `stream` orders them.
#ifndef BENCH_GPU_PROBES_H
#define BENCH_GPU_PROBES_H
#include <cuda_runtime_api.h>

#include <cstdint>

namespace bench {

enum class Arithmetic { kF32, kF64, kTf32 };  // kTf32: tensor cores, mma.sync m16n8k8

// Reads `bytes` (a multiple of 16) once. `sink`: 8 writable bytes, as below.
cudaError_t launch_read(const void *data, int64_t bytes, void *sink, int blocks, cudaStream_t stream);
// Keeps the stream busy for `cycles` of a multiprocessor's clock.
cudaError_t launch_delay(int64_t cycles, cudaStream_t stream);
// `blocks` blocks of kArithmeticThreads threads, `iterations` turns each; *cycles receives the clocks that the first block took.
cudaError_t launch_arithmetic(Arithmetic kind, int iterations, void *sink, long long *cycles, int blocks,
                              cudaStream_t stream);
inline constexpr int kArithmeticThreads = 256;
// Operations of one thread in one turn, an addition and a multiplication each counted; with kTf32, a thread's share of its warp's.
double operations_per_turn(Arithmetic kind);

}  // namespace bench
#endif
