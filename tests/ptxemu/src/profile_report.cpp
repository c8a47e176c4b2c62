// SPDX-License-Identifier: Apache-2.0
//
// Output of the profile: JSON, and tables for people.
#include <cxxabi.h>
#include "profile_record.h"

namespace ptxemu {

static const char *const class_name[K_COUNT] = {
    "pseudo",        "fp32_fma",    "fp32_add",     "fp32_mul",      "fp32_other",  "fp32_div_sqrt", "fp64",
    "fp64_div_sqrt", "int",         "int64",        "int_div",       "special",     "convert",       "move",
    "param",         "load_global", "store_global", "atomic_global", "load_shared", "store_shared",  "atomic_shared",
    "local",         "barrier",     "shuffle",      "branch",        "mma",         "mma_f64",       "other"};

static std::string demangle(const std::string &n) {
  int st = 0;
  char *d = abi::__cxa_demangle(n.c_str(), nullptr, nullptr, &st);
  std::string r = st == 0 && d ? d : n;
  free(d);
  return r;
}
static std::string quoted(const std::string &s) {
  std::string r = "\"";
  for (unsigned char c : s) {
    if (c == '"' || c == '\\')
      r += '\\', r += (char)c;
    else if (c < 32)
      r += ' ';
    else
      r += (char)c;
  }
  return r + "\"";
}
static double ratio(double a, double b) { return b ? a / b : 0; }
using ull = unsigned long long;

static void write_json(FILE *f) {
  fprintf(f, "{\n\"tool\": \"ptxemu\", \"version\": 1,\n\"note\": %s,\n\"kernels\": [",
          quoted("counts of executed PTX instructions; not measured on a GPU").c_str());
  bool first = true;
  for (auto *k : profiled_kernels()) {
    for (auto &r : k->recs) {
      auto d3 = [&](const char *n, Dim3 d) { fprintf(f, "  \"%s\": [%u, %u, %u],\n", n, d.x, d.y, d.z); };
      fprintf(f, "%s\n{ \"name\": %s,\n  \"demangled\": %s,\n  \"launches\": %llu,\n", first ? "" : ",",
              quoted(k->name).c_str(), quoted(demangle(k->name)).c_str(), (ull)r.launches);
      first = false;
      d3("grid", r.spec.grid);
      d3("block", r.spec.block);
      d3("cluster", r.spec.cluster);
      fprintf(f, "  \"cooperative\": %s,\n  \"dynamic_shared_bytes\": %zu,\n  \"static_shared_bytes\": %zu,\n",
              r.spec.cooperative ? "true" : "false", r.spec.dynshared, k->info.static_shared);
      fprintf(f, "  \"local_bytes_per_thread\": %zu,\n  \"ptx_virtual_registers\": %zu,\n", k->info.local_bytes,
              k->info.virtual_regs);
      u64 wn = 0, tn = 0;
      for (int c = 1; c < K_COUNT; ++c) wn += r.wi[c], tn += r.ti[c];
      fprintf(f, "  \"blocks\": %llu, \"warps\": %llu, \"threads\": %llu,\n", (ull)r.blocks, (ull)r.warps,
              (ull)r.threads);
      fprintf(f, "  \"warp_instructions\": %llu, \"thread_instructions\": %llu, \"average_active_lanes\": %.3f,\n",
              (ull)wn, (ull)tn, ratio(tn, wn));
      for (int t = 0; t < 2; ++t) {
        fprintf(f, "  \"%s\": {", t ? "thread_instructions_by_class" : "warp_instructions_by_class");
        for (int c = 1; c < K_COUNT; ++c)
          fprintf(f, "%s\"%s\": %llu", c > 1 ? ", " : "", class_name[c], (ull)(t ? r.ti[c] : r.wi[c]));
        fprintf(f, "},\n");
      }
      for (int t = 0; t < 2; ++t) {
        const MemCount &m = t ? r.st : r.ld;
        fprintf(f,
                "  \"%s\": {\"requests\": %llu, \"bytes\": %llu, \"sectors\": %llu, \"lines_128B\": %llu, "
                "\"sectors_per_request\": %.3f, \"unique_bytes\": %llu},\n",
                t ? "global_store" : "global_load", (ull)m.requests, (ull)m.bytes, (ull)m.sectors, (ull)m.lines,
                ratio(m.sectors, m.requests), (ull)(t ? r.uniq_st : r.uniq_ld));
      }
      fprintf(f, "  \"working_set_bytes_max\": %llu,\n", (ull)r.uniq_max);
      for (int t = 0; t < 2; ++t) {
        const MemCount &m = t ? r.st : r.ld;
        fprintf(f,
                "  \"%s\": {\"requests\": %llu, \"bytes\": %llu, \"wavefronts\": %llu, "
                "\"wavefronts_ideal\": %llu, \"conflict_factor\": %.3f},\n",
                t ? "shared_store" : "shared_load", (ull)m.sh_requests, (ull)m.sh_bytes, (ull)m.wavefronts,
                (ull)m.ideal, ratio(m.wavefronts, m.ideal));
      }
      fprintf(f,
              "  \"atomic_lanes\": %llu,\n  \"local_bytes\": %llu,\n  \"barriers_per_block\": %.3f,\n"
              "  \"emulation_seconds\": %.6f }",
              (ull)r.atom_lanes, (ull)r.local_bytes, ratio(r.barriers, (double)r.warps), r.seconds);
    }
  }
  fprintf(f, "\n]");
  if (profile_lines_on()) {
    fprintf(f, ",\n\"lines\": [");
    first = true;
    for (auto *k : profiled_kernels())
      for (auto &[ln, L] : k->lines) {
        const Program &P = *k->prog;
        auto loc = P.srcloc && ln < (int)P.srcloc->size() ? (*P.srcloc)[ln] : std::pair<int, int>{0, 0};
        auto it = P.files->find(loc.first);
        fprintf(f,
                "%s\n{\"kernel\": %s, \"ptx_line\": %d, \"ptx\": %s, \"file\": %s, \"line\": %d, "
                "\"warp_instructions\": %llu, \"thread_instructions\": %llu, \"sectors\": %llu, "
                "\"wavefronts\": %llu}",
                first ? "" : ",", quoted(k->name).c_str(), ln, quoted((*P.lines)[ln]).c_str(),
                quoted(loc.second && it != P.files->end() ? it->second : "").c_str(), loc.second, (ull)L.nwarps,
                (ull)L.nthreads, (ull)L.m.sectors, (ull)L.m.wavefronts);
        first = false;
      }
    fprintf(f, "\n]");
  }
  fprintf(f, "\n}\n");
}

static void write_lines_table(FILE *f) {
  struct Row {
    u64 n, t, sec, wf;
    std::string where;
  };
  for (auto *k : profiled_kernels()) {
    const Program &P = *k->prog;
    u64 total = 0;
    std::vector<Row> ptx;
    std::map<std::string, Row> src;
    for (auto &[ln, L] : k->lines) {
      total += L.nwarps;
      std::string text = (*P.lines)[ln];
      std::replace(text.begin(), text.end(), '\t', ' ');
      ptx.push_back({L.nwarps, L.nthreads, L.m.sectors, L.m.wavefronts, std::to_string(ln) + ":" + text});
      auto loc = (*P.srcloc)[ln];
      if (!loc.second) continue;
      auto it = P.files->find(loc.first);
      std::string w = (it == P.files->end() ? "?" : it->second) + ":" + std::to_string(loc.second);
      Row &s = src[w];
      s = {s.n + L.nwarps, s.t + L.nthreads, s.sec + L.m.sectors, s.wf + L.m.wavefronts, w};
    }
    auto show = [&](const char *title, std::vector<Row> v) {
      if (v.empty()) return;
      std::sort(v.begin(), v.end(), [](const Row &a, const Row &b) { return a.n > b.n; });
      fprintf(f, "\n%s of %s\n   share  warp-instr  active   sectors wavefronts  where\n", title,
              demangle(k->name).c_str());
      for (size_t q = 0; q < v.size() && q < 25; ++q)
        fprintf(f, "  %5.1f%% %11llu  %6.2f %9llu %10llu  %s\n", 100 * ratio(v[q].n, total), (ull)v[q].n,
                ratio(v[q].t, v[q].n), (ull)v[q].sec, (ull)v[q].wf, v[q].where.c_str());
    };
    std::vector<Row> sv;
    for (auto &[w, r] : src) sv.push_back(r);
    show("Source line hot spots", sv);
    show("PTX line hot spots", ptx);
  }
}

static void write_table(FILE *f) {
  fprintf(f, "ptxemu profile: counts of executed PTX instructions, not a measurement on a GPU\n");
  for (auto *k : profiled_kernels()) {
    for (auto &r : k->recs) {
      u64 wn = 0, tn = 0;
      for (int c = 1; c < K_COUNT; ++c) wn += r.wi[c], tn += r.ti[c];
      const LaunchSpec &s = r.spec;
      fprintf(f, "\n%s\n  grid (%u,%u,%u) block (%u,%u,%u)", demangle(k->name).c_str(), s.grid.x, s.grid.y, s.grid.z,
              s.block.x, s.block.y, s.block.z);
      if (s.cluster.count() > 1) fprintf(f, " cluster (%u,%u,%u)", s.cluster.x, s.cluster.y, s.cluster.z);
      fprintf(f, "%s, shared %zu static + %zu dynamic, launches %llu\n", s.cooperative ? " cooperative" : "",
              k->info.static_shared, s.dynshared, (ull)r.launches);
      fprintf(f, "  warp instructions %llu, thread instructions %llu, active lanes %.2f of 32\n   ", (ull)wn, (ull)tn,
              ratio(tn, wn));
      for (int c = 1; c < K_COUNT; ++c)
        if (r.wi[c]) fprintf(f, " %s %.1f%%", class_name[c], 100 * ratio(r.wi[c], wn));
      fprintf(f, "\n");
      for (int t = 0; t < 2; ++t) {
        const MemCount &m = t ? r.st : r.ld;
        if (m.requests)
          fprintf(f,
                  "  global %s: %llu requests, %.3f MB, %.2f sectors/request, use of sectors %.0f%%, unique "
                  "%.3f MB\n",
                  t ? "stores" : "loads ", (ull)m.requests, m.bytes / 1e6, ratio(m.sectors, m.requests),
                  100 * ratio(m.bytes, 32.0 * m.sectors), (t ? r.uniq_st : r.uniq_ld) / 1e6);
      }
      for (int t = 0; t < 2; ++t) {
        const MemCount &m = t ? r.st : r.ld;
        if (m.sh_requests)
          fprintf(f, "  shared %s: %llu requests, %.3f MB, %llu wavefronts, conflict factor %.2f\n",
                  t ? "stores" : "loads ", (ull)m.sh_requests, m.sh_bytes / 1e6, (ull)m.wavefronts,
                  ratio(m.wavefronts, m.ideal));
      }
      fprintf(f, "  barriers per block %.1f, local memory %.3f MB, atomic lanes %llu, working set %.3f MB\n",
              ratio(r.barriers, (double)r.warps), r.local_bytes / 1e6, (ull)r.atom_lanes, r.uniq_max / 1e6);
    }
  }
  if (profile_lines_on()) write_lines_table(f);
}

// PTXEMU_PROFILE=path writes JSON to path and a table to path.txt; PTXEMU_PROFILE=- prints the table to
// stderr.
void profile_write() {
  const char *p = getenv("PTXEMU_PROFILE");
  if (!p || !*p || profiled_kernels().empty()) return;
  if (!strcmp(p, "-")) {
    write_table(stderr);
    return;
  }
  FILE *f = fopen(p, "w");
  if (!f) {
    fprintf(stderr, "ptxemu: cannot write the profile to %s\n", p);
    return;
  }
  write_json(f);
  fclose(f);
  if ((f = fopen((std::string(p) + ".txt").c_str(), "w"))) {
    write_table(f);
    fclose(f);
  }
}

}  // namespace ptxemu
