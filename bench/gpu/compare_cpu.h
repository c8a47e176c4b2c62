// SPDX-License-Identifier: Apache-2.0
//
// Whether the GPU's result is right, judged by the CPU library.
#ifndef BENCH_GPU_COMPARE_CPU_H
#define BENCH_GPU_COMPARE_CPU_H
#include <string>

#include "device_run.h"

namespace bench {

// |g - g64| / |g64| of the GPU's result g; the CPU library's own in fp32; and the most that is accepted, see the source.
struct Verdict {
  double error = 0, cpu_error = 0, tolerance = 0;
  std::string name;                                  // of the problem that was compared
  bool right() const { return error <= tolerance; }  // false for NaN
};
Verdict compare_with_cpu(const Problem &problem, const PlanOptions &options, const Gpu &gpu);

}  // namespace bench
#endif
