// SPDX-License-Identifier: Apache-2.0
//
// Writes programs (kernels/contract/program.h): host code over a ProgramBuilder reads like the algorithm that it builds. `finish` then
// works out what follows from the program: which arrays can share memory, what passes it makes, how much of a tape it needs.
#pragma once
#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "csrc/support/refusal.h"
#include "kernels/contract/problem.h"

namespace bilevel {

struct Counter {
  uint8_t id = 255;
  explicit operator bool() const { return id != 255; }
};
struct Number {
  int16_t id = -1;
  int16_t planes = 1;
  explicit operator bool() const { return id >= 0; }
};
// A parameter vector, or several side by side (planes).
struct Vector {
  int16_t id = -1;
  int16_t planes = 1;
  explicit operator bool() const { return id >= 0; }
  operator Operand() const { return {id, 0, 0}; }
};
// Vectors that are kept by the entry of a counter.
struct Stream {
  int16_t id = -1;
  explicit operator bool() const { return id >= 0; }
  Operand at(Counter counter, int offset = 0) const {
    if (offset < INT8_MIN || offset > INT8_MAX) refuse(BLV_INTERNAL, format("a program reads at offset %d", offset));
    return {id, counter.id, static_cast<int8_t>(offset)};
  }
};

// What a term of a linear combination is multiplied with.
inline Coefficient one(int sign = 1) { return {COEFFICIENT_ONE, static_cast<int8_t>(sign), 0, 0}; }
inline Coefficient times(Number number, int sign = 1) {
  if (number.id < 0 || number.id > 255)
    refuse(BLV_INTERNAL, format("a program multiplies with number %d; accepted: 0 to 255", number.id));
  return {COEFFICIENT_NUMBER, static_cast<int8_t>(sign), static_cast<uint8_t>(number.id), 0};
}
// Step leaf `index` (optimiser.h) at the step of a counter.
inline Coefficient leaf_at(int32_t index, Counter step, int sign = 1) {
  if (index < 0 || index >= most_step_leaves) refuse(BLV_INTERNAL, format("a program names step leaf %d", index));
  return {COEFFICIENT_LEAF, static_cast<int8_t>(sign), static_cast<uint8_t>(index), step.id};
}
inline Coefficient leaf_tangent_at(int32_t index, Counter step, int sign = 1) {
  Coefficient c = leaf_at(index, step, sign);
  c.kind = COEFFICIENT_LEAF_TANGENT;
  return c;
}
struct Term {
  Coefficient coefficient;
  Operand operand;
};

// What a pass over the rows of a side does beside its gradient.
struct PassOptions {
  bool outer = false;     // side
  bool leaves = false;    // gradients of the leaves are added up
  bool add = false;       // to the result
  bool tangents = false;  // the leaves move along their TANGENT slots
  Number loss = {};       // gradient only
  Number weight = {};     // times the loss; not with a tape, which holds products of the loss as it was
  Counter tape = {};      // entry of the tape
  Counter batch = {};     // step of the minibatch; else all rows
};

// A program with its memory and its words.
struct MethodProgram {
  std::vector<Op> ops;
  std::vector<ProgramArray> arrays;
  std::vector<ProgramInput> inputs;
  std::vector<ProgramOutput> outputs;
  std::vector<std::string> array_names, number_names, counter_names;
  Program view;  // its pointers are into the vectors above, which survive a move

  MethodProgram() = default;
  MethodProgram(MethodProgram &&) = default;
  MethodProgram &operator=(MethodProgram &&) = default;
};

class ProgramBuilder {
 public:
  explicit ProgramBuilder(const TaskProblem &problem) : problem_(problem) {}

  // ---- Arrays, numbers, counters; names are for the description.
  Vector vector(const char *name, int64_t planes = 1);
  Vector zeros(const char *name, int64_t planes = 1);  // holds zeros at the beginning
  Stream stream(const char *name, int64_t count);
  // What it held at the end of the last execute with the same state; zeros at first or after a failure.
  Vector state(const char *name);
  Number number(const char *name, int64_t planes = 1);  // 0 at the beginning
  Number constant(const char *name, double value);
  // 1 where there is a task, 0 in lanes without one: the state of tasks that do not run is left alone.
  Number present();
  Counter counter(const char *name);
  // Room for so many passes' matrix products.
  void keep_tape(int64_t entries) { program_.view.tape_entries = entries; }

