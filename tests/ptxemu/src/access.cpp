// SPDX-License-Identifier: Apache-2.0
//
// Memory registry, slow paths of the address checks, and the shared-memory race check.
//
// The race check follows the memory-consistency rules only coarsely (PTX chapter 8): two threads that touch
// the same 4-byte word of shared memory, at least one writing, must be separated by a barrier of the block
// (bar.sync / barrier.sync), of the cluster if they are in different blocks, or, inside one warp, by bar.warp.sync. Two atomics do not
// race.
#include "access.h"
#include "profile.h"

namespace ptxemu {

struct Allocation {
  u64 size;
  int device;
};
static std::map<u64, Allocation> &allocs() {
  static auto *m = new std::map<u64, Allocation>;  // by base; never destroyed, used by exit handlers
  return *m;
}

void dev_register(void *p, size_t n) { allocs()[(u64)p] = {n, ALL_DEVICES}; }
void dev_unregister(void *p) { allocs().erase((u64)p); }

// Fresh memory is filled with a pattern that is a NaN as f32 and as f64, so that reading it before writing shows up in results, even if
// it is multiplied by zero.
int poison_byte() {
  static const int byte = [] {
    const char *e = getenv("PTXEMU_FILL");
    return e && *e ? (int)strtol(e, nullptr, 16) & 255 : 0xFF;
  }();
  return byte;
}
void *dev_alloc(size_t n, int device) {
  size_t room = (n + 511) / 256 * 256;
  void *p = aligned_alloc(256, room);
  if (p) {
    memset(p, poison_byte(), room);
    allocs()[(u64)p] = {n ? n : 1, device};
  }
  return p;
}

bool dev_free(void *p) {
  auto it = allocs().find((u64)p);
  if (it == allocs().end()) return false;
  allocs().erase(it);
  free(p);
  return true;
}

// The allocation that holds n bytes at a; its device goes to *device.
static bool find_alloc(u64 a, u64 n, u64 &lo, u64 &sz, int *device = nullptr) {
  auto it = allocs().upper_bound(a);
  if (it == allocs().begin()) return false;
  --it;
  if (a + n > it->first + it->second.size) return false;
  lo = it->first;
  sz = it->second.size;
  if (device) *device = it->second.device;
  return true;
}

bool dev_range(const void *p, uint64_t &base, uint64_t &size) { return find_alloc((u64)p, 1, base, size); }

bool dev_valid(const void *p, size_t n) {
  u64 a, b;
  return find_alloc((u64)p, n, a, b);
}

void fault(const Ins *i, Warp &w, const std::string &what) {
  const Program &P = *w.cta->prog;
  const Dim3 &b = w.cta->id;
  std::string s = what + " in kernel " + P.name + ", block (" + std::to_string(b.x) + "," + std::to_string(b.y) + "," +
                  std::to_string(b.z) + "), warp " + std::to_string(w.idx);
  if (i) {
    s += ", PTX line " + std::to_string(i->line) + ": ";
    if (i->line < (int)P.lines->size()) s += (*P.lines)[i->line];
    if (P.srcloc && i->line < (int)P.srcloc->size() && (*P.srcloc)[i->line].second) {
      auto [f, n] = (*P.srcloc)[i->line];
      auto it = P.files->find(f);
      s += " [" + (it == P.files->end() ? std::string("?") : it->second) + ":" + std::to_string(n) + "]";
    }
  }
  throw Fault(s);
}

// Access that missed the per-instruction cache: another allocation, shared or local memory through a generic
// address, or an error.
__attribute__((noinline, cold)) char *slow_addr(const Ins *i, Warp &w, u64 a, unsigned n, int l) {
  u64 lo, sz;
  char buf[160];
  if (a & (n - 1)) {
    snprintf(buf, sizeof buf, "misaligned address 0x%llx (%u bytes, lane %d)", (unsigned long long)a, n, l);
    fault(i, w, buf);
  }
  if (a - (u64)w.cta->sh + n <= w.cta->shsize && a >= (u64)w.cta->sh)
    return (char *)a;                                   // own shared memory: the usual case
  const u64 local = (u64)w.local + (u64)l * w.lstride;  // of this lane: no other lane's may be touched
  if (a >= local && a - local + n <= w.lstride) return (char *)a;
  int device = ALL_DEVICES;
  if (find_alloc(a, n, lo, sz, &device)) {
    if (device != ALL_DEVICES && device != w.cta->device) {
      snprintf(buf, sizeof buf, "illegal global address 0x%llx (lane %d): memory of device %d, kernel on device %d",
               (unsigned long long)a, l, device, w.cta->device);
      fault(i, w, buf);
    }
    i->clo = lo;
    i->cmax = sz - n;
    return (char *)a;
  }
  for (Cta *c : w.cta->cluster->ctas)  // another block's shared memory in the cluster
    if (a >= (u64)c->sh && a - (u64)c->sh + n <= c->shsize) {
      if (!c->alive) fault(i, w, "illegal access to the shared memory of a block that has ended");
      return (char *)a;
    }
  const std::vector<ParamInfo> &ps = w.cta->prog->info.params;
  const u64 param = a - (u64)w.cta->params;
  if (!ps.empty() && param < ps.back().off + ps.back().size && param + n <= ps.back().off + ps.back().size) {
    if (i->cls != K_LDG) fault(i, w, "illegal write to a kernel parameter");
    i->clo = (u64)w.cta->params;
    i->cmax = ps.back().off + ps.back().size - n;
    return (char *)a;
  }
  snprintf(buf, sizeof buf, "illegal global address 0x%llx (%u bytes, lane %d)", (unsigned long long)a, n, l);
  fault(i, w, buf);
}

// Address in the shared::cluster window: own shared memory below 1 << RANK_SHIFT, else the block of that
// rank.
__attribute__((noinline)) char *cluster_addr(const Ins *i, Warp &w, u64 a, unsigned n, int l) {
  u32 r = (u32)a >> RANK_SHIFT, off = (u32)a & ((1u << RANK_SHIFT) - 1);
  Cluster &cl = *w.cta->cluster;
  Cta *c = r == 0 ? w.cta : r <= cl.ctas.size() ? cl.ctas[r - 1] : nullptr;
  if (!c || off + n > c->shsize || (off & (n - 1))) shared_fault(i, w, a, n, l);
  if (!c->alive) fault(i, w, "illegal access to the shared memory of a block that has ended");
  return c->sh + off;
}

__attribute__((noinline, cold)) void shared_fault(const Ins *i, Warp &w, u64 a, unsigned n, int l) {
  char buf[160];
  snprintf(buf, sizeof buf, "%s shared address 0x%llx (%u bytes of %u, lane %d)",
           (a & (n - 1)) && a + n <= w.cta->shsize ? "misaligned" : "illegal", (unsigned long long)a, n, w.cta->shsize,
           l);
  fault(i, w, buf);
}

static void race_report(const Ins *i, Warp &w, const char *kind, u64 word, u32 t1, u32 t2) {
  char b[200];
  snprintf(b, sizeof b, "shared-memory race (%s, no barrier between) at shared offset %llu: threads %u and %u", kind,
           (unsigned long long)word * 4, (t1 - 1) & 1023, (t2 - 1) & 1023);
  if ((t1 - 1) >> 10 != (t2 - 1) >> 10)
    snprintf(b + strlen(b), sizeof b - strlen(b), " of blocks %u and %u of the cluster", (t1 - 1) >> 10,
             (t2 - 1) >> 10);
  fault(i, w, b);
}

// Where the lanes of an access point in the shared memory of the cluster's blocks; owner: null if elsewhere.
struct SharedAccess {
  Cta *owner[W] = {};
  u64 offset[W];
};

static void racecheck(const Ins *i, Warp &w, const SharedAccess &a, unsigned n, Access kind) {
  Cta &c = *w.cta;
  const u32 S = w.sepoch & 0x7fffffff, ATOM = 0x80000000u, phase = c.cluster->phase;
  const u32 block = c.rank << 10;
  // Thread t, an earlier user of a word, is not separated from me by a barrier: within a block one of the block or of the warp, else
  // one of the cluster.
  auto unordered = [&](u32 t, u32 epoch, u32 cluster_epoch, u32 warp_epoch, u32 me) {
    if (!t || t == me) return false;
    if ((t - 1) >> 10 != c.rank) return cluster_epoch == phase;
    if (epoch != c.epoch) return false;
    return (t - 1) / 32 != (me - 1) / 32 || (warp_epoch & 0x7fffffff) == S;
  };
  // pass 0 compares all lanes with the shadow, pass 1 enters them: lanes of one instruction do not race
  // with each other (their order is undefined but this is a common, benign pattern: same value stored).
  for (int pass = 0; pass < 2; ++pass) {
    for (u32 x = w.act; x; x &= x - 1) {
      int l = __builtin_ctz(x);
      if (!a.owner[l] || a.offset[l] + n > a.owner[l]->shsize) continue;
      u32 me = block + w.idx * 32 + l + 1;
      for (u64 q = a.offset[l] / 4; q <= (a.offset[l] + n - 1) / 4; ++q) {
        Shadow &s = a.owner[l]->shadow[q];
        const bool reader = unordered(s.rt, s.re, s.rc, s.rs, me);
        if (pass == 0) {
          if (!(kind == ATOMIC && (s.ws & ATOM)) && unordered(s.wt, s.we, s.wc, s.ws, me))
            race_report(i, w, kind == LOAD ? "read after write" : "write after write", q, s.wt, me);
          if (kind != LOAD && reader) race_report(i, w, "write after read", q, s.rt, me);
        } else if (kind != LOAD) {
          s.wt = me;
          s.we = c.epoch;
          s.wc = phase;
          s.ws = S | (kind == ATOMIC ? ATOM : 0);
        } else if (!(reader && (s.rt - 1) / 32 != (me - 1) / 32)) {
          s.rt = me;  // keep an earlier reader of another warp: it is the one a later write races with
          s.re = c.epoch;
          s.rc = phase;
          s.rs = S;
        }
      }
    }
  }
}

static SharedAccess shared_access(const Warp &w, int space, const u64 *a) {
  SharedAccess s;
  const auto &ctas = w.cta->cluster->ctas;
  for (u32 x = w.act; x; x &= x - 1) {
    const int l = __builtin_ctz(x);
    if (space == SHR) {
      s.owner[l] = w.cta;
      s.offset[l] = (u32)a[l];
    } else if (space == SCL) {
      const u32 r = (u32)a[l] >> RANK_SHIFT;
      s.owner[l] = r == 0 ? w.cta : r <= ctas.size() ? ctas[r - 1] : nullptr;
      s.offset[l] = (u32)a[l] & ((1u << RANK_SHIFT) - 1);
    } else {  // a generic address
      for (Cta *c : ctas)
        if (a[l] - (u64)c->sh < c->shsize) {
          s.owner[l] = c;
          s.offset[l] = a[l] - (u64)c->sh;
        }
    }
  }
  return s;
}

__attribute__((noinline)) void watch_access(const Ins *i, Warp &w, int space, const u32 *a32, const u64 *a64, u64 imm,
                                            unsigned n, Access k) {
  u64 a[W];
  for (int l = 0; l < W; ++l) a[l] = (a32 ? a32[l] : a64 ? a64[l] : 0) + imm;
  const SharedAccess s = shared_access(w, space, a);
  const int first = __builtin_ctz(w.act);
  if (!w.cta->shadow.empty()) racecheck(i, w, s, n, k);
  if (w.cta->prog->mem.empty()) return;
  MemCount &m = w.cta->prog->mem[i->pc];
  if (s.owner[first])
    count_shared(m, w.act, s.offset, n, k);
  else if (a[first] - (u64)w.local >= (u64)w.lstride * W)
    count_global(m, w.act, a, n, k);
}

}  // namespace ptxemu
