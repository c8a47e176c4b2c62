// SPDX-License-Identifier: Apache-2.0
//
// What is kept of the launches of one kernel, between profile.cpp, which adds to it, and profile_report.cpp, which writes it.
#pragma once
#include <map>
#include "profile.h"

namespace ptxemu {

struct Record {  // one kernel in one launch configuration
  LaunchSpec spec;
  u64 launches = 0, blocks = 0, warps = 0, threads = 0;
  u64 wi[K_COUNT] = {}, ti[K_COUNT] = {};
  MemCount ld, st;
  u64 atom_lanes = 0, local_bytes = 0, barriers = 0;
  u64 uniq_ld = 0, uniq_st = 0, uniq_any = 0, uniq_max = 0;
  double seconds = 0;
};
struct LineRecord {
  u64 nwarps = 0, nthreads = 0;
  MemCount m;
};
struct ProfileKernel {
  std::string name;
  KernelInfo info;
  std::vector<Record> recs;
  std::map<int, LineRecord> lines;
  const Program *prog = nullptr;
};

std::vector<ProfileKernel *> &profiled_kernels();

}  // namespace ptxemu
