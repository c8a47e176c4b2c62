// SPDX-License-Identifier: Apache-2.0
//
// The builder of programs.
#include "csrc/methods/builder.h"

#include <algorithm>

#include "csrc/support/refusal.h"

namespace bilevel {

// ---- Arrays, numbers, counters --------------------------------------------------------------------------------------

namespace {

// The 16 bits that programs name arrays, numbers and planes with.
int16_t narrow(int64_t value, const char *what) {
  if (value < 0 || value > INT16_MAX)
    refuse(BLV_INTERNAL, format("a program has %lld %s", static_cast<long long>(value), what));
  return static_cast<int16_t>(value);
}

}  // namespace

ProgramArray &ProgramBuilder::array_of(const Operand &operand) {
  if (!operand || static_cast<size_t>(operand.array) >= program_.arrays.size())
    refuse(BLV_INTERNAL, format("a program names array %d, which is not there", operand.array));
  return program_.arrays[static_cast<size_t>(operand.array)];
}

int16_t ProgramBuilder::array(const char *name, int64_t count, int64_t planes, bool stream) {
  ProgramArray a;
  a.count = count, a.planes = narrow(planes, "planes"), a.stream = stream;
  program_.arrays.push_back(a);
  program_.array_names.emplace_back(name);
  return narrow(static_cast<int64_t>(program_.arrays.size()) - 1, "arrays");
}

Vector ProgramBuilder::vector(const char *name, int64_t planes) {
  return {array(name, 1, planes, false), static_cast<int16_t>(planes)};
}

Vector ProgramBuilder::zeros(const char *name, int64_t planes) {
  const Vector v = vector(name, planes);
  program_.arrays.back().zeroed = 1;
  return v;
}

Stream ProgramBuilder::stream(const char *name, int64_t count) { return {array(name, count, 1, true)}; }

Vector ProgramBuilder::state(const char *name) {
  const Vector v = vector(name);
  program_.arrays.back().state = 1;
  return v;
}

Number ProgramBuilder::number(const char *name, int64_t planes) {
  const auto id = static_cast<int16_t>(program_.number_names.size());
  program_.number_names.insert(program_.number_names.end(), static_cast<size_t>(narrow(planes, "planes")), name);
  narrow(static_cast<int64_t>(program_.number_names.size()), "numbers");
  number_planes_.resize(program_.number_names.size(), static_cast<int16_t>(planes));
  return {id, static_cast<int16_t>(planes)};
}

Number ProgramBuilder::present() {
  const Number n = number("present");
  program_.view.present = n.id;
  return n;
}

Number ProgramBuilder::constant(const char *name, double value) {
  const Number n = number(name);
  Op &op = emit(OP_NUMBER);
  op.function = NUMBER_CONSTANT, op.number = n.id, op.real = value;
  return n;
}

Counter ProgramBuilder::counter(const char *name) {
  program_.counter_names.emplace_back(name);
  if (program_.counter_names.size() > 255) refuse(BLV_INTERNAL, format("a program has more than 255 counters"));
  return {static_cast<uint8_t>(program_.counter_names.size() - 1)};
}

// ---- The caller's arrays --------------------------------------------------------------------------------------------

void ProgramBuilder::read(Vector to, const Slot &slot) {
  if (slot) program_.inputs.push_back({slot, to.id, -1, to.planes});
}
void ProgramBuilder::read(Number to, const Slot &slot) {
  if (slot) program_.inputs.push_back({slot, -1, to.id, to.planes});
}
void ProgramBuilder::write(const Slot &slot, Vector from) {
  if (slot && from) program_.outputs.push_back({slot, from.id, -1, from.planes, 0});
}
void ProgramBuilder::write(const Slot &slot, Number from) {
  if (slot && from) program_.outputs.push_back({slot, -1, from.id, from.planes, 0});
}
void ProgramBuilder::write_diagnostic(Slot slot, Number from) {
  slot.diagnostic = 1;
  write(slot, from);
}

// ---- Operations -----------------------------------------------------------------------------------------------------

Op &ProgramBuilder::emit(OpCode code) {
  program_.ops.emplace_back().code = code;
  return program_.ops.back();
}

void ProgramBuilder::pass(Op &op, const PassOptions &options) {
  op.number = options.loss.id;
  if (options.outer) op.flags |= FLAG_OUTER;
  if (options.leaves) op.flags |= FLAG_LEAVES;
  if (options.add) op.flags |= FLAG_ADD;
  if (options.tangents) op.flags |= FLAG_TANGENTS;
  if (options.tape) op.flags |= FLAG_TAPE, op.tape_counter = options.tape.id;
  if (options.batch && problem_.batch_rows > 0) op.flags |= FLAG_BATCH;
  if (options.batch) op.counter = options.batch.id;
  if (options.weight) op.flags |= FLAG_WEIGHTED, op.first = options.weight.id;
  if (op.z) array_of(op.z).product = 1;
}

void ProgramBuilder::gradient(Operand at, Vector result, const PassOptions &options) {
  Op &op = emit(OP_GRADIENT);
  op.x = at, op.z = result;
  pass(op, options);
}

void ProgramBuilder::tangent(Operand at, Vector along, Vector result, const PassOptions &options) {
  Op &op = emit(OP_TANGENT);
  op.x = at, op.y = along, op.z = result, op.planes = along.planes;
  pass(op, options);
}

void ProgramBuilder::linear(Operand z, Term first, Term second, Counter checked) {
  Op &op = emit(OP_LINEAR);
  op.z = z, op.planes = array_of(z).planes;
  op.a = first.coefficient, op.x = first.operand;
  op.b = second.coefficient, op.y = second.operand;
  if (checked) op.flags |= FLAG_CHECK, op.counter = checked.id;
}

void ProgramBuilder::copy_along(Operand w, Operand v) {
  const bool rides = !program_.ops.empty() && program_.ops.back().code == OP_LINEAR && !program_.ops.back().w &&
                     program_.ops.back().planes == 1 && array_of(w).planes == 1 && array_of(v).planes == 1;
  if (!rides) return copy(w, v);
  program_.ops.back().w = w, program_.ops.back().v = v;
}

void ProgramBuilder::map(MapFunction function, Vector z, Vector x, Vector y) {
  Op &op = emit(OP_MAP);
  op.function = function, op.z = z, op.x = x, op.y = y, op.planes = z.planes;
}

void ProgramBuilder::dot(Number result, Operand x, Operand y) {
  Op &op = emit(OP_DOT);
  op.number = result.id, op.x = x, op.y = y, op.planes = result.planes;
}

void ProgramBuilder::norm(Number result, Operand x) {
  dot(result, x, x);
  program_.ops.back().flags |= FLAG_ROOT;
}

void ProgramBuilder::side_dot(Number result, bool outer) {
  Op &op = emit(OP_SIDE_DOT);
  op.number = result.id, op.planes = result.planes;
  if (outer) op.flags |= FLAG_OUTER;
}

void ProgramBuilder::add_to_step_leaf(int32_t index, Counter t, int sign, Operand x, Operand y) {
  Op &op = emit(OP_STEP_LEAF);
  op.a = leaf_at(index, t, sign), op.counter = t.id, op.x = x, op.y = y;
}

void ProgramBuilder::compute(Number result, NumberFunction function, Number first, Number second) {
  Op &op = emit(OP_NUMBER);
  op.function = function, op.number = result.id, op.planes = result.planes;
  op.first = first.id, op.second = second.id;
}

void ProgramBuilder::check(Operand x, Number n) {
  const int16_t planes = x ? array_of(x).planes : n.planes;
  Op &op = emit(OP_CHECK);
  op.x = x, op.planes = planes;
  if (n && n.planes != planes) return check({}, n);
  op.number = n.id;
}

void ProgramBuilder::report_checks() { emit(OP_CHECK).flags |= FLAG_REPORT; }

void ProgramBuilder::fail(Number where, int32_t status) {
  Op &op = emit(OP_FAIL);
  op.number = where.id, op.n = status;
}

void ProgramBuilder::count(Counter result, Counter from, int64_t factor, Counter with, int64_t constant) {
  Op &op = emit(OP_COUNT);
  op.counter = result.id, op.tape_counter = from.id, op.n = factor, op.with = with.id, op.direction = 1;
  op.constant = constant;
}

void ProgramBuilder::set(Counter counter, int64_t value) {
  Op &op = emit(OP_COUNT);
  op.counter = op.tape_counter = op.with = counter.id, op.n = 0, op.direction = 0;
  op.constant = value;
}

// ---- Loops ----------------------------------------------------------------------------------------------------------

void ProgramBuilder::repeat(Counter counter, int64_t n, int direction, const std::function<void()> &body) {
  if (n <= 0) return;
  set(counter, direction > 0 ? 0 : n - 1);
  const auto begin = static_cast<int32_t>(program_.ops.size());
  body();
  Op &end = emit(OP_END);
  end.counter = counter.id, end.direction = static_cast<int8_t>(direction), end.n = n, end.jump = begin;
}

void ProgramBuilder::repeat_while(Number active, Counter counter, int64_t n, const std::function<void()> &body) {
  if (n <= 0) return;
  const size_t test = program_.ops.size();
  emit(OP_BREAK).number = active.id;
  repeat(counter, n, 1, body);
  Op &end = program_.ops.back();
  end.flags |= FLAG_ACTIVE, end.number = active.id;
  program_.ops[test].jump = static_cast<int32_t>(program_.ops.size());
}

void ProgramBuilder::again_while(Number active, Counter counter, int64_t n, const std::function<void()> &body) {
  repeat_while(active, counter, n, body);
  program_.ops.back().flags |= FLAG_RARE;
}

// ---- What follows from the program ----------------------------------------------------------------------------------

MethodProgram ProgramBuilder::finish() {
  check_operations(program_, number_planes_);
  assign_buffers(&program_);
  Program &view = program_.view;
  view.ops = program_.ops.data(), view.n_ops = static_cast<int32_t>(program_.ops.size());
  view.arrays = program_.arrays.data(), view.n_arrays = static_cast<int32_t>(program_.arrays.size());
  view.inputs = program_.inputs.data(), view.n_inputs = static_cast<int32_t>(program_.inputs.size());
  view.outputs = program_.outputs.data(), view.n_outputs = static_cast<int32_t>(program_.outputs.size());
  view.n_numbers = static_cast<int32_t>(program_.number_names.size());
  view.n_counters = static_cast<int32_t>(program_.counter_names.size());
  view.leaf_planes = planes_of_leaves(program_);
  double passes = 0;
  walk(view, [&](const Op &op, double turns) {
    const bool leaf_tangent = op.a.kind == COEFFICIENT_LEAF_TANGENT || op.b.kind == COEFFICIENT_LEAF_TANGENT;
    if (op.code == OP_TANGENT || op.code == OP_SIDE_DOT || leaf_tangent)
      view.tangent_planes = std::max<int32_t>(view.tangent_planes, op.planes);
    if (op.code != OP_GRADIENT && op.code != OP_TANGENT) return;
    passes += turns;
    const Side &side = op.flags & FLAG_OUTER ? problem_.outer : problem_.inner;
    if (op.flags & FLAG_TAPE)
      view.tape_rows = std::max(view.tape_rows, op.flags & FLAG_BATCH ? problem_.batch_rows : side.rows);
  });
  view.passes = static_cast<int64_t>(std::min(passes, 9e18));
  return std::move(program_);
}

}  // namespace bilevel
