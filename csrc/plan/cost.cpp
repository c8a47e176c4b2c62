// SPDX-License-Identifier: Apache-2.0
//
// Counting flops and bytes.
//
// Notation: M = 2 rows sum_l inputs_l outputs_l, one product per layer; M1 the part of the first layer, whose input is data and has no
// tangent. A gradient takes M forward, M for the weights and M - M1 back through the hidden layers (M if the inputs' gradient is
// wanted). A tangent of it takes two products where one took one, except where a factor has no tangent: 2M - M1 forward, 2M - M1 for the
// weights, 2M - 2 M1 back (2M for the inputs).
#include "csrc/plan/cost.h"

#include <algorithm>
#include <cmath>
#include <cstddef>

#include "csrc/methods/builder.h"
#include "csrc/spec/leaf_rules.h"
#include "kernels/contract/cpu_tuning.h"

namespace bilevel {
namespace {

double real(int64_t value) { return static_cast<double>(value); }
int64_t whole(double value) { return value < 9.2e18 ? static_cast<int64_t>(value) : INT64_MAX; }

struct Products {
  double all = 0, first = 0;  // M, M1
};

Products products_of(const Network &network, double rows) {
  Products products;
  for (int64_t l = 0; l < network.n_layers; ++l) {
    const double flops = 2 * rows * real(network.layers[l].inputs) * real(network.layers[l].outputs);
    products.all += flops;
    if (l == 0) products.first = flops;
  }
  return products;
}

double rows_of(const TaskProblem &problem, const Op &op) {
  if (op.flags & FLAG_BATCH) return real(problem.batch_rows);
  return real(op.flags & FLAG_OUTER ? problem.outer.rows : problem.inner.rows);
}

double gradient_flops(const Products &m, bool weights, bool inputs) {
  double flops = m.all;
  if (weights) flops += m.all;
  if (weights || inputs) flops += inputs ? m.all : m.all - m.first;
  return flops;
}

double tangent_flops(const Products &m, bool weights, bool inputs, bool data_moves) {
  const double fixed = data_moves ? 0 : m.first;
  double flops = 2 * m.all - fixed;
  if (weights) flops += 2 * m.all - fixed;
  return flops + 2 * (inputs ? m.all : m.all - m.first);
}

double flops_of(const TaskProblem &problem, const Op &op) {
  if (op.code != OP_GRADIENT && op.code != OP_TANGENT) return 0;
  const Products m = products_of(problem.network, rows_of(problem, op));
  const Side &side = op.flags & FLAG_OUTER ? problem.outer : problem.inner;
  const bool weights = static_cast<bool>(op.z), inputs = (op.flags & FLAG_LEAVES) && side.x.gradient;
  if (op.code == OP_GRADIENT) return gradient_flops(m, weights, inputs);
  const bool data_moves = (op.flags & FLAG_TANGENTS) && side.x.tangent;
  const double values = op.flags & FLAG_TAPE ? 0 : m.all + (m.all - m.first);
  return values + op.planes * tangent_flops(m, weights, inputs, data_moves);
}

// Outputs of layers, over rows and planes, that a pass computes one by one: activations, their slopes, losses.
double units_of(const TaskProblem &problem, const Op &op) {
  if (op.code != OP_GRADIENT && op.code != OP_TANGENT) return 0;
  double units = 0;
  for (int64_t l = 0; l < problem.network.n_layers; ++l) units += real(problem.network.layers[l].outputs);
  return rows_of(problem, op) * units * (op.code == OP_TANGENT ? op.planes + (op.flags & FLAG_TAPE ? 0 : 1) : 1);
}

double flops_of_task(const TaskProblem &problem) {
  double flops = 0;
  walk(problem.program, [&](const Op &op, double turns) { flops += turns * flops_of(problem, op); });
  return flops;
}

// Bytes of parameter vectors that go to and from streams.
double stream_bytes(const TaskProblem &problem, double scalar) {
  const Program &program = problem.program;
  double vectors = 0;
  walk(program, [&](const Op &op, double turns) {
    for (const Operand &operand : {op.x, op.y, op.z, op.v, op.w})
      if (operand && program.arrays[operand.array].stream) vectors += turns;
  });
  return vectors * real(problem.network.parameters) * scalar;
}

// Passes over all rows of a side and over its minibatches.
struct Passes {
  double all = 0, batches = 0;
};

Passes passes_of(const Program &program, int32_t side) {
  Passes passes;
  walk(program, [&](const Op &op, double turns) {
    if (op.code != OP_GRADIENT && op.code != OP_TANGENT) return;
    const int32_t of = op.flags & FLAG_OUTER ? BLV_OUTER : BLV_INNER;
    if (side == of || side == BLV_BOTH) (op.flags & FLAG_BATCH ? passes.batches : passes.all) += turns;
  });
  return passes;
}

double bytes_of(const Problem &problem, const blv_slot &slot, const Span &span) {
  const double once = real(span_used(span, problem.tasks)), bytes = real(span.element_bytes);
  if (!has_rows(*find_leaf_rule(slot.leaf, problem.kind)) || span.written) return once * bytes;
  const Passes passes = passes_of(problem.program, slot.side);
  const double batch = real(problem.tasks) * real(problem.batch_rows) * real(span.columns);
  return (once * passes.all + batch * passes.batches) * bytes;
}

}  // namespace

int64_t count_flops(const Problem &problem) { return whole(real(problem.tasks) * flops_of_task(problem)); }

int64_t count_bytes(const Problem &problem, const std::vector<blv_slot> &slots, const std::vector<Span> &spans) {
  double total = 0;
  for (size_t i = 0; i < slots.size(); ++i) total += bytes_of(problem, slots[i], spans[i]);
  return whole(total);
}

double predict_time(const Problem &problem, double workspace_bytes) {
  using namespace cpu_tuning;
  const double scalar = problem.dtype == BLV_F64 ? 8 : 4;
  double units = 0;
  walk(problem.program, [&](const Op &op, double turns) { units += turns * units_of(problem, op); });
  const double arithmetic = flops_of_task(problem) * seconds_per_flop_f32 + units * seconds_per_unit_f32;
  const double task = arithmetic * (scalar / 4) + stream_bytes(problem, scalar) * seconds_per_stream_byte;
  // Threads share the tasks, and each is the first to use its own part of the memory; or they share rows, and one thread has it all.
  const double threads = real(std::max<int64_t>(problem.threads, 1)), tasks = real(std::max<int64_t>(problem.tasks, 1)),
               owners = problem.executor == BLV_ROWS_OVER_CORES ? 1 : std::min(threads, tasks);
  const double new_bytes = std::max(workspace_bytes / owners - bytes_that_stay, 0.);
  return tasks * task / std::min(threads, tasks) + new_bytes * seconds_per_new_byte;
}

}  // namespace bilevel
