// SPDX-License-Identifier: Apache-2.0
//
// Wrong arguments of every entry point but blv_plan_create: status, message, and outputs untouched.
#include "bad_call.h"

namespace {

using namespace harness;

TEST(BadCall, ContextCreate) {
  struct Row {
    const char *name;
    void (*spoil)(blv_context_options &);
    blv_status status;
    const char *words;
  };
  const Row table[] = {
      {"size 0", [](blv_context_options &o) { o.size = 0; }, BLV_VERSION_MISMATCH, "size|0"},
      {"older", [](blv_context_options &o) { o.size -= 8; }, BLV_VERSION_MISMATCH, "size"},
      {"newer", [](blv_context_options &o) { o.size += 8; }, BLV_VERSION_MISMATCH, "size"},
      {"device", [](blv_context_options &o) { o.device = -2; }, BLV_INVALID, "device|-2"},
      {"no such device", [](blv_context_options &o) { o.device = 1000; }, BLV_NO_DEVICE, "device|1000"},
      {"isa", [](blv_context_options &o) { o.max_isa = 1; }, BLV_INVALID, "max_isa|1"},
      {"isa 5", [](blv_context_options &o) { o.max_isa = 5; }, BLV_INVALID, "max_isa|5"},
      {"threads", [](blv_context_options &o) { o.threads = -1; }, BLV_INVALID, "threads|-1"},
      {"too many threads", [](blv_context_options &o) { o.threads = 4097; }, BLV_INVALID, "threads|4097"},
      {"reserved", [](blv_context_options &o) { o.reserved = 3; }, BLV_INVALID, "reserved|3"},
      {"stream", [](blv_context_options &o) { o.stream = &o; }, BLV_INVALID, "stream"},
  };
  for (const Row &row : table) {
    SCOPED_TRACE(row.name);
    blv_context_options o = {};
    o.size = sizeof o;
    o.device = BLV_DEVICE_CPU;
    row.spoil(o);
    blv_context context = reinterpret_cast<blv_context>(&o);
    EXPECT_EQ(blv_context_create(&o, &context), row.status);
    EXPECT_EQ(context, nullptr);
    expect_message(blv_context_error(nullptr), row.words);
  }
  EXPECT_EQ(blv_context_create(nullptr, nullptr), BLV_INVALID);
  expect_message(blv_context_error(nullptr), "out|NULL");
  blv_context_destroy(nullptr);
}

// Every level of this machine can be forced; none above it is given quietly.
TEST(BadCall, InstructionSets) {
  const std::vector<int> have = levels();
  for (int isa : {BLV_ISA_X86_64_V2, BLV_ISA_X86_64_V3, BLV_ISA_X86_64_V4}) {
    const Context context({.isa = isa});
    const bool possible = std::find(have.begin(), have.end(), isa) != have.end();
    EXPECT_EQ(context.status, possible ? BLV_OK : BLV_UNSUPPORTED) << "level " << isa;
  }
}

TEST(BadCall, PlanArguments) {
  const Context context;
  Problem p(evaluate_case(BLV_SQUARED, BLV_TANH));
  blv_plan plan = nullptr;
  EXPECT_EQ(blv_plan_create(nullptr, p.spec(), &plan), BLV_INVALID);
  expect_message(blv_context_error(nullptr), "context|NULL");
  EXPECT_EQ(blv_plan_create(context.handle, nullptr, &plan), BLV_INVALID);
  expect_message(blv_context_error(context.handle), "spec|NULL");
  EXPECT_EQ(blv_plan_create(context.handle, p.spec(), nullptr), BLV_INVALID);
  expect_message(blv_context_error(context.handle), "out|NULL");
  blv_plan_destroy(nullptr);
}

TEST(BadCall, Sizes) {
  const Context context;
  Problem p(evaluate_case(BLV_SQUARED, BLV_TANH));
  const Plan plan(context.handle, p.spec());
  blv_sizes s;
  for (int64_t size : {INT64_C(0), int64_t(sizeof s) + 8, INT64_C(-1)}) {
    std::memset(&s, kPoison, sizeof s);
    s.size = size;
    EXPECT_EQ(blv_plan_sizes(plan.handle, &s), BLV_VERSION_MISMATCH) << size;
    EXPECT_EQ(reinterpret_cast<unsigned char *>(&s.workspace_bytes)[0], kPoison);
  }
  EXPECT_EQ(blv_plan_sizes(plan.handle, nullptr), BLV_INVALID);
  s.size = sizeof s;
  EXPECT_EQ(blv_plan_sizes(nullptr, &s), BLV_INVALID);
  expect_message(blv_context_error(nullptr), "plan|NULL");
}

TEST(BadCall, Extent) {
  const Context context;
  Case c = unroll_case(BLV_CROSS_ENTROPY, BLV_TANH, BLV_HEAVY_BALL, BLV_F64, {.labels = BLV_I32, .pad = 2},
                       {.shared = true, .sum = true});
  Problem p(c);
  const Plan plan(context.handle, p.spec());
  int64_t elements = -7;
  for (int64_t slot : {INT64_C(-1), p.spec()->n_slots, INT64_MAX}) {
    EXPECT_EQ(blv_plan_extent(plan.handle, slot, &elements), BLV_INVALID);
    EXPECT_EQ(elements, -7);
    expect_message(blv_context_error(nullptr), "slot|" + std::to_string(slot));
  }
  EXPECT_EQ(blv_plan_extent(nullptr, 0, &elements), BLV_INVALID);
  EXPECT_EQ(blv_plan_extent(plan.handle, 0, nullptr), BLV_INVALID);
  for (size_t i = 0; i < p.arrays.size(); i++) {
    EXPECT_EQ(blv_plan_extent(plan.handle, int64_t(i), &elements), BLV_OK);
    EXPECT_EQ(elements, p.arrays[i].extent()) << "slot " << i << " leaf " << p.arrays[i].leaf.leaf;
  }
}

TEST(BadCall, Describe) {
  const Context context;
  Problem p(evaluate_case(BLV_SQUARED, BLV_TANH));
  const Plan plan(context.handle, p.spec());
  int64_t needed = 0;
  EXPECT_EQ(blv_plan_describe(plan.handle, nullptr, 0, &needed), BLV_TOO_SMALL);
  ASSERT_GT(needed, 2);
  std::vector<char> text(static_cast<size_t>(needed) + 1, '#');
  EXPECT_EQ(blv_plan_describe(plan.handle, text.data(), needed - 1, nullptr), BLV_TOO_SMALL);
  EXPECT_EQ(std::count(text.begin(), text.end(), '#'), needed + 1) << "text was touched";
  EXPECT_EQ(blv_plan_describe(plan.handle, text.data(), needed, &needed), BLV_OK);
  EXPECT_EQ(text[needed - 1], '\0');
  EXPECT_EQ(text[needed], '#');
  EXPECT_EQ(text[0], '{');
  EXPECT_EQ(text[needed - 2], '}');
  EXPECT_EQ(blv_plan_describe(plan.handle, nullptr, 10, &needed), BLV_INVALID);
  EXPECT_EQ(blv_plan_describe(plan.handle, text.data(), -1, &needed), BLV_INVALID);
  EXPECT_EQ(blv_plan_describe(nullptr, text.data(), needed, &needed), BLV_INVALID);
}

// The arguments of a good execute, to be spoilt.
struct Call {
  blv_context context;
  blv_plan plan;
  int64_t tasks;
  std::vector<void *> data;
  void *const *data_pointer;
  void *workspace;
  int64_t bytes;
  void *state;
  blv_task_info *info;
  Problem *p;
  size_t at(int side, int leaf, int use) { return static_cast<size_t>(p->find(side, leaf, use) - p->arrays.data()); }
};

struct Row {
  const char *name;
  void (*spoil)(Call &);
  blv_status status;
  const char *words;
};

const Row kExecute[] = {
    {"context", [](Call &c) { c.context = nullptr; }, BLV_INVALID, "context|NULL"},
    {"plan", [](Call &c) { c.plan = nullptr; }, BLV_INVALID, "plan|NULL"},
    {"tasks", [](Call &c) { c.tasks = -1; }, BLV_INVALID, "tasks|-1"},
    {"too many tasks", [](Call &c) { c.tasks = 4; }, BLV_INVALID, "tasks|4"},
    {"data", [](Call &c) { c.data_pointer = nullptr; }, BLV_INVALID, "data|NULL"},
    {"first array", [](Call &c) { c.data[0] = nullptr; }, BLV_INVALID, "data[0]|NULL"},
    {"last array", [](Call &c) { c.data.back() = nullptr; }, BLV_INVALID, "data[|NULL"},
    {"workspace", [](Call &c) { c.workspace = nullptr; }, BLV_INVALID, "workspace|NULL"},
    {"workspace_bytes", [](Call &c) { c.bytes -= 1; }, BLV_TOO_SMALL, "workspace_bytes"},
    {"negative workspace_bytes", [](Call &c) { c.bytes = -1; }, BLV_TOO_SMALL, "workspace_bytes|-1"},
    {"workspace alignment", [](Call &c) { c.workspace = static_cast<char *>(c.workspace) + 8, c.bytes += 8; },
     BLV_INVALID, "workspace"},
    {"state", [](Call &c) { c.state = c.workspace; }, BLV_INVALID, "state"},
    {"array alignment", [](Call &c) { c.data[0] = static_cast<char *>(c.data[0]) + 4; }, BLV_INVALID, "data[0]|align"},
    {"output is an input",
     [](Call &c) { c.data[c.at(BLV_INNER, BLV_X, BLV_GRADIENT)] = c.data[c.at(BLV_INNER, BLV_X, BLV_VALUE)]; },
     BLV_INVALID, "overlap"},
    {"outputs are one",
     [](Call &c) { c.data[c.at(BLV_INNER, BLV_X, BLV_GRADIENT)] = c.data[c.at(BLV_OUTER, BLV_X, BLV_GRADIENT)]; },
     BLV_INVALID, "overlap"},
    {"last element overlaps",
     [](Call &c) {
       const Array &x = *c.p->find(BLV_INNER, BLV_X, BLV_VALUE);
       c.data[c.at(BLV_METHOD, BLV_LOSS, BLV_RESULT)] = static_cast<double *>(x.memory->data()) + x.extent() - 1;
     },
     BLV_INVALID, "overlap"},
    {"output in the workspace", [](Call &c) { c.data[c.at(BLV_METHOD, BLV_LOSS, BLV_RESULT)] = c.workspace; },
     BLV_INVALID, "workspace|overlap"},
    {"input in the workspace", [](Call &c) { c.data[c.at(BLV_METHOD, BLV_RATE, BLV_VALUE)] = c.workspace; },
     BLV_INVALID, "workspace|overlap"},
    {"info in an output",
     [](Call &c) { c.info = static_cast<blv_task_info *>(c.data[c.at(BLV_INNER, BLV_X, BLV_GRADIENT)]); }, BLV_INVALID,
     "info|overlap"},
};

TEST(BadCall, Execute) {
  const Context context;
  Problem p(unroll_case(BLV_SQUARED, BLV_TANH, BLV_SGD));
  const Plan plan(context.handle, p.spec());
  ASSERT_EQ(plan.status, BLV_OK) << blv_context_error(context.handle);
  const blv_sizes sizes = plan.sizes();
  Guarded workspace(sizes.workspace_bytes + 64, sizes.workspace_align, Side::kLow);
  Guarded info(int64_t(sizeof(blv_task_info)) * p.c.tasks, 8, Side::kHigh);
  for (const Row &row : kExecute) {
    SCOPED_TRACE(row.name);
    Call call{context.handle,
              plan.handle,
              p.c.tasks,
              p.pointers(),
              nullptr,
              workspace.data(),
              sizes.workspace_bytes,
              nullptr,
              static_cast<blv_task_info *>(info.data()),
              &p};
    call.data_pointer = call.data.data();
    row.spoil(call);
    EXPECT_EQ(blv_execute(call.context, call.plan, call.tasks, call.data_pointer, call.workspace, call.bytes,
                          call.state, call.info),
              row.status);
    expect_message(blv_context_error(call.context), row.words);
    EXPECT_TRUE(info.all_poison()) << "info was touched";
    EXPECT_TRUE(workspace.all_poison()) << "the workspace was touched";
    for (size_t i = 0; i < p.arrays.size(); i++) {
      EXPECT_TRUE(!p.arrays[i].written() || p.arrays[i].memory->all_poison()) << "slot " << i << " was touched";
    }
  }
  const std::vector<void *> data = p.pointers();  // and the good call is good, also without info
  EXPECT_EQ(blv_execute(context.handle, plan.handle, p.c.tasks, data.data(), workspace.data(), sizes.workspace_bytes,
                        nullptr, nullptr),
            BLV_OK);
}

// Inputs may be one another.
TEST(BadCall, InputsMayAlias) {
  const Context context;
  Problem p(unroll_case(BLV_SQUARED, BLV_TANH, BLV_SGD));
  const Plan plan(context.handle, p.spec());
  std::vector<void *> data = p.pointers();
  for (size_t i = 0; i < data.size(); i++) {
    if (p.arrays[i].slot.side == BLV_OUTER && !p.arrays[i].written())
      data[i] = p.find(BLV_INNER, p.arrays[i].leaf.leaf, BLV_VALUE)->memory->data();
  }
  const blv_sizes sizes = plan.sizes();
  Guarded workspace(sizes.workspace_bytes, sizes.workspace_align, Side::kLow);
  EXPECT_EQ(blv_execute(context.handle, plan.handle, 3, data.data(), workspace.data(), sizes.workspace_bytes, nullptr,
                        nullptr),
            BLV_OK)
      << blv_context_error(context.handle);
}

// An array without elements may be NULL, also one that is written.
TEST(BadCall, EmptyArraysMayBeNull) {
  const Context context;
  Case c = unroll_case(BLV_SQUARED, BLV_TANH, BLV_SGD);
  c.rows = 0;
  Problem p(c);
  const Plan plan(context.handle, p.spec());
  ASSERT_EQ(plan.status, BLV_OK) << blv_context_error(context.handle);
  std::vector<void *> data = p.pointers();
  int empty = 0;
  for (size_t i = 0; i < data.size(); i++) {
    if (p.arrays[i].extent() == 0) data[i] = nullptr, empty++;
  }
  EXPECT_EQ(empty, 6);  // x, y and weight of the inner loss, and their gradients
  const blv_sizes sizes = plan.sizes();
  Guarded workspace(sizes.workspace_bytes, sizes.workspace_align, Side::kLow);
  EXPECT_EQ(blv_execute(context.handle, plan.handle, c.tasks, data.data(), workspace.data(), sizes.workspace_bytes,
                        nullptr, nullptr),
            BLV_OK)
      << blv_context_error(context.handle);
}

// Without a step a rate or a momentum has no elements, whatever its extent and strides; theta_T is theta_0, and what is
// summed over steps is 0.
TEST(BadCall, WithoutAStepRatesMayBeNull) {
  for (const int executor : executors()) {
    for (const int extent : {BLV_SCALAR, BLV_PER_PARAMETER}) {
      for (const bool per_step : {false, true}) {
        SCOPED_TRACE(testing::Message() << executor << ' ' << extent << ' ' << per_step);
        Case c = unroll_case(BLV_SQUARED, BLV_TANH, BLV_HEAVY_BALL);
        c.steps = 0;
        c.executor = executor;
        for (const int leaf : {BLV_RATE, BLV_MOMENTUM}) {
          leaf_in(c, BLV_METHOD, leaf).extent = extent;
          leaf_in(c, BLV_METHOD, leaf).per_step = per_step;
          leaf_in(c, BLV_METHOD, leaf).link = BLV_EXP;
        }
        Problem p(c);
        const Context context;
        const Plan plan(context.handle, p.spec());
        ASSERT_EQ(plan.status, BLV_OK) << blv_context_error(context.handle);
        std::vector<void *> data = p.pointers();
        int empty = 0;
        for (size_t i = 0; i < data.size(); i++) {
          int64_t elements = -1;
          ASSERT_EQ(blv_plan_extent(plan.handle, int64_t(i), &elements), BLV_OK);
          if (elements == 0) data[i] = nullptr, empty++;
        }
        EXPECT_EQ(empty, per_step ? 4 : 2);  // and their gradients, where each step has its own
        const blv_sizes sizes = plan.sizes();
        Guarded workspace(sizes.workspace_bytes, sizes.workspace_align, Side::kHigh);
        EXPECT_EQ(blv_execute(context.handle, plan.handle, c.tasks, data.data(), workspace.data(),
                              sizes.workspace_bytes, nullptr, nullptr),
                  BLV_OK)
            << blv_context_error(context.handle);
        const Array &from = *p.find(BLV_METHOD, BLV_THETA0, BLV_VALUE),
                    &to = *p.find(BLV_METHOD, BLV_THETA, BLV_RESULT);
        for (int64_t task = 0; task < c.tasks; task++) {
          for (int64_t i = 0; i < c.parameters(); i++)
            EXPECT_EQ(to.get(to.offset(task, 0, 0, i)), from.get(from.offset(task, 0, 0, i)));
        }
        if (per_step) continue;
        const Array &gradient = *p.find(BLV_METHOD, BLV_RATE, BLV_GRADIENT);
        for (int64_t task = 0; task < c.tasks; task++) EXPECT_EQ(gradient.get(gradient.offset(task, 0, 0, 0)), 0);
      }
    }
  }
}

// Strides of an array without elements lead nowhere: also not beyond what an offset can count (under UBSan).
TEST(BadCall, EmptyArraysMayHaveAnyStrides) {
  for (const int executor : executors()) {
    Case c = unroll_case(BLV_SQUARED, BLV_TANH, BLV_SGD);
    c.rows = 0;
    c.executor = executor;
    Editable e(c);
    std::vector<void *> data = e.problem.pointers();
    for (size_t i = 0; i < data.size(); i++) {
      if (e.problem.arrays[i].extent() != 0) continue;
      e.slots[i].task_stride = e.slots[i].row_stride = INT64_MAX;
      if (e.slots[i].leaf == BLV_WEIGHT || e.slots[i].leaf == BLV_X || e.slots[i].leaf == BLV_Y) data[i] = nullptr;
    }
    const Context context;
    const Plan plan(context.handle, &e.spec);
    ASSERT_EQ(plan.status, BLV_OK) << blv_context_error(context.handle);
    const blv_sizes sizes = plan.sizes();
    Guarded workspace(sizes.workspace_bytes, sizes.workspace_align, Side::kLow);
    EXPECT_EQ(blv_execute(context.handle, plan.handle, c.tasks, data.data(), workspace.data(), sizes.workspace_bytes,
                          nullptr, nullptr),
              BLV_OK)
        << blv_context_error(context.handle);
  }
}

TEST(BadCall, PlanOfAnotherInstructionSet) {
  if (levels().size() < 2) GTEST_SKIP() << "this machine has one level only";
  const Context best, lowest({.isa = BLV_ISA_X86_64_V2});
  Problem p(evaluate_case(BLV_SQUARED, BLV_TANH));
  const Plan plan(best.handle, p.spec());
  const Outcome out = execute(lowest.handle, plan, p);
  EXPECT_EQ(out.status, BLV_UNSUPPORTED);
  EXPECT_FALSE(out.error.empty());
}

TEST(BadCall, ParameterCount) {
  const int64_t widths[] = {3, 4, 2}, zero[] = {3, 0, 2}, huge[] = {INT64_MAX / 2, INT64_MAX / 2};
  EXPECT_EQ(blv_parameter_count(3, widths, 0), 26);
  EXPECT_EQ(blv_parameter_count(3, widths, BLV_NO_BIAS), 20);
  EXPECT_EQ(blv_parameter_count(2, widths, 0), 16);
  EXPECT_EQ(blv_parameter_count(1, widths, 0), -1);
  EXPECT_EQ(blv_parameter_count(3, nullptr, 0), -1);
  EXPECT_EQ(blv_parameter_count(3, zero, 0), -1);
  EXPECT_EQ(blv_parameter_count(2, huge, 0), -1);
  EXPECT_EQ(blv_parameter_count(-1, widths, 0), -1);
}

TEST(BadCall, StatusNamesAndVersion) {
  const std::pair<blv_status, const char *> names[] = {{BLV_OK, "BLV_OK"},
                                                       {BLV_INVALID, "BLV_INVALID"},
                                                       {BLV_UNSUPPORTED, "BLV_UNSUPPORTED"},
                                                       {BLV_TOO_SMALL, "BLV_TOO_SMALL"},
                                                       {BLV_NO_DEVICE, "BLV_NO_DEVICE"},
                                                       {BLV_NO_MEMORY, "BLV_NO_MEMORY"},
                                                       {BLV_VERSION_MISMATCH, "BLV_VERSION_MISMATCH"},
                                                       {BLV_CANCELLED, "BLV_CANCELLED"},
                                                       {BLV_DEVICE_FAULT, "BLV_DEVICE_FAULT"},
                                                       {BLV_INTERNAL, "BLV_INTERNAL"},
                                                       {BLV_HOOK_FAILED, "BLV_HOOK_FAILED"},
                                                       {99, "unknown status"},
                                                       {-77, "unknown status"}};
  for (const auto &[status, name] : names) {
    EXPECT_STREQ(blv_status_name(status), name);
    EXPECT_GT(std::strlen(blv_status_text(status)), 5u);
  }
  EXPECT_EQ(blv_version(), BLV_VERSION_MAJOR * 10000 + BLV_VERSION_MINOR * 100 + BLV_VERSION_PATCH);
}

}  // namespace
