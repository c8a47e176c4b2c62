// SPDX-License-Identifier: Apache-2.0
//
// Which arrays of a program can share memory: a backward analysis of what is alive after each operation, over the program's own jumps,
// and then buffer assignment in the order of the arrays. Streams have buffers of their own.
#include <algorithm>

#include "csrc/methods/builder.h"

namespace bilevel {
namespace {

using Set = std::vector<bool>;  // of arrays

void insert(Set *set, const Operand &operand) {
  if (operand) (*set)[static_cast<size_t>(operand.array)] = true;
}
bool unite(Set *into, const Set &from) {
  bool grown = false;
  for (size_t i = 0; i < from.size(); ++i)
    if (from[i] && !(*into)[i]) (*into)[i] = grown = true;
  return grown;
}

void insert_reads(const Op &op, Set *set) {
  insert(set, op.x);
  insert(set, op.y);
  insert(set, op.v);
  if (op.flags & FLAG_ADD) insert(set, op.z);
}
void erase_writes(const Op &op, const std::vector<ProgramArray> &arrays, Set *set) {
  for (const Operand &written : {op.z, op.w})
    if (written && arrays[static_cast<size_t>(written.array)].count == 1)
      (*set)[static_cast<size_t>(written.array)] = false;
}

Set at_the_beginning(const MethodProgram &program) {
  Set set(program.arrays.size());
  for (const ProgramInput &input : program.inputs)
    if (input.array >= 0) set[static_cast<size_t>(input.array)] = true;
  for (size_t i = 0; i < set.size(); ++i)
    if (program.arrays[i].zeroed) set[i] = true;
  return set;
}
Set at_the_end(const MethodProgram &program) {
  Set set(program.arrays.size());
  for (const ProgramOutput &output : program.outputs)
    if (output.array >= 0) set[static_cast<size_t>(output.array)] = true;
  return set;
}

// after[pc]: arrays whose content is read later.
std::vector<Set> alive_after(const MethodProgram &program) {
  const size_t n = program.ops.size();
  std::vector<Set> before(n + 1, Set(program.arrays.size())), after(n, Set(program.arrays.size()));
  before[n] = at_the_end(program);
  for (bool changed = true; changed;) {
    changed = false;
    for (size_t pc = n; pc-- > 0;) {
      const Op &op = program.ops[pc];
      unite(&after[pc], before[pc + 1]);
      if (op.code == OP_END || op.code == OP_BREAK) unite(&after[pc], before[static_cast<size_t>(op.jump)]);
      Set alive = after[pc];
      erase_writes(op, program.arrays, &alive);
      insert_reads(op, &alive);
      changed = unite(&before[pc], alive) || changed;
    }
  }
  return after;
}

class Conflicts {
 public:
  explicit Conflicts(const MethodProgram &program) : apart_(program.arrays.size(), Set(program.arrays.size())) {
    const Set entry = at_the_beginning(program);
    for (size_t i = 0; i < entry.size(); ++i)
      if (entry[i]) keep_apart(i, entry);
    const std::vector<Set> after = alive_after(program);
    for (size_t pc = 0; pc < program.ops.size(); ++pc) add(program.ops[pc], after[pc]);
  }
  bool between(size_t a, size_t b) const { return apart_[a][b]; }

 private:
  void keep_apart(size_t written, const Set &others) {
    for (size_t i = 0; i < others.size(); ++i)
      if (others[i] && i != written) apart_[written][i] = apart_[i][written] = true;
  }
  // What is written must not destroy what is read later; a pass reads its operands while it writes, and a copy that goes along comes
  // after the result. Elementwise operations may write in place.
  void add(const Op &op, const Set &after) {
    Set others = after;
    if (op.code == OP_GRADIENT || op.code == OP_TANGENT) insert(&others, op.x), insert(&others, op.y);
    insert(&others, op.v);
    insert(&others, op.w);
    if (op.z) keep_apart(static_cast<size_t>(op.z.array), others);
    if (op.w) keep_apart(static_cast<size_t>(op.w.array), after);
  }

  std::vector<Set> apart_;
};

}  // namespace

void assign_buffers(MethodProgram *program) {
  std::vector<ProgramArray> &arrays = program->arrays;
  const Conflicts conflicts(*program);
  for (size_t i = 0; i < arrays.size(); ++i) {
    ProgramArray &a = arrays[i];
    a.buffer = static_cast<int16_t>(i);
    for (size_t buffer = 0; buffer < i && !a.stream && !a.state; ++buffer) {
      const ProgramArray &first = arrays[buffer];
      if (first.buffer != static_cast<int16_t>(buffer) || first.stream || first.state || first.planes != a.planes)
        continue;
      bool free = true;
      for (size_t other = buffer; other < i; ++other)
        free = free && !(arrays[other].buffer == static_cast<int16_t>(buffer) && conflicts.between(i, other));
      if (!free) continue;
      a.buffer = static_cast<int16_t>(buffer);
      arrays[buffer].product |= a.product;
      break;
    }
  }
}

}  // namespace bilevel
