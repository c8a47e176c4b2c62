// SPDX-License-Identifier: Apache-2.0
//
// Warp scheduler and grid execution.
//
// Blocks normally run one after another. Cooperative launches keep all blocks resident and clusters keep the
// blocks of one cluster resident; PTXEMU_RESIDENT=n keeps n blocks resident in ordinary launches. Resident
// warps take turns: a warp runs until it blocks, exits, or has used up its fuel of taken backward jumps.
// PTXEMU_SCHED=seed shuffles the order of warps and shortens the turns, which helps to expose missing
// barriers.
#include <chrono>
#include "lanes.h"
#include "profile.h"
#include "special.h"

namespace ptxemu {

// Lanes waiting at a warp-synchronous instruction, when no other lane of the warp can run: retries each group
// of waiting lanes, since exits may have completed its member mask. Returns true if one moved on.
static bool retry_warpsync(Warp &w) {
  u32 tried = 0;
  while (w.swait & ~tried) {
    int f = __builtin_ctz(w.swait & ~tried);
    u32 g = 0;
    for (int l = 0; l < W; ++l)
      if ((w.swait >> l & 1) && w.pc[l] == w.pc[f] && w.depth[l] == w.depth[f]) g |= 1u << l;
    u32 before = w.swait;
    w.swait &= ~g;
    w.dep = w.depth[f];
    w.reconv = INT_MAX;
    w.set(g);
    i32 pc = w.pc[f];
    const Ins *n = w.code[pc].fn(&w.code[pc], w);
    if (n) {
      park(w, w.act, (i32)(n - w.code));
      return true;
    }
    if (w.swait != before) return true;
    tried |= g;
  }
  return false;
}

// Runs a warp until it blocks or its fuel is used up; true if it made progress.
static bool run_warp(Warp &w, i32 fuel) {
  bool progress = false;
  w.fuel = fuel;
  w.yielded = false;
  for (;;) {
    u32 live = w.valid & ~w.exited, runnable = live & ~w.bwait & ~w.swait;
    if (!runnable) {
      if (!w.swait || !retry_warpsync(w)) return progress;
      progress = true;
      continue;
    }
    // Choose the deepest call and there the lowest pc (after a yield the highest, so that no lane starves).
    int best = -1;
    for (u32 x = runnable; x; x &= x - 1) {
      int l = __builtin_ctz(x);
      if (best < 0 || w.depth[l] > w.depth[best] ||
          (w.depth[l] == w.depth[best] && (w.rot ? w.pc[l] > w.pc[best] : w.pc[l] < w.pc[best])))
        best = l;
    }
    i32 pc = w.pc[best], dep = w.depth[best], reconv = INT_MAX;
    u32 g = 0;
    for (u32 x = runnable; x; x &= x - 1) {
      int l = __builtin_ctz(x);
      if (w.depth[l] != dep) continue;
      if (w.pc[l] == pc)
        g |= 1u << l;
      else if (w.pc[l] > pc)
        reconv = std::min(reconv, w.pc[l]);
    }
    w.rot = false;
    w.reconv = reconv;
    w.dep = dep;
    w.set(g);
    progress = true;
    const Ins *ip = w.code + pc;
    u64 n = 0;
    do {
      ++n;
      ip = step(ip, w);
    } while (ip);
    w.clock += n;
    if (w.yielded) {
      w.rot = true;
      return true;
    }
  }
}

namespace {

using Buffer = std::unique_ptr<char, void (*)(void *)>;
Buffer buffer(size_t align, size_t n) {
  n = (n + align - 1) / align * align;
  return Buffer((char *)aligned_alloc(align, std::max(n, align)), free);
}

// A resident block with its memory; reused for one block after another.
struct Slot {
  Cta c;
  Buffer sh{nullptr, free}, loc{nullptr, free}, regs{nullptr, free};
  std::vector<Warp> warps;
};

struct GridRun {
  Program &P;
  const LaunchSpec &s;
  const char *params;
  u32 nt, nw;
  size_t lstride;
  bool race = getenv("PTXEMU_RACECHECK") != nullptr;
  u64 seed = 0;
  i32 turn = 20000;
  Dim3 cdim, nclusters;
  Buffer workspace{nullptr, free};  // cooperative groups: barrier word of the grid
  std::vector<std::unique_ptr<Slot>> slots;
  std::vector<Cluster> clusters;

