// SPDX-License-Identifier: Apache-2.0
//
// bilevel_bench_gpu: times the library's kernels on a GPU, each through the C ABI on device memory, and sets them against what that GPU
// can do at best. Before a workload is timed, its result is compared with the CPU library's. Linked with the emulator's runtime
// (bilevel_bench_gpu_emulated) it runs the same without a GPU and gives no times.
#include <cstdio>
#include <exception>
#include <fstream>

#include "arguments.h"
#include "report.h"
#include "serve_gpu.h"

namespace bench {
namespace {

// The executor that the library chose, by name, so that the comparison at a smaller size tests the kernel that is timed.
int executor_of(const std::string &plan, int otherwise) {
  const struct {
    const char *name;
    int executor;
  } names[] = {{"warp", BLV_WARP_PER_TASK},
               {"block", BLV_BLOCK_PER_TASK},
               {"cluster", BLV_CLUSTER_PER_TASK},
               {"grid", BLV_GRID}};
  const std::string key = "\"executor\"";
  const size_t at = plan.find('"', plan.find(key) + key.size());
  for (const auto &entry : names)
    if (plan.compare(at + 1, std::string(entry.name).size(), entry.name) == 0) return entry.executor;
  return otherwise;
}

void compare(const Arguments &a, const Problem &problem, Row *row, const Gpu &gpu) {
  if (a.check == Check::kNone) return;
  PlanOptions same = row->options;
  same.executor = executor_of(row->plan, same.executor);
  row->verdicts.push_back(compare_with_cpu(*row->request.cut().make(), same, gpu));
  if (a.check == Check::kFull) row->verdicts.push_back(compare_with_cpu(problem, row->options, gpu));
  for (const Verdict &v : row->verdicts) {
    if (v.right()) continue;
    char text[256];
    std::snprintf(text, sizeof text, "%s: error %.3g against the CPU library, more than %.3g, in problem %s",
                  row->request.name().c_str(), v.error, v.tolerance, v.name.c_str());
    throw std::runtime_error(text);
  }
}

Row run_request(const Arguments &a, const Request &request, Gpu *gpu) {
  Row row;
  row.request = request;
  row.options = a.plan;
  if (request.split_tf32) row.options.flags |= BLV_SPLIT_TF32;
  const std::unique_ptr<Problem> problem = request.make();
  row.flops = problem->flops;
  row.bytes = problem->bytes;
  DeviceRun run(*problem, row.options, *gpu);
  row.plan = run.describe();
  row.plan_ms = run.plan_ms();
  row.workspace_bytes = static_cast<double>(run.workspace_bytes());
  compare(a, *problem, &row, *gpu);
  run.enqueue();
  run.finish();
  if (a.dry_run) return row;
  row.timing = time_execute(&run, a.timing, gpu);
  row.timed = true;
  row.clocks = gpu->clocks();
  run.finish();
  return row;
}

// False if the workload failed; the others are still worth their time.
bool add_row(const Arguments &a, const Request &request, Gpu *gpu, std::vector<Row> *rows) {
  try {
    rows->push_back(run_request(a, request, gpu));
    return true;
  } catch (const Refused &refused) {
    Row row;
    row.request = request;
    row.options = a.plan;
    row.refused = refused.what();
    rows->push_back(row);
    return a.skip_refused;
  }
}

int run(int argc, char **argv) {
  Arguments a;
  int status = 0;
  if (!parse(argc, argv, &a, &status)) return status;
  if (a.list) {
    for (const Request &r : a.requests) std::printf("%s\n", r.name().c_str());
    return 0;
  }
  Gpu gpu(a.device);
  if (a.serve) return serve(a, &gpu);
  const bool table = a.json_file != "-";
  const Ceilings ceilings = a.dry_run ? Ceilings{} : gpu.measure_ceilings();
  if (table) print_header(gpu, ceilings, !a.dry_run && !gpu.emulated());
  std::vector<Row> rows;
  for (const Request &request : a.requests) {
    try {
      if (!add_row(a, request, &gpu, &rows)) status = 1;
      if (table) print_row(rows.back(), ceilings);
      if (a.describe && table) std::printf("    %s\n", rows.back().plan.c_str());
      std::fflush(stdout);
    } catch (const std::exception &error) {
      std::fprintf(stderr, "bilevel_bench_gpu: %s\n", error.what());
      status = 1;
    }
  }
  if (a.json_file.empty()) return status;
  const std::string json = report_json(gpu, ceilings, rows);
  if (!table) return std::fputs(json.c_str(), stdout) < 0 ? 1 : status;
  std::ofstream file(a.json_file);
  file << json;
  if (!file.flush()) throw std::runtime_error("cannot write '" + a.json_file + "'");
  return status;
}

}  // namespace
}  // namespace bench

int main(int argc, char **argv) {
  try {
    return bench::run(argc, argv);
  } catch (const std::exception &error) {
    std::fprintf(stderr, "bilevel_bench_gpu: %s\n", error.what());
    return 1;
  }
}
