// SPDX-License-Identifier: Apache-2.0
//
// The device as the shared sources see it: a "pack" is one scalar, one task is worked on by a group of threads, and a
// loop over elements is split over them. A translation unit is compiled per level of cooperation (BLV_CUDA_LEVEL warp,
// block, cluster, grid; BLV_CUDA_LEVEL_NUMBER 0..3) in a namespace of its own, as CPU kernels are per ISA level.
//
// Every function here is called by all threads of the group, in the same order (cooperation level: group), unless it
// says otherwise. Loops over threads say who runs and whether a barrier follows: `strided_for` has none, `..._then_sync` ends with one.
#pragma once
#include <cooperative_groups.h>
#include <cstddef>
#include <cstdint>

#if !defined(BLV_ISA_NAMESPACE) || !defined(BLV_CUDA_LEVEL_NUMBER)
#error "compile with BLV_CUDA_LEVEL_NUMBER (0 warp, 1 block, 2 cluster, 3 grid) and BLV_ISA_NAMESPACE (cuda_warp, ...)"
#endif

#define BLV_INLINE __device__ __forceinline__
#define BLV_FUNCTION __device__
#define BLV_HOST_DEVICE __host__ __device__
#define BLV_NOINLINE __noinline__
#define BLV_NOINLINE_ON_CPU __forceinline__
#define BLV_LAMBDA
#define BLV_UNROLLED _Pragma("unroll")

namespace bilevel {
namespace BLV_ISA_NAMESPACE {

// Positions within one task's arrays. A task of a warp, block or cluster has fewer than 2^31 elements (the planner's
// care); the grid's may have more.
#if BLV_CUDA_LEVEL_NUMBER == 3
using Index = long long;
#else
using Index = int;
#endif

// ---- Packs of one ---------------------------------------------------------------------------------------------------

template <class T>
using Pack = T;
template <class P>
using ScalarOf = P;
template <class T>
using Integers = int;
template <class T>
inline constexpr int lanes = 1;

template <class T>
BLV_INLINE T broadcast(T x) {
  return x;
}
template <class T>
BLV_INLINE T select(bool condition, T a, T b) {
  return condition ? a : b;
}
template <class T>
BLV_INLINE T sum(T x) {
  return x;
}
BLV_INLINE int is_not_finite_bits(float x) { return (__float_as_uint(x) & 0x7f800000u) == 0x7f800000u; }
BLV_INLINE int is_not_finite_bits(double x) { return (unsigned(__double2hiint(x)) & 0x7ff00000u) == 0x7ff00000u; }
template <class T>
BLV_INLINE T finite_or_zero(T x) {
  return is_not_finite_bits(x) ? T(0) : x;
}

// ---- Groups of threads ----------------------------------------------------------------------------------------------

// What the warps of a block exchange in a reduction, in shared memory.
struct ReductionSlots {
  double slots[32];
};
BLV_INLINE ReductionSlots &reduction_slots() {
  __shared__ ReductionSlots block_slots;
  return block_slots;
}

// Sum, maximum and minimum over the 32 lanes, the same bits in each. Cooperation level: warp.
template <class X, class Combine>
BLV_INLINE X warp_reduce(X x, Combine combine) {
  BLV_UNROLLED for (int distance = 16; distance > 0; distance /= 2) x =
      combine(x, __shfl_xor_sync(0xffffffffu, x, distance));
  return x;
}

#if BLV_CUDA_LEVEL_NUMBER == 0
struct BlockThreads {
  static BLV_INLINE int thread() { return int(threadIdx.x); }
  static BLV_INLINE int threads() { return 32; }
  static BLV_INLINE void sync() { __syncwarp(); }
  template <class X, class Combine>
  static BLV_INLINE X reduce(X x, Combine combine) {
    return warp_reduce(x, combine);
  }
};
#else
struct BlockThreads {
  static BLV_INLINE int thread() { return int(threadIdx.x); }
  static BLV_INLINE int threads() { return int(blockDim.x); }
  static BLV_INLINE void sync() { __syncthreads(); }
  template <class X, class Combine>
  static BLV_INLINE X reduce(X x, Combine combine) {
    static_assert(sizeof(X) <= sizeof(double), "a slot holds one");
    X *slots = reinterpret_cast<X *>(reduction_slots().slots);
    x = warp_reduce(x, combine);
    if (threadIdx.x % 32 == 0) slots[threadIdx.x / 32] = x;
    __syncthreads();
    X all = slots[0];
    for (unsigned w = 1; w < blockDim.x / 32; w++) all = combine(all, slots[w]);
    __syncthreads();
    return all;
  }
};
#endif

#if BLV_CUDA_LEVEL_NUMBER == 2
struct ClusterThreads {
  static BLV_INLINE int thread() {
    return int(threadIdx.x + cooperative_groups::this_cluster().block_rank() * blockDim.x);
  }
  static BLV_INLINE int threads() { return int(cooperative_groups::this_cluster().num_blocks() * blockDim.x); }
  static BLV_INLINE void sync() { cooperative_groups::this_cluster().sync(); }
  template <class X, class Combine>
  static BLV_INLINE X reduce(X x, Combine combine) {
    const auto cluster = cooperative_groups::this_cluster();
    X *slots = reinterpret_cast<X *>(reduction_slots().slots);
    x = BlockThreads::reduce(x, combine);
    if (threadIdx.x == 0) slots[0] = x;
    cluster.sync();
    X all = *cluster.map_shared_rank(slots, 0);
    for (unsigned b = 1; b < cluster.num_blocks(); b++) all = combine(all, *cluster.map_shared_rank(slots, b));
    cluster.sync();
    return all;
  }
};
#elif BLV_CUDA_LEVEL_NUMBER == 3
// What the blocks of the grid exchange in a reduction, in global memory; twice, since one reduction may begin while some threads still
// read the last one's. Every block has its own copy of this struct; its first thread flips `turn` between two barriers.
struct GridReduction {
  double *slots;  // 2 x gridDim.x
  int turn;
};
BLV_INLINE GridReduction &grid_reduction() {
  __shared__ GridReduction reduction;
  return reduction;
}
struct GridThreads {
  static BLV_INLINE long long thread() { return threadIdx.x + (long long)(blockIdx.x) * blockDim.x; }
  static BLV_INLINE long long threads() { return (long long)(gridDim.x) * blockDim.x; }
  static BLV_INLINE void sync() { cooperative_groups::this_grid().sync(); }
  template <class X, class Combine>
  static BLV_INLINE X reduce(X x, Combine combine) {
    GridReduction &reduction = grid_reduction();
    X *slots = reinterpret_cast<X *>(reduction.slots + reduction.turn * gridDim.x);
    x = BlockThreads::reduce(x, combine);
    if (threadIdx.x == 0) slots[blockIdx.x] = x, reduction.turn ^= 1;
    sync();
    X all = x;  // lane l of every warp adds the blocks l, l + 32, ...
    bool some = false;
    for (unsigned b = threadIdx.x % 32; b < gridDim.x; b += 32)
      all = some ? combine(all, slots[b]) : slots[b], some = true;
    return grid_warps(all, combine);
  }

