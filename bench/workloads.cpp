// SPDX-License-Identifier: Apache-2.0
//
// The table of workloads (bench/peers/data.py has those that the peers run too) and their runs on the CPU.
#include "workloads.h"

#include <chrono>

namespace bench {

Workload::~Workload() {
  blv_plan_destroy(plan_);
  blv_context_destroy(context_);
}

void Workload::check(blv_status status) const {
  if (status == BLV_OK) return;
  const std::string text = name + ": " + blv_status_name(status) + ": " + blv_context_error(context_);
  if (status > 0 && plan_ == nullptr) throw Refused(text);
  throw std::runtime_error(text);
}

void Workload::prepare(const Options &options) {
  blv_context_options context{};
  context.size = sizeof context;
  context.device = BLV_DEVICE_CPU;
  context.max_isa = options.isa;
  context.threads = options.threads;
  check(blv_context_create(&context, &context_));
  const blv_spec spec = Problem::spec(BLV_F32, options.executor ? options.executor : executor, 0);
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
  int executor = BLV_EXECUTOR_AUTO;
};
const Entry kTable[] = {
    {"sine-T5-25", [](Problem *p) { make_sine(p, 25, 5); }},
    {"sine-T5-256", [](Problem *p) { make_sine(p, 256, 5); }},
    {"sine-T5-1024", [](Problem *p) { make_sine(p, 1024, 5); }},
    {"sine-T16-256", [](Problem *p) { make_sine(p, 256, 16); }},
    {"sine-T1-1024", [](Problem *p) { make_sine(p, 1024, 1); }},
    {"cleaning", [](Problem *p) { make_cleaning(p, 5000, 500, 784, 10, 100); }},
    {"minibatches",
     [](Problem *p) {
       make_minibatches(p, 5000, 500, {784, 64, 10}, 100, 500);
     }},
    {"hpo-256", [](Problem *p) { make_hpo(p, 256, 500, 20, 100); }},
    // SIMD lanes within a task: what a batch too small for tasks in lanes gets.
    {"hpo-256-task-per-core", [](Problem *p) { make_hpo(p, 256, 500, 20, 100); }, BLV_TASK_PER_CORE},
    // 20 x 5, T = 10: a task takes about a microsecond in lanes, so what surrounds the kernel shows.
    {"hpo-20x5-4096", [](Problem *p) { make_hpo(p, 4096, 20, 5, 10); }},
    {"hpo-20x5-1", [](Problem *p) { make_hpo(p, 1, 20, 5, 10); }},
    {"cg-1", [](Problem *p) { make_implicit(p, 1, 100'000, 1000, 1000, 20); }},
    {"cg-256", [](Problem *p) { make_implicit(p, 256, 500, 500, 20, 10); }},
    // 32 rows per task.
    {"evaluate-256",
     [](Problem *p) {
       make_evaluate(p, 256, 32, {16, 48, 48, 4});
     }},
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
    workload->executor = entry.executor;
    entry.make(workload.get());
    return workload;
  }
  return nullptr;
}

}  // namespace bench
