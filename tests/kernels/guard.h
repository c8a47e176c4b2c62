// SPDX-License-Identifier: Apache-2.0
//
// Memory between two inaccessible pages, so that a read or write beyond it ends the test at once. What is left of its pages on
// the other side is filled with a pattern that `margins_intact` checks. Exactly `bytes` bytes belong to the user.
#pragma once
#include <sys/mman.h>
#include <unistd.h>

#include <cstdint>
#include <cstdlib>
#include <cstring>

namespace harness {

constexpr unsigned char kPoison = 0xA5;

enum class Side { kLow, kHigh };  // which end of the memory touches its guard page

class Guarded {
 public:
  Guarded(int64_t bytes, int64_t align, Side side) : bytes_(bytes) {
    const int64_t page = sysconf(_SC_PAGESIZE);
    body_ = (bytes + page - 1) / page * page;
    if (body_ == 0) body_ = page;
    total_ = body_ + 2 * page;
    void *all = mmap(nullptr, total_, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (all == MAP_FAILED) std::abort();
    all_ = static_cast<unsigned char *>(all);
    first_ = all_ + page;
    if (mprotect(first_, body_, PROT_READ | PROT_WRITE) != 0) std::abort();
    std::memset(first_, kPoison, body_);
    data_ = side == Side::kLow ? first_ : first_ + (body_ - bytes) / align * align;
  }
  ~Guarded() { munmap(all_, total_); }
  Guarded(const Guarded &) = delete;
  Guarded &operator=(const Guarded &) = delete;

  void *data() const { return data_; }
  int64_t bytes() const { return bytes_; }
  void poison() { std::memset(data_, kPoison, bytes_); }
  bool margins_intact() const {
    for (const unsigned char *p = first_; p < first_ + body_; p++) {
      if ((p < data_ || p >= data_ + bytes_) && *p != kPoison) return false;
    }
    return true;
  }
  bool all_poison() const {
    for (int64_t i = 0; i < bytes_; i++) {
      if (data_[i] != kPoison) return false;
    }
    return true;
  }

 private:
  int64_t bytes_, body_, total_;
  unsigned char *all_, *first_, *data_;
};

}  // namespace harness