 private:
  // Lanes beyond the number of blocks hold nothing.
  template <class X, class Combine>
  static BLV_INLINE X grid_warps(X x, Combine combine) {
    const unsigned filled = gridDim.x < 32 ? gridDim.x : 32;
    X all = __shfl_sync(0xffffffffu, x, 0);
    for (unsigned l = 1; l < filled; l++) all = combine(all, __shfl_sync(0xffffffffu, x, l));
    return all;
  }
};
#endif

// TaskThreads: all threads that work on one task. PassThreads: those that share a block of rows of it.
#if BLV_CUDA_LEVEL_NUMBER == 2
using TaskThreads = ClusterThreads;
using PassThreads = ClusterThreads;
#elif BLV_CUDA_LEVEL_NUMBER == 3
using TaskThreads = GridThreads;
using PassThreads = BlockThreads;
#else
using TaskThreads = BlockThreads;
using PassThreads = BlockThreads;
#endif

// ---- Loops ----------------------------------------------------------------------------------------------------------

// f(i) for i = thread, thread + threads, ... < n. No barrier.
template <class Threads = TaskThreads, class F>
BLV_INLINE void strided_for(Index n, F f) {
  for (Index i = Threads::thread(); i < n; i += Threads::threads()) f(i);
}
// The same, then a barrier: f(i) is done for every i in [0, n).
template <class Threads = TaskThreads, class F>
BLV_INLINE void strided_for_then_sync(Index n, F f) {
  strided_for<Threads>(n, f);
  Threads::sync();
}
// f() by one thread of the task, then a barrier: for what the task's arrays hold.
template <class F>
BLV_INLINE void one_thread_then_sync(F f) {
  if (TaskThreads::thread() == 0) f();
  TaskThreads::sync();
}
// f() by one thread of every block, between two barriers of the block: for what each block keeps in its own shared memory.
template <class F>
BLV_INLINE void one_thread_per_block_then_sync(F f) {
  BlockThreads::sync();
  if (threadIdx.x == 0) f();
  BlockThreads::sync();
}

struct Plus {
  template <class X>
  BLV_INLINE X operator()(X a, X b) const {
    return a + b;
  }
};
struct Either {
  BLV_INLINE int operator()(int a, int b) const { return a | b; }
};
struct Least {
  BLV_INLINE long long operator()(long long a, long long b) const { return a < b ? a : b; }
};

// Over the threads of the task, the same bits in each.
template <class T>
BLV_INLINE T sum_over_threads(T x) {
  return TaskThreads::reduce(x, Plus());
}
BLV_INLINE int any_thread(int x) { return TaskThreads::reduce(x, Either()); }
BLV_INLINE long long least_over_threads(long long x) { return TaskThreads::reduce(x, Least()); }

// One 128-bit access.
template <class T>
struct alignas(16) Quad {
  static constexpr int size = 16 / sizeof(T);
  T x[size];
};

}  // namespace BLV_ISA_NAMESPACE
}  // namespace bilevel
