// SPDX-License-Identifier: Apache-2.0
//
// A call on quadratics 1/2 theta' A theta - b' theta + 1/2 p |theta|^2 with values drawn at random, on the machine of this program.
#pragma once
#include <random>

#include "../oracles/dense.h"
#include "runner.h"

namespace harness {

using Vector = std::vector<double>;

// One array of a call: what the plan is told, and its values for all tasks.
struct Values {
  blv_slot slot = {};
  Vector values;
};

struct Quadratic {
  int64_t size = 5, tasks = 3;
  int dtype = BLV_F64, executor = BLV_TASK_PER_CORE, isa = BLV_ISA_BEST;
  bool diagonal = false, shared = false;

  double epsilon() const { return dtype == BLV_F64 ? 0x1p-53 : 0x1p-24; }
  int64_t size_of_a() const { return diagonal ? size : size * size; }
  std::string name() const {
    return "P " + std::to_string(size) + " tasks " + std::to_string(tasks) + " dtype " + std::to_string(dtype) +
           " executor " + std::to_string(executor) + " isa " + std::to_string(isa) + (diagonal ? " diagonal" : "") +
           (shared ? " shared" : "");
  }
};

class Call {
 public:
  Call(const Quadratic &q, unsigned seed = 1) : q_(q), random_(seed) {}

  double draw() { return std::uniform_real_distribution<double>(-1, 1)(random_); }
  double rounded(double value) const { return q_.dtype == BLV_F32 ? double(float(value)) : value; }

  // A value drawn at random, `count` elements a task; `of_all`: one array for all tasks.
  void value(int side, int leaf, int64_t count, bool of_all = false, int extent = BLV_NATURAL) {
    add(side, leaf, BLV_VALUE, count, of_all, extent, 0);
    for (double &v : arrays.back().values) v = rounded(draw());
  }
  void write(int side, int leaf, int use, int64_t count, bool of_all = false, int extent = BLV_NATURAL,
             int64_t step_stride = 0) {
    add(side, leaf, use, count, of_all, extent, step_stride);
  }
  void add(int side, int leaf, int use, int64_t count, bool of_all, int extent, int64_t step_stride) {
    Values v;
    v.slot.side = side, v.slot.leaf = leaf, v.slot.use = use, v.slot.dtype = q_.dtype, v.slot.extent = extent;
    v.slot.task_stride = of_all ? 0 : count, v.slot.step_stride = step_stride;
    v.values.assign(size_t(count * (of_all ? 1 : q_.tasks)), 0.0);
    arrays.push_back(v);
  }
  // A, b and the penalty of a loss; A is well conditioned and, for an inner loss, symmetric.
  void loss(int side) {
    const int64_t n = q_.size;
    value(side, BLV_X, q_.size_of_a(), q_.shared);
    Vector &a = arrays.back().values;
    for (size_t k = 0; k < a.size(); k += size_t(q_.size_of_a())) {
      for (int64_t i = 0; i < n; i++) {
        if (q_.diagonal) a[k + size_t(i)] = rounded(2 + a[k + size_t(i)]);
        for (int64_t j = 0; !q_.diagonal && j <= i; j++) {
          double &lower = a[k + size_t(i * n + j)], &upper = a[k + size_t(j * n + i)];
          lower = rounded(lower / double(n) + (i == j ? 2 : 0));
          if (side == BLV_INNER) upper = lower;
        }
      }
    }
    value(side, BLV_Y, n);
    value(side, BLV_PENALTY, 1, true, BLV_SCALAR);
    arrays.back().values[0] = rounded(0.25);
  }

  const Values &find(int side, int leaf, int use) const {
    for (const Values &v : arrays) {
      if (v.slot.side == side && v.slot.leaf == leaf && v.slot.use == use) return v;
    }
    std::abort();
  }
  Vector of(int side, int leaf, int use, int64_t task) const {
    const Values &v = find(side, leaf, use);
    const size_t n = v.slot.task_stride ? size_t(v.slot.task_stride) : v.values.size();
    const auto begin = v.values.begin() + (v.slot.task_stride ? int64_t(n) * task : 0);
    return Vector(begin, begin + int64_t(n));
  }
  // A as a dense matrix, p on its diagonal.
  oracle::Dense matrix(int side, int64_t task) const {
    const Vector a = of(side, BLV_X, BLV_VALUE, task);
    oracle::Dense m{size_t(q_.size)};
    for (size_t i = 0; i < m.n; i++) {
      for (size_t j = 0; j < m.n; j++) m(i, j) = !q_.diagonal ? a[i * m.n + j] : i == j ? a[i] : 0;
      m(i, i) += of(side, BLV_PENALTY, BLV_VALUE, task)[0];
    }
    return m;
  }

