// SPDX-License-Identifier: Apache-2.0
//
// Device calls that must be refused before any work: pointers that are no device pointers, arguments that do not fit, plans and
// contexts that do not belong together. Every message names the argument, and nothing that an execute writes has been touched.
#include "../capi/bad_call.h"
#include "placed.h"

namespace {

using namespace harness;

// The arguments of a good execute, to be spoilt.
struct Call {
  blv_context context;
  blv_plan plan;
  int64_t tasks;
  std::vector<void *> data;
  bool no_data = false;
  char *workspace;
  int64_t bytes;
  void *state = nullptr;
  blv_task_info *info;
  Problem *p;
  void *pageable, *pinned, *freed;

  size_t at(int side, int leaf, int use) const {
    return static_cast<size_t>(p->find(side, leaf, use) - p->arrays.data());
  }
};

struct Row {
  const char *name;
  void (*spoil)(Call &);
  blv_status status;
  const char *words;
};

const Row kRows[] = {
    {"context", [](Call &c) { c.context = nullptr; }, BLV_INVALID, "context|NULL"},
    {"plan", [](Call &c) { c.plan = nullptr; }, BLV_INVALID, "plan|NULL"},
    {"tasks", [](Call &c) { c.tasks = -1; }, BLV_INVALID, "tasks|-1"},
    {"too many tasks", [](Call &c) { c.tasks = 4; }, BLV_INVALID, "tasks|4"},
    {"data", [](Call &c) { c.no_data = true; }, BLV_INVALID, "data|NULL"},
    {"first array", [](Call &c) { c.data[0] = nullptr; }, BLV_INVALID, "data[0]|NULL"},
    {"last array", [](Call &c) { c.data.back() = nullptr; }, BLV_INVALID, "data[|NULL"},
    {"input on the host", [](Call &c) { c.data[0] = c.pageable; }, BLV_INVALID, "data[0]|host"},
    {"input in pinned memory", [](Call &c) { c.data[0] = c.pinned; }, BLV_INVALID, "data[0]|host"},
    {"input was freed", [](Call &c) { c.data[0] = c.freed; }, BLV_INVALID, "data[0]"},
    {"output on the host", [](Call &c) { c.data.back() = c.pageable; }, BLV_INVALID, "data[|host"},
    {"output in pinned memory", [](Call &c) { c.data.back() = c.pinned; }, BLV_INVALID, "data[|host"},
    {"workspace on the host", [](Call &c) { c.workspace = static_cast<char *>(c.pageable); }, BLV_INVALID,
     "workspace|host"},
    {"workspace in pinned memory", [](Call &c) { c.workspace = static_cast<char *>(c.pinned); }, BLV_INVALID,
     "workspace|host"},
    {"info on the host", [](Call &c) { c.info = static_cast<blv_task_info *>(c.pageable); }, BLV_INVALID, "info|host"},
    {"workspace", [](Call &c) { c.workspace = nullptr; }, BLV_INVALID, "workspace|NULL"},
    {"workspace_bytes", [](Call &c) { c.bytes -= 1; }, BLV_TOO_SMALL, "workspace_bytes"},
    {"negative workspace_bytes", [](Call &c) { c.bytes = -1; }, BLV_TOO_SMALL, "workspace_bytes|-1"},
    {"workspace alignment", [](Call &c) { c.workspace += 8; }, BLV_INVALID, "workspace|align"},
    {"array alignment", [](Call &c) { c.data[0] = static_cast<char *>(c.data[0]) + 4; }, BLV_INVALID, "data[0]|align"},
    {"output alignment", [](Call &c) { c.data.back() = static_cast<char *>(c.data.back()) + 1; }, BLV_INVALID,
     "data[|align"},
    {"info alignment",
     [](Call &c) { c.info = reinterpret_cast<blv_task_info *>(reinterpret_cast<char *>(c.info) + 4); }, BLV_INVALID,
     "info|align"},
    {"state", [](Call &c) { c.state = c.workspace; }, BLV_INVALID, "state"},
    {"output is an input",
     [](Call &c) { c.data[c.at(BLV_INNER, BLV_X, BLV_GRADIENT)] = c.data[c.at(BLV_INNER, BLV_X, BLV_VALUE)]; },
     BLV_INVALID, "overlap"},
    {"outputs are one",
     [](Call &c) { c.data[c.at(BLV_INNER, BLV_X, BLV_GRADIENT)] = c.data[c.at(BLV_OUTER, BLV_X, BLV_GRADIENT)]; },
     BLV_INVALID, "overlap"},
    {"output in the workspace", [](Call &c) { c.data[c.at(BLV_METHOD, BLV_LOSS, BLV_RESULT)] = c.workspace; },
     BLV_INVALID, "workspace|overlap"},
    {"input in the workspace", [](Call &c) { c.data[c.at(BLV_METHOD, BLV_RATE, BLV_VALUE)] = c.workspace; },
     BLV_INVALID, "workspace|overlap"},
    {"info in an output",
     [](Call &c) { c.info = static_cast<blv_task_info *>(c.data[c.at(BLV_INNER, BLV_X, BLV_GRADIENT)]); }, BLV_INVALID,
     "info|overlap"},
};

// Host memory, pageable and pinned, and a device pointer whose memory is gone.
struct Elsewhere {
  Elsewhere() : pageable(1 << 22) {
    EXPECT_EQ(cuda_error(cudaMallocHost(&pinned, 1 << 22)), "");
    EXPECT_EQ(cuda_error(cudaMalloc(&freed, 1 << 26)), "");  // large: a block of its own, which goes back to the system
    EXPECT_EQ(cuda_error(cudaFree(freed)), "");
  }
  ~Elsewhere() { cudaFreeHost(pinned); }
  void *aligned() { return pageable.data() + (4096 - reinterpret_cast<uintptr_t>(pageable.data()) % 4096); }
  std::vector<char> pageable;
  void *pinned = nullptr, *freed = nullptr;
};

// A problem that has a workspace on the device, whatever fits into shared memory.
Case large_case(int executor) {
  Case c = unroll_case(BLV_SQUARED, BLV_TANH, BLV_SGD);
  c.executor = executor;
  for (Leaf &leaf : c.leaves) leaf.sum = leaf.leaf == BLV_THETA0;
  return c;
}

class Calls : public testing::TestWithParam<int> {};  // executor

TEST_P(Calls, Execute) {
  const Context context;
  Problem p(large_case(GetParam()));
  const Plan plan(context.handle, p.spec());
  ASSERT_EQ(plan.status, BLV_OK) << blv_context_error(context.handle);
  const blv_sizes sizes = plan.sizes();
  ASSERT_GT(sizes.workspace_bytes, 0);
  const Placed placed(p, sizes);
  Elsewhere elsewhere;
  for (const Row &row : kRows) {
    SCOPED_TRACE(row.name);
    Call call{.context = context.handle,
              .plan = plan.handle,
              .tasks = p.c.tasks,
              .data = placed.data,
              .workspace = static_cast<char *>(placed.workspace->data()),
              .bytes = sizes.workspace_bytes,
              .info = placed.told(),
              .p = &p,
              .pageable = elsewhere.aligned(),
              .pinned = elsewhere.pinned,
              .freed = elsewhere.freed};
    row.spoil(call);
    EXPECT_EQ(blv_execute(call.context, call.plan, call.tasks, call.no_data ? nullptr : call.data.data(),
                          call.workspace, call.bytes, call.state, call.info),
              row.status);
    expect_message(blv_context_error(call.context), row.words);
    EXPECT_EQ(cuda_error(cudaDeviceSynchronize()), "");
    EXPECT_TRUE(placed.untouched());
    EXPECT_EQ(cudaPeekAtLastError(), cudaSuccess) << "an error was left to the caller";
  }
  const cudaStream_t stream =
      device_machine().stream() ? static_cast<cudaStream_t>(device_machine().stream()) : nullptr;
  placed.upload(stream);  // and the good call is good
  ASSERT_EQ(placed.run(context.handle, plan), BLV_OK) << blv_context_error(context.handle);
  ASSERT_EQ(difference(p, placed.download(stream).values, reference(p).values), "");
}

std::vector<int> all_executors() {
  std::vector<int> all = executors();
  all.push_back(BLV_EXECUTOR_AUTO);
  return all;
}

INSTANTIATE_TEST_SUITE_P(All, Calls, testing::ValuesIn(all_executors()));

// A plan belongs to the machine that it was made for.
TEST(CallsMachines, PlansDoNotMove) {
  Problem p(unroll_case(BLV_SQUARED, BLV_TANH, BLV_SGD));
  const Context device;
  const Plan device_plan(device.handle, p.spec());
  ASSERT_EQ(device_plan.status, BLV_OK) << blv_context_error(device.handle);
  const OnHost on_host;
  const Context host;
  const Plan host_plan(host.handle, p.spec());
  ASSERT_EQ(host_plan.status, BLV_OK) << blv_context_error(host.handle);
  const Outcome out = execute(host.handle, device_plan, p);
  EXPECT_EQ(out.status, BLV_UNSUPPORTED);
  expect_message(out.error, "plan|CPU");
  const Placed placed(p, host_plan.sizes());
  EXPECT_EQ(placed.run(device.handle, host_plan), BLV_UNSUPPORTED);
  expect_message(blv_context_error(device.handle), "plan|CPU");
  EXPECT_TRUE(placed.untouched());
}

TEST(CallsMachines, ExecutorsOfTheOtherMachine) {
  Problem p(unroll_case(BLV_SQUARED, BLV_TANH, BLV_SGD));
  {
    const Context device;
    for (int executor : {BLV_TASKS_IN_LANES, BLV_TASK_PER_CORE, BLV_ROWS_OVER_CORES}) {
      p.c.executor = executor;
      const Plan plan(device.handle, p.spec());
      EXPECT_EQ(plan.status, BLV_UNSUPPORTED) << executor;
      expect_message(blv_context_error(device.handle), "executor");
    }
  }
  const OnHost on_host;
  const Context host;
  for (int executor : {BLV_WARP_PER_TASK, BLV_BLOCK_PER_TASK, BLV_CLUSTER_PER_TASK, BLV_GRID}) {
    p.c.executor = executor;
    const Plan plan(host.handle, p.spec());
    EXPECT_EQ(plan.status, BLV_UNSUPPORTED) << executor;
    expect_message(blv_context_error(host.handle), "executor");
  }
  p.c.executor = 20;
  EXPECT_EQ(Plan(host.handle, p.spec()).status, BLV_INVALID);
}

// Clusters exist from compute capability 9.0 on; before, the executor is refused with the reason.
TEST(CallsMachines, ClustersNeedTheirDevice) {
  Problem p(unroll_case(BLV_SQUARED, BLV_TANH, BLV_SGD));
  p.c.executor = BLV_CLUSTER_PER_TASK;
  const Context context;
  const Plan plan(context.handle, p.spec());
  EXPECT_EQ(plan.status, device_machine().clusters() ? BLV_OK : BLV_UNSUPPORTED) << blv_context_error(context.handle);
  if (!device_machine().clusters())
    expect_message(blv_context_error(context.handle), "compute capability|clusters|9.0");
}

TEST(CallsMachines, TooManyLayers) {
  for (size_t layers : {16u, 17u}) {
    Case c = unroll_case(BLV_SQUARED, BLV_TANH, BLV_SGD);
    c.widths.assign(layers + 1, 2);
    Problem p(c);
    const Context context;
    const Plan plan(context.handle, p.spec());
    EXPECT_EQ(plan.status, layers == 16 ? BLV_OK : BLV_UNSUPPORTED) << blv_context_error(context.handle);
    if (layers == 17) expect_message(blv_context_error(context.handle), "n_widths|18|17");
  }
}

TEST(CallsContext, Devices) {
  int count = 0;
  ASSERT_EQ(cuda_error(cudaGetDeviceCount(&count)), "");
  struct Wrong {
    int device;
    blv_status status;
  };
  for (const Wrong &wrong : {Wrong{count, BLV_NO_DEVICE}, Wrong{1000, BLV_NO_DEVICE}, Wrong{-2, BLV_INVALID}}) {
    blv_context_options o = {};
    o.size = sizeof o;
    o.device = wrong.device;
    blv_context context = reinterpret_cast<blv_context>(&o);
    EXPECT_EQ(blv_context_create(&o, &context), wrong.status) << wrong.device;
    EXPECT_EQ(context, nullptr);
    expect_message(blv_context_error(nullptr), "device|" + std::to_string(wrong.device));
  }
}

}  // namespace
