// SPDX-License-Identifier: Apache-2.0
//
// Liveness of PTX registers (backward data flow over basic blocks) and linear-scan placement. Liveness is per thread: lanes keep
// their values apart, so divergence does not matter. An interval is the span of statements from the first to the last at which the
// register is alive; sources and destinations of one instruction never share a place.
#include "registers.h"
#include <queue>
#include <unordered_map>

namespace ptxemu {

static bool word(char c) { return isalnum((unsigned char)c) || c == '_' || c == '$' || c == '%' || c == '.'; }

std::vector<Statement> split_body(const Function &f) {
  std::vector<Statement> out;
  const std::string &B = f.body;
  std::string buf;
  bool started = false;
  int first = f.line, ln = f.line;
  for (size_t k = 0; k < B.size(); ++k) {
    char c = B[k];
    if (c == '\n') ++ln;
    if (!started) {
      if (isspace((unsigned char)c)) continue;
      if (c == '{' || c == '}') {
        out.push_back({c == '{' ? Statement::OPEN : Statement::CLOSE, ln, "", {}});
        continue;
      }
      started = true;
      first = ln;
    }
    bool done = false;
    if (c == ';') {
      std::string s = trim(buf);
      if (!s.empty() && s.rfind(".pragma", 0) != 0)
        out.push_back({s[0] == '.' ? Statement::DECLARATION : Statement::INSTRUCTION, first, s, {}});
      done = true;
    } else if (c == ':' && (k + 1 >= B.size() || B[k + 1] != ':') && (k == 0 || B[k - 1] != ':')) {
      std::string name = trim(buf);
      bool id = !name.empty();
      for (char x : name) id &= word(x) && x != '.';
      if (id) {
        size_t z = B.find_first_not_of(" \t\r\n", k + 1);
        bool table = z != std::string::npos && B.compare(z, 14, ".branchtargets") == 0;
        bool proto = z != std::string::npos && B.compare(z, 14, ".callprototype") == 0;
        if (table || proto) {
          size_t e = B.find(';', z);
          if (table) out.push_back({Statement::TARGETS, ln, name, split_top(trim(B.substr(z + 14, e - z - 14)), ',')});
          ln += (int)std::count(B.begin() + (long)k, B.begin() + (long)e, '\n');
          k = e;
        } else {
          out.push_back({Statement::LABEL, ln, name, {}});
        }
        done = true;
      }
    }
    if (done) {
      buf.clear();
      started = false;
    } else {
      buf += c;
    }
  }
  return out;
}

std::vector<Declared> declared_registers(const Statement &s) {
  std::vector<Declared> out;
  if (s.text.rfind(".reg", 0) != 0) return out;
  std::string r = trim(s.text.substr(4));
  size_t q = r.find_first_of(" \t");
  Ty y = ty(r.substr(1, q - 1));
  if (!y.sz || y.sz > 8) perr(s.line, "unsupported register type: " + r);
  for (auto &n : split_top(trim(r.substr(q)), ',')) {
    size_t lt = n.find('<');
    if (lt == std::string::npos) {
      out.push_back({n, y});
    } else {
      int c = atoi(n.c_str() + lt + 1);
      for (int k = 0; k < c; ++k) out.push_back({n.substr(0, lt) + std::to_string(k), y});
    }
  }
  return out;
}

namespace {

// An instruction as liveness sees it.
struct Step {
  int at;  // number of the statement
  std::vector<int> uses, defs;
  bool kills = true;  // defs are certain: no guard, and the first operand is nothing but a destination
  bool ends = false;  // no way on to the next instruction
  std::vector<std::string> targets;
};

struct Block {
  size_t first, last;  // steps [first, last)
  std::vector<size_t> next;
  std::vector<u64> in, out, gen, kill;
};

class Liveness {
 public:
  explicit Liveness(const std::vector<Statement> &body) : body_(body) { read(); }

  Places place() {
    cut_blocks();
    flow();
    return scan(intervals());
  }

 private:
  using Names = std::unordered_map<std::string, int>;
  const std::vector<Statement> &body_;
  std::vector<char> wide_;  // per register
  std::vector<Step> steps_;
  std::vector<Block> blocks_;
  std::map<std::string, size_t> label_step_;
  std::map<std::string, std::vector<std::string>> tables_;
  std::vector<int> crossing_;  // per register: its bit in the sets, or -1: never alive between blocks
  std::vector<int> crossing_registers_;

