// SPDX-License-Identifier: Apache-2.0
//
// The command line of bilevel_bench_gpu.
#ifndef BENCH_GPU_ARGUMENTS_H
#define BENCH_GPU_ARGUMENTS_H
#include <string>
#include <vector>

#include "device_run.h"
#include "requests.h"
#include "timing.h"

namespace bench {

enum class Check { kNone, kSmall, kFull };

struct Arguments {
  std::vector<Request> requests;
  PlanOptions plan;
  TimingOptions timing;
  Check check = Check::kSmall;
  int device = 0;
  bool dry_run = false, describe = false, list = false, serve = false, skip_refused = false;
  std::string filter, json_file;
};

// Parses, prints what --help asks for. Returns false if the program is to end with *status.
bool parse(int argc, char **argv, Arguments *arguments, int *status);

}  // namespace bench
#endif
