// SPDX-License-Identifier: Apache-2.0
//
// Counters.
//
// Instruction counts cost two additions per warp instruction and are always kept. Memory counters (sectors,
// bank conflicts, working set) are kept when PTXEMU_PROFILE is set; they look at every address. Definitions:
//  * request   one warp-level load, store or atomic instruction with at least one active lane
//  * sector    32 bytes of global memory; the number of different sectors a request touches
//  * wavefront one pass of the shared-memory unit: 32 banks of 4 bytes; lanes reading the same word share it.
//              64-bit accesses are handled per half warp and 128-bit accesses per quarter warp.
//  * unique    different sectors touched in one launch, summed over the launches: compulsory traffic if
//              nothing stays in cache between launches
// At the end of a launch the counts of the instructions are added to the record of that kernel and launch
// configuration.
#include <unordered_map>
#include "profile_record.h"

namespace ptxemu {

std::vector<ProfileKernel *> &profiled_kernels() {
  static auto *v = new std::vector<ProfileKernel *>;
  return *v;
}

bool profile_on() {
  static const bool on = getenv("PTXEMU_PROFILE") && *getenv("PTXEMU_PROFILE");
  return on;
}
bool profile_lines_on() {
  static const bool on = profile_on() && getenv("PTXEMU_PROFILE_LINES");
  return on;
}

// Sectors touched in the current launch, as bitmaps of 64 KiB pages.
struct Touched {
  struct Page {
    u64 ld[32] = {}, st[32] = {};
  };
  std::unordered_map<u64, Page> pages;
  u64 last = ~0ull;
  Page *lp = nullptr;
  void mark(u64 sector, bool load, bool store) {
    u64 pg = sector >> 11;
    if (pg != last) {
      lp = &pages[pg];
      last = pg;
    }
    u64 bit = 1ull << (sector & 63);
    u32 k = (sector >> 6) & 31;
    if (load) lp->ld[k] |= bit;
    if (store) lp->st[k] |= bit;
  }
  void clear() {
    pages.clear();
    last = ~0ull;
  }
};
static Touched g_touched;

// Number of different values of a[lane] >> shift over the active lanes.
static u32 distinct(u32 act, const u64 *a, int shift, u64 *out) {
  u32 n = 0;
  bool sorted = true;
  for (u32 x = act; x; x &= x - 1) {
    u64 v = a[__builtin_ctz(x)] >> shift;
    if (n && out[n - 1] == v) continue;
    if (n && out[n - 1] > v) sorted = false;
    out[n++] = v;
  }
  if (!sorted) {
    std::sort(out, out + n);
    n = (u32)(std::unique(out, out + n) - out);
  }
  return n;
}

void count_global(MemCount &m, u32 act, const u64 *a, unsigned n, Access k) {
  u64 s[W], t[W];
  u32 c = distinct(act, a, 5, s);
  ++m.requests;
  m.bytes += (u64)n * __builtin_popcount(act);
  m.sectors += c;
  m.lines += distinct(act, a, 7, t);
  for (u32 q = 0; q < c; ++q) g_touched.mark(s[q], k != STORE, k != LOAD);
}

void count_shared(MemCount &m, u32 act, const u64 *a, unsigned n, Access k) {
  ++m.sh_requests;
  m.sh_bytes += (u64)n * __builtin_popcount(act);
  int group = n <= 4 ? 32 : n == 8 ? 16 : 8, words = n <= 4 ? 1 : n / 4;
  for (int g = 0; g < W; g += group) {
    u32 sub = act & (group == 32 ? ~0u : ((1u << group) - 1) << g);
    if (!sub) continue;
    ++m.ideal;
    u64 w[W];
    u32 cnt[32] = {}, mx = 0;
    if (k == ATOMIC) {  // no broadcast: every lane takes its turn
      for (u32 x = sub; x; x &= x - 1) mx = std::max(mx, ++cnt[(a[__builtin_ctz(x)] >> 2) & 31]);
    } else {
      u32 c = 0;
      for (u32 x = sub; x; x &= x - 1)
        for (int q = 0; q < words; ++q) w[c++] = (a[__builtin_ctz(x)] >> 2) + q;
      if (!std::is_sorted(w, w + c)) std::sort(w, w + c);
      c = (u32)(std::unique(w, w + c) - w);
      for (u32 q = 0; q < c; ++q) mx = std::max(mx, ++cnt[w[q] & 31]);
    }
    m.wavefronts += mx;
  }
}

void profile_begin(Program &P) {
  for (auto &i : P.code) {
    i.clo = ~0ull;
    i.cmax = 0;
    i.nwarps = i.nthreads = 0;
  }
  if (profile_on()) {
    P.mem.assign(P.code.size(), MemCount{});
    g_touched.clear();
    static bool registered = (atexit(profile_write), true);
    (void)registered;
  }
}

static void add(MemCount &a, const MemCount &b) {
  a.requests += b.requests;
  a.bytes += b.bytes;
  a.sectors += b.sectors;
  a.lines += b.lines;
  a.sh_requests += b.sh_requests;
  a.sh_bytes += b.sh_bytes;
  a.wavefronts += b.wavefronts;
  a.ideal += b.ideal;
}

static bool same(const LaunchSpec &a, const LaunchSpec &b) {
  auto eq = [](Dim3 x, Dim3 y) { return x.x == y.x && x.y == y.y && x.z == y.z; };
  return eq(a.grid, b.grid) && eq(a.block, b.block) && eq(a.cluster, b.cluster) && a.dynshared == b.dynshared &&
         a.cooperative == b.cooperative;
}

void profile_end(Program &P, const LaunchSpec &s, double seconds, Stats *st) {
  if (st)
    for (auto &i : P.code)
      if (i.cls != K_PSEUDO) {
        st->warp_ins += i.nwarps;
        st->thread_ins += i.nthreads;
      }
  if (!profile_on()) return;
  if (!P.prof) {
    P.prof = new ProfileKernel{P.name, P.info, {}, {}, &P};
    profiled_kernels().push_back(P.prof);
  }
  Record *r = nullptr;
  for (auto &x : P.prof->recs)
    if (same(x.spec, s)) r = &x;
  if (!r) {
    if (P.prof->recs.size() >= 256) {
      r = &P.prof->recs.back();  // too many configurations: add to the last one
    } else {
      P.prof->recs.push_back({});
      r = &P.prof->recs.back();
      r->spec = s;
    }
  }
  u64 nt = s.block.count(), nb = s.grid.count();
  ++r->launches;
  r->blocks += nb;
  r->warps += nb * ((nt + 31) / 32);
  r->threads += nb * nt;
  r->seconds += seconds;
  for (auto &i : P.code) {
    if (!i.nwarps) continue;
    r->wi[i.cls] += i.nwarps;
    r->ti[i.cls] += i.nthreads;
    const MemCount &m = P.mem[i.pc];
    bool store = i.cls == K_STG || i.cls == K_STS;
    add(store ? r->st : r->ld, m);
    if (i.cls == K_ATOMG || i.cls == K_ATOMS) r->atom_lanes += i.nthreads;
    if (i.cls == K_LOCAL) r->local_bytes += i.nthreads * (u64)i.o[7];
    if (i.cls == K_BARRIER) r->barriers += i.nwarps;
    if (profile_lines_on() && i.cls != K_PSEUDO) {
      LineRecord &L = P.prof->lines[i.line];
      L.nwarps += i.nwarps;
      L.nthreads += i.nthreads;
      add(L.m, m);
    }
  }
  u64 ul = 0, us = 0, ua = 0;
  for (auto &[k, p] : g_touched.pages)
    for (int q = 0; q < 32; ++q) {
      ul += __builtin_popcountll(p.ld[q]);
      us += __builtin_popcountll(p.st[q]);
      ua += __builtin_popcountll(p.ld[q] | p.st[q]);
    }
  r->uniq_ld += 32 * ul;
  r->uniq_st += 32 * us;
  r->uniq_any += 32 * ua;
  r->uniq_max = std::max(r->uniq_max, 32 * ua);
}

}  // namespace ptxemu
