// SPDX-License-Identifier: Apache-2.0
//
// The benchmark's workloads as clients of the C ABI on the CPU: a problem, its plan and its workspace.
#ifndef BENCH_WORKLOADS_H
#define BENCH_WORKLOADS_H
#include <cstdint>
#include <memory>
#include <stdexcept>
#include <string>
#include <vector>

#include "bilevel/bilevel.h"
#include "problem.h"

namespace bench {

struct Options {
  int threads = 2;
  int isa = BLV_ISA_BEST;
  int executor = BLV_EXECUTOR_AUTO;
};

// The library has no plan for a workload; an older one may not know what it asks for.
struct Refused : std::runtime_error {
  using std::runtime_error::runtime_error;
};

// One workload, ready to be executed again and again. Throws std::runtime_error with the library's message.
class Workload : public Problem {
 public:
  ~Workload();
  void prepare(const Options &options);  // context, plan, workspace; throws Refused
  void execute();                        // one hypergradient; throws unless every task is well

  int executor = BLV_EXECUTOR_AUTO;  // where the workload is one executor's; Options::executor goes before it
  double plan_ms = 0;                // time of blv_plan_create
  int64_t workspace_bytes() const { return workspace_bytes_; }
  std::string describe() const;

 private:
  void check(blv_status status) const;
  std::vector<blv_task_info> info_;
  Memory workspace_;
  int64_t workspace_bytes_ = 0;
  blv_context context_ = nullptr;
  blv_plan plan_ = nullptr;
};

std::vector<std::string> workload_names();
// Makes the data; nullptr if there is no workload of that name.
std::unique_ptr<Workload> make_workload(const std::string &name);

}  // namespace bench
#endif
