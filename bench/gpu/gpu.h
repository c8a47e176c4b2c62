// SPDX-License-Identifier: Apache-2.0
//
// The GPU of a run: what it is, its stream, and what it can do at best, measured. If the CUDA runtime is the emulator
// (tests/ptxemu), everything runs and no time is taken.
#ifndef BENCH_GPU_GPU_H
#define BENCH_GPU_GPU_H
#include <cstdint>
#include <memory>
#include <string>

#include "cuda_check.h"
#include "probes.h"

namespace bench {

// The denominators of the floors. Operations and bytes per second; 0 where nothing was measured.
struct Ceilings {
  double f32 = 0, f64 = 0, tf32 = 0, read = 0;
  double sm_mhz = 0;  // clock of the multiprocessors while the f32 loop ran
};

class Gpu {
 public:
  explicit Gpu(int ordinal);
  ~Gpu();
  Gpu(const Gpu &) = delete;
  Gpu &operator=(const Gpu &) = delete;

  int ordinal() const { return ordinal_; }
  cudaStream_t stream() const { return stream_; }
  bool emulated() const { return emulated_; }
  int64_t l2_bytes() const { return properties_.l2CacheSize; }
  void synchronize() const { check_cuda(cudaStreamSynchronize(stream_), "cudaStreamSynchronize"); }

  // Reads a buffer of twice the L2 cache, so that the caches hold nothing else, and nothing that must be written back.
  void flush_l2();
  // Keeps the stream busy while the host enqueues; nothing in the emulator, whose clock counts instructions.
  void delay(double microseconds) const;

  Ceilings measure_ceilings();
  // A JSON object: name, driver, limits, and what nvidia-smi says of clocks if it is there.
  std::string describe() const;
  // nvidia-smi's clocks at this moment as a JSON object; "null" without nvidia-smi.
  std::string clocks() const;

 private:
  double arithmetic_rate(Arithmetic kind, double *sm_mhz);
  double read_rate();
  int ordinal_;
  cudaDeviceProp properties_{};
  cudaStream_t stream_ = nullptr;
  bool emulated_ = false;
  double nominal_mhz_ = 0;
  std::unique_ptr<DeviceMemory> flush_, sink_;
};

}  // namespace bench
#endif
