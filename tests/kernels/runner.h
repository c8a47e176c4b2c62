// SPDX-License-Identifier: Apache-2.0
//
// Runs a Problem through the C ABI with a guarded workspace of exactly the announced size, on the machine of this program, and
// collects what was written. Also says which executors and instruction sets this machine has.
#pragma once
#include <gtest/gtest.h>

#include <bit>

#include "harness.h"
#include "machine.h"

namespace harness {

struct Means {  // on what a problem is run
  int isa = BLV_ISA_BEST, threads = 2;
  Side workspace_side = Side::kHigh;
  void (*parallel_for)(void *, int64_t, void (*)(void *, int64_t), void *) = nullptr;
  void *user = nullptr;
  std::unique_ptr<Guarded> *state = nullptr;  // made by the first run, zeroed, and kept for the next
};

struct Outcome {
  blv_status status = BLV_INTERNAL;
  std::string error, description;
  blv_sizes sizes = {};
  std::vector<blv_task_info> info;
  std::vector<std::vector<double>> values;  // per written array, [task][step][row][column]; empty for the others
};

class Context {
 public:
  explicit Context(const Means &means = {}) {
    blv_context_options o = {};
    o.size = abi_size<blv_context_options>;
    o.device = machine() ? machine()->device() : BLV_DEVICE_CPU;
    o.stream = machine() ? machine()->stream() : nullptr;
    o.max_isa = means.isa;
    o.threads = machine() ? 0 : means.threads;
    o.parallel_for = machine() ? nullptr : means.parallel_for;
    o.user = machine() ? nullptr : means.user;
    status = blv_context_create(&o, &handle);
  }
  ~Context() { blv_context_destroy(handle); }
  Context(const Context &) = delete;
  Context &operator=(const Context &) = delete;
  blv_context handle = nullptr;
  blv_status status = BLV_INTERNAL;
};

class Plan {
 public:
  Plan(blv_context context, const blv_spec *spec) { status = blv_plan_create(context, spec, &handle); }
  ~Plan() { blv_plan_destroy(handle); }
  Plan(const Plan &) = delete;
  Plan &operator=(const Plan &) = delete;
  blv_sizes sizes() const {
    blv_sizes s = {};
    s.size = abi_size<blv_sizes>;
    if (handle && blv_plan_sizes(handle, &s) != BLV_OK) ADD_FAILURE() << "blv_plan_sizes";
    return s;
  }
  std::string describe() const {
    int64_t needed = 0;
    blv_plan_describe(handle, nullptr, 0, &needed);
    std::string text(static_cast<size_t>(needed), ' ');
    if (blv_plan_describe(handle, text.data(), needed, &needed) != BLV_OK) ADD_FAILURE() << "blv_plan_describe";
    return text;
  }
  blv_plan handle = nullptr;
  blv_status status = BLV_INTERNAL;
};

inline std::vector<double> collect(const Array &a, int64_t tasks) {
  std::vector<double> all;
  for (int64_t task = 0; task < std::min(a.tasks, a.task_stride ? tasks : 1); task++) {
    for (int64_t step = 0; step < a.steps; step++) {
      for (int64_t row = 0; row < a.rows; row++) {
        for (int64_t column = 0; column < a.columns; column++) all.push_back(a.get(a.offset(task, step, row, column)));
      }
    }
  }
  return all;
}

// What lies between the elements of a written array is untouched, and so are the elements of tasks that did not run.
inline bool gaps_intact(const Array &a, int64_t tasks) {
  const int64_t size = size_of(a.slot.dtype);
  std::vector<bool> element(static_cast<size_t>(a.extent()), false);
  for (int64_t task = 0; task < std::min(a.tasks, a.task_stride ? tasks : 1); task++) {
    for (int64_t step = 0; step < a.steps; step++) {
      for (int64_t row = 0; row < a.rows; row++) {
        for (int64_t column = 0; column < a.columns; column++) element[a.offset(task, step, row, column)] = true;
      }
    }
  }
  const unsigned char *bytes = static_cast<const unsigned char *>(a.memory->data());
  for (int64_t i = 0; i < a.extent() * size; i++) {
    if (!element[i / size] && bytes[i] != kPoison) return false;
  }
  return true;
}

struct HostArray {
  void *at = nullptr;
  int64_t bytes = 0, align = 1;
};

// blv_execute with everything in the memory of the machine. A state of no bytes is none.
inline blv_status execute_there(blv_context context, const Plan &plan, int64_t tasks,
                                const std::vector<HostArray> &arrays, Guarded &workspace,
                                std::vector<blv_task_info> &info, const HostArray &state = {}) {
  const auto there = [](const HostArray &a) { return machine() ? machine()->put(a.at, a.bytes, a.align) : a.at; };
  std::vector<void *> data;
  for (const HostArray &a : arrays) data.push_back(there(a));
  void *const memory = there({workspace.data(), workspace.bytes(), std::max<int64_t>(plan.sizes().workspace_align, 1)});
  void *const kept = state.bytes > 0 ? there(state) : nullptr;
  void *const told = there({info.data(), static_cast<int64_t>(info.size() * sizeof(blv_task_info)), 8});
  const blv_status status = blv_execute(context, plan.handle, tasks, data.data(), memory, workspace.bytes(), kept,
                                        static_cast<blv_task_info *>(told));
  EXPECT_EQ(machine() ? machine()->take_back() : "", "");
  return status;
}

// Executes `plan` on the arrays of `p`, tasks 0 to `tasks` (-1: all).
inline Outcome execute(blv_context context, const Plan &plan, Problem &p, int64_t tasks = -1, Side side = Side::kHigh,
                       std::unique_ptr<Guarded> *state = nullptr) {
  Outcome out;
  if (tasks < 0) tasks = p.c.tasks;
  out.sizes = plan.sizes();
  Guarded workspace(out.sizes.workspace_bytes, std::max<int64_t>(out.sizes.workspace_align, 1), side);
  out.info.resize(static_cast<size_t>(tasks) + 1);
  std::memset(static_cast<void *>(out.info.data()), kPoison, out.info.size() * sizeof(blv_task_info));
  std::vector<std::vector<char>> inputs;
  for (Array &a : p.arrays) {
    if (a.written()) a.memory->poison();
    const char *bytes = static_cast<const char *>(a.memory->data());
    inputs.push_back(a.written() ? std::vector<char>() : std::vector<char>(bytes, bytes + a.memory->bytes()));
  }
  HostArray kept;
  if (state) {
    const int64_t align = std::max<int64_t>(out.sizes.workspace_align, 1);
    if (!*state) {
      *state = std::make_unique<Guarded>(out.sizes.state_bytes, align, side);
      std::memset((*state)->data(), 0, static_cast<size_t>(out.sizes.state_bytes));
    }
    kept = {(*state)->data(), (*state)->bytes(), align};
  }
  const std::vector<void *> data = p.pointers();
  std::vector<HostArray> arrays;
  for (size_t i = 0; i < data.size(); i++)
    arrays.push_back({data[i], p.arrays[i].memory->bytes(), size_of(p.arrays[i].slot.dtype)});
  out.status = execute_there(context, plan, tasks, arrays, workspace, out.info, kept);
  out.error = blv_context_error(context);
  EXPECT_TRUE(workspace.margins_intact()) << "the workspace was left";
  EXPECT_TRUE(!state || (*state)->margins_intact()) << "the state was left";
  for (size_t i = 0; i < p.arrays.size(); i++) {
    const Array &a = p.arrays[i];
    EXPECT_TRUE(a.memory->margins_intact()) << "slot " << i << " was left";
    EXPECT_TRUE(a.written() || inputs[i].empty() || !std::memcmp(inputs[i].data(), a.memory->data(), inputs[i].size()))
        << "input slot " << i << " was written";
    EXPECT_TRUE(!a.written() || gaps_intact(a, tasks)) << "slot " << i << ": a gap was written";
    out.values.push_back(a.written() ? collect(a, tasks) : std::vector<double>());
  }
  const unsigned char *after = reinterpret_cast<unsigned char *>(&out.info.back());
  for (size_t i = 0; i < sizeof(blv_task_info); i++) EXPECT_EQ(after[i], kPoison) << "info was left";
  out.info.pop_back();
  return out;
}

inline Outcome run(Problem &p, const Means &means = {}, int64_t tasks = -1) {
  Outcome out;
  const Context context(means);
  if (context.status != BLV_OK) {
    out.status = context.status;
    out.error = blv_context_error(nullptr);
    return out;
  }
  const Plan plan(context.handle, p.spec());
  if (plan.status != BLV_OK) {
    out.status = plan.status;
    out.error = blv_context_error(context.handle);
    return out;
  }
  out = execute(context.handle, plan, p, tasks, means.workspace_side, means.state);
  out.description = plan.describe();
  return out;
}

// Levels that this machine can run.
inline std::vector<int> levels() {
  if (machine()) return {BLV_ISA_BEST};
  std::vector<int> all = {BLV_ISA_X86_64_V2};
  __builtin_cpu_init();
  const bool v3 = __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma");
  const bool v4 = v3 && __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512dq") &&
                  __builtin_cpu_supports("avx512vl") && __builtin_cpu_supports("avx512bw");
  if (v3) all.push_back(BLV_ISA_X86_64_V3);
  if (v4) all.push_back(BLV_ISA_X86_64_V4);
  return all;
}

inline const std::vector<int> &executors() {
  static const std::vector<int> host = {BLV_TASKS_IN_LANES, BLV_TASK_PER_CORE, BLV_ROWS_OVER_CORES};
  return machine() ? machine()->executors() : host;
}

// Bit for bit, any NaN like any other.
inline bool same(double a, double b) {
  return std::bit_cast<uint64_t>(a) == std::bit_cast<uint64_t>(b) || (std::isnan(a) && std::isnan(b));
}
inline bool same(const std::vector<double> &a, const std::vector<double> &b) {
  return a.size() == b.size() &&
         std::equal(a.begin(), a.end(), b.begin(), [](double x, double y) { return same(x, y); });
}

}  // namespace harness
