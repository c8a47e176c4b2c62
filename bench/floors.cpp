// SPDX-License-Identifier: Apache-2.0
//
// Peak arithmetic and read bandwidth. Every loop exists once per ISA level, as a function with a target attribute over GCC
// vectors; the widest that the machine has is called. The best of several short passes counts: a floor must not be beaten.
#include "floors.h"

#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstdint>
#include <thread>
#include <vector>

#include "data.h"

namespace bench {
namespace {

using Clock = std::chrono::steady_clock;
double seconds_since(Clock::time_point start) { return std::chrono::duration<double>(Clock::now() - start).count(); }

constexpr int kChains =
    12;  // multiply-adds in flight: at least latency x throughput (4 x 2), and 12 + 2 fit 16 registers

// 12 independent chains v = v * a + b; returns something that depends on all of them.
#define BENCH_FMA(name, target_attribute, width)                                      \
  target_attribute float name(int64_t iterations) {                                   \
    typedef float Vector __attribute__((vector_size(width)));                         \
    const Vector a = Vector{} + 0.999f, b = Vector{} + 0.001f;                        \
    Vector v[kChains];                                                                \
    for (int c = 0; c < kChains; ++c) v[c] = Vector{} + static_cast<float>(c);        \
    for (int64_t i = 0; i < iterations; ++i) {                                        \
      _Pragma("GCC unroll 12") for (int c = 0; c < kChains; ++c) v[c] = v[c] * a + b; \
    }                                                                                 \
    Vector sum{};                                                                     \
    for (int c = 0; c < kChains; ++c) sum += v[c];                                    \
    return sum[0];                                                                    \
  }

// Reads `count` vectors as Streams equal runs side by side; the exclusive or keeps the loads and costs nothing.
#define BENCH_READ(name, target_attribute, width)                                       \
  template <int Streams>                                                                \
  target_attribute uint64_t name(const void *data, int64_t bytes) {                     \
    typedef uint64_t Vector __attribute__((vector_size(width)));                        \
    const int64_t run = bytes / width / Streams;                                        \
    const Vector *p = static_cast<const Vector *>(data);                                \
    Vector v[Streams] = {};                                                             \
    for (int64_t i = 0; i < run; ++i) {                                                 \
      _Pragma("GCC unroll 8") for (int s = 0; s < Streams; ++s) v[s] ^= p[s * run + i]; \
    }                                                                                   \
    uint64_t all = 0;                                                                   \
    for (int s = 0; s < Streams; ++s) all ^= v[s][0];                                   \
    return all;                                                                         \
  }

#if defined(__x86_64__)
BENCH_FMA(fma_v4, __attribute__((target("avx512f"))), 64)
BENCH_FMA(fma_v3, __attribute__((target("avx2,fma"))), 32)
BENCH_READ(read_v4, __attribute__((target("avx512f"))), 64)
BENCH_READ(read_v3, __attribute__((target("avx2"))), 32)
#endif
BENCH_FMA(fma_base, , 16)
BENCH_READ(read_base, , 16)

struct Level {
  float (*fma)(int64_t);
  uint64_t (*read4)(const void *, int64_t);
  uint64_t (*read8)(const void *, int64_t);
  int lanes;
};

Level best_level() {
#if defined(__x86_64__)
  __builtin_cpu_init();
  if (__builtin_cpu_supports("avx512f")) return {fma_v4, read_v4<4>, read_v4<8>, 16};
  if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma")) return {fma_v3, read_v3<4>, read_v3<8>, 8};
#endif
  return {fma_base, read_base<4>, read_base<8>, 4};
}

// Runs body(thread) on all threads, released together; seconds until the last is done.
template <class Body>
double together(int threads, Body body) {
  std::atomic<int> waiting{0};
  std::vector<std::thread> pool;
  std::vector<Clock::time_point> begin(static_cast<size_t>(threads)), end(begin);
  for (int t = 0; t < threads; ++t) {
    pool.emplace_back([&, t] {
      waiting.fetch_add(1);
      while (waiting.load() < threads) {
      }
      begin[static_cast<size_t>(t)] = Clock::now();
      body(t);
      end[static_cast<size_t>(t)] = Clock::now();
    });
  }
  for (std::thread &thread : pool) thread.join();
  return std::chrono::duration<double>(*std::max_element(end.begin(), end.end()) -
                                       *std::min_element(begin.begin(), begin.end()))
      .count();
}

std::atomic<uint64_t> g_sink;  // keeps the measured loops from being removed

int64_t bytes_beyond_caches() {
  const int64_t llc = sysconf(_SC_LEVEL3_CACHE_SIZE);
  return std::max<int64_t>(int64_t{256} << 20, 8 * std::max<int64_t>(llc, 0));
}

}  // namespace

double peak_flops(int threads) {
  const Level level = best_level();
  const int64_t iterations = 1'000'000;
  const double flops = 2.0 * kChains * level.lanes * static_cast<double>(iterations) * threads;
  double best = 0;
  const Clock::time_point start = Clock::now();
  while (seconds_since(start) < 0.03) {
    best =
        std::max(best, flops / together(threads, [&](int) { g_sink += static_cast<uint64_t>(level.fma(iterations)); }));
  }
  return best;
}

double read_bandwidth(int threads) {
  const Level level = best_level();
  static const int64_t total = bytes_beyond_caches();
  static const Memory memory = allocate(total);
  const int64_t part = total / threads / 4096 * 4096;
  double best = 0;
  for (int pass = 0; pass < 6; ++pass) {
    const auto read = pass % 2 == 0 ? level.read4 : level.read8;
    const double seconds =
        together(threads, [&](int t) { g_sink += read(static_cast<const char *>(memory.get()) + t * part, part); });
    best = std::max(best, static_cast<double>(part) * threads / seconds);
  }
  return best;
}

}  // namespace bench
