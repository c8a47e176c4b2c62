// SPDX-License-Identifier: Apache-2.0
//
// The products of the executors of kernels/machine/cpu at one ISA level, by their arguments at run time.
#include "kernels/machine/cpu/rows_executor.h"
#include "kernels/machine/cpu/tasks_executor.h"
#include "tests/machine/levels.h"

namespace bilevel {
namespace BLV_ISA_NAMESPACE {
namespace {

using core_test::AnyMatrix;
using core_test::ProductCall;

template <class Mat, class Element>
Mat matrix(const AnyMatrix &m) {
  return {static_cast<Element *>(m.v), static_cast<Element *>(m.d), m.plane, m.ld};
}

template <class X>
void run_on(X &x, const ProductCall &p) {
  using Mat = typename X::Mat;
  using Element = typename X::Element;
  const Mat a = matrix<Mat, Element>(p.a), b = matrix<Mat, Element>(p.b), c = matrix<Mat, Element>(p.c);
  Tiling tiling = choose_tiling(p.m, p.n);
  if (p.tile_columns) tiling.columns = p.tile_columns, tiling.swapped = p.swapped;
  const auto call_back = [&](long i0, long i1, long j0, long j1) { p.epilogue(p.object, i0, i1, j0, j1); };
  const Epilogue epilogue = p.epilogue ? Epilogue(call_back) : Epilogue();
  switch (p.product) {
    case core_test::NT:
      return x.product_nt(p.m, p.n, p.depth, tiling, a, b, c, epilogue);
    case core_test::NN:
      return x.product_nn(p.m, p.n, p.depth, tiling, a, b, c,
                          ProductRequest{.on_tape = p.on_tape, .accumulate = p.accumulate}, epilogue);
    case core_test::TN:
      return x.product_tn(p.m, p.n, p.depth, tiling, a, b, c, ProductRequest{.accumulate = p.accumulate});
    default:
      return x.sum_rows(p.depth, p.n, a, c, p.accumulate);
  }
}

template <class T, Mode M>
bool run_in_mode(const ProductCall &p) {
  if (p.tasks_in_lanes) {
    TasksExecutor<T, M> x(p.planes);
    const Integers<T> counts = broadcast_integer<T>(Integer<T>(p.depth));
    if (p.counts_rows) x.row_counts = &counts;
    run_on(x, p);
    return true;
  }
  constexpr long most = 256;
  Line<T> lines[most];
  for (Line<T> &line : lines) line = {nullptr, nullptr};
  RowsExecutor<T, M> x(p.planes, lines);
  run_on(x, p);
  const long used = (p.m > p.n ? p.m : p.n) * (1 + p.planes);
  bool kept = used <= most;
  for (long i = used; i < most; i++) kept = kept && !lines[i].operand && !lines[i].result;
  return kept;
}

template <class T>
bool run(const ProductCall &p) {
  switch (p.mode) {
    case core_test::VALUE:
      return run_in_mode<T, Mode::VALUE>(p);
    case core_test::JET:
      return run_in_mode<T, Mode::JET>(p);
    default:
      return run_in_mode<T, Mode::TAPED>(p);
  }
}

}  // namespace
}  // namespace BLV_ISA_NAMESPACE
}  // namespace bilevel

namespace core_test {
using namespace bilevel::BLV_ISA_NAMESPACE;
const ProductLevel BLV_OF_LEVEL(product_) = {lanes<float>, lanes<double>, run<float>, run<double>};
}  // namespace core_test