  static void registers_in(const std::string &s, const std::vector<Names> &scopes, std::vector<int> &out) {
    for (size_t k = 0; k < s.size();) {
      if (!word(s[k])) {
        ++k;
        continue;
      }
      size_t e = k;
      while (e < s.size() && word(s[e])) ++e;
      const std::string name = s.substr(k, e - k);
      for (size_t q = scopes.size(); q-- > 0;)
        if (auto it = scopes[q].find(name); it != scopes[q].end()) {
          out.push_back(it->second);
          break;
        }
      k = e;
    }
  }

  void read() {
    std::vector<Names> scopes(1);
    for (size_t n = 0; n < body_.size(); ++n) {
      const Statement &s = body_[n];
      switch (s.kind) {
        case Statement::OPEN:
          scopes.emplace_back();
          break;
        case Statement::CLOSE:
          scopes.pop_back();
          break;
        case Statement::LABEL:
          label_step_[s.text] = steps_.size();
          break;
        case Statement::TARGETS:
          tables_[s.text] = s.targets;
          break;
        case Statement::DECLARATION:
          for (const Declared &d : declared_registers(s)) {
            scopes.back()[d.name] = (int)wide_.size();
            wide_.push_back(d.type.sz == 8);
          }
          break;
        case Statement::INSTRUCTION:
          steps_.push_back(step(s, (int)n, scopes));
      }
    }
  }

  static Step step(const Statement &s, int at, const std::vector<Names> &scopes) {
    static const std::set<std::string> no_destination = {
        "st",     "red",   "bra",      "brx",       "ret",     "exit",          "trap",      "brkpt",
        "membar", "fence", "prefetch", "prefetchu", "discard", "applypriority", "nanosleep", "cp"};
    Step r;
    r.at = at;
    std::string t = s.text;
    const bool guarded = t[0] == '@';
    if (guarded) {
      size_t q = t.find_first_of(" \t\n");
      registers_in(t.substr(0, q), scopes, r.uses);
      t = trim(t.substr(q));
    }
    size_t q = t.find_first_of(" \t\n");
    const std::string op = t.substr(0, q), o = op.substr(0, op.find('.'));
    std::vector<std::string> a;
    if (q != std::string::npos) a = split_top(trim(t.substr(q)), ',');
    const bool barrier = o == "bar" || o == "barrier" || o == "call";
    for (size_t k = 0; k < a.size(); ++k) {
      const bool destination = k == 0 && a[0][0] != '[' && !no_destination.count(o);
      if (destination) registers_in(a[0], scopes, r.defs);
      if (!destination || barrier) registers_in(a[k], scopes, r.uses);
    }
    r.kills = !guarded && !barrier;
    if (o == "bra") r.targets = {a[0]};
    if (o == "brx") r.targets = {"", a[1]};
    r.ends = !guarded && (o == "bra" || o == "brx" || o == "ret" || o == "exit" || o == "trap");
    return r;
  }

  void cut_blocks() {
    std::vector<char> starts(steps_.size() + 1, 0);
    starts[0] = 1;
    for (auto &[name, at] : label_step_) starts[at] = 1;
    for (size_t k = 0; k < steps_.size(); ++k)
      if (steps_[k].ends || !steps_[k].targets.empty()) starts[k + 1] = 1;
    std::vector<size_t> block_of(steps_.size() + 1);
    for (size_t k = 0; k < steps_.size(); ++k) {
      if (starts[k]) blocks_.push_back({k, k, {}, {}, {}, {}, {}});
      block_of[k] = blocks_.size() - 1;
      blocks_.back().last = k + 1;
    }
    block_of[steps_.size()] = blocks_.size();  // the end of the body
    auto go = [&](Block &b, const std::string &label) {
      auto it = label_step_.find(label);
      if (it == label_step_.end()) throw Fault("unknown label " + label);
      if (size_t t = block_of[it->second]; t < blocks_.size()) b.next.push_back(t);
    };
    for (size_t n = 0; n < blocks_.size(); ++n) {
      Block &b = blocks_[n];
      const Step &s = steps_[b.last - 1];
      if (!s.ends && n + 1 < blocks_.size()) b.next.push_back(n + 1);
      if (s.targets.size() == 1) go(b, s.targets[0]);
      if (s.targets.size() == 2)
        for (const std::string &label : tables_[s.targets[1]]) go(b, label);
    }
  }

