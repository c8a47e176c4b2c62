// SPDX-License-Identifier: Apache-2.0
//
// Control flow (PTX 9.7.12) and barriers (PTX 9.7.13: bar, barrier, barrier.cluster).
//
// Divergence: each lane has its own pc. A branch that splits the warp parks both halves; the scheduler then
// runs the lanes with the lowest pc until they reach the next parked pc (`reconv`), where the halves merge.
// Every label and function entry starts with h_chk, which stops there when `reconv` is reached.
#include "access.h"
#include "decode.h"
#include "lanes.h"

namespace ptxemu {

// Lanes stop at pc; the scheduler picks them up from there.
const Ins *park(Warp &w, u32 lanes_, i32 pc) {
  lanes(lanes_, [&](int l) {
    w.pc[l] = pc;
    w.depth[l] = w.dep;
  });
  return nullptr;
}
const Ins *h_chk(const Ins *i, Warp &w) {
  if (__builtin_expect(i->pc >= w.reconv, 0)) return park(w, w.act, i->pc);
  return i + 1;
}
const Ins *h_nop(const Ins *i, Warp &) { return i + 1; }
static const Ins *do_exit(Warp &w) {
  w.exited |= w.act;
  w.cta->alive -= w.nact;
  check_barriers(*w.cta);
  return nullptr;
}
// Taken backward jumps use up fuel, so that a spinning warp lets the others run.

static INL const Ins *jump(Warp &w, i32 from, i32 to) {
  if (to >= w.reconv) return park(w, w.act, to);
  if (to <= from && --w.fuel < 0) {
    w.yielded = true;
    return park(w, w.act, to);
  }
  return w.code + to;
}
static const Ins *h_bra(const Ins *i, Warp &w) { return jump(w, i->pc, i->o[0]); }
const Ins *h_brap(const Ins *i, Warp &w) {  // o0 target, o1 pred, aux negate
  u32 p = movemask(OPERAND(i32, 1));
  if (i->aux) p = ~p;
  u32 t = w.act & p;
  if (t == w.act) return jump(w, i->pc, i->o[0]);
  if (!t) return i->pc + 1 >= w.reconv ? park(w, w.act, i->pc + 1) : i + 1;
  park(w, t, i->o[0]);
  return park(w, w.act & ~t, i->pc + 1);
}
// brx.idx: every lane goes to its own entry of the table.
static const Ins *h_brx(const Ins *i, Warp &w) {
  auto A = OPERAND(u32, 1);
  auto *tab = (const std::vector<i32> *)i->imm;
  lanes(w.act, [&](int l) {
    if (A[l] >= tab->size()) fault(i, w, "brx.idx out of range");
    w.pc[l] = (*tab)[A[l]];
    w.depth[l] = w.dep;
  });
  return nullptr;
}
// The return address goes to a register of the callee; the lanes go on at a greater call depth.
static const Ins *h_call(const Ins *i, Warp &w) {
  u32 *ra = (u32 *)(w.r + i->o[1]);
  lanes(w.act, [&](int l) {
    ra[l] = i->pc + 1;
    w.pc[l] = i->o[0];
    w.depth[l] = w.dep + 1;
  });
  return nullptr;
}
static const Ins *h_exit(const Ins *, Warp &w) { return do_exit(w); }
const Ins *h_ret(const Ins *i, Warp &w) {
  if (i->o[1] < 0) return do_exit(w);
  u32 *ra = (u32 *)(w.r + i->o[1]);
  lanes(w.act, [&](int l) {
    w.pc[l] = ra[l];
    w.depth[l] = w.dep - 1;
  });
  return nullptr;
}
static const Ins *h_trap(const Ins *i, Warp &w) { fault(i, w, "trap"); }
static const Ins *h_yield(const Ins *i, Warp &w) {
  w.fuel = std::min(w.fuel, 0);
  return i + 1;
}
// @p instruction: runs the next instruction with the lanes whose predicate holds. It is counted as issued
// even if no lane is left, as on hardware.
const Ins *h_guard(const Ins *i, Warp &w) {
  u32 p = movemask(OPERAND(i32, 1));
  if (i->aux) p = ~p;
  u32 s = w.act, a = s & p;
  if (a == s) return i + 1;
  if (a) {
    w.set(a);
    step(i + 1, w);
    w.set(s);
  } else
    ++(i + 1)->nwarps;
  return i + 2;
}
// Parameter passing: copies bytes inside the local memory of each lane.
const Ins *h_copylocal(const Ins *i, Warp &w) {
  lanes(w.act, [&](int l) {
    char *b = w.local + (u64)l * w.lstride;
    memcpy(b + i->o[0], b + i->o[1], i->o[2]);
  });
  return i + 1;
}

static void unblock(Cta &c, i32 b) {
  for (Warp *w : c.warps)
    for (u32 x = w->bwait; x; x &= x - 1) {
      int l = __builtin_ctz(x);
      if (w->bid[l] == b) w->bwait &= ~(1u << l);
    }
}
static void release(Cta &c, int b) {
  ++c.epoch;
  c.arrived[b] = 0;
  memcpy(c.redres[b], c.redacc[b], sizeof c.redres[b]);
  c.redacc[b][0] = 0;
  c.redacc[b][1] = 1;
  c.redacc[b][2] = 0;
  unblock(c, b);
}
static void check_cluster(Cluster &cl) {
  u32 alive = 0;
  for (Cta *c : cl.ctas) alive += c->alive;
  if (!cl.arrived || cl.arrived < alive) return;
  cl.arrived = 0;
  ++cl.phase;
  for (Cta *c : cl.ctas) {
    ++c->epoch;
    unblock(*c, CLUSTER_BAR);
  }
}
// After threads have exited: a barrier waiting for all remaining threads may now be complete.
void check_barriers(Cta &c) {
  for (int b = 0; b < NBAR; ++b)
    if (c.arrived[b] && c.redn[b] == 0 && c.arrived[b] >= c.alive) release(c, b);
  check_cluster(*c.cluster);
}
// o0 barrier id, o1 thread count or -1 (all), o2 predicate of bar.red; aux: 1 arrive only, 2 negate,
// bits 4..: red
static const Ins *h_bar(const Ins *i, Warp &w) {
  int first = __builtin_ctz(w.act), b = OPERAND(u32, 0)[first] & 15;
  u32 n = i->o[1] < 0 ? 0 : OPERAND(u32, 1)[first];
  Cta &c = *w.cta;
  c.redn[b] = n;
  if (i->aux >> 4) {
    u32 p = movemask(OPERAND(i32, 2));
    if (i->aux & 2) p = ~p;
    c.redacc[b][0] += __builtin_popcount(p & w.act);
    c.redacc[b][1] &= (p & w.act) == w.act;
    c.redacc[b][2] |= (p & w.act) != 0;
  }
  c.arrived[b] += w.nact;
  bool complete = c.arrived[b] >= (n ? n : c.alive);
  if (i->aux & 1) {
    if (complete) release(c, b);
    return i + 1;
  }
  lanes(w.act, [&](int l) { w.bid[l] = b; });
  w.bwait |= w.act;
  park(w, w.act, i->pc + 1);
  if (complete) release(c, b);
  return nullptr;
}
// Fetches the result of bar.red after the barrier. aux: 1 popc, 2 and, 3 or
static const Ins *h_barget(const Ins *i, Warp &w) {
  int b = OPERAND(u32, 1)[__builtin_ctz(w.act)] & 15;
  u32 *r = w.cta->redres[b];
  if (i->aux == 1)
    each<u32>(w, i->o[0], [&](int) { return r[0]; });
  else {
    i32 v = r[i->aux - 1] ? -1 : 0;
    each<i32>(w, i->o[0], [&](int) { return v; });
  }
  return i + 1;
}
// barrier.cluster.arrive / .wait: a thread waits for the phase it arrived in to end.
static const Ins *h_cluster_arrive(const Ins *i, Warp &w) {
  Cluster &cl = *w.cta->cluster;
  lanes(w.act, [&](int l) { w.cphase[l] = cl.phase; });
  cl.arrived += w.nact;
  check_cluster(cl);
  return i + 1;
}
static const Ins *h_cluster_wait(const Ins *i, Warp &w) {
  Cluster &cl = *w.cta->cluster;
  u32 wait = 0;
  lanes(w.act, [&](int l) {
    if (w.cphase[l] == cl.phase) {
      wait |= 1u << l;
      w.bid[l] = CLUSTER_BAR;
    }
  });
  if (!wait) return i + 1;
  w.bwait |= wait;
  return park(w, w.act, i->pc + 1);
}

void Decoder::bar_op() {
  if (has("cluster")) {
    bool arr = has("arrive");
    if (!arr && !has("wait")) perr(line, "unsupported instruction " + op);
    emit(arr ? h_cluster_arrive : h_cluster_wait);
    return;
  }
  if (!has("red")) {
    i32 id = src(a[0], 4), cn = a.size() > 1 ? src(a[1], 4) : -1;
    Ins &i = emit(h_bar);
    i.o[0] = id;
    i.o[1] = cn;
    i.aux = has("arrive");
    return;
  }
  bool neg;
  i32 id = src(a[1], 4), cn = a.size() > 3 ? src(a[2], 4) : -1, p = pred(a.back(), neg), dd = dst(a[0], 4);
  int k = has("popc") ? 1 : has("and") ? 2 : 3;
  main_ins = (i32)P.code.size();
  {
    Ins &i = emit(h_bar);
    i.o[0] = id;
    i.o[1] = cn;
    i.o[2] = p;
    i.aux = k << 4 | (neg ? 2 : 0);
  }
  Ins &j = emit(h_barget);
  j.o[0] = dd;
  j.o[1] = id;
  j.aux = k;
}

// Direct calls only. Arguments are copied into the callee's parameter area, which is fixed per function
// (so recursion is not supported).
void Decoder::call_op() {
  std::vector<std::string> rets, args;
  size_t k = 0;
  auto inner = [](const std::string &s) { return split_top(s.substr(1, s.size() - 2), ','); };
  if (!a.empty() && a[0][0] == '(') {
    rets = inner(a[0]);
    k = 1;
  }
  std::string name = a[k++];
  if (k < a.size() && a[k][0] == '(') args = inner(a[k]);
  auto lo = [&](const std::string &n) {
    int sp;
    u32 off;
    if (!var(n, sp, off) || sp != LOC) perr(line, "call argument " + n);
    return (i32)off;
  };
  if (builtin_call(name, args, rets)) return;
  auto it = M.fns.find(name);
  if (it == M.fns.end() || it->second.body.empty())
    perr(line,
         "call of unknown function " + name + " (indirect calls and separate device compilation are not supported)");
  const Function &f = it->second;
  if (!fnret.count(name)) {
    fnret[name] = slot(4);
    for (auto *L : {&f.params, &f.rets})
      for (auto &v : *L) fnparam[name][v.name] = local_room(v);
    todo.push_back(name);
  }
  calls[fn->name].insert(name);
  auto bytes = [](const Var &v) { return (i32)(v.elem * std::max<u64>(1, v.count)); };
  for (size_t q = 0; q < args.size(); ++q) {
    i32 s = lo(args[q]);
    Ins &i = emit(h_copylocal);
    i.o[0] = fnparam[name][f.params[q].name];
    i.o[1] = s;
    i.o[2] = bytes(f.params[q]);
  }
  main_ins = (i32)P.code.size();
  {
    Ins &i = emit(h_call);
    i.o[1] = fnret[name];
    callfix.push_back({(size_t)i.pc, name});
  }
  for (size_t q = 0; q < rets.size(); ++q) {
    i32 s = lo(rets[q]);
    Ins &i = emit(h_copylocal);
    i.o[1] = fnparam[name][f.rets[q].name];
    i.o[0] = s;
    i.o[2] = bytes(f.rets[q]);
  }
}

bool Decoder::control_ops() {
  if (o == "bra") {
    if (guard.empty()) {
      Ins &i = emit(h_bra);
      bfix.push_back({(size_t)i.pc, a[0]});
    } else {
      bool neg;
      i32 p = pred(guard, neg);
      Ins &i = emit(h_brap);
      i.o[1] = p;
      i.aux = neg;
      bfix.push_back({(size_t)i.pc, a[0]});
    }
  } else if (o == "brx") {
    i32 s = src(a[0], 4);
    Ins &i = emit(h_brx);
    i.o[1] = s;
    brxfix.push_back({(size_t)i.pc, a[1]});
  } else if (o == "ret") {
    Ins &i = emit(h_ret);
    if (!fn->entry) i.o[1] = fnret[fn->name];
  } else if (o == "exit")
    emit(h_exit);
  else if (o == "trap" || o == "brkpt")
    emit(h_trap);
  else if (o == "call")
    call_op();
  else if (o == "nanosleep")
    emit(h_yield);
  else if ((o == "bar" && d[1] != "warp") || o == "barrier")
    bar_op();
  else
    return false;
  return true;
}

}  // namespace ptxemu