  GridRun(Program &P_, const LaunchSpec &s_, const void *pb) : P(P_), s(s_), params((const char *)pb) {
    nt = (u32)s.block.count();
    nw = (nt + 31) / 32;
    lstride = P.info.local_bytes;
    cdim = s.cluster;
    nclusters = {s.grid.x / cdim.x, s.grid.y / cdim.y, s.grid.z / cdim.z};
    if (const char *e = getenv("PTXEMU_SCHED")) seed = strtoull(e, nullptr, 0);
    u64 csize = cdim.count(), resident = csize;
    if (const char *e = getenv("PTXEMU_RESIDENT"))
      resident = std::max<u64>(csize, strtoull(e, nullptr, 0) / csize * csize);
    if (s.cooperative) resident = s.grid.count();
    resident = std::min<u64>(resident, s.grid.count());
    if (resident > 1) turn = 64;  // blocks wait for each other: short turns
    if (s.cooperative) {
      workspace = buffer(256, 256);
      memset(workspace.get(), 0, 256);
      *(u32 *)workspace.get() = 256;
      dev_register(workspace.get(), 256);
    }
    clusters.resize(resident / csize);
    for (u64 k = 0; k < resident; ++k) {
      slots.push_back(std::make_unique<Slot>());
      Cluster &cl = clusters[k / csize];
      Cta &c = slots.back()->c;
      cl.ctas.push_back(&c);
      cl.dim = cdim;
      c.cluster = &cl;
      c.rank = (u32)(k % csize);
      prepare(*slots.back());
    }
  }
  ~GridRun() {
    if (workspace) dev_unregister(workspace.get());
  }

  void prepare(Slot &sl) {
    Cta &c = sl.c;
    c.prog = &P;
    c.grid = s.grid;
    c.block = s.block;
    c.device = s.device;
    c.nthreads = nt;
    c.params = params;
    c.shsize = (u32)(P.info.static_shared + s.dynshared);
    sl.sh = buffer(1024, c.shsize + 1024);
    c.sh = sl.sh.get();
    sl.loc = buffer(128, lstride * W * nw + 128);
    sl.regs = buffer(128, (size_t)nw * P.regbytes + 128);
    if (race) c.shadow.resize(c.shsize / 4 + 2);
    c.watch = race || !P.mem.empty();
    sl.warps.resize(nw);
    for (u32 k = 0; k < nw; ++k) {
      Warp &w = sl.warps[k];
      w.r = sl.regs.get() + (size_t)k * P.regbytes;
      w.local = sl.loc.get() + k * lstride * W;
      w.lstride = (u32)lstride;
      w.cta = &c;
      w.code = P.code.data();
      w.idx = k;
      w.clock = 0;
      w.sepoch = 0;
      u32 n = std::min(32u, nt - k * 32);
      w.valid = n == 32 ? ~0u : (1u << n) - 1;
      c.warps.push_back(&w);
      memset(w.r, 0xEE, P.regbytes);  // registers read before being written show up as 0xEEEEEEEE
      for (auto &q : P.consts)
        for (int l = 0; l < W; ++l) {
          if (q.size == 8)
            ((u64 *)(w.r + q.off))[l] = q.bits;
          else
            ((u32 *)(w.r + q.off))[l] = (u32)q.bits;
        }
      fill_special(w, false);
    }
  }

  static bool varies(int k) {  // differs from block to block
    return (k >= SR_CTAID && k < SR_CTAID + 3) || (k >= SR_CL_CTAID && k < SR_CL_CTAID + 3) ||
           (k >= SR_CLUSTERID && k < SR_CLUSTERID + 3) || k == SR_CL_RANK || k == SR_SMID;
  }
  void fill_special(Warp &w, bool per_block) {
    for (auto &q : P.specials) {
      if (varies(q.kind) != per_block) continue;
      if (q.kind == SR_GRIDID)
        memset(w.r + q.off, 0, 256);
      else
        for (int l = 0; l < W; ++l) ((u32 *)(w.r + q.off))[l] = special(w, q.kind, l);
    }
  }
  static u32 pick(Dim3 v, int k) { return k == 0 ? v.x : k == 1 ? v.y : v.z; }
  u32 special(Warp &w, int k, int l) {
    Cta &c = *w.cta;
    u32 t = w.idx * 32 + l;
    switch (k) {
      case SR_TID:
        return t % s.block.x;
      case SR_TID + 1:
        return t / s.block.x % s.block.y;
      case SR_TID + 2:
        return t / (s.block.x * s.block.y);
      case SR_CL_CTAID:
        return c.rank % cdim.x;
      case SR_CL_CTAID + 1:
        return c.rank / cdim.x % cdim.y;
      case SR_CL_CTAID + 2:
        return c.rank / (cdim.x * cdim.y);
      case SR_CL_RANK:
        return c.rank;
      case SR_CL_NRANK:
        return (u32)cdim.count();
      case SR_EXPLICIT_CL:
        return cdim.count() > 1 ? ~0u : 0;
      case SR_LANEID:
        return l;
      case SR_WARPID:
        return w.idx;
      case SR_NWARPID:
        return nw;
      case SR_SMID:
        return (c.id.x + s.grid.x * (c.id.y + s.grid.y * c.id.z)) % 132;
      case SR_NSMID:
        return 132;
      case SR_LM_EQ:
        return 1u << l;
      case SR_LM_LT:
        return (1u << l) - 1;
      case SR_LM_LE:
        return (2u << l) - 1;
      case SR_LM_GT:
        return ~((2u << l) - 1);
      case SR_LM_GE:
        return ~((1u << l) - 1);
      case SR_WARPSZ:
        return 32;
      case SR_DYNSMEM:
        return (u32)s.dynshared;
      case SR_TOTALSMEM:
        return c.shsize;
      case SR_ENVREG1:
        return (u32)((u64)workspace.get() >> 32);
      case SR_ENVREG2:
        return (u32)(u64)workspace.get();
    }
    if (k < SR_CTAID) return pick(s.block, k - SR_NTID);
    if (k < SR_NCTAID) return pick(c.id, k - SR_CTAID);
    if (k < SR_CL_CTAID) return pick(s.grid, k - SR_NCTAID);
    if (k < SR_CLUSTERID) return pick(cdim, k - SR_CL_NCTAID);
    if (k < SR_NCLUSTERID) return pick(c.cluster->id, k - SR_CLUSTERID);
    return pick(nclusters, k - SR_NCLUSTERID);
  }

