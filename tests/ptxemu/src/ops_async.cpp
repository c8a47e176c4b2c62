// SPDX-License-Identifier: Apache-2.0
//
// Asynchronous copies from global to shared memory (PTX 9.7.9 cp.async).
#include "access.h"
#include "decode.h"
#include "lanes.h"

namespace ptxemu {

// cp.async: addresses are checked when it is issued, the bytes arrive when its group is waited for (PTXEMU_CPASYNC=now: at once), so
// that a missing wait shows as stale shared memory.
static bool copies_at_once() {
  static const char *e = getenv("PTXEMU_CPASYNC");
  return e && !strcmp(e, "now");
}
static void arrive(const AsyncCopy &c) {
  if (c.n) memcpy(c.dst, c.src, c.n);
  if (c.n < c.size) memset(c.dst + c.n, 0, c.size - c.n);
}
// o4 dst shared addr, o5 src global addr, imm dst off, o6 src off, o1 src-size reg or -1
template <int N>
static const Ins *h_cpasync(const Ins *i, Warp &w) {
  if (w.cta->watch) {
    watch_access(i, w, GLB, nullptr, OPERAND(u64, 5), i->o[6], N, LOAD);
    watch_access(i, w, SHR, i->aux & 1 ? OPERAND(u32, 4) : nullptr, i->aux & 1 ? nullptr : OPERAND(u64, 4), i->imm, N,
                 STORE);
  }
  lanes(w.act, [&](int l) {
    u64 d = (i->aux & 1 ? OPERAND(u32, 4)[l] : OPERAND(u64, 4)[l]) + i->imm;
    u64 s = OPERAND(u64, 5)[l] + i->o[6];
    u32 n = i->o[1] < 0 ? N : std::min<u32>(N, OPERAND(u32, 1)[l]);
    AsyncCopy c{addr<SHR>(i, w, d, N, l), nullptr, n, N, (u32)l, w.async_groups[l]};
    if (n) c.src = addr<GLB>(i, w, s, N, l);
    if (copies_at_once())
      arrive(c);
    else
      w.async.push_back(c);
  });
  return i + 1;
}
static const Ins *h_cpasync_commit(const Ins *i, Warp &w) {
  lanes(w.act, [&](int l) { ++w.async_groups[l]; });
  return i + 1;
}
// imm: the number of most recent groups that may still be under way; -1: none, and no copy without a group either.
static const Ins *h_cpasync_wait(const Ins *i, Warp &w) {
  auto due = [&](const AsyncCopy &c) {
    if (!(w.act >> c.lane & 1)) return false;
    return i->imm < 0 || (i64)c.group < (i64)w.async_groups[c.lane] - i->imm;
  };
  size_t kept = 0;
  for (const AsyncCopy &c : w.async) {  // in the order of issue
    if (due(c))
      arrive(c);
    else
      w.async[kept++] = c;
  }
  w.async.resize(kept);
  return i + 1;
}

void Decoder::cpasync_op() {
  if (has("commit_group")) {
    emit(h_cpasync_commit);
    return;
  }
  if (has("wait_group") || has("wait_all")) {
    const bool all = has("wait_all");
    emit(h_cpasync_wait).imm = all ? -1 : (i64)parse_num(a.at(0), line);
    return;
  }
  if (has("bulk") || has("mbarrier")) perr(line, "unsupported instruction " + op);
  int n = (int)parse_num(a[2], line);
  if (a.size() > 3)
    if (auto *g = reg(a[3]); (g && g->second.k == 'p') || a.size() > 4) perr(line, "unsupported cp.async form");
  if (n != 4 && n != 8 && n != 16) perr(line, "unsupported cp.async form");
  i32 ss = a.size() > 3 && a[3].find("L2") == std::string::npos ? src(a[3], 4) : -1;
  Ins tmp{};
  for (auto &x : tmp.o) x = -1;
  address(tmp, a[1], GLB);
  Ins &i = emit(n == 4 ? h_cpasync<4> : n == 8 ? h_cpasync<8> : h_cpasync<16>);
  address(i, a[0], SHR);
  i.o[5] = tmp.o[4];
  i.o[6] = (i32)tmp.imm;
  i.o[1] = ss;
  if (i.o[4] < 0 || i.o[5] < 0) perr(line, "unsupported cp.async form");
  space = GLB;
}

}  // namespace ptxemu
