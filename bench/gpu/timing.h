// SPDX-License-Identifier: Apache-2.0
//
// Times of an execute on the GPU, by CUDA events, with a warm or a cold L2 cache, enqueued or replayed from a CUDA graph.
#ifndef BENCH_GPU_TIMING_H
#define BENCH_GPU_TIMING_H
#include <string>
#include <vector>

#include "device_run.h"

namespace bench {

struct TimingOptions {
  double seconds = 0.5;         // spent on each of the times, at least
  int least = 20, most = 1000;  // repetitions
  bool warm = true, cold = true, graph = false;
};

// Microseconds of each repetition, sorted.
struct Samples {
  std::string
      name;  // "warm", "cold", "warm_graph", "cold_graph": between two events; "wall": until the host knows that it is done
  std::vector<double> us;
  double quantile(double q) const;
  double median() const { return quantile(0.5); }
};

struct Timing {
  std::vector<Samples> samples;
  double enqueue_us = 0;  // median time of the host in blv_execute
  double empty_us = 0;    // median between two events with nothing between them: the resolution
};

// In the emulator everything runs a few times, and what it returns are no times.
Timing time_execute(DeviceRun *run, const TimingOptions &options, Gpu *gpu);
// Milliseconds of each execute until the host knows that it is done: at least `seconds` and 3 of them, after one that does not count.
std::vector<double> wall_block(DeviceRun *run, double seconds, const Gpu &gpu);

}  // namespace bench
#endif