  void flow() {
    // Registers that some block reads before it writes them are the only ones that can be alive between blocks.
    std::vector<int> written(wide_.size(), -1);
    crossing_.assign(wide_.size(), -1);
    for (size_t n = 0; n < blocks_.size(); ++n)
      for (size_t k = blocks_[n].first; k < blocks_[n].last; ++k) {
        auto crosses = [&](int r) {
          if (written[r] == (int)n || crossing_[r] >= 0) return;
          crossing_[r] = (int)crossing_registers_.size();
          crossing_registers_.push_back(r);
        };
        for (int r : steps_[k].uses) crosses(r);
        for (int r : steps_[k].defs) {
          if (!steps_[k].kills) crosses(r);
          if (steps_[k].kills) written[r] = (int)n;
        }
      }
    const size_t words = (crossing_registers_.size() + 63) / 64;
    auto set = [](std::vector<u64> &v, int bit) { v[bit >> 6] |= 1ull << (bit & 63); };
    for (Block &b : blocks_) {
      for (auto *v : {&b.in, &b.out, &b.gen, &b.kill}) v->assign(words, 0);
      for (size_t k = b.last; k-- > b.first;) {
        const Step &s = steps_[k];
        for (int r : s.defs)
          if (int bit = crossing_[r]; bit >= 0 && s.kills) {
            set(b.kill, bit);
            b.gen[bit >> 6] &= ~(1ull << (bit & 63));
          }
        // A write under a guard keeps the old value in other lanes: it needs it.
        for (int r : s.defs)
          if (crossing_[r] >= 0 && !s.kills) set(b.gen, crossing_[r]);
        for (int r : s.uses)
          if (crossing_[r] >= 0) set(b.gen, crossing_[r]);
      }
    }
    for (bool changed = true; changed;) {
      changed = false;
      for (size_t n = blocks_.size(); n-- > 0;) {
        Block &b = blocks_[n];
        for (size_t t : b.next)
          for (size_t w = 0; w < words; ++w) b.out[w] |= blocks_[t].in[w];
        for (size_t w = 0; w < words; ++w) {
          const u64 v = b.gen[w] | (b.out[w] & ~b.kill[w]);
          changed |= v != b.in[w];
          b.in[w] = v;
        }
      }
    }
  }

  struct Interval {
    int first = INT_MAX, last = -1;
    void reach(int at) {
      first = std::min(first, at);
      last = std::max(last, at);
    }
  };

  std::vector<Interval> intervals() const {
    std::vector<Interval> v(wide_.size());
    for (const Step &s : steps_) {
      for (int r : s.uses) v[r].reach(s.at);
      for (int r : s.defs) v[r].reach(s.at);
    }
    for (const Block &b : blocks_)
      for (size_t w = 0; w < b.in.size(); ++w) {
        for (u64 x = b.in[w]; x; x &= x - 1)
          v[crossing_registers_[64 * w + __builtin_ctzll(x)]].reach(steps_[b.first].at);
        for (u64 x = b.out[w]; x; x &= x - 1)
          v[crossing_registers_[64 * w + __builtin_ctzll(x)]].reach(steps_[b.last - 1].at);
      }
    return v;
  }

  Places scan(const std::vector<Interval> &v) const {
    Places p;
    p.place.assign(v.size(), 0);
    std::vector<int> order;
    for (size_t r = 0; r < v.size(); ++r)
      if (v[r].last >= 0) order.push_back((int)r);
    std::stable_sort(order.begin(), order.end(), [&](int a, int b) { return v[a].first < v[b].first; });
    using Busy = std::priority_queue<std::pair<int, int>, std::vector<std::pair<int, int>>, std::greater<>>;
    for (bool wide : {false, true}) {
      Busy busy;  // (end, place)
      std::vector<int> free;
      int &count = wide ? p.wide : p.narrow;
      for (int r : order) {
        if ((bool)wide_[r] != wide) continue;
        for (; !busy.empty() && busy.top().first < v[r].first; busy.pop()) free.push_back(busy.top().second);
        if (free.empty()) free.push_back(count++);
        p.place[r] = free.back();
        free.pop_back();
        busy.push({v[r].last, p.place[r]});
      }
    }
    return p;
  }
};

}  // namespace

Places place_registers(const std::vector<Statement> &body) { return Liveness(body).place(); }

}  // namespace ptxemu
