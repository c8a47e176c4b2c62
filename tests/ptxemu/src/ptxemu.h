// SPDX-License-Identifier: Apache-2.0
//
// Public interface of the emulator core: load PTX text, look up kernels and symbols, launch grids.
//
// The core knows nothing of the CUDA runtime API; the files in runtime/ build that API on top of it.
// References such as "PTX 9.7.8" mean sections of the "Parallel Thread Execution ISA" manual (PTX
// ISA 8.x/9.x).
#pragma once
#include <cstddef>
#include <cstdint>
#include <memory>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

namespace ptxemu {

// Anything a device program does wrong, and anything this tool does not support. `what()` is meant for
// people.
struct Fault : std::runtime_error {
  using std::runtime_error::runtime_error;
};

struct Dim3 {
  uint32_t x = 1, y = 1, z = 1;
  uint64_t count() const { return (uint64_t)x * y * z; }
};

struct Program;  // one kernel with the device functions it calls, decoded and ready to run

struct ParamInfo {
  uint32_t off, size;
};

// Facts about a kernel that the runtime API reports.
struct KernelInfo {
  std::vector<ParamInfo> params;
  size_t static_shared = 0;     // bytes of .shared variables with a fixed size
  size_t local_bytes = 0;       // per thread: local arrays and call frames (not register spills; ptxas is not run)
  size_t virtual_regs = 0;      // PTX virtual registers, NOT hardware registers
  size_t instructions = 0;      // decoded PTX instructions
  uint32_t max_threads = 1024;  // from .maxntid / .reqntid (__launch_bounds__)
  Dim3 req_cluster{0, 0, 0};    // .reqnctapercluster (__cluster_dims__), zero if absent
};

// One PTX translation unit, as nvcc embeds it.
struct Module {
  explicit Module(const char *ptx);
  ~Module();
  Program &program(const std::string &kernel);  // decodes at first use
  std::pair<void *, size_t> symbol(const std::string &name);
  bool has_kernel(const std::string &name) const;
  std::vector<std::string> kernels() const;
  void reset_variables();  // back to their initial values
  struct Impl;
  std::unique_ptr<Impl> p;
};

const KernelInfo &info(const Program &);

struct LaunchSpec {
  Dim3 grid, block, cluster;
  size_t dynshared = 0;
  bool cooperative = false;  // all blocks resident and interleaved; grid.sync() works
  int device = 0;            // whose memory the kernel may use
};

struct Stats {
  uint64_t warp_ins = 0, thread_ins = 0;
};

// Runs a whole grid and returns when it has finished. Throws Fault on a device-side error.
void launch(Program &, const LaunchSpec &, const void *parambuf, Stats *st = nullptr);

// Called for cudaGraphSetConditional(handle, value) executed on the device.
extern void (*on_set_conditional)(uint64_t handle, uint32_t value);

// Device memory registry: every load and store outside shared/local memory is checked against it. Memory belongs to one device, or
// to all of them.
inline constexpr int ALL_DEVICES = -1;
int poison_byte();  // what fresh device and shared memory is filled with: PTXEMU_FILL (two hexadecimal digits), else FF
void *dev_alloc(size_t n, int device = ALL_DEVICES);
bool dev_free(void *p);
void dev_register(void *p, size_t n);
void dev_unregister(void *p);
bool dev_valid(const void *p, size_t n);
bool dev_range(const void *p, uint64_t &base, uint64_t &size);

// Profile output (see profile.h); normally written at exit when PTXEMU_PROFILE is set.
void profile_write();

}  // namespace ptxemu
