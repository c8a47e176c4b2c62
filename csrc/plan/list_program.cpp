// SPDX-License-Identifier: Apache-2.0
//
// A program in words: one line per operation, in the notation of the methods, loops indented. The switches have no default, so that the
// compiler names them when an operation is added.
#include <string>

#include "csrc/methods/optimiser.h"
#include "csrc/plan/plan.h"
#include "csrc/support/names.h"
#include "csrc/support/refusal.h"

namespace bilevel {
namespace {

template <class... Parts>
std::string join(const Parts &...parts) {
  std::string text;
  (text.append(parts), ...);
  return text;
}

class Listing {
 public:
  explicit Listing(const MethodProgram &program) : p(program) {}

  std::vector<std::string> lines() {
    for (size_t pc = 0; pc < p.ops.size(); ++pc) {
      begin_loops(pc);
      const std::string text = line(p.ops[pc]);
      if (!text.empty()) add(text);
      if (p.ops[pc].code == OP_END) --depth_;
    }
    return lines_;
  }

 private:
  void add(const std::string &text) { lines_.push_back(join(std::string(static_cast<size_t>(2 * depth_), ' '), text)); }

  // Loops whose first operation is pc, the outermost first.
  void begin_loops(size_t pc) {
    for (size_t end = p.ops.size(); end-- > pc;) {
      const Op &op = p.ops[end];
      if (op.code != OP_END || op.jump != static_cast<int32_t>(pc)) continue;
      std::string text = join("repeat ", counter(op.counter), op.direction > 0 ? " = 0 .. " : " = ",
                              std::to_string(op.n - 1), op.direction > 0 ? "" : " .. 0");
      if (op.flags & FLAG_ACTIVE) text.append(" while ").append(number(op.number));
      add(text);
      ++depth_;
    }
  }

  const std::string &counter(int i) const { return p.counter_names[static_cast<size_t>(i)]; }
  const std::string &number(int i) const { return p.number_names[static_cast<size_t>(i)]; }
  std::string at(const Operand &a) const {
    const auto i = static_cast<size_t>(a.array);
    if (p.arrays[i].count == 1) return p.array_names[i];
    std::string place = counter(a.counter);
    if (a.offset != 0) place.append(a.offset > 0 ? "+" : "").append(std::to_string(a.offset));
    return join(p.array_names[i], "[", place, "]");
  }
  std::string coefficient(const Coefficient &c) const {
    if (c.kind == COEFFICIENT_NUMBER) return join(number(c.index), " ");
    if (c.kind == COEFFICIENT_ONE) return "";
    const std::string leaf = plain_name_of(leaf_names, step_leaf_order[c.index]);
    return join(leaf, c.kind == COEFFICIENT_LEAF_TANGENT ? "'[" : "[", counter(c.counter), "] ");
  }
  std::string term(const Coefficient &c, const Operand &x, bool first) const {
    return join(c.sign < 0 ? (first ? "-" : " - ") : (first ? "" : " + "), coefficient(c), at(x));
  }

  std::string pass(const Op &op, const std::string &what) const {
    return join(what, op.flags & FLAG_OUTER ? " of outer" : " of inner",
                op.flags & FLAG_BATCH ? join(", batch[", counter(op.counter), "]") : "",
                op.flags & FLAG_TAPE ? join(", tape[", counter(op.tape_counter), "]") : "",
                op.flags & FLAG_LEAVES ? ", leaves" : "",
                op.flags & FLAG_TANGENTS ? ", along the leaves' tangents" : "",
                op.first >= 0 ? join(", times ", number(op.first)) : "");
  }
  std::string result(const Op &op) const {
    const std::string z = op.z ? join(at(op.z), op.flags & FLAG_ADD ? " += " : " = ") : "";
    return op.number >= 0 ? join(number(op.number), z.empty() ? " = " : ", ", z) : z;
  }

  std::string line(const Op &op) const {
    switch (static_cast<OpCode>(op.code)) {
      case OP_GRADIENT:
        return join(result(op), pass(op, join("gradient(", at(op.x), ")")));
      case OP_TANGENT:
        return join(result(op), pass(op, join("tangent(", at(op.x), " along ", at(op.y), ")")));
      case OP_LINEAR:
        return join(at(op.z), " = ", term(op.a, op.x, true), op.y ? term(op.b, op.y, false) : "",
                    op.w ? join("; ", at(op.w), " = ", at(op.v)) : "", op.flags & FLAG_CHECK ? "; check" : "");
      case OP_MAP:
        return map(op);
      case OP_DOT:
        return join(number(op.number), " = ",
                    op.flags & FLAG_ROOT ? join("|", at(op.x), "|") : join(at(op.x), " . ", at(op.y)));
      case OP_SIDE_DOT:
        return join(number(op.number), " = leaf gradients . tangents of ", op.flags & FLAG_OUTER ? "outer" : "inner");
      case OP_STEP_LEAF:
        return join("d", coefficient(op.a), op.a.sign > 0 ? "+= " : "-= ", at(op.x), " . ", at(op.y));
      case OP_NUMBER:
        return number_line(op);
      case OP_CHECK:
        return check(op);
      case OP_FAIL:
        return join("fail where ", number(op.number), ", status ", std::to_string(op.n));
      case OP_COUNT:
      case OP_END:
      case OP_BREAK:
        return "";  // in the heads of loops
    }
    return "?";
  }
  std::string map(const Op &op) const {
    return join(at(op.z), " = ", name_of_map(static_cast<MapFunction>(op.function)), "(", at(op.x),
                op.y ? join(", ", at(op.y)) : "", ")");
  }
  static const char *name_of_map(MapFunction function) {
    switch (function) {
      case MAP_PRODUCT:
        return "product";
      case MAP_RECIPROCAL:
        return "reciprocal";
      case MAP_ROOT:
        return "root";
    }
    return "?";
  }
  std::string number_line(const Op &op) const {
    const std::string z = join(number(op.number), " = ");
    const auto x = [&] { return number(op.first); };
    const auto y = [&] { return number(op.second); };
    switch (static_cast<NumberFunction>(op.function)) {
      case NUMBER_CONSTANT:
        return join(z, format("%.17g", op.real).c_str());
      case NUMBER_ADD:
        return join(z, x(), " + ", y());
      case NUMBER_SUBTRACT:
        return join(z, x(), " - ", y());
      case NUMBER_MULTIPLY:
        return join(z, x(), " * ", y());
      case NUMBER_DIVIDE:
        return join(z, x(), " / ", y());
      case NUMBER_ROOT:
        return join(z, "root(", x(), ")");
      case NUMBER_GREATER:
        return join(z, x(), " > ", y());
      case NUMBER_SELECT:
        return join(z, x(), " if ", y());
      case NUMBER_MINIMUM:
        return join(z, "min(", x(), ", ", y(), ")");
      case NUMBER_MAXIMUM:
        return join(z, "max(", x(), ", ", y(), ")");
      case NUMBER_COPY:
        return join(z, x());
    }
    return "?";
  }
  std::string check(const Op &op) const {
    std::string text;
    if (op.x) text.append(" ").append(at(op.x));
    if (op.number >= 0) text.append(" ").append(number(op.number));
    return text.empty() ? "" : join("check", text);
  }

  const MethodProgram &p;
  std::vector<std::string> lines_;
  int depth_ = 0;
};

}  // namespace

std::vector<std::string> list_program(const MethodProgram &program) { return Listing(program).lines(); }

}  // namespace bilevel
