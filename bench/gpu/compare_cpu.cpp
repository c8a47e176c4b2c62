// SPDX-License-Identifier: Apache-2.0
//
// The tolerance. Let u = 2^-24 be the rounding of fp32, and e the error of the CPU library in fp32 against itself in fp64: what this
// problem makes of such roundings. The GPU rounds the same formulas in another order, so 8 (e + u) is granted; the products of split
// TF32 have errors of 2^-21 instead of u, so eight times that. In fp64 all of it shrinks by 2^-29, the ratio of the roundings.
#include "compare_cpu.h"

#include <cmath>

namespace bench {
namespace {

// |a - b| / |b|; NaN for arrays of different lengths or a reference that is zero.
double relative_error(const std::vector<double> &a, const std::vector<double> &b) {
  if (a.size() != b.size()) return std::nan("");
  double difference = 0, norm = 0;
  for (size_t i = 0; i < a.size(); ++i) {
    difference += (a[i] - b[i]) * (a[i] - b[i]);
    norm += b[i] * b[i];
  }
  return std::sqrt(difference) / std::sqrt(norm);
}

}  // namespace

Verdict compare_with_cpu(const Problem &problem, const PlanOptions &options, const Gpu &gpu) {
  const std::vector<double> exact = cpu_result(problem, BLV_F64);
  DeviceRun run(problem, options, gpu);
  run.enqueue();
  Verdict v;
  v.name = problem.name;
  v.error = relative_error(run.finish(), exact);
  v.cpu_error = relative_error(cpu_result(problem, BLV_F32), exact);
  v.tolerance = 8 * (v.cpu_error + 0x1p-24);
  if (options.flags & BLV_SPLIT_TF32) v.tolerance *= 8;
  if (options.dtype == BLV_F64) v.tolerance *= 0x1p-29;
  return v;
}

}  // namespace bench