  void start(Slot &sl) {
    Cta &c = sl.c;
    c.alive = nt;
    if (race) std::fill(c.shadow.begin(), c.shadow.end(), Shadow{});
    memset(c.sh, poison_byte(), c.shsize);
    for (int b = 0; b < NBAR; ++b) {
      c.arrived[b] = c.redn[b] = 0;
      c.redacc[b][0] = 0;
      c.redacc[b][1] = 1;
      c.redacc[b][2] = 0;
    }
    for (auto &w : sl.warps) {
      w.exited = w.bwait = w.swait = 0;
      w.rot = false;
      for (int l = 0; l < W; ++l) w.pc[l] = w.depth[l] = 0;
      for (int l = 0; l < W; ++l) w.cphase[l] = ~0u;
      for (int l = 0; l < W; ++l) w.async_groups[l] = 0;
      w.async.clear();
      fill_special(w, true);
    }
  }

  u64 rnd() {
    seed ^= seed << 13;
    seed ^= seed >> 7;
    seed ^= seed << 17;
    return seed;
  }

  void deadlock(std::vector<Warp *> &ws) {
    std::string t;
    for (Warp *w : ws) {
      u32 lv = w->valid & ~w->exited;
      if (!lv || t.size() > 600) continue;
      char b[160];
      snprintf(b, sizeof b, "[block (%u,%u,%u) warp %u live %08x at barrier %08x at warp-sync %08x, PTX line %d] ",
               w->cta->id.x, w->cta->id.y, w->cta->id.z, w->idx, lv, w->bwait, w->swait,
               P.code[w->pc[__builtin_ctz(lv)]].line);
      t += b;
    }
    fault(nullptr, *ws[0], "deadlock: no thread can go on " + t);
  }

  // Runs the given warps until all have exited.
  void drain(std::vector<Warp *> &ws) {
    for (;;) {
      bool any = false, alldone = true;
      if (seed)
        for (size_t k = ws.size(); k-- > 1;) std::swap(ws[k], ws[rnd() % (k + 1)]);
      for (Warp *w : ws) {
        if ((w->valid & ~w->exited) == 0) continue;
        any |= run_warp(*w, seed ? (i32)(rnd() % 8) : turn);
        alldone &= (w->valid & ~w->exited) == 0;
      }
      if (alldone) return;
      if (!any) deadlock(ws);
    }
  }

  void run() {
    u64 csize = cdim.count(), total = s.grid.count() / csize;
    std::vector<Warp *> ws;
    for (u64 first = 0; first < total; first += clusters.size()) {
      ws.clear();
      u64 n = std::min<u64>(clusters.size(), total - first);
      for (u64 k = 0; k < n * csize; ++k) {
        Slot &sl = *slots[k];
        Cluster &cl = *sl.c.cluster;
        u64 q = first + k / csize;
        cl.id = {(u32)(q % nclusters.x), (u32)(q / nclusters.x % nclusters.y), (u32)(q / nclusters.x / nclusters.y)};
        cl.arrived = cl.phase = 0;
        u32 r = sl.c.rank;
        sl.c.id = {cl.id.x * cdim.x + r % cdim.x, cl.id.y * cdim.y + r / cdim.x % cdim.y,
                   cl.id.z * cdim.z + r / (cdim.x * cdim.y)};
        start(sl);
        for (auto &w : sl.warps) ws.push_back(&w);
      }
      drain(ws);
    }
  }
};

}  // namespace

void launch(Program &P, const LaunchSpec &spec, const void *pb, Stats *st) {
  profile_begin(P);
  auto t0 = std::chrono::steady_clock::now();
  GridRun(P, spec, pb).run();
  profile_end(P, spec, std::chrono::duration<double>(std::chrono::steady_clock::now() - t0).count(), st);
}

}  // namespace ptxemu