  // ---- The caller's arrays. An absent slot is ignored.
  void read(Vector to, const Slot &slot);
  void write(const Slot &slot, Vector from);
  void read(Number to, const Slot &slot);
  void write(const Slot &slot, Number from);
  // Written also of a task that its solver failed (BLV_TASK_CURVATURE, BLV_TASK_DIVERGENT): it says why.
  void write_diagnostic(Slot slot, Number from);
  void report_loss(Number n) { program_.view.loss = n.id; }
  void report_norm(Number n) { program_.view.norm = n.id; }
  void report_iterations(Number n) { program_.view.iterations = n.id; }

  // ---- Operations
  void gradient(Operand at, Vector result, const PassOptions &options);
  void tangent(Operand at, Vector along, Vector result, const PassOptions &options);
  // z = a x + b y. `checked`: a result that is not finite fails its task, after step `checked` + 1.
  void linear(Operand z, Term first, Term second = {}, Counter checked = {});
  void copy(Operand z, Operand x) { linear(z, {one(), x}); }
  // w = v, by the operation before where that is a `linear` that copies nothing yet: one loop over the parameters less.
  void copy_along(Operand w, Operand v);
  void map(MapFunction function, Vector z, Vector x, Vector y = {});
  void dot(Number result, Operand x, Operand y);
  void norm(Number result, Operand x);
  void side_dot(Number result, bool outer);
  // The gradient of a step leaf at step t += sign <x, y>, or entry by entry.
  void add_to_step_leaf(int32_t index, Counter t, int sign, Operand x, Operand y);
  void compute(Number result, NumberFunction function, Number first, Number second = {});
  void check(Operand x, Number n = {});
  void report_checks();                     // what was checked and not finite fails its task
  void fail(Number where, int32_t status);  // a task whose number is not 0
  void set(Counter counter, int64_t value);
  // counter = factor counter[from] + counter[with] + constant.
  void count(Counter result, Counter from, int64_t factor, Counter with, int64_t constant = 0);

  // body() for counter = 0 .. n - 1, or n - 1 .. 0 with direction -1.
  void repeat(Counter counter, int64_t n, int direction, const std::function<void()> &body);
  // body() at most n times, while `active` is not 0 in some task.
  void repeat_while(Number active, Counter counter, int64_t n, const std::function<void()> &body);
  // The same, where turns after the first add few passes: costs and progress count the first alone.
  void again_while(Number active, Counter counter, int64_t n, const std::function<void()> &body);

  MethodProgram finish();

 private:
  Op &emit(OpCode code);
  void pass(Op &op, const PassOptions &options);
  // One that must be there.
  ProgramArray &array_of(const Operand &operand);
  int16_t array(const char *name, int64_t count, int64_t planes, bool stream);

  const TaskProblem &problem_;
  MethodProgram program_;
  std::vector<int16_t> number_planes_;
};

// How often each operation runs, rare turns aside, at most: f(op, turns).
template <class F>
void walk(const Program &program, F f) {
  for (int32_t pc = 0; pc < program.n_ops; ++pc) {
    double turns = 1;
    for (int32_t end = pc; end < program.n_ops; ++end)
      if (program.ops[end].code == OP_END && program.ops[end].jump <= pc && !(program.ops[end].flags & FLAG_RARE))
        turns *= static_cast<double>(program.ops[end].n);
    f(program.ops[pc], turns);
  }
}

// Refuses an operation that lacks an operand, names what is not there, or has operands whose planes do not fit one another: an
// interpreter would read or write elsewhere.
void check_operations(const MethodProgram &program, const std::vector<int16_t> &number_planes);
// Planes of the leaves' gradients: passes that add to them must agree, since their sums are written out whole.
int32_t planes_of_leaves(const MethodProgram &program);

// Sets `buffer` of all arrays: arrays that never hold something at the same time share memory.
void assign_buffers(MethodProgram *program);

}  // namespace bilevel
