// SPDX-License-Identifier: Apache-2.0
//
// Where the arrays of a call live. The harness keeps every array in host memory; on a machine with a memory of its own (a CUDA
// device) an execute gets copies of them, which are copied back over the originals when it is done, so that every check of
// the harness is the same on all machines. A program that links such a machine runs the same suites on it.
#pragma once
#include <cstdint>
#include <string>
#include <vector>

namespace harness {

class Machine {
 public:
  virtual ~Machine() = default;
  virtual int device() const = 0;    // as of blv_context_options
  virtual void *stream() const = 0;  // likewise
  virtual const std::vector<int> &executors() const = 0;
  // A copy of the `bytes` bytes at `host` in the memory of this machine, aligned to `align`; it stays until take_back().
  virtual void *put(void *host, int64_t bytes, int64_t align) = 0;
  // Waits for the stream, copies all that was put back to where it came from and frees it. Says what went wrong: an error of
  // the device, or a write beside an array; else "".
  virtual std::string take_back() = 0;
};

// The machine of this program; nullptr: the CPU, whose memory is the host's.
inline Machine *&machine() {
  static Machine *current = nullptr;
  return current;
}

// On the CPU while this lives.
class OnHost {
 public:
  OnHost() : saved_(machine()) { machine() = nullptr; }
  ~OnHost() { machine() = saved_; }
  OnHost(const OnHost &) = delete;
  OnHost &operator=(const OnHost &) = delete;

 private:
  Machine *saved_;
};

}  // namespace harness
