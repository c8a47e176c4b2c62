// SPDX-License-Identifier: Apache-2.0
//
// An execute captured in a CUDA graph: replayed with new values in the same arrays it gives the bits of a plain execute. Capture
// mode "global" forbids allocation and synchronisation, so that a capture that ends well has seen neither; the graph itself holds
// kernels, fills and copies within the device, nothing that refers to the host.
#include "../kernels/cases.h"
#include "placed.h"

namespace {

using namespace harness;

Case case_of(int kind, unsigned seed) {
  Case c = kind == BLV_UNROLL ? unroll_case(BLV_CROSS_ENTROPY, BLV_TANH, BLV_HEAVY_BALL, BLV_F32, {.labels = BLV_I32})
           : kind == BLV_HVP  ? hvp_case(BLV_LOGISTIC, BLV_TANH, 2, BLV_F64)
                              : evaluate_case(BLV_SQUARED, BLV_RELU, BLV_F32);
  c.tasks = 5;
  c.seed = seed;
  for (size_t i = 0; i < c.leaves.size(); i++) c.leaves[i].sum = i % 2;
  return c;
}

// Gives `to` the inputs of `from`, a problem of the same shape.
void copy_inputs(const Problem &from, Problem &to) {
  for (size_t i = 0; i < from.arrays.size(); i++) {
    const Array &a = from.arrays[i];
    if (!a.written()) std::memcpy(to.arrays[i].memory->data(), a.memory->data(), size_t(a.memory->bytes()));
  }
}

struct Graph {
  ~Graph() {
    if (exec) cudaGraphExecDestroy(exec);
    if (graph) cudaGraphDestroy(graph);
  }
  cudaGraph_t graph = nullptr;
  cudaGraphExec_t exec = nullptr;
};

void expect_device_nodes_only(cudaGraph_t graph) {
  size_t count = 0;
  ASSERT_EQ(cuda_error(cudaGraphGetNodes(graph, nullptr, &count)), "");
  ASSERT_GT(count, 0u);
  std::vector<cudaGraphNode_t> nodes(count);
  ASSERT_EQ(cuda_error(cudaGraphGetNodes(graph, nodes.data(), &count)), "");
  for (cudaGraphNode_t node : nodes) {
    cudaGraphNodeType type = cudaGraphNodeTypeHost;
    ASSERT_EQ(cuda_error(cudaGraphNodeGetType(node, &type)), "");
    EXPECT_TRUE(type == cudaGraphNodeTypeKernel || type == cudaGraphNodeTypeMemset || type == cudaGraphNodeTypeMemcpy)
        << "node of type " << type;
  }
}

void capture(const StreamContext &context, const Plan &plan, const Placed &placed, cudaStream_t stream, Graph &g) {
  ASSERT_EQ(cuda_error(cudaStreamBeginCapture(stream, cudaStreamCaptureModeGlobal)), "");
  const blv_status status = placed.run(context.handle, plan);
  const std::string error = blv_context_error(context.handle);
  ASSERT_EQ(cuda_error(cudaStreamEndCapture(stream, &g.graph)), "");
  ASSERT_EQ(status, BLV_OK) << error;
  ASSERT_EQ(cuda_error(cudaGraphInstantiate(&g.exec, g.graph, 0)), "");
}

class Capture : public testing::TestWithParam<std::tuple<int, int>> {};  // executor, kind

TEST_P(Capture, ReplayWithNewData) {
  const auto [executor, kind] = GetParam();
  Case c = case_of(kind, 1);
  c.executor = executor;
  Problem p(c);
  const Stream stream;
  const StreamContext context(stream.handle);
  const Plan plan(context.handle, p.spec());
  ASSERT_EQ(plan.status, BLV_OK) << blv_context_error(context.handle);
  const Placed placed(p, plan.sizes());
  Graph g;
  placed.upload(stream.handle);
  ASSERT_EQ(cuda_error(cudaStreamSynchronize(stream.handle)), "");
  ASSERT_NO_FATAL_FAILURE(capture(context, plan, placed, stream.handle, g));
  EXPECT_TRUE(placed.untouched()) << "the capture ran something";
  ASSERT_NO_FATAL_FAILURE(expect_device_nodes_only(g.graph));
  for (unsigned seed : {2u, 3u, 1u}) {
    c.seed = seed;
    const Problem fresh(c);
    copy_inputs(fresh, p);
    const Expected want = reference(p);
    placed.upload(stream.handle);
    ASSERT_EQ(cuda_error(cudaGraphLaunch(g.exec, stream.handle)), "");
    const Outcome replayed = placed.download(stream.handle);
    ASSERT_EQ(difference(p, replayed.values, want.values), "") << "seed " << seed;
    check_info(p, replayed, want);
    placed.upload(stream.handle);
    ASSERT_EQ(placed.run(context.handle, plan), BLV_OK) << blv_context_error(context.handle);
    expect_same_bits(replayed, placed.download(stream.handle));
  }
}

// Twice in one graph, and the graph twice in a row: the workspace and the results of the first are overwritten.
TEST_P(Capture, TwiceInOneGraph) {
  const auto [executor, kind] = GetParam();
  Case c = case_of(kind, 4);
  c.executor = executor;
  Problem p(c);
  const Stream stream;
  const StreamContext context(stream.handle);
  const Plan plan(context.handle, p.spec());
  ASSERT_EQ(plan.status, BLV_OK) << blv_context_error(context.handle);
  const Placed placed(p, plan.sizes());
  placed.upload(stream.handle);
  ASSERT_EQ(placed.run(context.handle, plan), BLV_OK) << blv_context_error(context.handle);
  const Outcome plain = placed.download(stream.handle);
  Graph g;
  ASSERT_EQ(cuda_error(cudaStreamBeginCapture(stream.handle, cudaStreamCaptureModeGlobal)), "");
  const blv_status first = placed.run(context.handle, plan), second = placed.run(context.handle, plan);
  ASSERT_EQ(cuda_error(cudaStreamEndCapture(stream.handle, &g.graph)), "");
  ASSERT_EQ(first, BLV_OK);
  ASSERT_EQ(second, BLV_OK);
  ASSERT_EQ(cuda_error(cudaGraphInstantiate(&g.exec, g.graph, 0)), "");
  placed.upload(stream.handle);
  for (int i = 0; i < 2; i++) ASSERT_EQ(cuda_error(cudaGraphLaunch(g.exec, stream.handle)), "");
  expect_same_bits(plain, placed.download(stream.handle));
}

// A call that is refused leaves the capture as it was.
TEST(CaptureRefused, GoesOn) {
  Problem p(case_of(BLV_UNROLL, 5));
  const Stream stream;
  const StreamContext context(stream.handle);
  const Plan plan(context.handle, p.spec());
  ASSERT_EQ(plan.status, BLV_OK) << blv_context_error(context.handle);
  Placed placed(p, plan.sizes());
  placed.upload(stream.handle);
  ASSERT_EQ(cuda_error(cudaStreamSynchronize(stream.handle)), "");
  Graph g;
  ASSERT_EQ(cuda_error(cudaStreamBeginCapture(stream.handle, cudaStreamCaptureModeGlobal)), "");
  void *good = placed.data[0];
  placed.data[0] = nullptr;
  EXPECT_EQ(placed.run(context.handle, plan), BLV_INVALID);
  placed.data[0] = good;
  EXPECT_EQ(placed.run(context.handle, plan), BLV_OK) << blv_context_error(context.handle);
  ASSERT_EQ(cuda_error(cudaStreamEndCapture(stream.handle, &g.graph)), "");
  ASSERT_EQ(cuda_error(cudaGraphInstantiate(&g.exec, g.graph, 0)), "");
  ASSERT_EQ(cuda_error(cudaGraphLaunch(g.exec, stream.handle)), "");
  ASSERT_EQ(difference(p, placed.download(stream.handle).values, reference(p).values), "");
}

std::vector<int> named_executors() {
  std::vector<int> all = executors();
  all.push_back(BLV_EXECUTOR_AUTO);
  return all;
}

INSTANTIATE_TEST_SUITE_P(All, Capture,
                         testing::Combine(testing::ValuesIn(named_executors()),
                                          testing::Values(BLV_EVALUATE, BLV_HVP, BLV_UNROLL)));

}  // namespace
