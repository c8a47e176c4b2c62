// SPDX-License-Identifier: Apache-2.0
//
// Arrays of the tests of primitives.h: a host copy, and an allocation on the device that ends with the array, so that a tool that knows
// allocations (the emulator, compute-sanitizer) sees a read beyond. What an operand does not use is NaN.
#pragma once
#include <gtest/gtest.h>

#include <cstdint>
#include <cstring>
#include <limits>
#include <string>
#include <vector>

#include "primitives.h"

namespace primitives {

inline std::string error_text(cudaError_t e) {
  return e == cudaSuccess ? "" : std::string(cudaGetErrorName(e)) + ": " + cudaGetErrorString(e);
}

// Numbers between -1 and 1, and below n.
class Random {
 public:
  uint32_t next() { return state_ = state_ * 1664525u + 1013904223u, state_ ^ state_ >> 16; }
  int below(int n) { return static_cast<int>(next() % static_cast<uint32_t>(n)); }
  bool one_in(int n) { return below(n) == 0; }
  double number() { return static_cast<double>(static_cast<int32_t>(next() * 2654435761u)) / 2147483648.0; }

 private:
  uint32_t state_ = 12345;
};

template <class T>
class Array {
 public:
  Operand operand;
  std::vector<T> before, now;  // as it was sent, as it came back
  int rows = 0, columns = 0, planes = 0;

  Array() = default;
  Array(const Array &) = delete;
  Array &operator=(const Array &) = delete;
  ~Array() { cudaFree(operand.base); }

  // `skipped` scalars before the first; a whole row of ld scalars behind the last one, or (tight) none beyond its last column.
  void shape(int r, int c, int n_planes, bool v, bool d, int skipped, int ld, bool tight) {
    rows = r, columns = c, planes = n_planes;
    operand.ld = ld, operand.plane = r * ld;
    operand.v = v ? skipped : -1, operand.d = d ? skipped + operand.plane : -1;
    operand.count = skipped + (planes * r + r - 1) * ld + (tight ? c : ld);
    before.assign(static_cast<size_t>(operand.count), std::numeric_limits<T>::quiet_NaN());
  }
  void fill(Random &random) {
    for (int p = -1; p < planes; ++p)
      for (int i = 0; i < rows && has(p); ++i)
        for (int j = 0; j < columns; ++j) before[at(p, i, j)] = T(random.number());
  }
  bool has(int p) const { return p < 0 ? operand.v >= 0 : operand.d >= 0; }
  size_t at(int p, int i, int j) const {
    return static_cast<size_t>((p < 0 ? operand.v : operand.d + p * operand.plane) + i * operand.ld + j);
  }
  long double sent(int p, int i, int j) const { return has(p) ? before[at(p, i, j)] : 0; }
  T got(int p, int i, int j) const { return now[at(p, i, j)]; }

  void send() {
    cudaError_t e = cudaMalloc(&operand.base, bytes());
    if (e == cudaSuccess) e = cudaMemcpy(operand.base, before.data(), bytes(), cudaMemcpyHostToDevice);
    if (e != cudaSuccess) ADD_FAILURE() << error_text(e);
  }
  void take_back() {
    now.resize(before.size());
    const cudaError_t e = cudaMemcpy(now.data(), operand.base, bytes(), cudaMemcpyDeviceToHost);
    if (e != cudaSuccess) ADD_FAILURE() << error_text(e);
  }
  // Whether only those entries differ for which changed(p, i, j) holds.
  template <class F>
  bool unchanged_but(F changed) const {
    std::vector<T> rest = now;
    for (int p = -1; p < planes; ++p)
      for (int i = 0; i < rows && has(p); ++i)
        for (int j = 0; j < columns; ++j)
          if (changed(p, i, j)) rest[at(p, i, j)] = before[at(p, i, j)];
    return std::memcmp(rest.data(), before.data(), bytes()) == 0;
  }
  bool unchanged() const { return std::memcmp(now.data(), before.data(), bytes()) == 0; }
  size_t bytes() const { return before.size() * sizeof(T); }
  int shared_bytes() const { return operand.in_shared ? static_cast<int>((bytes() + 31) / 32 * 32) : 0; }
};

// Cases in device memory.
template <class Case>
class Cases {
 public:
  explicit Cases(const std::vector<Case> &cases) {
    const size_t bytes = cases.size() * sizeof(Case);
    cudaError_t e = cudaMalloc(&data_, bytes);
    if (e == cudaSuccess) e = cudaMemcpy(data_, cases.data(), bytes, cudaMemcpyHostToDevice);
    if (e != cudaSuccess) ADD_FAILURE() << error_text(e);
  }
  ~Cases() { cudaFree(data_); }
  Cases(const Cases &) = delete;
  Cases &operator=(const Cases &) = delete;
  const Case *data() const { return static_cast<const Case *>(data_); }

 private:
  void *data_ = nullptr;
};

inline long double magnitude(long double x) { return x < 0 ? -x : x; }
// |got - expected| <= bound; false for NaN.
inline bool near(long double got, long double expected, long double bound) {
  return magnitude(got - expected) <= bound;
}
template <class T>
constexpr long double unit = std::numeric_limits<T>::epsilon() / 2;

constexpr int most_shared = 44 << 10;  // bytes of a block; the kernels' own are beside it

}  // namespace primitives
