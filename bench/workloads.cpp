// SPDX-License-Identifier: Apache-2.0
//
// The table of workloads (the same as in bench/peers/data.py) and their runs on the CPU.
#include "workloads.h"

#include <chrono>
#include <stdexcept>

namespace bench {

Workload::~Workload() {
  blv_plan_destroy(plan_);
  blv_context_destroy(context_);
}

void Workload::check(blv_status status) const {
  if (status != BLV_OK) {
    throw std::runtime_error(name + ": " + blv_status_name(status) + ": " + blv_context_error(context_));
  }
}

void Workload::prepare(const Options &options) {
  blv_context_options context{};
  context.size = sizeof context;
  context.device = BLV_DEVICE_CPU;
  context.max_isa = options.isa;
  context.threads = options.threads;
  check(blv_context_create(&context, &context_));
  const blv_spec spec = Problem::spec(BLV_F32, options.executor, 0);
  const auto start = std::chrono::steady_clock::now();
  check(blv_plan_create(context_, &spec, &plan_));
  plan_ms = std::chrono::duration<double, std::milli>(std::chrono::steady_clock::now() - start).count();
  blv_sizes sizes{};
  sizes.size = sizeof sizes;
  check(blv_plan_sizes(plan_, &sizes));
  workspace_bytes_ = sizes.workspace_bytes;
  workspace_ = allocate(workspace_bytes_);
  info_.resize(static_cast<size_t>(tasks));
}

void Workload::execute() {
  check(blv_execute(context_, plan_, tasks, data.data(), workspace_.get(), workspace_bytes_, nullptr, info_.data()));
  for (const blv_task_info &info : info_) {
    if (info.status != BLV_TASK_OK)
      throw std::runtime_error(name + ": a task failed with status " + std::to_string(info.status));
  }
}

std::string Workload::describe() const {
  int64_t needed = 0;
  blv_plan_describe(plan_, nullptr, 0, &needed);
  std::string text(static_cast<size_t>(needed), '\0');
  check(blv_plan_describe(plan_, text.data(), needed, nullptr));
  text.resize(text.empty() ? 0 : text.size() - 1);
  return text;
}

namespace {

struct Entry {
  const char *name;
  void (*make)(Problem *);
};
const Entry kTable[] = {
    {"sine-T5-25", [](Problem *p) { make_sine(p, 25, 5); }},
    {"sine-T5-256", [](Problem *p) { make_sine(p, 256, 5); }},
    {"sine-T5-1024", [](Problem *p) { make_sine(p, 1024, 5); }},
    {"sine-T16-256", [](Problem *p) { make_sine(p, 256, 16); }},
    {"sine-T1-1024", [](Problem *p) { make_sine(p, 1024, 1); }},
    {"cleaning", [](Problem *p) { make_cleaning(p, 5000, 500, 784, 10, 100); }},
    {"hpo-256", [](Problem *p) { make_hpo(p, 256, 500, 20, 100); }},
    {"hvp-K1", [](Problem *p) { make_hvp(p, 100'000, 1000, 1); }},
    {"hvp-K4", [](Problem *p) { make_hvp(p, 100'000, 1000, 4); }},
    {"hvp-K8", [](Problem *p) { make_hvp(p, 100'000, 1000, 8); }},
};

}  // namespace

std::vector<std::string> workload_names() {
  std::vector<std::string> names;
  for (const Entry &entry : kTable) names.emplace_back(entry.name);
  return names;
}

std::unique_ptr<Workload> make_workload(const std::string &name) {
  for (const Entry &entry : kTable) {
    if (name != entry.name) continue;
    auto workload = std::make_unique<Workload>();
    workload->name = name;
    entry.make(workload.get());
    return workload;
  }
  return nullptr;
}

}  // namespace bench
