// SPDX-License-Identifier: Apache-2.0
//
// Data structures shared by all parts of the emulator core.
//
// How it works: PTX text is decoded once per kernel into an array of `Ins`, each holding a pointer to the C++
// function (the "handler") that executes it for one warp of 32 lanes. A handler does its work for the active
// lanes and returns the next `Ins`, or nullptr when the scheduler must choose anew (divergence, barrier,
// exit). Registers are stored as structure of arrays: one PTX register is 32 consecutive values (128 or 256
// bytes), so that a handler is a short loop over lanes which the compiler turns into vector instructions.
// Execution model: PTX ISA chapter 3 "Parallel Thread Execution Machine Model".
#pragma once
#include "ptxemu.h"

#include <immintrin.h>
#include <algorithm>
#include <cfloat>
#include <climits>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <limits>
#include <map>
#include <set>
#include <string>
#include <type_traits>
#include <vector>

#define INL inline __attribute__((always_inline))

namespace ptxemu {

using u8 = uint8_t;
using u16 = uint16_t;
using u32 = uint32_t;
using u64 = uint64_t;
using i8 = int8_t;
using i16 = int16_t;
using i32 = int32_t;
using i64 = int64_t;
using u128 = unsigned __int128;
using i128 = __int128;

inline constexpr int W = 32;  // lanes per warp

struct Ins;
struct Warp;
struct Cta;
using Handler = const Ins *(*)(const Ins *, Warp &);

// State spaces (PTX 5.1). GEN/GLB share one code path: device addresses are host addresses.
enum Space { GEN, GLB, SHR, LOC, PRM, CST, SCL /* shared::cluster window */ };

// Instruction classes of the profile. PSEUDO marks helper steps that are not PTX instructions.
enum Class : u8 {
  K_PSEUDO,
  K_FP32_FMA,
  K_FP32_ADD,
  K_FP32_MUL,
  K_FP32_OTHER,
  K_FP32_DIV,
  K_FP64,
  K_FP64_DIV,
  K_INT,
  K_INT64,
  K_INT_DIV,
  K_SFU,
  K_CVT,
  K_MOVE,
  K_PARAM,
  K_LDG,
  K_STG,
  K_ATOMG,
  K_LDS,
  K_STS,
  K_ATOMS,
  K_LOCAL,
  K_BARRIER,
  K_SHUFFLE,
  K_BRANCH,
  K_MMA,      // tf32 m16n8k8
  K_MMA_F64,  // m8n8k4
  K_OTHER,
  K_COUNT
};

// One decoded instruction. Operands are byte offsets into the warp's register file.
struct Ins {
  Handler fn;
  i32 o[8];  // register offsets: usually o[0] destination, o[1..] sources, o[4] address register (-1: none)
  i64 imm;   // address offset, or a pointer to a side table
  u32 aux;   // modifiers, meaning depends on the handler
  i32 pc;    // own index in Program::code
  i32 line;  // line in the PTX text
  u8 cls;    // Class
  mutable u64 clo, cmax;         // memory access cache: last allocation hit (base, size - access size)
  mutable u64 nwarps, nthreads;  // executions in the current launch
};

// Memory counters of one instruction (filled only when a profile is asked for).
struct MemCount {
  u64 requests = 0, bytes = 0, sectors = 0, lines = 0;           // global: 32-byte sectors, 128-byte lines per request
  u64 sh_requests = 0, sh_bytes = 0, wavefronts = 0, ideal = 0;  // shared: bank-conflict wavefronts
};

// A cp.async of one lane that has been issued and not yet been waited for.
struct AsyncCopy {
  char *dst;
  const char *src;
  u32 n, size;  // bytes copied; bytes written, the rest being zero
  u32 lane, group;
};

struct Special {  // special register to fill in at block start
  i32 off;
  int kind;
};
struct Const {  // immediate operand, broadcast into a register slot at launch
  i32 off;
  int size;
  u64 bits;
};

struct ProfileKernel;  // profile.h

struct Program {
  std::string name;
  std::vector<Ins> code;
  KernelInfo info;
  size_t regbytes = 0, dynalign = 16;
  std::vector<Const> consts;
  std::vector<Special> specials;
  std::shared_ptr<const std::vector<std::string>> lines;           // PTX text
  std::shared_ptr<const std::vector<std::pair<int, int>>> srcloc;  // per PTX line: (.file index, source line)
  std::shared_ptr<const std::map<int, std::string>> files;
  std::vector<i32> dynfix;  // places that need the offset of the dynamic shared memory (Decoder::run)
  std::vector<MemCount> mem;
  ProfileKernel *prof = nullptr;
};

// One warp: 32 lanes with a program counter each. Lanes at the same pc and call depth run together; `reconv`
// is the lowest pc at which other lanes wait, so that running lanes stop there and merge.
struct alignas(128) Warp {
  i32 m[W];                         // lane mask as 0 / -1 words, kept equal to `act`
  u32 act;                          // lanes executing now
  u32 valid, exited, bwait, swait;  // lanes that exist / have exited / wait at a barrier / at a warp-sync op
  i32 reconv, dep;                  // merge point and call depth of the running lanes
  i32 nact;                         // popcount(act)
  bool rot, yielded;                // fairness: run lanes at the highest pc next; fuel has run out
  i32 fuel;                         // backward jumps left before other warps get a turn
  char *r;                          // register file
  char *local;                      // local memory, lane l at local + l * lstride
  u32 lstride;
  u32 sepoch;  // count of warp-level barriers (race check)
  Cta *cta;
  const Ins *code;
  i32 pc[W], depth[W], bid[W];  // per lane: resume pc, call depth, barrier waited for
  std::vector<AsyncCopy> async;
  u32 async_groups[W];  // per lane: cp.async groups committed
  u32 cphase[W];        // per lane: cluster-barrier phase at its last arrive
  u32 idx;
  u64 clock;  // instructions executed: %clock
  void set(u32 a) {
    act = a;
    nact = __builtin_popcount(a);
    for (int l = 0; l < W; ++l) m[l] = -(i32)((a >> l) & 1);
  }
};

// Race-check shadow of a 4-byte shared word: last writer / reader as (block rank << 10 | thread) + 1, with the block-barrier, the
// cluster-barrier and the warp-barrier epoch of the access. Bit 31 of `ws` marks an atomic.
struct Shadow {
  u32 wt, we, wc, ws, rt, re, rc, rs;
};

struct Cluster {  // thread-block cluster (a single block when no cluster was asked for)
  std::vector<Cta *> ctas;
  u32 arrived = 0, phase = 0;
  Dim3 dim, id;
};

inline constexpr int NBAR = 16;                 // barriers 0..15 of a block
inline constexpr i32 CLUSTER_BAR = 16;          // value of Warp::bid for the cluster barrier
inline constexpr u32 DYN_SHARED = 0x40000000u;  // placeholder for the dynamic shared memory's offset
inline constexpr int RANK_SHIFT = 24;           // shared::cluster address = (rank + 1) << 24 | offset

struct Cta {           // cooperative thread array: one block
  bool watch = false;  // race check or memory counters are on: call watch_access
  std::vector<Shadow> shadow;
  u32 epoch = 1;
  std::vector<Warp *> warps;
  char *sh;
  u32 shsize;
  const char *params;
  u32 arrived[NBAR], redn[NBAR];         // threads arrived, threads expected (0: all)
  u32 redacc[NBAR][3], redres[NBAR][3];  // bar.red: popc / and / or
  u32 alive, nthreads;
  Dim3 grid, block, id;
  int device;
  Program *prog;
  Cluster *cluster;
  u32 rank;  // in the cluster
};

// Reports a device-side error at instruction i (may be null) of warp w.
[[noreturn]] void fault(const Ins *i, Warp &w, const std::string &what);

// control.cpp: parks lanes at a pc; used by every handler that leaves the straight line.
const Ins *park(Warp &w, u32 lanes, i32 pc);
void check_barriers(Cta &c);

// Executes the instruction after a guard, keeping the counters right.
INL const Ins *step(const Ins *i, Warp &w) {
  ++i->nwarps;
  i->nthreads += w.nact;
  return i->fn(i, w);
}

}  // namespace ptxemu