  // The first `tasks` of them, or all.
  void run(const blv_method *method, bool outer, int64_t tasks = -1) {
    tasks_ = tasks < 0 ? q_.tasks : tasks;
    blv_objective objective = {};
    const int64_t widths[] = {q_.size};
    objective.size = abi_size<blv_objective>, objective.model = BLV_QUADRATIC;
    objective.flags = q_.diagonal ? BLV_DIAGONAL : 0, objective.n_widths = 1, objective.widths = widths;
    std::vector<blv_slot> slots;
    for (const Values &v : arrays) slots.push_back(v.slot);
    blv_spec spec = {};
    spec.size = abi_size<blv_spec>, spec.dtype = q_.dtype, spec.tasks = q_.tasks, spec.executor = q_.executor;
    spec.inner = &objective, spec.outer = outer ? &objective : nullptr, spec.method = method;
    spec.slots = slots.data(), spec.n_slots = int64_t(slots.size());
    const Context context({.isa = q_.isa});
    ASSERT_EQ(context.status, BLV_OK);
    const Plan plan(context.handle, &spec);
    ASSERT_EQ(plan.status, BLV_OK) << blv_context_error(context.handle);
    ASSERT_NO_FATAL_FAILURE(execute(context.handle, plan));
  }

  std::vector<Values> arrays;
  std::vector<blv_task_info> info;
  std::vector<unsigned char> state;  // of the method, kept from run to run

 private:
  void execute(blv_context context, const Plan &plan) {
    const blv_sizes sizes = plan.sizes();
    Guarded workspace(sizes.workspace_bytes, std::max<int64_t>(sizes.workspace_align, 1), Side::kHigh);
    Guarded state_there(sizes.state_bytes, std::max<int64_t>(sizes.workspace_align, 1), Side::kHigh);
    state.resize(size_t(sizes.state_bytes), 0);
    if (!state.empty()) std::memcpy(state_there.data(), state.data(), state.size());
    info.assign(size_t(q_.tasks), {});
    std::vector<std::vector<char>> bytes;
    std::vector<HostArray> host;
    for (const Values &v : arrays) bytes.push_back(encode(v.values));
    for (std::vector<char> &b : bytes) host.push_back({b.data(), int64_t(b.size()), 8});
    const blv_status status = execute_there(context, plan, tasks_, host, workspace, info,
                                            {state_there.data(), sizes.state_bytes, sizes.workspace_align});
    ASSERT_EQ(status, BLV_OK) << blv_context_error(context);
    EXPECT_TRUE(workspace.margins_intact() && state_there.margins_intact());
    if (!state.empty()) std::memcpy(state.data(), state_there.data(), state.size());
    for (size_t i = 0; i < arrays.size(); i++) decode(bytes[i], arrays[i].values);
    for (int64_t t = 0; t < tasks_; t++) ASSERT_EQ(info[size_t(t)].status, BLV_TASK_OK);
  }
  std::vector<char> encode(const Vector &values) const {
    std::vector<char> bytes(values.size() * size_t(size_of(q_.dtype)));
    for (size_t i = 0; i < values.size(); i++) {
      const float narrow = float(values[i]);
      if (q_.dtype == BLV_F32) std::memcpy(&bytes[i * 4], &narrow, 4);
      if (q_.dtype == BLV_F64) std::memcpy(&bytes[i * 8], &values[i], 8);
    }
    return bytes;
  }
  void decode(const std::vector<char> &bytes, Vector &values) const {
    for (size_t i = 0; i < values.size(); i++) {
      float narrow = 0;
      if (q_.dtype == BLV_F32) std::memcpy(&narrow, &bytes[i * 4], 4), values[i] = double(narrow);
      if (q_.dtype == BLV_F64) std::memcpy(&values[i], &bytes[i * 8], 8);
    }
  }

  Quadratic q_;
  int64_t tasks_ = 0;
  std::mt19937_64 random_;
};

}  // namespace harness
