// SPDX-License-Identifier: Apache-2.0
//
// A method as data: a list of operations over named arrays (parameter vectors, or streams of them) and numbers, one of each per task.
// Built by csrc/methods, run by one interpreter per machine (kernels/interpreter). Plain data: to a device it travels by value.
//
// Control flow is the same for all tasks of a group. What depends on a task's data is a number that is 1 or 0 ("still active"): a task
// that is done keeps turning with coefficients of 0, and a loop ends when no task of the group is active.
#pragma once
#include <cstdint>

#include "kernels/contract/slot.h"

namespace bilevel {

enum OpCode : uint8_t {
  OP_GRADIENT,   // z = grad L_side(x), number = L_side(x)
  OP_TANGENT,    // z = H_side(x) y for every plane of y, leaves += cross products
  OP_LINEAR,     // z = a x + b y, and then w = v; y, v and w may be absent
  OP_MAP,        // z = f(x, y) entry by entry, f of MapFunction
  OP_DOT,        // number = <x, y>, for every plane
  OP_SIDE_DOT,   // number = <leaf gradients of a side, their tangents>, for every plane
  OP_STEP_LEAF,  // gradient of the step leaf a += sign <x, y>, at the step of its counter
  OP_NUMBER,     // number = f(first, second), f of NumberFunction
  OP_CHECK,      // x and number are finite, else the task fails
  OP_FAIL,       // the task fails where number is not 0, with the status n
  OP_COUNT,      // counter = n counter[from] + direction counter[with] + constant
  OP_END,        // counter += direction; while it is in [0, n): jump
  OP_BREAK,      // jump if number is 0 in every task
};

enum OpFlags : uint16_t {
  FLAG_OUTER = 1,        // the outer side, else the inner one
  FLAG_LEAVES = 2,       // gradients of the leaves are added up
  FLAG_ADD = 4,          // to z, instead of overwriting it
  FLAG_TAPE = 8,         // the tape at `tape_counter`: GRADIENT writes it, TANGENT reads it
  FLAG_BATCH = 16,       // over the minibatch of step `counter`
  FLAG_TANGENTS = 32,    // TANGENT: leaves move, too, along their TANGENT slots
  FLAG_CHECK = 64,       // z is checked to be finite; a failure is of step counter + 1
  FLAG_ROOT = 128,       // DOT: the square root
  FLAG_ACTIVE = 256,     // END: and while number is not 0 in some task
  FLAG_REPORT = 512,     // CHECK: failures so far are reported
  FLAG_WEIGHTED = 1024,  // GRADIENT, TANGENT: of number `first` (else -1) times the loss
  FLAG_RARE = 2048,      // END: turns after the first add few passes; costs count the first alone
};

enum MapFunction : uint8_t { MAP_PRODUCT, MAP_RECIPROCAL, MAP_ROOT };  // x y; 1 / x, and 0 where x is 0; sqrt(x)
enum NumberFunction : uint8_t {
  NUMBER_CONSTANT,  // the operation's `real`
  NUMBER_COPY,
  NUMBER_ADD,
  NUMBER_SUBTRACT,
  NUMBER_MULTIPLY,
  NUMBER_DIVIDE,  // 0 where the divisor is 0
  NUMBER_ROOT,
  NUMBER_GREATER,  // 1 where first > second, else 0; a NaN is not greater
  NUMBER_SELECT,   // first where second is not 0, else 0: what is not finite is dropped
  NUMBER_MINIMUM,  // the second, unless the first is smaller
  NUMBER_MAXIMUM,  // the second, unless the first is larger
};

// An array at a place: entry (counter + offset) of a stream. What is no stream has one entry and ignores both.
struct Operand {
  int16_t array = -1;
  uint8_t counter = 0;
  int8_t offset = 0;
  constexpr explicit operator bool() const { return array >= 0; }
};

enum CoefficientKind : uint8_t {
  COEFFICIENT_NONE,
  COEFFICIENT_ONE,
  COEFFICIENT_NUMBER,        // number `index`; one per plane if it has planes
  COEFFICIENT_LEAF,          // step leaf `index` at the step of `counter`
  COEFFICIENT_LEAF_TANGENT,  // its tangents, one per plane
};
struct Coefficient {
  uint8_t kind = COEFFICIENT_NONE;
  int8_t sign = 1;
  uint8_t index = 0, counter = 0;
};

struct Op {
  uint8_t code = 0, function = 0;
  uint16_t flags = 0;
  int16_t number = -1, first = -1, second = -1;  // numbers: result, operands
  int16_t planes = 1;                            // of y (TANGENT, DOT), of z (LINEAR, MAP)
  Operand x, y, z, v, w;
  Coefficient a, b;
  uint8_t counter = 0;       // of step, minibatch, loop
  uint8_t tape_counter = 0;  // of the tape; COUNT: from
  uint8_t with = 0;          // COUNT
  int8_t direction = 1;
  int32_t jump = 0;
  int64_t n = 0;  // END: turns; COUNT: factor; FAIL: status
  union {
    double real = 0;
    int64_t constant;  // COUNT
  };
};
static_assert(sizeof(Op) == 64, "four 16-byte words of a kernel's parameters");

struct ProgramArray {
  int64_t count = 1;    // entries of a stream
  int16_t planes = 1;   // vectors side by side in an entry
  int16_t buffer = 0;   // arrays with the same buffer share memory: buffer assignment, csrc/methods/liveness.cpp
  uint8_t stream = 0;   // is read or written once a step or less often
  uint8_t zeroed = 0;   // holds zeros at the beginning
  uint8_t product = 0;  // written by matrix products, which leave padding alone
  uint8_t state = 0;    // lies in the caller's state and keeps its content from execute to execute
};

// A parameter vector or a number that is read from the caller's array before the first operation, plane k from its step k.
struct ProgramInput {
  Slot slot;
  int32_t array = -1, number = -1, planes = 1, unused = 0;
};
// A parameter vector or a number that is written to the caller's array after the last operation.
struct ProgramOutput {
  Slot slot;
  int32_t array = -1, number = -1, planes = 1, unused = 0;
};

struct Program {
  const Op *ops = nullptr;  // owned by the plan
  const ProgramArray *arrays = nullptr;
  const ProgramInput *inputs = nullptr;
  const ProgramOutput *outputs = nullptr;
  int32_t n_ops = 0, n_arrays = 0, n_inputs = 0, n_outputs = 0, n_numbers = 0, n_counters = 0;
  int32_t tangent_planes = 0;  // most planes of a TANGENT
  int32_t leaf_planes = 1;     // of the leaves' gradients
  int64_t tape_entries = 0, tape_rows = 0;
  int64_t passes = 0;  // turns of GRADIENT and TANGENT, without rare ones, at most: for progress
  // Numbers that the info of a task reports; -1: none.
  int32_t loss = -1, norm = -1, iterations = -1;
  int32_t present = -1;  // a number that is 1 where there is a task and 0 in lanes without one; -1: none
};

}  // namespace bilevel
