// SPDX-License-Identifier: Apache-2.0
//
// Decoder: statement text of one kernel (and of the functions it calls) to a Program.
//
// decode.cpp holds the general part (registers, operands, labels, guards); each ops_*.cpp file defines one
// group of instructions and the member function that recognises them.
#pragma once
#include <functional>
#include "core.h"
#include "parse.h"

namespace ptxemu {

// Handlers that several groups refer to.
const Ins *h_chk(const Ins *, Warp &);  // label: stop here if other lanes wait at this pc or below
const Ins *h_nop(const Ins *, Warp &);
const Ins *h_ret(const Ins *, Warp &);
const Ins *h_guard(const Ins *, Warp &);
const Ins *h_copylocal(const Ins *, Warp &);
const Ins *h_brap(const Ins *, Warp &);
const Ins *h_clock(const Ins *, Warp &);

// Calls f with a type tag that matches the PTX type; used to pick template instances at decode time.
#define TAG(T) \
  std::type_identity<T> {}
#define TT typename decltype(tag)::type
template <class F>
static Handler sel_int(Ty t, int line, F f) {
  bool s = t.k == 's';
  switch (t.sz) {
    case 2:
      return s ? f(TAG(i16)) : f(TAG(u16));
    case 4:
      return s ? f(TAG(i32)) : f(TAG(u32));
    case 8:
      return s ? f(TAG(i64)) : f(TAG(u64));
  }
  perr(line, "unsupported integer type");
}
template <class F>
static Handler sel_int48(Ty t, int line, F f) {
  bool s = t.k == 's';
  switch (t.sz) {
    case 4:
      return s ? f(TAG(i32)) : f(TAG(u32));
    case 8:
      return s ? f(TAG(i64)) : f(TAG(u64));
  }
  perr(line, "unsupported integer type");
}
template <class F>
static Handler sel_flt(Ty t, int line, F f) {
  if (t.sz == 4) return f(TAG(float));
  if (t.sz == 8) return f(TAG(double));
  perr(line, "unsupported float type (f16 arithmetic is not supported)");
}

struct Decoder {
  Module::Impl &M;
  Program &P;

  // ---- storage
  i32 roff = 0;                                               // register file bytes used
  std::map<std::pair<u64, int>, i32> cpool;                   // immediates
  std::map<std::string, i32> spec;                            // special registers
  i32 ccslot = -1, sink = -1;                                 // carry flag; target of "_"
  u32 shoff = 0, localoff = 0;                                // shared and local bytes used
  std::map<std::string, u32> shsym;                           // offsets of shared variables
  std::map<std::string, i32> fnentry, fnret;                  // per function: entry pc, return-address register
  std::map<std::string, std::map<std::string, u32>> fnparam;  // per function: local offsets of its parameters
  std::vector<std::string> todo;                              // functions still to decode
  std::set<std::string> done;
  std::map<std::string, std::set<std::string>> calls;  // call graph, to find recursion
  struct Scope {
    std::map<std::string, std::pair<i32, Ty>> regs;
    std::map<std::string, std::pair<int, u32>> vars;  // name -> (space, offset)
  };
  std::vector<Scope> scopes;

  // ---- forward references
  std::map<std::string, i32> labels;
  std::map<std::string, std::vector<std::string>> btargets;
  struct BFix {
    size_t ins;
    std::string label;
  };
  std::vector<BFix> bfix;
  std::vector<std::pair<size_t, std::string>> brxfix, callfix;

  // ---- instruction being decoded
  const Function *fn = nullptr;
  int line = 0;
  std::string op, o;              // full opcode and its first part
  std::vector<std::string> d, a;  // opcode parts (d[0] == o), operands
  std::string guard;
  Ty t{};               // last type suffix
  int sz = 4, rnd = 0;  // register size 4 or 8; rounding 0 rn 1 rz 2 rm 3 rp
  bool isf = false;
  int space = GLB;    // of a memory instruction, for the classification
  i32 main_ins = -1;  // index of the Ins that counts as the PTX instruction

  bool has(const char *part) const {
    for (size_t k = 1; k < d.size(); ++k)
      if (d[k] == part) return true;
    return false;
  }

  // ---- building blocks (decode.cpp)
  i32 slot(int size);
  i32 constant(u64 bits, int size);
  Ins &emit(Handler f);
  Ins &E(Handler f, int n);  // destination a[0], sources a[1..n], all of the instruction's type
  const std::pair<i32, Ty> *reg(const std::string &n);
  bool var(const std::string &n, int &sp, u32 &off);
  static int special_kind(const std::string &n);
  i32 src(const std::string &operand, int size);
  i32 low_half(i32 wide);  // a register of 4 bytes with the low half of one of 8
  i32 dst(const std::string &operand, int size);
  i32 pred(const std::string &operand, bool &neg);
  i32 predpos(const std::string &operand);  // as pred, with a negation made explicit
  bool symaddr(const std::string &operand, u64 &v, int &sp);
  u32 shvar(const Var &v);
  u32 local_room(const Var &v);
  std::vector<std::string> vec(const std::string &operand);
  int address(Ins &i, const std::string &operand, int sp);

  void run(const std::string &kernel);
  void function(const Function &f);
  void stmt(std::string s);
  void declare(const std::string &s);
  void inst();
  u8 classify() const;
  void check_parts() const;  // modifiers.cpp: refuses what would be ignored

  // ---- instruction groups (ops_*.cpp); false: not mine
  bool int_ops(), bit_ops(), float_ops(), compare_ops(), convert_ops(), memory_ops(), control_ops(), warp_ops(),
      mma_ops();
  void cvt_modifiers(Ty to, Ty from);
  void carry_op(), wide_op(), set_op(), cvt_op(), mov_op(), ldst_op(), atom_op(), cpasync_op(), bar_op(), call_op();
  int op_space();
  bool builtin_call(const std::string &, const std::vector<std::string> &, const std::vector<std::string> &);
};

}  // namespace ptxemu
