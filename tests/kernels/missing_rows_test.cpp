// SPDX-License-Identifier: Apache-2.0
//
// Rows that a task lacks and its neighbour has: the signs of zeros do not show them, and they are told apart beyond the
// integers that a float can hold.
#include "cases.h"

namespace {

using namespace harness;

// The only product of task 0 underflows to -0; the row that it lacks adds 0 times 0.
TEST(MissingRows, LeaveTheSignOfZero) {
  for (const bool hidden : {false, true}) {
    for (int isa : levels()) {
      Case c{.widths = hidden ? std::vector<int64_t>{1, 2, 1} : std::vector<int64_t>{1, 1}, .loss = BLV_SQUARED};
      c.activation = BLV_RELU, c.flags = BLV_NO_BIAS, c.rows = 300, c.tasks = 2, c.dtype = BLV_F32;
      c.counts = {1, 300};
      c.leaves = {{.side = BLV_INNER, .leaf = BLV_X},
                  {.side = BLV_INNER, .leaf = BLV_Y},
                  {.side = BLV_INNER, .leaf = BLV_ROWS},
                  {.leaf = BLV_THETA, .gradient = true}};
      c.executor = executors().front();
      Problem p(c);
      Array &x = *p.find(BLV_INNER, BLV_X, BLV_VALUE), &y = *p.find(BLV_INNER, BLV_Y, BLV_VALUE);
      x.set(0, hidden ? 1e-30 : -1e-30), y.set(0, hidden ? 1e-30 : -1e-30);
      Array &theta = *p.find(BLV_METHOD, BLV_THETA, BLV_VALUE);
      for (int64_t i = 0; i < c.parameters(); i++) theta.set(i, hidden ? (i < 2 ? 1e-10 : 0) : 0);
      const Array &gradient = *p.find(BLV_METHOD, BLV_THETA, BLV_GRADIENT);
      std::vector<double> results[2];
      for (const int64_t tasks : {1, 2}) {
        const Context context({.isa = isa});
        const Plan plan(context.handle, p.spec());
        ASSERT_EQ(plan.status, BLV_OK) << blv_context_error(context.handle);
        const Outcome out = execute(context.handle, plan, p, tasks);
        ASSERT_EQ(out.status, BLV_OK) << out.error;
        results[tasks - 1] = collect(gradient, 1);
      }
      EXPECT_TRUE(same(results[0], results[1])) << "isa v" << isa << " hidden " << hidden;
    }
  }
}

// The last row of 2^24 + 1 has the whole loss. On the host: an emulator would take hours.
TEST(MissingRows, BeyondTheIntegersOfAFloat) {
  if (machine()) GTEST_SKIP() << "too many rows for an emulated device";
  const int64_t last = int64_t{1} << 24, capacity = last + 4;
  std::vector<float> x(static_cast<size_t>(capacity)), y(x.size()), theta = {1};
  y[static_cast<size_t>(last)] = 4096, y[static_cast<size_t>(last) + 1] = 1e9f;
  float loss = 0;
  int64_t rows = last + 1, widths[] = {1, 1};
  blv_objective inner = {sizeof inner, BLV_NETWORK, BLV_SQUARED, 0, BLV_NO_BIAS, capacity, 2, widths};
  blv_method evaluate = {sizeof evaluate, BLV_EVALUATE, 0};
  const blv_slot slots[] = {{BLV_METHOD, BLV_THETA, BLV_VALUE, BLV_F32, 0, 0, 0, 0, 0},
                            {BLV_INNER, BLV_X, BLV_VALUE, BLV_F32, 0, 0, 0, 0, 0},
                            {BLV_INNER, BLV_Y, BLV_VALUE, BLV_F32, 0, 0, 0, 0, 0},
                            {BLV_INNER, BLV_ROWS, BLV_VALUE, BLV_I64, 0, 0, 1, 0, 0},
                            {BLV_METHOD, BLV_LOSS, BLV_RESULT, BLV_F32, 0, 0, 1, 0, 0}};
  const Context context({.isa = BLV_ISA_X86_64_V2});  // the fewest lanes, and so the least memory
  blv_spec spec = {};
  spec.size = sizeof spec, spec.dtype = BLV_F32, spec.tasks = 1, spec.inner = &inner, spec.method = &evaluate;
  spec.n_slots = 5, spec.slots = slots, spec.executor = BLV_TASKS_IN_LANES;
  const Plan plan(context.handle, &spec);
  ASSERT_EQ(plan.status, BLV_OK) << blv_context_error(context.handle);
  const blv_sizes sizes = plan.sizes();
  Guarded workspace(sizes.workspace_bytes, sizes.workspace_align, harness::Side::kLow);
  void *data[] = {theta.data(), x.data(), y.data(), &rows, &loss};
  ASSERT_EQ(
      blv_execute(context.handle, plan.handle, 1, data, workspace.data(), sizes.workspace_bytes, nullptr, nullptr),
      BLV_OK);
  EXPECT_NEAR(loss, 0.5 * 4096 * 4096 / static_cast<double>(rows), 1e-6);
}

}  // namespace
