// SPDX-License-Identifier: Apache-2.0
//
// Which workloads to run, in which sizes.
#ifndef BENCH_GPU_REQUESTS_H
#define BENCH_GPU_REQUESTS_H
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "bench/problem.h"

namespace bench {

enum class Kind { kSine, kHvp, kCleaning, kHpo, kEvaluate };

// A workload with its sizes; each kind uses some of them.
struct Request {
  Kind kind = Kind::kSine;
  int64_t tasks = 1, rows = 1, outer_rows = 1, inputs = 1, classes = 1, steps = 1, vectors = 1;
  std::vector<int64_t> widths;
  bool split_tf32 = false;

  std::string name() const;
  std::string sizes() const;  // a JSON object
  // The same problem with few tasks, rows and steps; networks, inputs, classes and vectors stay, since kernels depend on them.
  Request cut() const;
  std::unique_ptr<Problem> make() const;
};

// With the sizes that the workloads have by default.
Request default_request(Kind kind);
// "standard": what a report on a GPU holds; "tiny": all kinds, for a machine without a GPU. Throws if there is no such suite.
std::vector<Request> suite(const std::string &name);

}  // namespace bench
#endif
