// SPDX-License-Identifier: Apache-2.0
//
// What must hold of every operation of a program (kernels/contract/program.h), so that an interpreter needs no checks.
#include "csrc/methods/builder.h"

namespace bilevel {
namespace {

class Check {
 public:
  Check(const MethodProgram &program, const std::vector<int16_t> &number_planes) : p(program), planes_(number_planes) {}

  void all() {
    for (; pc_ < p.ops.size(); ++pc_) operation(p.ops[pc_]);
    for (const ProgramInput &input : p.inputs)
      input.number >= 0 ? number(input.number, 1) : require(exists(input.array), "an input has no array");
    for (const ProgramOutput &output : p.outputs)
      output.array < 0 ? number(output.number, output.planes) : require(exists(output.array), "an output has no array");
  }

 private:
  void operation(const Op &op) const {
    switch (static_cast<OpCode>(op.code)) {
      case OP_GRADIENT:
      case OP_TANGENT:
        return pass(op);
      case OP_LINEAR:
        return linear(op);
      case OP_MAP:
        array(op.z, op.planes);
        array(op.x, op.planes);
        if (op.function == MAP_PRODUCT || op.y) array(op.y, op.planes);
        return;
      case OP_DOT:
        number(op.number, op.planes);
        array_or_one(op.x, op.planes);
        return array_or_one(op.y, op.planes);
      case OP_SIDE_DOT:
        return number(op.number, op.planes);
      case OP_STEP_LEAF:
        coefficient(op.a, 1);
        counter(op.counter);
        array(op.x, 1);
        return array(op.y, 1);
      case OP_NUMBER:
        return compute(op);
      case OP_CHECK:
        if (op.x) array(op.x, op.planes);
        if (op.number >= 0) number(op.number, op.planes);
        return;
      case OP_FAIL:
      case OP_BREAK:
        return number(op.number, 1);
      case OP_COUNT:
        counter(op.counter);
        counter(op.tape_counter);
        return counter(op.with);
      case OP_END:
        counter(op.counter);
        if (op.flags & FLAG_ACTIVE) number(op.number, 1);
        return;
    }
    require(false, "there is no such operation");
  }

  void pass(const Op &op) const {
    array(op.x, 1);
    if (op.code == OP_TANGENT) array(op.y, op.planes);
    if (op.z) array(op.z, op.planes);
    if (op.number >= 0) number(op.number, 1);
    if (op.flags & FLAG_WEIGHTED) number(op.first, 1);
    if (op.flags & FLAG_BATCH) counter(op.counter);
    if (op.flags & FLAG_TAPE) counter(op.tape_counter);
    require(!(op.flags & FLAG_TAPE) || p.view.tape_entries > 0, "a pass has a tape, but no room is kept for it");
    require(!(op.flags & FLAG_TAPE) || !(op.flags & FLAG_WEIGHTED), "the loss of a pass with a tape is weighed");
  }

  void linear(const Op &op) const {
    array(op.z, op.planes);
    array_or_one(op.x, op.planes);
    coefficient(op.a, op.planes);
    require(op.y || op.b.kind == COEFFICIENT_NONE, "a term has a coefficient and no vector");
    if (op.y) array_or_one(op.y, op.planes), coefficient(op.b, op.planes);
    // Of two terms, a first one of -1 and a second one of -1 beside a factor have no shape in the interpreter.
    const bool negative_first = op.y && op.a.kind == COEFFICIENT_ONE && op.a.sign < 0;
    const bool negative_second = op.a.kind != COEFFICIENT_ONE && op.b.kind == COEFFICIENT_ONE && op.b.sign < 0;
    require(!negative_first && !negative_second, "it subtracts in a form that is not there");
    require(static_cast<bool>(op.v) == static_cast<bool>(op.w), "a copy lacks an array");
    if (op.w) array(op.w, op.planes), array(op.v, op.planes);
    if (op.flags & FLAG_CHECK) counter(op.counter);
  }

  void compute(const Op &op) const {
    number(op.number, op.planes);
    const bool constant = op.function == NUMBER_CONSTANT,
               unary = constant || op.function == NUMBER_COPY || op.function == NUMBER_ROOT;
    if (!constant) number(op.first, op.planes);
    if (!unary) number(op.second, op.planes);
  }

  bool exists(int32_t id) const { return id >= 0 && static_cast<size_t>(id) < p.arrays.size(); }
  const ProgramArray &found(const Operand &operand) const {
    require(exists(operand.array), "an array is not there");
    const ProgramArray &a = p.arrays[static_cast<size_t>(operand.array)];
    if (a.count > 1) counter(operand.counter);
    return a;
  }
  void array(const Operand &operand, int32_t planes) const {
    require(found(operand).planes == planes, "an array has not the operation's planes");
  }
  void array_or_one(const Operand &operand, int32_t planes) const {
    const int32_t own = found(operand).planes;
    require(own == 1 || own == planes, "an array has neither one plane nor the operation's");
  }
  void number(int32_t id, int32_t planes) const {
    require(id >= 0 && static_cast<size_t>(id) < planes_.size(), "a number is not there");
    require(planes_[static_cast<size_t>(id)] == planes, "a number has not the operation's planes");
  }
  void counter(uint8_t id) const { require(id < p.counter_names.size(), "a counter is not there"); }
  // A number has a plane for each of the operation's.
  void coefficient(const Coefficient &c, int32_t planes) const {
    require(c.kind != COEFFICIENT_NONE, "a term has no coefficient");
    if (c.kind == COEFFICIENT_NUMBER) number(c.index, planes);
    if (c.kind == COEFFICIENT_LEAF || c.kind == COEFFICIENT_LEAF_TANGENT) counter(c.counter);
  }
  void require(bool holds, const char *otherwise) const {
    if (!holds) refuse(BLV_INTERNAL, format("operation %zu of a program: %s", pc_, otherwise));
  }

  const MethodProgram &p;
  const std::vector<int16_t> &planes_;  // of each number
  size_t pc_ = 0;
};

}  // namespace

void check_operations(const MethodProgram &program, const std::vector<int16_t> &number_planes) {
  Check(program, number_planes).all();
}

int32_t planes_of_leaves(const MethodProgram &program) {
  int32_t planes = 0;
  for (const Op &op : program.ops) {
    if ((op.code != OP_GRADIENT && op.code != OP_TANGENT) || !(op.flags & FLAG_LEAVES)) continue;
    if (planes != 0 && planes != op.planes)
      refuse(BLV_INTERNAL, format("passes of a program add %d and %d planes to the leaves", planes, op.planes));
    planes = op.planes;
  }
  return planes > 0 ? planes : 1;
}

}  // namespace bilevel
