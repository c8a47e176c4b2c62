// SPDX-License-Identifier: Apache-2.0
//
// General part of the decoder: functions, statements, labels, guards, classification of instructions. PTX chapters 4 (syntax) and 9.3
// (predicated execution).
#include "decode.h"
#include "lanes.h"
#include "profile.h"
#include "registers.h"

namespace ptxemu {

void Decoder::declare(const std::string &s) {
  Var v = parse_var(s, line);
  if (v.name.empty()) perr(line, "unsupported declaration " + s);
  switch (v.space) {
    case SHR:
      scopes.back().vars[v.name] = {SHR, shvar(v)};
      return;
    case LOC:
    case PRM:
      scopes.back().vars[v.name] = {LOC, local_room(v)};
      return;
    case GLB:
    case CST:
      M.place(v);
      return;
  }
  perr(line, "unsupported declaration " + s);
}

void Decoder::function(const Function &f) {
  fn = &f;
  scopes.assign(1, Scope{});
  labels.clear();
  btargets.clear();
  bfix.clear();
  brxfix.clear();
  line = f.line;
  if (f.entry) {
    u32 off = 0;
    for (auto &v : f.params) {
      off = (off + v.align - 1) / v.align * v.align;
      u32 n = (u32)(v.elem * v.count);
      P.info.params.push_back({off, n});
      scopes.back().vars[v.name] = {PRM, off};
      off += n;
    }
  } else {
    for (auto *L : {&f.params, &f.rets})
      for (auto &v : *L) scopes.back().vars[v.name] = {LOC, fnparam[f.name].at(v.name)};
  }
  fnentry[f.name] = (i32)P.code.size();
  emit(h_chk);
  const std::vector<Statement> body = split_body(f);
  const Places places = place_registers(body);
  std::vector<i32> narrow, wide;
  for (int k = 0; k < places.narrow; ++k) narrow.push_back(slot(4));
  for (int k = 0; k < places.wide; ++k) wide.push_back(slot(8));
  size_t registers = 0;
  for (const Statement &s : body) {
    line = s.line;
    switch (s.kind) {
      case Statement::OPEN:
        scopes.push_back(Scope{});
        break;
      case Statement::CLOSE:
        scopes.pop_back();
        break;
      case Statement::LABEL:
        labels[s.text] = (i32)P.code.size();
        emit(h_chk);
        break;
      case Statement::TARGETS:
        btargets[s.text] = s.targets;
        break;
      case Statement::DECLARATION:
        if (s.text.rfind(".reg", 0) != 0) declare(s.text);
        for (const Declared &r : declared_registers(s)) {
          const auto &slots = r.type.sz == 8 ? wide : narrow;
          const size_t place = (size_t)places.place[registers++];
          scopes.back().regs[r.name] = {place < slots.size() ? slots[place] : -1, r.type};  // -1: never used
        }
        break;
      case Statement::INSTRUCTION:
        stmt(s.text);
    }
  }
  Ins &last = emit(h_ret);
  if (!f.entry) last.o[1] = fnret[f.name];
  auto target = [&](const std::string &l) {
    auto it = labels.find(l);
    if (it == labels.end()) throw Fault("unknown label " + l);
    return it->second;
  };
  for (auto &b : bfix) P.code[b.ins].o[0] = target(b.label);
  for (auto &b : brxfix) {
    auto it = btargets.find(b.second);
    if (it == btargets.end()) throw Fault("unknown branch table " + b.second);
    M.tabs.push_back(std::make_unique<std::vector<i32>>());
    for (auto &l : it->second) M.tabs.back()->push_back(target(l));
    P.code[b.first].imm = (i64)M.tabs.back().get();
  }
}

void Decoder::stmt(std::string s) {
  guard.clear();
  if (s[0] == '@') {
    size_t q = s.find_first_of(" \t\n");
    guard = s.substr(1, q - 1);
    s = trim(s.substr(q));
  }
  size_t q = s.find_first_of(" \t\n");
  op = s.substr(0, q);
  a.clear();
  if (q != std::string::npos) a = split_top(trim(s.substr(q)), ',');
  inst();
}

void Decoder::inst() {
  d = split_dots(op);
  o = d[0];
  check_parts();
  t = Ty{};
  for (size_t k = d.size(); k-- > 1;) {
    t = ty(d[k]);
    if (t.sz) break;
  }
  sz = t.sz == 8 ? 8 : 4;
  rnd = has("rz") ? 1 : has("rm") ? 2 : has("rp") ? 3 : 0;
  isf = t.k == 'f';
  space = GLB;
  main_ins = -1;

  // A guard on a simple instruction runs it under a reduced mask (h_guard). Instructions that change the flow
  // or wait for other lanes are jumped over instead, so that they see a proper set of running lanes.
  static const std::set<std::string> flow = {"brx",  "call",  "ret",   "exit", "bar", "barrier", "shfl",
                                             "vote", "match", "redux", "mma",  "set", "setp"};
  bool jump_over = !guard.empty() && flow.count(o), masked = !guard.empty() && o != "bra" && !jump_over;
  size_t skip = 0, begin = P.code.size();
  if (jump_over) {
    bool neg;
    i32 p = pred(guard, neg);
    Ins &i = emit(h_brap);
    i.o[1] = p;
    i.aux = !neg;
    skip = i.pc;
  }
  if (masked) {
    // operands that need a helper instruction come before the guard: decode once to see whether there are any
    bool neg;
    i32 p = pred(guard, neg);
    Ins &i = emit(h_guard);
    i.o[1] = p;
    i.aux = neg;
    begin = P.code.size();
  }
  bool known = compare_ops() || control_ops() || warp_ops() || mma_ops() || memory_ops() || convert_ops() ||
               float_ops() || int_ops();
  if (!known) perr(line, "unsupported instruction " + op);
  if (masked && P.code.size() != begin + 1) {
    // helper steps before the main instruction: run them unguarded, they only write temporaries
    if (main_ins >= 0 && main_ins != (i32)P.code.size() - 1) perr(line, "guarded multi-step " + op);
    for (i32 k : P.dynfix)
      if (k < 0 && -k - 1 >= (i32)begin) perr(line, "guarded multi-step " + op);
    size_t g = begin - 1;
    std::rotate(P.code.begin() + g, P.code.begin() + g + 1, P.code.end() - 1);
    for (size_t k = g; k < P.code.size(); ++k) P.code[k].pc = (i32)k;
  }
  if (P.code.size() > begin) {
    if (main_ins < 0) main_ins = (i32)P.code.size() - 1;
    P.code[main_ins].cls = classify();
  }
  if (jump_over) {
    P.code[skip].o[0] = (i32)P.code.size();
    emit(h_chk);
  }
}

// Class of the current instruction for the profile.
u8 Decoder::classify() const {
  static const std::set<std::string> sfu = {"ex2", "lg2", "sin", "cos", "tanh", "rcp", "rsqrt", "sqrt"};
  if (o == "mma") return t.sz == 8 ? K_MMA_F64 : K_MMA;
  if (o == "bra" || o == "brx" || o == "call" || o == "ret" || o == "exit") return K_BRANCH;
  if (o == "shfl" || o == "vote" || o == "match" || o == "redux" || o == "activemask") return K_SHUFFLE;
  if (o == "bar" || o == "barrier") return d.size() > 1 && d[1] == "warp" ? K_OTHER : K_BARRIER;
  if (o == "ld" || o == "ldu" || o == "st" || (o == "cp" && has("async"))) {
    bool st = o == "st";
    switch (space) {
      case SHR:
      case SCL:
        return st ? K_STS : K_LDS;
      case LOC:
        return has("param") || has("param::func") ? K_PARAM : K_LOCAL;
      case PRM:
        return K_PARAM;
    }
    if (o == "cp" && (has("commit_group") || has("wait_group") || has("wait_all"))) return K_OTHER;
    return st ? K_STG : K_LDG;
  }
  if (o == "atom" || o == "red") return space == GLB ? K_ATOMG : K_ATOMS;
  if (o == "mov" || o == "cvta") return K_MOVE;
  if (o == "cvt") return K_CVT;
  if (isf && t.sz == 8) return o == "div" || sfu.count(o) ? (has("approx") ? K_SFU : K_FP64_DIV) : K_FP64;
  if (isf) {
    if (o == "fma" || o == "mad") return K_FP32_FMA;
    if (o == "add" || o == "sub") return K_FP32_ADD;
    if (o == "mul") return K_FP32_MUL;
    if (o == "div") return has("approx") ? K_SFU : K_FP32_DIV;
    if (sfu.count(o)) return has("approx") || o == "ex2" || o == "lg2" ? K_SFU : K_FP32_DIV;
    return K_FP32_OTHER;
  }
  static const std::set<std::string> other = {"fence", "membar", "nanosleep", "prefetch", "prefetchu", "trap"};
  if (other.count(o)) return K_OTHER;
  if (o == "div" || o == "rem") return K_INT_DIV;
  return t.sz == 8 || has("wide") ? K_INT64 : K_INT;
}

void Decoder::run(const std::string &kernel) {
  todo.push_back(kernel);
  while (!todo.empty()) {
    std::string n = todo.back();
    todo.pop_back();
    if (done.insert(n).second) function(M.fns.at(n));
  }
  // recursion: a function that reaches itself (parameters and return addresses are per function, not per
  // call)
  for (auto &[f, direct] : calls) {
    std::set<std::string> seen(direct.begin(), direct.end());
    std::vector<std::string> work(direct.begin(), direct.end());
    while (!work.empty()) {
      std::string g = work.back();
      work.pop_back();
      for (auto &h : calls[g])
        if (seen.insert(h).second) work.push_back(h);
    }
    if (seen.count(f)) throw Fault("recursive device function " + f + " is not supported");
  }
  for (auto &c : callfix) P.code[c.first].o[0] = fnentry.at(c.second);
  u32 dyn = (shoff + (u32)P.dynalign - 1) / (u32)P.dynalign * (u32)P.dynalign;
  for (i32 k : P.dynfix) {
    if (k >= 0)
      P.consts[k].bits += (u64)dyn - DYN_SHARED;
    else
      P.code[-k - 1].imm += (i64)dyn - DYN_SHARED;
  }
  const Function &f = M.fns.at(kernel);
  P.info.static_shared = dyn;
  P.info.local_bytes = (localoff + 15) & ~15u;
  P.info.instructions = P.code.size();
  P.info.max_threads = f.max_threads;
  P.info.req_cluster = f.req_cluster;
  P.regbytes = (roff + 127) & ~127;
  P.lines = M.lines;
  P.srcloc = M.srcloc;
  P.files = M.files;
}

Program &Module::program(const std::string &k) {
  auto &q = p->progs[k];
  if (!q) {
    auto it = p->fns.find(k);
    if (it == p->fns.end()) throw Fault("no kernel " + k);
    auto P = std::make_unique<Program>();
    P->name = k;
    Decoder D{*p, *P};
    D.run(k);
    q = std::move(P);
  }
  return *q;
}

const KernelInfo &info(const Program &p) { return p.info; }

}  // namespace ptxemu
