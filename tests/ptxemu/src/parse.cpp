// SPDX-License-Identifier: Apache-2.0
//
// Parser for PTX modules (PTX chapter 4 "Syntax", chapter 5 for variables, chapter 11 "Directives").
//
// It relies on the regular layout of compiler-generated PTX and of inline assembly inside it: directives end
// with ';', function bodies are brace-balanced. Debug sections are skipped; .loc and .file are kept for
// reports.
#include "parse.h"

namespace ptxemu {

Ty ty(const std::string &s) {
  if (s == "pred") return {'p', 4};
  if (s == "f16x2" || s == "bf16x2") return {'b', 4, true};
  if (s == "bf16") return {'h', 2};
  if (s == "tf32") return {'t', 4};
  if (s.size() >= 2 && strchr("usbf", s[0]) && isdigit(s[1])) {
    char *e;
    long n = strtol(s.c_str() + 1, &e, 10);
    if (!*e && (n == 8 || n == 16 || n == 32 || n == 64 || n == 128)) return {s[0], (int)n / 8};
  }
  return {};
}

std::string trim(const std::string &s) {
  size_t a = s.find_first_not_of(" \t\r\n"), b = s.find_last_not_of(" \t\r\n");
  return a == std::string::npos ? "" : s.substr(a, b - a + 1);
}

std::vector<std::string> split_top(const std::string &s, char sep) {
  std::vector<std::string> r;
  int depth = 0;
  std::string c;
  for (char x : s) {
    if (strchr("([{", x)) ++depth;
    if (strchr(")]}", x)) --depth;
    if (x == sep && depth == 0) {
      r.push_back(trim(c));
      c.clear();
    } else {
      c += x;
    }
  }
  if (!trim(c).empty()) r.push_back(trim(c));
  return r;
}

std::vector<std::string> split_dots(const std::string &s) {
  std::vector<std::string> r;
  std::string c;
  for (char x : s) {
    if (x == '.') {
      r.push_back(c);
      c.clear();
    } else {
      c += x;
    }
  }
  r.push_back(c);
  return r;
}

void perr(int line, const std::string &what) { throw Fault("PTX line " + std::to_string(line) + ": " + what); }

u64 parse_num(const std::string &s0, int line) {
  std::string s = s0;
  if (!s.empty() && (s.back() == 'U' || s.back() == 'u')) s.pop_back();
  bool neg = !s.empty() && s[0] == '-';
  if (neg) s = s.substr(1);
  char *e;
  u64 v = strtoull(s.c_str(), &e, 0);
  if (s.empty() || *e) perr(line, "bad number " + s0);
  return neg ? 0 - v : v;
}

static void parse_initialiser(Var &v, const std::string &init, u32 elem, int line) {
  std::string s = init;
  s.erase(std::remove_if(s.begin(), s.end(), [](char c) { return c == '{' || c == '}'; }), s.end());
  for (auto &x : split_top(s, ',')) {
    u64 bits;
    if (x.size() > 2 && x[0] == '0' && strchr("fFdD", x[1]))
      bits = strtoull(x.c_str() + 2, nullptr, 16);
    else if (isalpha(x[0]) || x[0] == '_' || x[0] == '$')
      perr(line, "address of a symbol in an initialiser is not supported: " + x);
    else
      bits = parse_num(x, line);
    for (u32 k = 0; k < elem; ++k) v.init.push_back((u8)(bits >> (8 * k)));
  }
}

// A declaration such as ".param .align 8 .b8 name[32]" or ".global .f32 t[2] = {0f3F800000, 0f00000000}".
Var parse_var(const std::string &text, int line) {
  Var v{};
  v.count = 1;
  std::string t = text, init;
  size_t eq = t.find('=');
  if (eq != std::string::npos) {
    init = trim(t.substr(eq + 1));
    t = trim(t.substr(0, eq));
  }
  size_t p = 0;
  int vec = 1;
  auto blanks = [&] {
    while (p < t.size() && isspace(t[p])) ++p;
  };
  for (blanks(); p < t.size(); blanks()) {
    if (t[p] != '.') {  // the name, perhaps with array dimensions
      size_t q = p;
      while (q < t.size() && !isspace(t[q]) && t[q] != '[') ++q;
      v.name = t.substr(p, q - p);
      p = q;
      blanks();
      while (p < t.size() && t[p] == '[') {
        size_t e = t.find(']', p);
        std::string n = trim(t.substr(p + 1, e - p - 1));
        v.count *= n.empty() ? 0 : parse_num(n, line);
        p = e + 1;
      }
      continue;
    }
    size_t q = p + 1;
    while (q < t.size() && (isalnum(t[q]) || t[q] == '_')) ++q;
    std::string d = t.substr(p + 1, q - p - 1);
    p = q;
    if (d == "align") {
      v.align = (u32)strtoul(t.c_str() + p, nullptr, 10);
      blanks();
      while (p < t.size() && isdigit(t[p])) ++p;
    } else if (d == "extern")
      v.ext = true;
    else if (d == "global")
      v.space = GLB;
    else if (d == "const")
      v.space = CST;
    else if (d == "shared")
      v.space = SHR;
    else if (d == "local")
      v.space = LOC;
    else if (d == "param")
      v.space = PRM;
    else if (d == "v2")
      vec = 2;
    else if (d == "v4")
      vec = 4;
    else if (d == "attribute")
      perr(line, "unsupported attribute in " + text);
    else if (Ty y = ty(d); y.sz) {
      v.elem = y.sz;
      v.type = d;
    } else if (d != "visible" && d != "weak" && d != "common" && d != "ptr")
      perr(line, "unsupported directive ." + d + " in " + text);
  }
  u32 elem = v.elem;
  v.elem *= vec;
  if (!v.align) v.align = v.elem;
  if (!init.empty()) parse_initialiser(v, init, elem, line);
  return v;
}

void Module::Impl::place(const Var &v) {
  u64 n = std::max<u64>(1, (u64)v.elem * v.count);
  char *m = (char *)aligned_alloc(256, (n + 255) / 256 * 256);
  memset(m, 0, n);
  if (!v.init.empty()) memcpy(m, v.init.data(), std::min<size_t>(n, v.init.size()));
  mem[v.name] = {m, n};
  vars.emplace(v.name, v);
  dev_register(m, n);
}

// Removes comments and line-number directives from the text; notes source positions in I.
static std::string strip(Module::Impl &I, const char *ptx) {
  auto &lines = *I.lines;
  lines.push_back("");  // lines count from 1
  std::string cur, out;
  for (const char *c = ptx;; ++c) {
    if (*c != '\n' && *c) {
      cur += *c;
      continue;
    }
    lines.push_back(cur);
    cur.clear();
    if (!*c) break;
  }
  I.srcloc->assign(lines.size(), {0, 0});
  bool block = false;
  std::pair<int, int> loc{0, 0};
  for (size_t n = 1; n < lines.size(); ++n) {
    std::string o;
    const std::string &L = lines[n];
    for (size_t k = 0; k < L.size(); ++k) {
      char c = L[k], d = k + 1 < L.size() ? L[k + 1] : 0;
      if (block) {
        if (c == '*' && d == '/') block = false, ++k;
        continue;
      }
      if (c == '/' && d == '/') break;
      if (c == '/' && d == '*') {
        block = true;
        ++k;
        continue;
      }
      o += c;
    }
    std::string t = trim(o);
    auto starts = [&](const char *p) { return t.rfind(p, 0) == 0 && (t[strlen(p)] == ' ' || t[strlen(p)] == '\t'); };
    if (starts(".loc")) {
      sscanf(t.c_str(), ".loc %d %d", &loc.first, &loc.second);
      o.clear();
    } else if (starts(".file")) {
      int k = 0;
      size_t q = t.find('"'), e = t.rfind('"');
      if (sscanf(t.c_str(), ".file %d", &k) == 1 && e > q) (*I.files)[k] = t.substr(q + 1, e - q - 1);
      o.clear();
    } else if (starts(".version") || starts(".target") || starts(".address_size")) {
      o.clear();
    } else if (t == "{" || t == "}" || t.find(".entry") != std::string::npos || t.find(".func") != std::string::npos) {
      if (t != "{" && t != "}") loc = {0, 0};
    }
    (*I.srcloc)[n] = loc;
    out += o + "\n";
  }
  return out;
}

// Performance and launch directives between the parameter list and the body (PTX 11.4).
static void parse_launch_directives(Function &f, const std::string &head, int line) {
  auto dims = [&](const char *name, Dim3 &d) {
    size_t q = head.find(name);
    if (q == std::string::npos) return false;
    d = {1, 1, 1};
    u32 *v[3] = {&d.x, &d.y, &d.z};
    const char *s = head.c_str() + q + strlen(name);
    for (int k = 0; k < 3; ++k) {
      char *e;
      *v[k] = (u32)strtoul(s, &e, 10);
      if (e == s) perr(line, std::string("bad directive ") + name);
      while (*e && isspace(*e)) ++e;
      if (*e != ',') break;
      s = e + 1;
    }
    return true;
  };
  Dim3 d;
  if (dims(".maxntid", d) || dims(".reqntid", d)) f.max_threads = (u32)d.count();
  if (dims(".reqnctapercluster", d)) f.req_cluster = d;
}

static Function parse_header(const std::string &head, int line) {
  Function f;
  f.line = line;
  f.entry = head.find(".entry") != std::string::npos;
  size_t k = head.find(f.entry ? ".entry" : ".func") + (f.entry ? 6 : 5);
  auto blanks = [&] {
    while (k < head.size() && isspace(head[k])) ++k;
  };
  auto plist = [&](std::vector<Var> &o) {
    size_t e = head.find(')', k);
    for (auto &a : split_top(head.substr(k + 1, e - k - 1), ',')) o.push_back(parse_var(a, line));
    k = e + 1;
  };
  blanks();
  if (head[k] == '(') {
    plist(f.rets);
    blanks();
  }
  size_t e = k;
  while (e < head.size() && !isspace(head[e]) && head[e] != '(') ++e;
  f.name = head.substr(k, e - k);
  k = e;
  blanks();
  if (k < head.size() && head[k] == '(') plist(f.params);
  if (k < head.size()) parse_launch_directives(f, head.substr(k), line);
  return f;
}

Module::Module(const char *ptx) : p(new Impl) {
  std::string s = strip(*p, ptx);
  size_t pos = 0;
  int line = 1;
  auto advance = [&](size_t to) {
    for (; pos < to && pos < s.size(); ++pos)
      if (s[pos] == '\n') ++line;
  };
  for (;;) {
    size_t q = s.find_first_not_of(" \t\r\n", pos);
    if (q == std::string::npos) break;
    advance(q);
    if (s.compare(pos, 8, ".section") == 0) {  // debug information
      advance(s.find('}', pos) + 1);
      continue;
    }
    size_t semi = s.find(';', pos), brace = s.find('{', pos), eq = s.find('=', pos);
    std::string start = s.substr(pos, std::min({semi, brace, eq}) - pos);
    if (start.find(".entry") == std::string::npos && start.find(".func") == std::string::npos) {
      std::string d = trim(s.substr(pos, semi - pos));
      int ln = line;
      advance(semi + 1);
      if (d.rfind(".pragma", 0) == 0) continue;
      if (d.rfind(".alias", 0) == 0) perr(ln, ".alias is not supported");
      Var v = parse_var(d, ln);
      if (v.name.empty()) perr(ln, "unknown directive " + d);
      p->vars[v.name] = v;
      if ((v.space == GLB || v.space == CST) && !v.ext) p->place(v);
      continue;
    }
    Function f = parse_header(s.substr(pos, std::min(semi, brace) - pos), line);
    if (semi < brace) {  // declaration only
      advance(semi + 1);
      p->fns.emplace(f.name, f);
      continue;
    }
    int depth = 0;
    size_t z = brace;
    for (; z < s.size(); ++z) {
      if (s[z] == '{') ++depth;
      if (s[z] == '}' && --depth == 0) break;
    }
    advance(brace + 1);
    f.line = line;
    f.body = s.substr(brace + 1, z - brace - 1);
    advance(z + 1);
    p->fns[f.name] = f;
  }
}

Module::~Module() = default;

bool Module::has_kernel(const std::string &n) const {
  auto it = p->fns.find(n);
  return it != p->fns.end() && it->second.entry;
}
std::vector<std::string> Module::kernels() const {
  std::vector<std::string> r;
  for (auto &f : p->fns)
    if (f.second.entry) r.push_back(f.first);
  return r;
}
void Module::reset_variables() {
  for (auto &[name, m] : p->mem) {
    memset(m.first, 0, m.second);
    auto it = p->vars.find(name);
    if (it != p->vars.end() && !it->second.init.empty())
      memcpy(m.first, it->second.init.data(), std::min<size_t>(m.second, it->second.init.size()));
  }
}
std::pair<void *, size_t> Module::symbol(const std::string &n) {
  auto it = p->mem.find(n);
  if (it == p->mem.end()) return {nullptr, 0};
  return {it->second.first, it->second.second};
}

}  // namespace ptxemu
