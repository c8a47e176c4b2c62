// SPDX-License-Identifier: Apache-2.0
//
// Memory between two inaccessible pages, so that a read or a write of one byte beyond it ends the test.
#pragma once
#include <gtest/gtest.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cstddef>
#include <cstdlib>

namespace core_test {

class Guarded {
 public:
  explicit Guarded(size_t bytes) {
    const size_t page = static_cast<size_t>(sysconf(_SC_PAGESIZE));
    bytes_ = (bytes + page - 1) / page * page;
    all_ = mmap(nullptr, bytes_ + 2 * page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (all_ == MAP_FAILED) std::abort();
    begin_ = static_cast<char *>(all_) + page;
    if (mprotect(all_, page, PROT_NONE) != 0 || mprotect(end(), page, PROT_NONE) != 0) std::abort();
  }
  ~Guarded() { munmap(all_, bytes_ + 2 * static_cast<size_t>(sysconf(_SC_PAGESIZE))); }
  Guarded(const Guarded &) = delete;
  Guarded &operator=(const Guarded &) = delete;

  char *begin() const { return begin_; }
  char *end() const { return begin_ + bytes_; }
  // Room for `count` elements that end where the memory does.
  template <class T>
  T *last(size_t count) const {
    if (count * sizeof(T) > bytes_) std::abort();
    return reinterpret_cast<T *>(end()) - count;
  }

 private:
  void *all_ = nullptr;
  char *begin_ = nullptr;
  size_t bytes_ = 0;
};

}  // namespace core_test
