// SPDX-License-Identifier: Apache-2.0
//
// What was measured, as a table for a reader and as JSON.
#ifndef BENCH_GPU_REPORT_H
#define BENCH_GPU_REPORT_H
#include <memory>
#include <string>
#include <vector>

#include "compare_cpu.h"
#include "gpu.h"
#include "requests.h"
#include "timing.h"

namespace bench {

struct Row {
  Request request;
  PlanOptions options;
  std::string refused;  // the library's message, and then nothing else
  std::string plan;     // blv_plan_describe
  double flops = 0, bytes = 0, plan_ms = 0, workspace_bytes = 0;
  std::vector<Verdict> verdicts;
  bool timed = false;
  Timing timing;
  std::string clocks = "null";  // after the last repetition
};

// The least microseconds in which the GPU can do the row's work, by its measured ceilings, and which one it is.
struct Floor {
  double us = 0;
  const char *unit = "";
};
Floor floor_of(const Row &row, const Ceilings &ceilings);

void print_header(const Gpu &gpu, const Ceilings &ceilings, bool timed);
void print_row(const Row &row, const Ceilings &ceilings);
std::string report_json(const Gpu &gpu, const Ceilings &ceilings, const std::vector<Row> &rows);

}  // namespace bench
#endif
