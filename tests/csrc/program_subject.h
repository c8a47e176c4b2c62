// SPDX-License-Identifier: Apache-2.0
//
// A valid problem with data to which programs are given, run as they stand on the machine of this program, or interpreted by the oracle.
#pragma once
#include <gtest/gtest.h>

#include "csrc/device/backend_loader.h"
#include "csrc/methods/method.h"
#include "csrc/methods/optimiser.h"
#include "csrc/plan/kernel_table.h"
#include "csrc/plan/plan.h"
#include "csrc/spec/validate.h"
#include "csrc/support/refusal.h"
#include "tests/kernels/cases.h"
#include "tests/oracles/program.h"

namespace bilevel {

using harness::Case;

// A valid problem with data, to which programs are given.
struct Subject {
  explicit Subject(const Case &c) : data(c), valid(validate(data.spec(), 2)), problem(valid.problem) {
    problem.network.layers = valid.layers.data();
  }
  int64_t parameters() const { return problem.network.parameters; }
  int32_t first_free_slot() const { return static_cast<int32_t>(data.arrays.size()); }

  harness::Problem data;
  ValidSpec valid;
  Problem problem;
};

struct Ran {
  std::vector<blv_task_info> info;
  std::vector<std::vector<double>> outputs;  // of each output of the program, [task][planes][P] or [task][planes]
  std::vector<std::vector<double>> values;   // of each written slot, as in an Outcome
};

inline void run_one_by_one(void *, int64_t n, void (*fn)(void *arg, int64_t i), void *arg) {
  for (int64_t i = 0; i < n; i++) fn(arg, i);
}

// An output of plane k of a task, in the caller's array.
inline double element_of(const ProgramOutput &output, int64_t entries, const double *array, int64_t task, int64_t i) {
  return array[task * output.slot.task_stride + i / entries * output.slot.step_stride + i % entries];
}

// The arrays of a call with a program, whose outputs without a slot of the subject get memory, and its info.
struct ProgramCall {
  ProgramCall(Subject *subject, const MethodProgram &program) : arrays(subject->data.arrays) {
    const Problem &problem = subject->problem;
    for (harness::Array &a : arrays)
      if (a.written()) a.memory->poison();
    pointers = subject->data.pointers();
    for (const harness::Array &a : arrays) bytes.push_back(a.memory->bytes());
    for (const ProgramOutput &output : program.outputs)
      if (output.slot.index >= subject->first_free_slot())
        extra.emplace_back(static_cast<size_t>(problem.tasks * output.slot.task_stride), NAN);
    for (auto &array : extra) {
      pointers.push_back(array.data());
      bytes.push_back(static_cast<int64_t>(array.size() * sizeof(double)));
    }
    info.resize(static_cast<size_t>(problem.tasks));
  }
  std::vector<harness::Array> &arrays;
  std::vector<void *> pointers;
  std::vector<int64_t> bytes;
  std::vector<std::vector<double>> extra;
  std::vector<blv_task_info> info;
};

// Whether a device has room for a program: kernels get it by value.
inline bool fits_device(const Program &p) {
  return p.n_ops <= most_device_ops && p.n_inputs <= most_device_inputs && p.n_arrays <= most_device_arrays &&
         p.n_outputs <= most_device_outputs && p.n_numbers <= most_device_numbers &&
         p.n_counters <= most_device_counters;
}

// In a workspace that is full of NaN and ends at an inaccessible page.
inline void run_on_cpu(const Problem &problem, int32_t isa, ProgramCall *arrays) {
  const Kernel &kernel = *find_kernel(isa, problem.dtype, problem.executor);
  Sizes sizes;
  kernel.size(problem, &sizes);
  harness::Guarded workspace(sizes.workspace_bytes, workspace_align, harness::Side::kHigh);
  std::memset(workspace.data(), 0xff, static_cast<size_t>(sizes.workspace_bytes));
  int64_t done = 0;
  Call call;
  call.tasks = problem.tasks, call.data = arrays->pointers.data(),
  call.workspace = static_cast<char *>(workspace.data());
  call.info = arrays->info.data(), call.parallel_for = run_one_by_one, call.threads = problem.threads,
  call.done = &done;
  EXPECT_EQ(kernel.run(problem, call), BLV_OK);
  EXPECT_EQ(done, kernel.progress_total(problem, problem.tasks));
  EXPECT_TRUE(workspace.margins_intact());
}

// The same by the plugin, in memory of the machine. False: the device does not run this program with this executor.
inline bool run_on_device(Problem problem, ProgramCall *arrays) {
  harness::Machine &machine = *harness::machine();
  const Backend &backend = cuda_backend();
  BackendMessage message;
  DeviceFacts facts;
  DevicePlan plan;
  problem.threads = problem.tasks;
  EXPECT_EQ(backend.open(machine.device(), &facts, &message), BLV_OK) << message.text;
  const blv_status planned = backend.plan(problem, facts, 0, &plan, &message);
  if (planned == BLV_UNSUPPORTED) return false;
  EXPECT_EQ(planned, BLV_OK) << message.text;
  problem.executor = plan.executor;
  std::vector<unsigned char> workspace(static_cast<size_t>(plan.sizes.workspace_bytes), 0xff);
  std::vector<void *> there;
  for (size_t i = 0; i < arrays->pointers.size(); i++)
    there.push_back(machine.put(arrays->pointers[i], arrays->bytes[i], sizeof(double)));
  DeviceCall call;
  call.tasks = problem.tasks, call.slots = static_cast<int64_t>(there.size()), call.data = there.data();
  call.workspace = static_cast<char *>(machine.put(workspace.data(), plan.sizes.workspace_bytes, 256));
  call.info = static_cast<blv_task_info *>(
      machine.put(arrays->info.data(), static_cast<int64_t>(arrays->info.size() * sizeof(blv_task_info)), 8));
  call.stream = machine.stream();
  EXPECT_EQ(backend.enqueue(problem, plan, call, &message), BLV_OK) << message.text;
  EXPECT_EQ(machine.take_back(), "");
  return true;
}

// By an executor of the machine of this program; of a CPU: on a level. Without info where the machine does not run it.
inline Ran run(Subject *subject, const MethodProgram &program, int32_t executor, int32_t isa) {
  Problem problem = subject->problem;
  problem.program = program.view, problem.executor = executor;
  ProgramCall call(subject, program);
  Ran ran;
  if (!harness::machine())
    run_on_cpu(problem, isa, &call);
  else if (!run_on_device(problem, &call))
    return ran;
  ran.info = call.info;
  for (const ProgramOutput &output : program.outputs) {
    const int64_t entries = output.array >= 0 ? subject->parameters() : 1;
    const auto *array = static_cast<double *>(call.pointers[static_cast<size_t>(output.slot.index)]);
    std::vector<double> all;
    for (int64_t t = 0; problem.dtype == BLV_F64 && t < problem.tasks; t++)
      for (int64_t i = 0; i < output.planes * entries; i++) all.push_back(element_of(output, entries, array, t, i));
    ran.outputs.push_back(all);
  }
  for (const harness::Array &a : subject->data.arrays)
    ran.values.push_back(a.written() ? harness::collect(a, problem.tasks) : std::vector<double>());
  return ran;
}

inline oracle::ProgramAnswer interpret(Subject *subject, const MethodProgram &program, int64_t task, double noise = 0) {
  std::vector<std::vector<double>> inputs;
  for (const ProgramInput &input : program.inputs)
    inputs.push_back(harness::one_task(subject->data.arrays[static_cast<size_t>(input.slot.index)], task));
  return oracle::ProgramRun(program.view, harness::oracle_task(subject->data, task), inputs, noise).run();
}

inline void expect_near(const std::vector<double> &got, const std::vector<double> &want, double tolerance,
                        const std::string &what) {
  ASSERT_EQ(got.size(), want.size()) << what;
  const double scale = std::fmax(harness::largest(want), 0.1);
  for (size_t i = 0; i < got.size(); i++)
    ASSERT_TRUE(std::fabs(got[i] - want[i]) <= tolerance * scale)
        << what << " element " << i << ": " << got[i] << " but the plain interpreter gives " << want[i];
}

inline std::vector<double> part_of(const std::vector<double> &all, int64_t task, int64_t tasks) {
  const auto n = static_cast<int64_t>(all.size()) / tasks;
  return {all.begin() + task * n, all.begin() + (task + 1) * n};
}

// What a written slot holds of one task, by the plain interpreter.
inline std::vector<double> expected(const harness::Array &a, size_t slot, const MethodProgram &program,
                                    const oracle::ProgramAnswer &answer) {
  for (size_t i = 0; i < program.outputs.size(); i++)
    if (program.outputs[i].slot.index == static_cast<int32_t>(slot)) return answer.outputs[i];
  const size_t n = static_cast<size_t>(a.steps * a.rows * a.columns);
  std::vector<double> all(n, 0.0);
  if (a.slot.side == BLV_METHOD) {
    const auto &by_step = answer.step_leaves.find(a.slot.leaf);
    for (size_t i = 0; by_step != answer.step_leaves.end() && i < by_step->second.size(); i++)
      all[i % n] += by_step->second[i];
    return all;
  }
  for (const auto &[where, planes] : answer.leaves) {
    if (where.second != oracle::Key(a.slot.side, a.slot.leaf)) continue;
    for (size_t k = 0; k < planes.size(); k++)
      for (size_t i = 0; i < planes[k].size(); i++) all[k * planes[k].size() + i] += planes[k][i];
  }
  return all;
}

inline std::vector<int> executors() {
  if (harness::machine()) return harness::machine()->executors();
  return {BLV_TASKS_IN_LANES, BLV_TASK_PER_CORE, BLV_ROWS_OVER_CORES};
}
inline std::vector<int> levels() { return harness::machine() ? std::vector<int>{0} : harness::levels(); }

inline void expect_as_interpreted(Subject *subject, const MethodProgram &program, double tolerance) {
  const int64_t tasks = subject->problem.tasks;
  std::vector<oracle::ProgramAnswer> answers;
  for (int64_t t = 0; t < tasks; t++) {
    answers.push_back(interpret(subject, program, t));
    ASSERT_EQ(answers.back().mistake, "") << "task " << t;
    ASSERT_LE(answers.back().passes, program.view.passes);
  }
  int ran_by = 0;
  for (const int executor : executors())
    for (const int isa : levels()) {
      const Ran ran = run(subject, program, executor, isa);
      if (ran.info.empty()) continue;
      ran_by++;
      const std::string where = "executor " + std::to_string(executor) + " isa v" + std::to_string(isa);
      for (int64_t t = 0; t < tasks; t++) {
        const oracle::ProgramAnswer &want = answers[static_cast<size_t>(t)];
        ASSERT_EQ(ran.info[static_cast<size_t>(t)].status, want.status) << where << " task " << t;
        ASSERT_EQ(ran.info[static_cast<size_t>(t)].step, want.step) << where << " task " << t;
        if (want.status != BLV_TASK_OK) continue;
        for (size_t i = 0; i < program.outputs.size(); i++) {
          if (subject->problem.dtype != BLV_F64) continue;
          const std::string what = where + " task " + std::to_string(t) + " output " + std::to_string(i);
          ASSERT_NO_FATAL_FAILURE(expect_near(part_of(ran.outputs[i], t, tasks), want.outputs[i], tolerance, what));
        }
        for (size_t i = 0; i < ran.values.size(); i++) {
          const harness::Array &a = subject->data.arrays[i];
          const bool is_output =
              std::any_of(program.outputs.begin(), program.outputs.end(),
                          [&](const ProgramOutput &o) { return o.slot.index == static_cast<int32_t>(i); });
          if (!a.written() || (a.slot.use == BLV_RESULT && !is_output)) continue;
          if (a.slot.side == BLV_METHOD && a.slot.use == BLV_GRADIENT && !is_output && a.slot.leaf < BLV_RATE) continue;
          const std::string what = where + " task " + std::to_string(t) + " slot " + std::to_string(i);
          ASSERT_NO_FATAL_FAILURE(
              expect_near(part_of(ran.values[i], t, tasks), expected(a, i, program, want), tolerance, what));
        }
      }
    }
  ASSERT_GE(ran_by, 3);
}

inline Case plain_case(int kind, int optimiser, int64_t steps) {
  Case c = harness::unroll_case(BLV_SQUARED, BLV_TANH, optimiser);
  c.steps = steps;
  if (kind == BLV_FORWARD) return harness::as_forward(c, 2);
  if (kind == BLV_IMPLICIT) return harness::as_implicit(c, 0.5);
  if (kind == BLV_EVALUATE) return harness::evaluate_case(BLV_SQUARED, BLV_TANH);
  if (kind == BLV_HVP) return harness::hvp_case(BLV_SQUARED, BLV_TANH, 3);
  return c;
}

inline std::vector<Case> method_cases(int dtype) {
  const harness::DataLeaves linked = {.link = BLV_EXP};
  std::vector<Case> all = {harness::evaluate_case(BLV_LOGISTIC, BLV_TANH, dtype),
                           harness::hvp_case(BLV_SQUARED, BLV_SIGMOID, 3, dtype, linked)};
  for (const int optimiser : {BLV_SGD, BLV_HEAVY_BALL})
    for (const int64_t steps : {0, 1, 5}) {
      Case unroll = harness::unroll_case(BLV_SQUARED, BLV_TANH, optimiser, dtype, linked, {});
      unroll.steps = steps, unroll.tasks = 2;
      all.push_back(unroll);
      all.push_back(harness::as_forward(unroll, 2));
      Case implicit = harness::as_implicit(unroll, 3);
      implicit.tolerance = dtype == BLV_F64 ? 1e-14 : 1e-7;
      all.push_back(implicit);
      implicit.iterations = 2;
      implicit.stop_result = implicit.curvature_result = true;
      all.push_back(implicit);
      Case preconditioned = implicit;
      preconditioned.leaves.push_back({.leaf = BLV_PRECONDITIONER});
      all.push_back(preconditioned);
      for (const int solver : {BLV_MINRES, BLV_NEUMANN, BLV_IDENTITY}) {
        implicit.solver = solver, implicit.solver_step = solver == BLV_NEUMANN ? 0.1 : 0;
        if (solver == BLV_IDENTITY)
          implicit.curvature_result = false, implicit.iterations = 0, implicit.tolerance = 0, implicit.damping = 0;
        all.push_back(implicit);
      }
      if (steps == 0) continue;
      Case batches = unroll;
      batches.batch_rows = 3;
      batches.leaves.push_back({.side = BLV_INNER, .leaf = BLV_BATCH, .per_step = true});
      all.push_back(batches);
      all.push_back(harness::as_forward(batches, 3));
      for (harness::Leaf &leaf : unroll.leaves) leaf.gradient = false;
      all.push_back(unroll);
    }
  // Without a hidden layer.
  const size_t all_with_one = all.size();
  for (size_t i = 0; i < all_with_one; i++) {
    if (all[i].steps == 1) continue;
    Case linear = all[i];
    linear.widths = {3, 2};
    all.push_back(linear);
  }
  return all;
}

// A program, and the buffers of its arrays by name.
struct Named {
  explicit Named(MethodProgram made) : program(std::move(made)) {}
  Named(int kind, int optimiser, int64_t steps, const Storage &storage, bool far = false) {
    Subject subject(plain_case(kind, optimiser, steps));
    subject.problem.storage = storage;
    program = build_program(subject.problem, {far});
  }
  int buffer(const std::string &name) const {
    for (size_t i = 0; i < program.arrays.size(); i++)
      if (program.array_names[i] == name) return program.arrays[i].buffer;
    ADD_FAILURE() << "no array " << name;
    return -1;
  }
  int buffers() const {
    int n = 0;
    for (size_t i = 0; i < program.arrays.size(); i++)
      n += program.arrays[i].buffer == static_cast<int>(i) && !program.arrays[i].stream;
    return n;
  }
  MethodProgram program;
};

struct ProgramByHand : testing::Test {
  Subject subject{plain_case(BLV_UNROLL, BLV_SGD, 3)};
  ProgramBuilder b{subject.problem};
  Slot output;

  void write(Vector v) {
    output.index = output.index < 0 ? subject.first_free_slot() : output.index + 1;
    output.dtype = BLV_F64, output.task_stride = subject.parameters() * v.planes,
    output.step_stride = subject.parameters();
    b.write(output, v);
  }
  Vector start() {
    const Vector theta = b.vector("theta");
    b.read(theta, subject.problem.slot(BLV_THETA0, BLV_VALUE));
    return theta;
  }
  void expect_runs(const MethodProgram &program) { expect_as_interpreted(&subject, program, 1e-12); }
};

}  // namespace bilevel
