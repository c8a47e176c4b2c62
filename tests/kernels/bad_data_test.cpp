// SPDX-License-Identifier: Apache-2.0
//
// What depends on data is never a status: a label, an index or a number of rows out of range, NaN, and divergence are told in the
// info of the task, whose own outputs are NaN; the other tasks keep their bits, and a gradient that is summed over tasks is
// poisoned unless failed tasks are skipped.
#include "cases.h"

namespace {

using namespace harness;

struct Told {
  int status, side;
  int64_t step, row;
};

struct Bad {
  const char *name;
  Case c;
  void (*spoil)(Problem &, int64_t task);
  Told told;
};

void set(Problem &p, int side, int leaf, int64_t task, int64_t step, int64_t row, int64_t column, double value) {
  Array &a = *p.find(side, leaf, BLV_VALUE);
  a.set(a.offset(task, step, row, column), value);
}

// More tasks than a register has lanes; a device has none, and its emulator takes its time.
int64_t many() { return machine() ? 4 : 21; }

Case classes(int kind, int labels) {
  Case c = kind == BLV_UNROLL ? unroll_case(BLV_CROSS_ENTROPY, BLV_TANH, BLV_HEAVY_BALL, BLV_F64, {.labels = labels},
                                            {.labels = labels})
           : kind == BLV_HVP  ? hvp_case(BLV_CROSS_ENTROPY, BLV_TANH, 2, BLV_F64, {.labels = labels})
                              : evaluate_case(BLV_CROSS_ENTROPY, BLV_TANH, BLV_F64, {.labels = labels});
  c.tasks = many();
  return c;
}

Case dense(int kind, int loss) {
  Case c = kind == BLV_UNROLL ? unroll_case(loss, BLV_TANH, BLV_SGD)
           : kind == BLV_HVP  ? hvp_case(loss, BLV_TANH, 2)
                              : evaluate_case(loss, BLV_TANH);
  c.tasks = many();
  return c;
}

Case ragged(int index) {
  Case c = dense(BLV_UNROLL, BLV_SQUARED);
  c.counts.assign(c.tasks, 4);
  c.outer_counts.assign(c.tasks, 3);
  for (int side : {BLV_INNER, BLV_OUTER}) c.leaves.push_back({.side = side, .leaf = BLV_ROWS, .dtype = index});
  return c;
}

Case batches(int index) {
  Case c = dense(BLV_UNROLL, BLV_SQUARED);
  c.batch_rows = 4;
  c.leaves.push_back({.side = BLV_INNER, .leaf = BLV_BATCH, .per_step = true, .dtype = index});
  return c;
}

std::vector<Bad> table() {
  const Told inner_label = {BLV_TASK_BAD_LABEL, BLV_INNER, -1, 2}, outer_label = {BLV_TASK_BAD_LABEL, BLV_OUTER, -1, 3};
  const Told bad_index = {BLV_TASK_BAD_INDEX, BLV_INNER, 2, 1}, nowhere = {BLV_TASK_NOT_FINITE, 0, -1, -1};
  const auto negative = [](Problem &p, int64_t t) { set(p, BLV_INNER, BLV_Y, t, 0, 2, 0, -1); };
  const auto too_large = [](Problem &p, int64_t t) { set(p, BLV_INNER, BLV_Y, t, 0, 2, 0, 2); };
  const auto outer = [](Problem &p, int64_t t) { set(p, BLV_OUTER, BLV_Y, t, 0, 3, 0, 1e9); };
  const auto above_one = [](Problem &p, int64_t t) { set(p, BLV_INNER, BLV_Y, t, 0, 2, 1, 1.0000001); };
  const auto below_zero = [](Problem &p, int64_t t) { set(p, BLV_INNER, BLV_Y, t, 0, 2, 0, -1e-9); };
  const auto outer_above = [](Problem &p, int64_t t) { set(p, BLV_OUTER, BLV_Y, t, 0, 3, 1, 7); };
  const auto rows_negative = [](Problem &p, int64_t t) { set(p, BLV_INNER, BLV_ROWS, t, 0, 0, 0, -1); };
  const auto rows_large = [](Problem &p, int64_t t) { set(p, BLV_OUTER, BLV_ROWS, t, 0, 0, 0, 5); };
  const auto index_negative = [](Problem &p, int64_t t) { set(p, BLV_INNER, BLV_BATCH, t, 1, 0, 1, -1); };
  const auto index_large = [](Problem &p, int64_t t) { set(p, BLV_INNER, BLV_BATCH, t, 1, 0, 1, 5); };
  const auto nan_x = [](Problem &p, int64_t t) { set(p, BLV_INNER, BLV_X, t, 0, 1, 0, std::nan("")); };
  const auto nan_weight = [](Problem &p, int64_t t) { set(p, BLV_INNER, BLV_WEIGHT, t, 0, 4, 0, HUGE_VAL); };
  const auto nan_outer = [](Problem &p, int64_t t) { set(p, BLV_OUTER, BLV_X, t, 0, 1, 2, std::nan("")); };
  const auto nan_theta0 = [](Problem &p, int64_t t) { set(p, BLV_METHOD, BLV_THETA0, t, 0, 0, 3, std::nan("")); };
  const auto nan_theta = [](Problem &p, int64_t t) { set(p, BLV_METHOD, BLV_THETA, t, 0, 0, 0, std::nan("")); };
  const auto diverge = [](Problem &p, int64_t t) { set(p, BLV_METHOD, BLV_RATE, t, 0, 0, 0, 1e200); };
  std::vector<Bad> all;
  for (int index : {BLV_I32, BLV_I64}) {
    for (int kind : {BLV_EVALUATE, BLV_HVP, BLV_UNROLL}) {
      all.push_back({"negative class", classes(kind, index), negative, inner_label});
      all.push_back({"class = outputs", classes(kind, index), too_large, inner_label});
    }
    all.push_back({"outer class", classes(BLV_UNROLL, index), outer, outer_label});
    all.push_back({"negative rows", ragged(index), rows_negative, {BLV_TASK_BAD_ROWS, BLV_INNER, -1, -1}});
    all.push_back({"too many rows", ragged(index), rows_large, {BLV_TASK_BAD_ROWS, BLV_OUTER, -1, -1}});
    all.push_back({"negative index", batches(index), index_negative, bad_index});
    all.push_back({"index = rows", batches(index), index_large, bad_index});
  }
  for (int kind : {BLV_EVALUATE, BLV_HVP, BLV_UNROLL}) {
    const Told told = {BLV_TASK_NOT_FINITE, 0, kind == BLV_UNROLL ? 1 : -1, -1};
    all.push_back({"logistic label above 1", dense(kind, BLV_LOGISTIC), above_one, inner_label});
    all.push_back({"logistic label below 0", dense(kind, BLV_LOGISTIC), below_zero, inner_label});
    all.push_back({"NaN feature", dense(kind, BLV_SQUARED), nan_x, told});
    all.push_back({"infinite weight", dense(kind, BLV_SQUARED), nan_weight, told});
  }
  all.push_back({"outer logistic label", dense(BLV_UNROLL, BLV_LOGISTIC), outer_above, outer_label});
  all.push_back({"NaN outer feature", dense(BLV_UNROLL, BLV_SQUARED), nan_outer, nowhere});
  all.push_back({"NaN theta_0", dense(BLV_UNROLL, BLV_SQUARED), nan_theta0, {BLV_TASK_NOT_FINITE, 0, 1, -1}});
  all.push_back({"NaN theta", dense(BLV_EVALUATE, BLV_SQUARED), nan_theta, nowhere});
  Case linear = dense(BLV_UNROLL, BLV_SQUARED);
  linear.widths = {3, 2};
  all.push_back({"divergence", linear, diverge, {BLV_TASK_NOT_FINITE, 0, 2, -1}});
  return all;
}

void expect_told(const blv_task_info &info, const Told &told) {
  EXPECT_EQ(info.status, told.status);
  EXPECT_EQ(info.side, told.side);
  EXPECT_EQ(info.step, told.step);
  EXPECT_EQ(info.row, told.row);
  EXPECT_FALSE(std::isfinite(info.loss)) << info.loss;
}

// Task `bad` has NaN in all its outputs; the others have the bits of `clean`.
void expect_unharmed(const Problem &p, const Outcome &clean, const Outcome &out, int64_t bad) {
  for (size_t i = 0; i < p.arrays.size(); i++) {
    const Array &a = p.arrays[i];
    const int64_t per_task = a.steps * a.rows * a.columns;
    if (!a.written() || !a.task_stride) continue;
    for (size_t j = 0; j < out.values[i].size(); j++) {
      if (int64_t(j) / per_task == bad) {
        ASSERT_TRUE(std::isnan(out.values[i][j]))
            << "slot " << i << " leaf " << a.leaf.leaf << " element " << j << ": " << out.values[i][j];
      } else {
        ASSERT_TRUE(same(out.values[i][j], clean.values[i][j]))
            << "slot " << i << " leaf " << a.leaf.leaf << " element " << j;
      }
    }
  }
}

TEST(BadData, OneTaskFailsAlone) {
  for (const Bad &bad : table()) {
    for (int executor : executors()) {
      for (int isa : levels()) {
        Problem whole(bad.c);
        whole.c.executor = executor;
        const Outcome clean = run(whole, {.isa = isa});
        ASSERT_EQ(clean.status, BLV_OK) << clean.error;
        for (int64_t task : machine() ? std::vector<int64_t>{1} : std::vector<int64_t>{0, 9, 20}) {
          Problem p(bad.c);
          p.c.executor = executor;
          SCOPED_TRACE(bad.name + (", " + name_of(p.c, {.isa = isa})) + ", bad task " + std::to_string(task));
          bad.spoil(p, task);
          const Outcome out = run(p, {.isa = isa});
          ASSERT_EQ(out.status, BLV_OK) << out.error;
          expect_told(out.info[task], bad.told);
          for (int64_t t = 0; t < p.c.tasks; t++) {
            ASSERT_EQ(out.info[t].status, t == task ? bad.told.status : int(BLV_TASK_OK)) << "task " << t;
          }
          expect_unharmed(p, clean, out, task);
          if (testing::Test::HasFailure()) break;
        }
      }
    }
  }
}

// Gradients summed over tasks: NaN by default; with BLV_SKIP_FAILED the sum over the tasks that went well.
TEST(BadData, SharedGradients) {
  for (const Bad &bad : table()) {
    for (int flags : {0, int(BLV_SKIP_FAILED)}) {
      for (int executor : executors()) {
        Case c = bad.c;
        c.executor = executor;
        c.plan_flags = flags;
        for (Leaf &leaf : c.leaves) leaf.sum = true;
        Problem p(c);
        SCOPED_TRACE(bad.name + (", " + name_of(c, {})) + ", flags " + std::to_string(flags));
        const int64_t last = c.tasks - 1;
        const Expected without = reference(p, last);  // of all tasks but the last
        bad.spoil(p, last);
        const Outcome out = run(p);
        ASSERT_EQ(out.status, BLV_OK) << out.error;
        expect_told(out.info[last], bad.told);
        std::vector<std::vector<double>> want = without.values, got = out.values;
        for (size_t i = 0; i < p.arrays.size(); i++) {
          if (p.arrays[i].slot.use != BLV_GRADIENT) want[i].clear(), got[i].clear();
          for (double v : got[i])
            ASSERT_TRUE(flags || std::isnan(v)) << "slot " << i << " leaf " << p.arrays[i].leaf.leaf << ": " << v;
        }
        ASSERT_EQ(flags ? difference(p, got, want) : "", "");
      }
    }
  }
}

// Data that all tasks share and that is bad: every task says so.
TEST(BadData, SharedData) {
  for (int executor : executors()) {
    Case c = classes(BLV_UNROLL, BLV_I32);
    c.executor = executor;
    leaf_in(c, BLV_INNER, BLV_Y).shared = true;
    Problem p(c);
    set(p, BLV_INNER, BLV_Y, 0, 0, 2, 0, 17);
    const Outcome out = run(p);
    ASSERT_EQ(out.status, BLV_OK) << out.error;
    for (const blv_task_info &info : out.info) expect_told(info, {BLV_TASK_BAD_LABEL, BLV_INNER, -1, 2});
  }
}

}  // namespace
