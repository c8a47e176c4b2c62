// SPDX-License-Identifier: Apache-2.0
//
// PTX text to functions and variables. Statement bodies stay text; decode.cpp turns them into instructions.
#pragma once
#include "core.h"

namespace ptxemu {

// Instruction type suffix: k is 'u','s','b','f' or 'p' (predicate), 'h' (bf16), 't' (tf32); sz bytes.
struct Ty {
  char k = 0;
  int sz = 0;
  bool x2 = false;  // packed pair of 16-bit floats
};

struct Var {
  std::string name;
  int space;
  u32 align, elem;  // bytes per element (vector types: whole vector)
  u64 count;        // elements; 0 for "[]"
  bool ext;
  std::vector<u8> init;
  std::string type;
};

struct Function {
  std::string name;
  bool entry = false;
  std::vector<Var> params, rets;
  std::string body;
  int line = 0;  // of the body
  u32 max_threads = 1024;
  Dim3 req_cluster{0, 0, 0};
};

struct Module::Impl {
  std::shared_ptr<std::vector<std::string>> lines = std::make_shared<std::vector<std::string>>();
  std::shared_ptr<std::vector<std::pair<int, int>>> srcloc = std::make_shared<std::vector<std::pair<int, int>>>();
  std::shared_ptr<std::map<int, std::string>> files = std::make_shared<std::map<int, std::string>>();
  std::map<std::string, Function> fns;
  std::map<std::string, Var> vars;                        // module-scope variables
  std::map<std::string, std::pair<char *, u64>> mem;      // storage of .global and .const variables
  std::map<std::string, std::unique_ptr<Program>> progs;  // decoded kernels
  std::vector<std::unique_ptr<std::vector<i32>>> tabs;    // branch tables and operand lists
  void place(const Var &v);                               // allocates a .global or .const variable
};

Ty ty(const std::string &suffix);
std::string trim(const std::string &s);
std::vector<std::string> split_top(const std::string &s, char sep);  // at top level of brackets only
std::vector<std::string> split_dots(const std::string &s);           // "ld.shared::cta.u32" -> 3 parts
[[noreturn]] void perr(int line, const std::string &what);
u64 parse_num(const std::string &s, int line);
Var parse_var(const std::string &text, int line);

}  // namespace ptxemu
