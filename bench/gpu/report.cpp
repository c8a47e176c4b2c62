// SPDX-License-Identifier: Apache-2.0
//
// Table and JSON. No number stands where a time would, unless a GPU took it.
#include "report.h"

#include <algorithm>
#include <cmath>
#include <cstdio>

#include "json.h"

namespace bench {
namespace {

const Samples *find(const Row &row, const std::string &name) {
  for (const Samples &s : row.timing.samples)
    if (s.name == name && !s.us.empty()) return &s;
  return nullptr;
}

// The time that is set against the floor: with a cold cache, as the floor's bytes come from memory.
const Samples *main_samples(const Row &row) {
  const Samples *cold = find(row, "cold");
  return cold != nullptr ? cold : find(row, "warm");
}

std::string times_json(const Row &row) {
  JsonObject all;
  for (const Samples &s : row.timing.samples) {
    if (s.us.empty()) continue;
    JsonObject one;
    one.number("median_us", s.median());
    one.number("min_us", s.us.front());
    one.number("p10_us", s.quantile(0.1));
    one.number("p90_us", s.quantile(0.9));
    one.number("repetitions", static_cast<double>(s.us.size()));
    all.raw(s.name, one.finish());
  }
  all.number("enqueue_us", row.timing.enqueue_us);
  all.number("empty_us", row.timing.empty_us);
  return all.finish();
}

std::string verdicts_json(const Row &row) {
  std::string text = "[";
  for (const Verdict &v : row.verdicts) {
    JsonObject one;
    one.text("problem", v.name);
    one.number("error", v.error);
    one.number("tolerance", v.tolerance);
    one.number("cpu_fp32_error", v.cpu_error);
    one.boolean("right", v.right());
    text += (text.size() > 1 ? ", " : "") + one.finish();
  }
  return text + "]";
}

std::string row_json(const Row &row, const Gpu &gpu, const Ceilings &ceilings) {
  JsonObject json;
  json.text("name", row.request.name());
  json.raw("sizes", row.request.sizes());
  json.text("dtype", row.options.dtype == BLV_F64 ? "f64" : "f32");
  json.boolean("split_tf32", row.request.split_tf32);
  if (!row.refused.empty()) {
    json.text("refused", row.refused);
    return json.finish();
  }
  json.raw("plan", row.plan);
  json.number("plan_ms", gpu.emulated() ? std::nan("") : row.plan_ms);
  json.number("workspace_bytes", row.workspace_bytes);
  json.number("flops", row.flops);
  json.number("bytes", row.bytes);
  json.raw("compared_with_cpu", verdicts_json(row));
  const Samples *samples = row.timed ? main_samples(row) : nullptr;
  if (samples == nullptr) {
    json.raw("times", "null");
    json.text("no_times", gpu.emulated() ? "the CUDA runtime is an emulator" : "dry run");
    return json.finish();
  }
  const Floor floor = floor_of(row, ceilings);
  json.number("floor_us", floor.us);
  json.text("floor_unit", floor.unit);
  json.number("share_of_floor", floor.us / samples->median());
  json.raw("times", times_json(row));
  json.raw("clocks_after", row.clocks);
  return json.finish();
}

}  // namespace

Floor floor_of(const Row &row, const Ceilings &c) {
  // Split TF32 does each product three times.
  const bool wide = row.options.dtype == BLV_F64;
  const double rate = row.request.split_tf32 ? c.tf32 / 3 : wide ? c.f64 : c.f32;
  const double bytes = row.bytes * (wide ? 2 : 1);
  if (!(rate > 0) || !(c.read > 0)) return {std::nan(""), "none"};
  const double flops_us = 1e6 * row.flops / rate, bytes_us = 1e6 * bytes / c.read;
  if (flops_us < bytes_us) return {bytes_us, "bytes"};
  return {flops_us, row.request.split_tf32 ? "tf32 flops" : "flops"};
}

void print_header(const Gpu &gpu, const Ceilings &c, bool timed) {
  std::printf("%s\n", gpu.describe().c_str());
  if (gpu.emulated()) std::printf("The CUDA runtime is an emulator: no times.\n");
  if (!timed) return;
  std::printf(
      "measured ceilings: fp32 %.1f, fp64 %.1f, TF32 by mma.sync %.1f TFLOP/s; reads %.3f TB/s; SM clock %.0f MHz\n\n",
      1e-12 * c.f32, 1e-12 * c.f64, 1e-12 * c.tf32, 1e-12 * c.read, c.sm_mhz);
  std::printf("%-34s %-32s %10s %10s %17s %10s %10s %7s %12s %9s\n", "workload", "kernel", "cold us", "warm us",
              "cold p10 .. p90", "wall us", "floor us", "share", "ns per task", "error");
}

namespace {

// The plan's kernel, out of its description.
std::string kernel_of(const std::string &plan) {
  const std::string key = "\"kernel\"";
  size_t at = plan.find(key);
  if (at == std::string::npos) return "?";
  at = plan.find('"', at + key.size());
  return plan.substr(at + 1, plan.find('"', at + 1) - at - 1);
}

std::string cell(const Samples *samples) {
  char text[32];
  std::snprintf(text, sizeof text, "%.2f", samples != nullptr ? samples->median() : 0.0);
  return samples != nullptr ? text : "-";
}

}  // namespace

void print_row(const Row &row, const Ceilings &ceilings) {
  const std::string name = row.request.name();
  if (!row.refused.empty()) {
    std::printf("%-34s refused: %s\n", name.c_str(), row.refused.c_str());
    return;
  }
  const std::string kernel = kernel_of(row.plan);
  const double error = row.verdicts.empty() ? std::nan("") : row.verdicts.back().error;
  const Samples *samples = row.timed ? main_samples(row) : nullptr;
  if (samples == nullptr) {
    std::printf("%-34s %-32s no times; flops %.4g, bytes %.4g, error %.1e\n", name.c_str(), kernel.c_str(), row.flops,
                row.bytes, error);
    return;
  }
  const Floor floor = floor_of(row, ceilings);
  std::printf("%-34s %-32s %10s %10s %8.2f %8.2f %10s %10.2f %6.1f%% %12.2f %9.1e\n", name.c_str(), kernel.c_str(),
              cell(find(row, "cold")).c_str(), cell(find(row, "warm")).c_str(), samples->quantile(0.1),
              samples->quantile(0.9), cell(find(row, "wall")).c_str(), floor.us, 100 * floor.us / samples->median(),
              1e3 * samples->median() / static_cast<double>(row.request.tasks), error);
}

std::string report_json(const Gpu &gpu, const Ceilings &c, const std::vector<Row> &rows) {
  JsonObject ceilings, json;
  ceilings.number("f32_flops", c.f32);
  ceilings.number("f64_flops", c.f64);
  ceilings.number("tf32_mma_sync_flops", c.tf32);
  ceilings.number("read_bytes_per_second", c.read);
  ceilings.number("sm_mhz", c.sm_mhz);
  json.raw("gpu", gpu.describe());
  json.raw("ceilings", c.read > 0 ? ceilings.finish() : "null");
  std::string list;
  for (const Row &row : rows) list += (list.empty() ? "\n  " : ",\n  ") + row_json(row, gpu, c);
  json.raw("rows", "[" + list + "\n]");
  return json.finish() + "\n";
}

}  // namespace bench
