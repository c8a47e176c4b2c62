// SPDX-License-Identifier: Apache-2.0
//
// The owners beneath the expressions: Context, Spec, Plan, Workspace.
#include "problems.h"

namespace bl = bilevel;

namespace {

bl::Spec logistic_spec(std::int64_t tasks) {
  bl::Spec spec;
  spec.dtype = BLV_F32;
  spec.tasks = tasks;
  spec.inner = {.loss = BLV_LOGISTIC, .widths = {3, 1}, .rows = 5};
  spec.outer = spec.inner;
  spec.method = bl::unroll_method(BLV_SGD, 4);
  const auto value = [&](int side, int leaf, int extent, std::int64_t stride) {
    return spec.add({.side = side, .leaf = leaf, .extent = extent, .task_stride = stride});
  };
  value(BLV_INNER, BLV_X, 0, 15);
  value(BLV_INNER, BLV_Y, 0, 5);
  value(BLV_OUTER, BLV_X, 0, 0);
  value(BLV_OUTER, BLV_Y, 0, 0);
  value(BLV_METHOD, BLV_THETA0, 0, 0);
  value(BLV_METHOD, BLV_RATE, BLV_SCALAR, 0);
  spec.add({.side = BLV_METHOD, .leaf = BLV_LOSS, .use = BLV_RESULT, .task_stride = 1});
  spec.add({.side = BLV_METHOD, .leaf = BLV_THETA0, .use = BLV_GRADIENT, .task_stride = 4});
  return spec;
}

}  // namespace

TEST(Handles, PlanTellsWhatItNeeds) {
  const bl::Context context({.threads = 2});
  const bl::Plan plan(context, logistic_spec(7));
  const std::vector<std::int64_t> extents{7 * 15, 7 * 5, 15, 5, 4, 1, 7, 7 * 4};
  for (std::size_t i = 0; i < extents.size(); ++i) EXPECT_EQ(plan.extent(i), extents[i]) << i;
  const blv_sizes sizes = plan.sizes();
  const bl::Workspace workspace(sizes);
  EXPECT_GE(workspace.bytes(), sizes.workspace_bytes);
  EXPECT_EQ(reinterpret_cast<std::uintptr_t>(workspace.data()) % static_cast<std::uintptr_t>(sizes.workspace_align),
            0u);
  const std::string text = plan.describe();
  ASSERT_FALSE(text.empty());
  EXPECT_EQ(text.front(), '{');
  EXPECT_EQ(text.find('\0'), std::string::npos);
  expect_error(BLV_INVALID, {"slot"}, [&] { (void)plan.extent(99); });
}

TEST(Handles, ExecuteWritesResultsAndInfo) {
  const bl::Context context;
  const bl::Plan plan(context, logistic_spec(2));
  std::vector<float> x = problems::random<float>(30, 1), y(10, 0.5f), theta0(4, 0.25f), rate{0.1f}, loss(2),
                     gradient(8);
  void *const data[] = {x.data(),      y.data(),    x.data(),    y.data(),
                        theta0.data(), rate.data(), loss.data(), gradient.data()};
  const bl::Workspace workspace(plan.sizes());
  std::vector<blv_task_info> info(2);
  plan.execute(context, 2, data, workspace, info);
  for (int b = 0; b < 2; ++b) {
    EXPECT_EQ(info[b].status, BLV_TASK_OK);
    EXPECT_EQ(info[b].iterations, 4);
    EXPECT_EQ(static_cast<float>(info[b].loss), loss[b]);
  }
  EXPECT_GT(problems::norm(gradient), 0);
}

TEST(Handles, RefusalsAtExecute) {
  const bl::Context context;
  const bl::Plan plan(context, logistic_spec(2));
  std::vector<float> a(64);
  const bl::Workspace workspace(plan.sizes());
  std::vector<void *> few(7, a.data());
  expect_error(BLV_INVALID, {"7 pointers", "8 slots"}, [&] { plan.execute(context, 1, few, workspace); });
  std::vector<void *> all(8, a.data());
  std::vector<blv_task_info> info(1);
  expect_error(BLV_TOO_SMALL, {"info", "1", "2 tasks"}, [&] { plan.execute(context, 2, all, workspace, info); });
  expect_error(BLV_INVALID, {}, [&] { plan.execute(context, 2, all, workspace); });  // results overlap
  all[3] = nullptr;
  expect_error(BLV_INVALID, {}, [&] { plan.execute(context, 2, all, workspace); });
}

TEST(Handles, PlanRefusesAndNames) {
  const bl::Context context;
  bl::Spec spec = logistic_spec(1);
  spec.dtype = 77;
  expect_error(BLV_INVALID, {"dtype", "77"}, [&] { bl::Plan(context, spec); });
  spec = logistic_spec(1);
  spec.workspace_limit = 1;
  expect_error(BLV_TOO_SMALL, {"workspace_limit"}, [&] { bl::Plan(context, spec); });
}

TEST(Handles, ContextRefuses) {
  expect_error(BLV_INVALID, {"threads", "-3"}, [] { bl::Context({.threads = -3}); });
  expect_error(BLV_INVALID, {"max_isa", "99"}, [] { bl::Context({.max_isa = 99}); });
  EXPECT_THROW(bl::Context({.device = 0}), bl::Error);  // no CUDA in this build, or a machine without
}

TEST(Handles, MoveOnly) {
  const bl::Context context;
  bl::Plan a(context, logistic_spec(1));
  bl::Plan b = std::move(a);
  EXPECT_GT(b.sizes().workspace_bytes, 0);
  expect_error(BLV_INVALID, {"Plan", "moved from"}, [&] { (void)a.sizes(); });
  bl::Workspace v(100, 64), w = std::move(v);
  EXPECT_EQ(v.bytes(), 0);
  EXPECT_EQ(v.data(), nullptr);
  void *const before = w.data();
  w.reserve(50, 64);
  EXPECT_EQ(w.data(), before);  // it was enough
  w.reserve(5000, 4096);
  EXPECT_EQ(reinterpret_cast<std::uintptr_t>(w.data()) % 4096, 0u);
}
