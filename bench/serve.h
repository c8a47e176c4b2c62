// SPDX-License-Identifier: Apache-2.0
//
// The benchmark program's timed blocks, its line protocol for the driver (bench/compare.py), and the start of a process.
#ifndef BENCH_SERVE_H
#define BENCH_SERVE_H
#include <string>
#include <vector>

#include "workloads.h"

namespace bench {

// Milliseconds of one execute, by the wall clock and by the processor time of all threads of the process: at least `seconds` and 3
// samples, after one execute that does not count. A sample is the mean over so many executes as make 0.1 ms, mostly one.
struct Block {
  std::vector<double> ms, cpu_ms;
};
Block timed_block(Workload *workload, double seconds);

// One fresh process of this program, from before its start to its first hypergradient of `name`: loading, data, plan, execute.
struct Start {
  double first_ms;
  double plan_ms;
};
Start start_process(const char *program, const std::string &name, const Options &options);
// What that process does: prepares and executes `name`, and prints the clock and the time of plan creation.
int first_call(const std::string &name, const Options &options);

// Answers each line on stdin (`setup NAME`, `run SECONDS`, `dump FILE`, `floors`, `start NAME`, `quit`) with a line of JSON on stdout;
// a setup whose plan the library refuses with {"refused": MESSAGE}.
int serve(const char *program, const Options &options);

}  // namespace bench
#endif
