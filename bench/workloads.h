// SPDX-License-Identifier: Apache-2.0
//
// The benchmark's workloads as clients of the C ABI: arrays, slots, plan, workspace, and the work that an ideal program must do.
#ifndef BENCH_WORKLOADS_H
#define BENCH_WORKLOADS_H
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "bilevel/bilevel.h"
#include "data.h"

namespace bench {

struct Options {
  int threads = 2;
  int isa = BLV_ISA_BEST;
  int executor = BLV_EXECUTOR_AUTO;
};

// One workload, ready to be executed again and again. Throws std::runtime_error with the library's message.
class Workload {
 public:
  ~Workload();
  void prepare(const Options &options);  // context, plan, workspace
  void execute();                        // one hypergradient; throws unless every task is well

  std::string name;
  double flops = 0;  // of the matrix products that are needed
  double bytes = 0;  // least traffic: inputs read once, outputs written once
  const float *result = nullptr;
  int64_t result_count = 0;
  double plan_ms = 0;  // time of blv_plan_create
  int64_t workspace_bytes() const { return workspace_bytes_; }
  std::string describe() const;

  // For the makers of workloads.
  float *array(int64_t count);
  template <class Fill>
  float *filled(int64_t count, Fill fill) {
    float *p = array(count);
    for (int64_t i = 0; i < count; ++i) p[i] = fill(i);
    return p;
  }
  void slot(int side, int leaf, int use, void *data, int64_t task_stride, int extent = 0, int link = 0,
            int dtype = BLV_F32);
  void gradient(int side, int leaf, int64_t count, int64_t task_stride, int extent = 0);
  int32_t *integers(int64_t count) { return reinterpret_cast<int32_t *>(array(count)); }

  int64_t tasks = 1;
  std::vector<int64_t> widths;
  blv_objective inner{}, outer{};
  blv_hvp hvp{};
  blv_unroll unroll{};
  const blv_method *method = nullptr;

 private:
  void check(blv_status status) const;
  std::vector<Memory> memory_;
  std::vector<blv_slot> slots_;
  std::vector<void *> data_;
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
