// SPDX-License-Identifier: Apache-2.0
//
// The results of a task are the same, bit for bit, whatever the number of threads, whoever provides them, wherever the task
// stands in its batch, and whatever its neighbours are.
#include <thread>

#include "cases.h"

namespace {

using namespace harness;

std::vector<Case> cases() {
  std::vector<Case> all;
  for (int dtype : {BLV_F64, BLV_F32}) {
    Case maml = unroll_case(BLV_SQUARED, BLV_TANH, BLV_HEAVY_BALL, dtype);
    maml.tasks = 37;
    for (Leaf &leaf : maml.leaves) leaf.sum = leaf.leaf != BLV_X;
    all.push_back(maml);
    Case rows = unroll_case(BLV_CROSS_ENTROPY, BLV_TANH, BLV_SGD, dtype);
    rows.tasks = 2;
    rows.rows = 700;
    rows.outer_rows = 333;
    rows.widths = {7, 3};
    all.push_back(rows);
    Case batch = rows;
    batch.batch_rows = 150;
    batch.leaves.push_back({.side = BLV_INNER, .leaf = BLV_BATCH, .per_step = true});
    all.push_back(batch);
    Case hvp = hvp_case(BLV_LOGISTIC, BLV_SOFTPLUS, 3, dtype);
    hvp.rows = 400;
    hvp.tasks = 3;
    all.push_back(hvp);
    Case evaluate = evaluate_case(BLV_CROSS_ENTROPY, BLV_SIGMOID, dtype);
    evaluate.rows = 500;
    evaluate.tasks = 5;
    for (Leaf &leaf : evaluate.leaves) leaf.shared = leaf.sum = leaf.leaf == BLV_THETA;
    all.push_back(evaluate);
  }
  return all;
}

void expect_same(const Problem &p, const Outcome &a, const Outcome &b) {
  ASSERT_EQ(a.status, BLV_OK) << a.error;
  ASSERT_EQ(b.status, BLV_OK) << b.error;
  for (size_t i = 0; i < p.arrays.size(); i++)
    ASSERT_TRUE(same(a.values[i], b.values[i])) << "slot " << i << " leaf " << p.arrays[i].leaf.leaf;
  ASSERT_EQ(a.info.size(), b.info.size());
  for (size_t t = 0; t < a.info.size(); t++) {
    ASSERT_EQ(a.info[t].status, b.info[t].status);
    ASSERT_TRUE(same(a.info[t].loss, b.info[t].loss)) << "task " << t;
    ASSERT_TRUE(same(a.info[t].gradient_norm, b.info[t].gradient_norm)) << "task " << t;
  }
}

TEST(Determinism, NumberOfThreads) {
  for (const Case &c : cases()) {
    Problem p(c);
    for (int executor : executors()) {
      for (int isa : levels()) {
        p.c.executor = executor;
        SCOPED_TRACE(name_of(p.c, {.isa = isa}));
        const Outcome one = run(p, {.isa = isa, .threads = 1});
        for (int threads : {2, 7})
          ASSERT_NO_FATAL_FAILURE(expect_same(p, one, run(p, {.isa = isa, .threads = threads})));
      }
    }
  }
}

TEST(Determinism, MaxThreadsOfThePlan) {
  for (const Case &c : cases()) {
    Problem p(c);
    for (int executor : executors()) {
      p.c.executor = executor;
      p.c.max_threads = 0;
      const Outcome all = run(p, {.threads = 4});
      p.c.max_threads = 1;
      ASSERT_NO_FATAL_FAILURE(expect_same(p, all, run(p, {.threads = 4})));
    }
  }
}

// Hooks: backwards in the calling thread; and each index on a thread of its own.
void backwards(void *, int64_t n, void (*fn)(void *, int64_t), void *arg) {
  for (int64_t i = n; i-- > 0;) fn(arg, i);
}
void one_thread_each(void *user, int64_t n, void (*fn)(void *, int64_t), void *arg) {
  ++*static_cast<int64_t *>(user);
  std::vector<std::thread> threads;
  for (int64_t i = 0; i < n; i++) threads.emplace_back(fn, arg, i);
  for (std::thread &t : threads) t.join();
}

TEST(Determinism, UserHook) {
  for (const Case &c : cases()) {
    Problem p(c);
    for (int executor : executors()) {
      p.c.executor = executor;
      SCOPED_TRACE(name_of(p.c, {}));
      const Outcome own = run(p, {.threads = 1});
      int64_t calls = 0;
      ASSERT_NO_FATAL_FAILURE(expect_same(p, own, run(p, {.threads = 3, .parallel_for = backwards})));
      ASSERT_NO_FATAL_FAILURE(
          expect_same(p, own, run(p, {.threads = 3, .parallel_for = one_thread_each, .user = &calls})));
      // Several tasks a core, or more rows than one partial sum takes: then there is work for more than one thread.
      const bool divisible = executor == BLV_TASK_PER_CORE || (executor == BLV_ROWS_OVER_CORES && c.rows >= 400);
      EXPECT_TRUE(calls > 0 || !divisible) << "the hook was not used";
    }
  }
}

// A case without anything shared, so that tasks can be moved.
Case independent(int dtype, int kind) {
  Case c = kind == BLV_UNROLL ? unroll_case(BLV_CROSS_ENTROPY, BLV_TANH, BLV_HEAVY_BALL, dtype)
           : kind == BLV_HVP  ? hvp_case(BLV_SQUARED, BLV_TANH, 2, dtype)
                              : evaluate_case(BLV_LOGISTIC, BLV_TANH, dtype);
  c.tasks = 35;
  c.rows = 6;
  return c;
}

// Copies the inputs of one task.
void move_task(const Problem &from, int64_t task, Problem &to, int64_t place) {
  for (size_t i = 0; i < from.arrays.size(); i++) {
    const Array &a = from.arrays[i];
    if (a.written()) continue;
    for (int64_t j = 0; j < a.task_stride; j++)
      to.arrays[i].set(place * a.task_stride + j, a.get(task * a.task_stride + j));
  }
}

void expect_same_task(const Problem &p, const Outcome &a, int64_t task, const Outcome &b, int64_t place) {
  ASSERT_EQ(a.status, BLV_OK) << a.error;
  ASSERT_EQ(b.status, BLV_OK) << b.error;
  for (size_t i = 0; i < p.arrays.size(); i++) {
    const int64_t per_task = p.arrays[i].steps * p.arrays[i].rows * p.arrays[i].columns;
    for (int64_t j = 0; p.arrays[i].written() && p.arrays[i].task_stride && j < per_task; j++) {
      ASSERT_TRUE(same(a.values[i][task * per_task + j], b.values[i][place * per_task + j]))
          << "slot " << i << " leaf " << p.arrays[i].leaf.leaf << " task " << task << " at " << place << " element "
          << j;
    }
  }
  ASSERT_TRUE(same(a.info[task].loss, b.info[place].loss));
  ASSERT_TRUE(same(a.info[task].gradient_norm, b.info[place].gradient_norm));
}

TEST(Determinism, PlaceInTheBatch) {
  for (int dtype : {BLV_F64, BLV_F32}) {
    for (int kind : {BLV_EVALUATE, BLV_HVP, BLV_UNROLL}) {
      Problem p(independent(dtype, kind)), q(independent(dtype, kind));
      const int64_t n = p.c.tasks;
      for (int64_t t = 0; t < n; t++) move_task(p, t, q, (t * 13 + 5) % n);
      for (int executor : executors()) {
        for (int isa : levels()) {
          p.c.executor = q.c.executor = executor;
          SCOPED_TRACE(name_of(p.c, {.isa = isa}));
          const Outcome a = run(p, {.isa = isa}), b = run(q, {.isa = isa});
          for (int64_t t = 0; t < n; t++) ASSERT_NO_FATAL_FAILURE(expect_same_task(p, a, t, b, (t * 13 + 5) % n));
        }
      }
    }
  }
}

// A task alone: in an execute of one task of the same plan, and in a plan for one task with the executor named.
TEST(Determinism, Alone) {
  for (int dtype : {BLV_F64, BLV_F32}) {
    for (int kind : {BLV_EVALUATE, BLV_HVP, BLV_UNROLL}) {
      Problem p(independent(dtype, kind)), q(independent(dtype, kind));
      Case single = independent(dtype, kind);
      single.tasks = 1;
      Problem alone(single);
      for (int executor : executors()) {
        p.c.executor = q.c.executor = alone.c.executor = executor;
        SCOPED_TRACE(name_of(p.c, {}));
        const Outcome all = run(p);
        for (int64_t t : {0, 3, 16, 34}) {
          move_task(p, t, q, 0);
          ASSERT_NO_FATAL_FAILURE(expect_same_task(p, all, t, run(q, {}, 1), 0));
          move_task(p, t, alone, 0);
          ASSERT_NO_FATAL_FAILURE(expect_same_task(p, all, t, run(alone), 0));
        }
      }
    }
  }
}

// Every second task is NaN, in its features or its parameters: the others do not notice.
TEST(Determinism, BesideNaN) {
  for (int dtype : {BLV_F64, BLV_F32}) {
    for (int kind : {BLV_EVALUATE, BLV_HVP, BLV_UNROLL}) {
      for (int executor : executors()) {
        for (int isa : levels()) {
          Problem p(independent(dtype, kind));
          p.c.executor = executor;
          SCOPED_TRACE(name_of(p.c, {.isa = isa}));
          const Outcome clean = run(p, {.isa = isa});
          Array &theta = *p.find(BLV_METHOD, kind == BLV_UNROLL ? BLV_THETA0 : BLV_THETA, BLV_VALUE);
          Array &x = *p.find(BLV_INNER, BLV_X, BLV_VALUE);
          for (int64_t t = 1; t < p.c.tasks; t += 2) {
            Array &bad = t % 4 == 1 ? theta : x;
            bad.set(bad.offset(t, 0, 0, 1), t % 3 ? std::nan("") : HUGE_VAL);
          }
          const Outcome out = run(p, {.isa = isa});
          ASSERT_EQ(out.status, BLV_OK) << out.error;
          for (int64_t t = 0; t < p.c.tasks; t++) {
            if (t % 2) {
              ASSERT_EQ(out.info[t].status, BLV_TASK_NOT_FINITE) << "task " << t;
            } else {
              ASSERT_EQ(out.info[t].status, BLV_TASK_OK) << "task " << t;
              ASSERT_NO_FATAL_FAILURE(expect_same_task(p, clean, t, out, t));
            }
          }
        }
      }
    }
  }
}

// The same plan run again on the same data gives the same bits, also after other data went through the same workspace.
TEST(Determinism, Again) {
  for (const Case &c : cases()) {
    Problem p(c);
    const Context context;
    const Plan plan(context.handle, p.spec());
    ASSERT_EQ(plan.status, BLV_OK) << blv_context_error(context.handle);
    const Outcome first = execute(context.handle, plan, p);
    ASSERT_NO_FATAL_FAILURE(expect_same(p, first, execute(context.handle, plan, p)));
  }
}

// Instruction sets and executors agree to rounding.
TEST(Determinism, LevelsAndExecutorsAgree) {
  for (const Case &c : cases()) {
    Problem p(c);
    p.c.executor = BLV_TASK_PER_CORE;
    const Outcome base = run(p, {.isa = BLV_ISA_X86_64_V2});
    ASSERT_EQ(base.status, BLV_OK) << base.error;
    for (int executor : executors()) {
      for (int isa : levels()) {
        p.c.executor = executor;
        const Outcome out = run(p, {.isa = isa});
        ASSERT_EQ(out.status, BLV_OK) << out.error;
        ASSERT_EQ(difference(p, out.values, base.values), "") << name_of(p.c, {.isa = isa});
      }
    }
  }
}

}  // namespace
