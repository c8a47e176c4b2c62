// SPDX-License-Identifier: Apache-2.0
//
// The statements of a function body, and where its PTX registers are kept. nvcc's PTX never reuses a register, so that a large kernel
// names tens of thousands; with one place in the register file for each, a warp's registers would not fit any cache. Registers that
// are not alive at the same time share a place.
#pragma once
#include "parse.h"

namespace ptxemu {

struct Statement {
  enum Kind { OPEN, CLOSE, LABEL, TARGETS, DECLARATION, INSTRUCTION } kind;
  int line;
  std::string text;                  // LABEL, TARGETS: the name
  std::vector<std::string> targets;  // TARGETS: labels of a branch table
};

std::vector<Statement> split_body(const Function &f);

// One register declared by `.reg`, in the order of the declarations.
struct Declared {
  std::string name;
  Ty type;
};
std::vector<Declared> declared_registers(const Statement &s);

// Places for all registers of a body, in the order in which their declarations come: numbers of 4-byte and of 8-byte places.
struct Places {
  std::vector<int> place;
  int narrow = 0, wide = 0;  // how many of each are needed
};
Places place_registers(const std::vector<Statement> &body);

}  // namespace ptxemu
