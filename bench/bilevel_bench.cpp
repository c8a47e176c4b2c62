// SPDX-License-Identifier: Apache-2.0
//
// bilevel_bench: times the library's workloads on this machine and sets them against its measured floors. Alone it prints a table or
// JSON; with --serve it is one of the programs that bench/compare.py interleaves.
#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <exception>
#include <stdexcept>
#include <string>

#include "floors.h"
#include "serve.h"
#include "workloads.h"

namespace {

const char kHelp[] =
    "bilevel_bench [--list] [--filter TEXT] [--seconds S] [--json] [--describe] [--threads N] [--isa 0|2|3|4] "
    "[--executor 0..3]\n"
    "  --list          names of the workloads\n"
    "  --filter TEXT   only workloads whose name contains TEXT\n"
    "  --seconds S     least time spent on each (default 1)\n"
    "  --json          one JSON array instead of the table\n"
    "  --describe      print each plan's own description\n"
    "  --threads, --isa, --executor   as blv_context_options and blv_spec have them\n"
    "  --start         only the time from the start of a process to its first hypergradient (sine-T5-25)\n"
    "  --serve         answer commands on stdin (bench/compare.py)\n";

struct Arguments {
  bench::Options options;
  std::string filter, first_call;
  double seconds = 1;
  bool list = false, json = false, describe = false, start = false, serve = false, help = false;
};

Arguments parse(int argc, char **argv) {
  Arguments a;
  for (int i = 1; i < argc; ++i) {
    const std::string flag = argv[i];
    const auto value = [&]() -> std::string {
      if (i + 1 >= argc) throw std::runtime_error(flag + " needs a value");
      return argv[++i];
    };
    if (flag == "--list")
      a.list = true;
    else if (flag == "--json")
      a.json = true;
    else if (flag == "--describe")
      a.describe = true;
    else if (flag == "--start")
      a.start = true;
    else if (flag == "--serve")
      a.serve = true;
    else if (flag == "--help")
      a.help = true;
    else if (flag == "--filter")
      a.filter = value();
    else if (flag == "--first-call")
      a.first_call = value();
    else if (flag == "--seconds")
      a.seconds = std::stod(value());
    else if (flag == "--threads")
      a.options.threads = std::stoi(value());
    else if (flag == "--isa")
      a.options.isa = std::stoi(value());
    else if (flag == "--executor")
      a.options.executor = std::stoi(value());
    else
      throw std::runtime_error("unknown argument '" + flag + "'; see --help");
  }
  return a;
}

void report(const Arguments &a, const std::string &name, bool first) {
  const auto workload = bench::make_workload(name);
  workload->prepare(a.options);
  std::vector<double> ms = bench::timed_block(workload.get(), a.seconds).ms;
  std::sort(ms.begin(), ms.end());
  const double median = ms[ms.size() / 2], least = ms.front();
  const double peak = bench::peak_flops(a.options.threads), bandwidth = bench::read_bandwidth(a.options.threads);
  const double floor = 1e3 * std::max(workload->bytes / bandwidth, workload->flops / peak);
  if (a.json) {
    std::printf(
        "%s\n  {\"name\": \"%s\", \"ms\": %.6g, \"min_ms\": %.6g, \"floor_ms\": %.6g, \"share\": %.4g, \"plan_ms\": "
        "%.4g, "
        "\"workspace_bytes\": %lld, \"peak_flops\": %.4g, \"bandwidth\": %.4g, \"plan\": %s}",
        first ? "[" : ",", name.c_str(), median, least, floor, floor / median, workload->plan_ms,
        static_cast<long long>(workload->workspace_bytes()), peak, bandwidth, workload->describe().c_str());
    return;
  }
  if (first) {
    std::printf("%-21s %10s %10s %10s %7s %12s %9s %9s\n", "workload", "median ms", "min ms", "floor ms", "share",
                "us per task", "GFLOP/s", "GB/s");
  }
  std::printf("%-21s %10.3f %10.3f %10.3f %6.1f%% %12.2f %9.1f %9.1f\n", name.c_str(), median, least, floor,
              100 * floor / median, 1e3 * median / static_cast<double>(workload->tasks),
              1e-6 * workload->flops / median, 1e-6 * workload->bytes / median);
  if (a.describe) std::printf("    %s\n", workload->describe().c_str());
}

int run(int argc, char **argv) {
  const Arguments a = parse(argc, argv);
  if (a.help) return std::fputs(kHelp, stdout) < 0;
  if (!a.first_call.empty()) return bench::first_call(a.first_call, a.options);
  const std::string program = "/proc/self/exe";
  if (a.serve) return bench::serve(program.c_str(), a.options);
  if (a.start) {
    const bench::Start start = bench::start_process(program.c_str(), "sine-T5-25", a.options);
    std::printf("first hypergradient %.3f ms after the start of the process, of which plan %.3f ms\n", start.first_ms,
                start.plan_ms);
    return 0;
  }
  bool first = true;
  for (const std::string &name : bench::workload_names()) {
    if (name.find(a.filter) == std::string::npos) continue;
    if (a.list)
      std::printf("%s\n", name.c_str());
    else
      report(a, name, first);
    first = false;
  }
  if (a.json && !a.list) std::printf("%s]\n", first ? "[" : "\n");
  if (first) throw std::runtime_error("no workload contains '" + a.filter + "'");
  return 0;
}

}  // namespace

int main(int argc, char **argv) {
  try {
    return run(argc, argv);
  } catch (const std::exception &error) {
    std::fprintf(stderr, "bilevel_bench: %s\n", error.what());
    return 1;
  }
}
