// SPDX-License-Identifier: Apache-2.0
//
// The results of a task are the same, bit for bit, wherever it stands in its batch, alone or with others, whatever its neighbours
// are, and however often it is run.
#include "same_bits.h"

namespace {

using namespace harness;

TEST(Place, PlaceInTheBatch) {
  for (int dtype : {BLV_F64, BLV_F32}) {
    for (int kind : {BLV_EVALUATE, BLV_HVP, BLV_UNROLL, BLV_FORWARD, BLV_IMPLICIT}) {
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
TEST(Place, Alone) {
  for (int dtype : {BLV_F64, BLV_F32}) {
    for (int kind : {BLV_EVALUATE, BLV_HVP, BLV_UNROLL, BLV_FORWARD, BLV_IMPLICIT}) {
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
TEST(Place, BesideNaN) {
  for (int dtype : {BLV_F64, BLV_F32}) {
    for (int kind : {BLV_EVALUATE, BLV_HVP, BLV_UNROLL, BLV_FORWARD, BLV_IMPLICIT}) {
      for (int executor : executors()) {
        for (int isa : levels()) {
          Problem p(independent(dtype, kind));
          p.c.executor = executor;
          SCOPED_TRACE(name_of(p.c, {.isa = isa}));
          const Outcome clean = run(p, {.isa = isa});
          Array &theta = *p.find(BLV_METHOD, p.c.trains() ? BLV_THETA0 : BLV_THETA, BLV_VALUE);
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
TEST(Place, Again) {
  for (const Case &c : dividing_cases()) {
    Problem p(c);
    const Context context;
    const Plan plan(context.handle, p.spec());
    ASSERT_EQ(plan.status, BLV_OK) << blv_context_error(context.handle);
    const Outcome first = execute(context.handle, plan, p);
    ASSERT_NO_FATAL_FAILURE(expect_same(p, first, execute(context.handle, plan, p)));
  }
}

}  // namespace
