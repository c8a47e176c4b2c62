// SPDX-License-Identifier: Apache-2.0
//
// Miscellaneous: clock registers, device printf and assert, graph conditionals.
#include "decode.h"
#include "lanes.h"

namespace ptxemu {

// Clock registers count executed warp instructions: monotonic, but not time.
const Ins *h_clock(const Ins *i, Warp &w) {
  u64 t = w.clock;
  if (i->aux)
    each<u64>(w, i->o[0], [&](int) { return t; });
  else
    each<u32>(w, i->o[0], [&](int) { return (u32)t; });
  return i + 1;
}
static const Ins *h_vprintf(const Ins *i, Warp &w) {  // local param offsets: o0 fmt, o1 args, o2 ret
  lanes(w.act, [&](int l) {
    char *b = w.local + (u64)l * w.lstride;
    const char *f = *(const char **)(b + i->o[0]);
    const char *a = *(const char **)(b + i->o[1]);
    size_t off = 0;
    std::string out;
    for (; *f; ++f) {
      if (*f != '%') {
        out += *f;
        continue;
      }
      if (f[1] == '%') {
        out += '%';
        ++f;
        continue;
      }
      std::string sp = "%";
      bool ll = false;
      ++f;
      while (*f && !strchr("diouxXeEfFgGaAcsp", *f)) {
        if (*f == 'l' || *f == 'z' || *f == 'j')
          ll = true;
        else
          sp += *f;
        ++f;
      }
      char c = *f;
      char buf[256];
      if (strchr("eEfFgGaA", c)) {
        off = (off + 7) & ~7ull;
        double d;
        memcpy(&d, a + off, 8);
        off += 8;
        sp += c;
        snprintf(buf, sizeof buf, sp.c_str(), d);
      } else if (c == 's' || c == 'p' || ll) {
        off = (off + 7) & ~7ull;
        i64 v;
        memcpy(&v, a + off, 8);
        off += 8;
        if (c == 's') {
          sp += 's';
          snprintf(buf, sizeof buf, sp.c_str(), (const char *)v);
        } else if (c == 'p')
          snprintf(buf, sizeof buf, "%p", (void *)v);
        else {
          sp += "ll";
          sp += c;
          snprintf(buf, sizeof buf, sp.c_str(), (long long)v);
        }
      } else {
        off = (off + 3) & ~3ull;
        i32 v;
        memcpy(&v, a + off, 4);
        off += 4;
        sp += c;
        snprintf(buf, sizeof buf, sp.c_str(), v);
      }
      out += buf;
    }
    fputs(out.c_str(), stdout);
    if (i->o[2] >= 0) *(u32 *)(b + i->o[2]) = 1;
  });
  return i + 1;
}
static const Ins *h_assertfail(const Ins *i, Warp &w) {
  char *b = w.local + (u64)__builtin_ctz(w.act) * w.lstride;
  fault(i, w,
        std::string("device assert failed: ") + *(const char **)(b + i->o[0]) + " at " + *(const char **)(b + i->o[1]) +
            ":" + std::to_string(*(u32 *)(b + i->o[2])));
}

void (*on_set_conditional)(uint64_t handle, uint32_t value) = nullptr;

static const Ins *h_set_conditional(const Ins *i, Warp &w) {
  lanes(w.act, [&](int l) {
    char *b = w.local + (u64)l * w.lstride;
    if (on_set_conditional) on_set_conditional(*(u64 *)(b + i->o[0]), *(u32 *)(b + i->o[1]));
  });
  return i + 1;
}

// Functions the CUDA toolchain expects the driver to provide.
bool Decoder::builtin_call(const std::string &name, const std::vector<std::string> &args,
                           const std::vector<std::string> &rets) {
  auto lo = [&](const std::string &n) {
    int sp;
    u32 off;
    if (!var(n, sp, off) || sp != LOC) perr(line, "call argument " + n);
    return (i32)off;
  };
  Handler f = name == "vprintf"                   ? h_vprintf
              : name == "__assertfail"            ? h_assertfail
              : name == "cudaGraphSetConditional" ? h_set_conditional
                                                  : nullptr;
  if (!f) return false;
  i32 s[3] = {-1, -1, -1};
  for (size_t k = 0; k < args.size() && k < 3; ++k) s[k] = lo(args[k]);
  if (name == "vprintf") s[2] = rets.empty() ? -1 : lo(rets[0]);
  Ins &i = emit(f);
  for (int k = 0; k < 3; ++k) i.o[k] = s[k];
  return true;
}

}  // namespace ptxemu
