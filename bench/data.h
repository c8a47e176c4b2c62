// SPDX-License-Identifier: Apache-2.0
//
// The data of the workloads, the same numbers as bench/peers/data.py: a counter hash (splitmix64's finaliser), so that no files
// travel between the programs. uniform(seed, i) lies in [-1, 1) on a grid of 2^-23, exact in fp32.
#ifndef BENCH_DATA_H
#define BENCH_DATA_H
#include <sys/mman.h>

#include <cstdint>
#include <cstdlib>
#include <memory>
#include <new>

namespace bench {

inline float uniform(uint64_t seed, int64_t i) {
  uint64_t z = seed * 0x9E3779B97F4A7C15u + (static_cast<uint64_t>(i) + 1) * 0xD1342543DE82EF95u;
  z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9u;
  z = (z ^ (z >> 27)) * 0x94D049BB133111EBu;
  z ^= z >> 31;
  return static_cast<float>(z >> 40) * 0x1p-23f - 1.0f;
}

struct Free {
  void operator()(void *p) const { std::free(p); }
};
using Memory = std::unique_ptr<void, Free>;

// Zeroed memory; large arrays ask for huge pages, as NumPy's do.
inline Memory allocate(int64_t bytes) {
  const int64_t page = 2 << 20;
  const int64_t align = bytes >= 2 * page ? page : 4096;
  const int64_t size = (bytes + align) / align * align;
  void *p = std::aligned_alloc(static_cast<size_t>(align), static_cast<size_t>(size));
  if (p == nullptr) throw std::bad_alloc();
  if (align == page) madvise(p, static_cast<size_t>(size), MADV_HUGEPAGE);
  char *bytes_of = static_cast<char *>(p);
  for (int64_t i = 0; i < size; ++i) bytes_of[i] = 0;
  return Memory(p);
}

}  // namespace bench
#endif
