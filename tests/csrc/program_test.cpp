// SPDX-License-Identifier: Apache-2.0
//
// The kernels run programs as the plain interpreter of tests/oracles does: that of every method, as it is built for either machine, and
// programs drawn at random.
#include "random_program.h"

namespace bilevel {
namespace {

// Each as it is built for a CPU and for a device, with every storage.
TEST(MethodPrograms, RunAsInterpreted) {
  for (const int dtype : {BLV_F64, BLV_F32})
    for (const Case &c : method_cases(dtype)) {
      Subject subject(c);
      for (const bool far : {false, true})
        for (const Storage &storage :
             {Storage{1, std::max<int64_t>(c.steps, 1)}, Storage{0, std::max<int64_t>(c.steps, 1)}, Storage{1, 2},
              Storage{0, 2}, Storage{1, 1}}) {
          if (!subject.problem.reverse && storage.segment_steps == 2) continue;
          if (storage.segment_steps > std::max<int64_t>(c.steps, 1)) continue;
          SCOPED_TRACE(harness::name_of(c, {}) + (far ? " far" : " near") + " tape " + std::to_string(storage.tape) +
                       " segment " + std::to_string(storage.segment_steps));
          subject.problem.storage = storage;
          const MethodProgram program = build_program(subject.problem, {far});
          ASSERT_NO_FATAL_FAILURE(expect_as_interpreted(&subject, program, dtype == BLV_F64 ? 1e-11 : 2e-4));
        }
    }
}

bool is_close(const std::vector<double> &x, const std::vector<double> &y) {
  for (size_t i = 0; i < x.size(); i++)
    if (!(std::fabs(x[i] - y[i]) <= 1e-9 * std::fmax(harness::largest(x), 0.1))) return false;
  return true;
}

// Neither large nor at the mercy of rounding errors: a program can take the reciprocal of what is 0 but for them.
bool is_tame(Subject *subject, const MethodProgram &program, int64_t task) {
  const oracle::ProgramAnswer exact = interpret(subject, program, task),
                              noisy = interpret(subject, program, task, 1e-13);
  bool tame = exact.largest < 1e6 && exact.status == noisy.status && exact.leaves.size() == noisy.leaves.size() &&
              exact.step_leaves.size() == noisy.step_leaves.size();
  if (!tame) return false;
  for (size_t i = 0; i < exact.outputs.size(); i++) tame = tame && is_close(exact.outputs[i], noisy.outputs[i]);
  for (const auto &[where, planes] : exact.leaves)
    for (size_t k = 0; k < planes.size(); k++) tame = tame && is_close(planes[k], noisy.leaves.at(where)[k]);
  for (const auto &[leaf, values] : exact.step_leaves) tame = tame && is_close(values, noisy.step_leaves.at(leaf));
  return tame;
}

class RandomPrograms : public testing::TestWithParam<int> {};  // method whose slots there are

TEST_P(RandomPrograms, RunAsInterpreted) {
  const harness::DataLeaves linked = {.link = BLV_SOFTPLUS_LINK};
  int compared = 0, shared = 0;
  const unsigned programs = harness::machine() ? 100 : 300;  // a device may be an emulated one
  for (unsigned seed = 0; seed < programs; seed++) {
    Case c = harness::unroll_case(seed % 2 ? BLV_SQUARED : BLV_LOGISTIC, BLV_TANH, seed % 3 ? BLV_HEAVY_BALL : BLV_SGD,
                                  BLV_F64, linked, {});
    if (seed % 4 == 0) c.batch_rows = 3, c.leaves.push_back({.side = BLV_INNER, .leaf = BLV_BATCH, .per_step = true});
    if (GetParam() == BLV_FORWARD) c = harness::as_forward(c, 2 + seed % 3);
    if (GetParam() == BLV_HVP) c = harness::hvp_case(BLV_SQUARED, BLV_TANH, 2 + seed % 3, BLV_F64, linked);
    c.widths = seed % 5 == 0 ? std::vector<int64_t>{3, 2} : std::vector<int64_t>{2, 3, 1};
    c.tasks = 1 + seed % 3, c.rows = 4, c.outer_rows = 3, c.steps = 3, c.seed = seed + 1;
    if (GetParam() == BLV_HVP) c.steps = 1;
    Subject subject(c);
    if (GetParam() == BLV_HVP) subject.problem.steps = 3;
    const MethodProgram program = RandomProgram(subject, seed).build();
    if (harness::machine() && !fits_device(program.view)) continue;
    SCOPED_TRACE("seed " + std::to_string(seed));
    bool tame = true;
    for (int64_t t = 0; t < c.tasks; t++) tame = tame && is_tame(&subject, program, t);
    if (!tame) continue;
    compared++;
    for (int32_t i = 0; i < program.view.n_arrays; i++) shared += program.arrays[size_t(i)].buffer != i;
    ASSERT_NO_FATAL_FAILURE(expect_as_interpreted(&subject, program, 1e-7));
  }
  EXPECT_GE(compared, static_cast<int>(programs) / (harness::machine() ? 4 : 2));
  EXPECT_GE(shared, compared) << "nothing shares memory, so that little was tried";
}

INSTANTIATE_TEST_SUITE_P(All, RandomPrograms, testing::Values(BLV_UNROLL, BLV_FORWARD, BLV_HVP));

}  // namespace
}  // namespace bilevel
