// SPDX-License-Identifier: Apache-2.0
//
// Carves the memory of one task's group: first the shared memory of its blocks, then, for what does not fit, a slab of the workspace, the
// group's part of global memory. One function lays a structure out; on the host it counts bytes, on the device it assigns, and both make
// the same decisions, so what is announced and what is used cannot differ.
//
// A cluster has the shared memory of all its blocks: an array lies whole in that of one block, and the others reach it
// through the distributed shared memory.
#pragma once
#include "kernels/machine/cuda/machine.h"

namespace bilevel {
namespace BLV_ISA_NAMESPACE {

struct Arena {
  static constexpr long long align = 16, slab_align = 128;
  static constexpr int most_ranks = 8;

  char *smem = nullptr;  // this block's dynamic shared memory; null on the host
  char *slab = nullptr;
  long long smem_bytes = 0;  // bytes of shared memory of a block
  int ranks = 1;             // blocks of the cluster
  long long used[most_ranks] = {};
  long long slab_used = 0;
  long long largest = 0;  // bytes of the largest array of the task

  BLV_HOST_DEVICE bool assigns() const { return smem != nullptr; }

  // What every block keeps for itself; before the first `take`.
  template <class E>
  BLV_HOST_DEVICE E *take_table(long long count) {
    char *at = smem + used[0];
    for (int r = 0; r < ranks; r++) used[r] += bytes_of<E>(count, align);
    return reinterpret_cast<E *>(at);
  }
  // An array of the task, in shared memory if it fits.
  template <class E>
  BLV_HOST_DEVICE E *take(long long count) {
    const long long bytes = bytes_of<E>(count, align);
    largest = bytes > largest ? bytes : largest;
    for (int r = 0; r < ranks; r++) {
      if (used[r] + bytes > smem_bytes) continue;
      used[r] += bytes;
      return reinterpret_cast<E *>(shared_of(r) + used[r] - bytes);
    }
    return stream<E>(count);
  }
  // An array that is read or written once a step or less often: always in the slab.
  template <class E>
  BLV_HOST_DEVICE E *stream(long long count) {
    const long long bytes = bytes_of<E>(count, slab_align);
    slab_used += bytes;
    return reinterpret_cast<E *>(slab + slab_used - bytes);
  }
  // Whether an array of `count` elements would get shared memory.
  template <class E>
  BLV_HOST_DEVICE bool fits(long long count) const {
    for (int r = 0; r < ranks; r++)
      if (used[r] + bytes_of<E>(count, align) <= smem_bytes) return true;
    return false;
  }
  BLV_HOST_DEVICE long long most_used() const {
    long long most = 0;
    for (int r = 0; r < ranks; r++) most = used[r] > most ? used[r] : most;
    return most;
  }

 private:
  template <class E>
  static BLV_HOST_DEVICE long long bytes_of(long long count, long long to) {
    return (count * (long long)(sizeof(E)) + to - 1) / to * to;
  }
  BLV_HOST_DEVICE char *shared_of(int rank) const {
#if defined(__CUDA_ARCH__) && BLV_CUDA_LEVEL_NUMBER == 2
    return cooperative_groups::this_cluster().map_shared_rank(smem, rank);
#else
    (void)rank;
    return smem;
#endif
  }
};

// Small tables that every thread of a task reads: a copy per block. Before the first `take`.
template <class E>
BLV_HOST_DEVICE E *take_table(Arena &arena, long long count) {
  return arena.template take_table<E>(count);
}
BLV_HOST_DEVICE inline bool assigns(const Arena &arena) { return arena.assigns(); }

}  // namespace BLV_ISA_NAMESPACE
}  // namespace bilevel
