// SPDX-License-Identifier: Apache-2.0
//
// bilevel_same_bits: executes random plans (tests/kernels/draw.h) and prints a line for each: seed, what it is, a hash of every byte
// that was written (arrays and infos), what the planner chose. Run with two libraries, as scripts/same-bits does, it shows where they
// write other bits. Neither seed nor description depends on the library.
#include <cstdio>
#include <exception>
#include <fstream>
#include <sstream>
#include <stdexcept>

#include "../draw.h"
#include "../runner.h"

namespace {

using namespace harness;

const char kHelp[] =
    "bilevel_same_bits [--first SEED] [--cases N] [--filter TEXT] [--header FILE] [--dump FOLDER]\n"
    "  --filter TEXT   only cases whose description contains every word of TEXT\n"
    "  --header FILE   what another bilevel.h has: lines with an enumerator's name or `sizeof STRUCT BYTES`\n"
    "  --dump FOLDER   also write each case to FOLDER/<seed>: per array a line (slot, name, dtype, bytes), then its "
    "bytes\n"
    "A line has four columns, separated by tabs; where the library has no plan, `refused` and its status stand in "
    "place of the hash.\n";

constexpr Named kExecutors[] = {BLV_NAMED(BLV_TASKS_IN_LANES), BLV_NAMED(BLV_TASK_PER_CORE),
                                BLV_NAMED(BLV_ROWS_OVER_CORES)};

struct Arguments {
  unsigned first = 0, cases = 1000;
  std::string dump;
  std::vector<std::string> words;
  Names known;
  bool help = false;
};

template <class T>
void cut(const std::string &name, const char *type, int64_t bytes) {
  if (name == type) abi_size<T> = std::min<int64_t>(abi_size<T>, bytes);
}

void read_header(const std::string &path, Arguments *a) {
  std::ifstream file(path);
  if (!file) throw std::runtime_error("cannot read '" + path + "'");
  for (std::string line; std::getline(file, line);) {
    std::istringstream words(line);
    std::string word, type;
    int64_t bytes = 0;
    words >> word;
    if (word != "sizeof") {
      a->known.insert(word);
      continue;
    }
    words >> type >> bytes;
    cut<blv_context_options>(type, "blv_context_options", bytes);
    cut<blv_objective>(type, "blv_objective", bytes);
    cut<blv_method>(type, "blv_method", bytes);
    cut<blv_hvp>(type, "blv_hvp", bytes);
    cut<blv_unroll>(type, "blv_unroll", bytes);
    cut<blv_spec>(type, "blv_spec", bytes);
    cut<blv_sizes>(type, "blv_sizes", bytes);
  }
}

Arguments parse(int argc, char **argv) {
  Arguments a;
  for (int i = 1; i < argc; ++i) {
    const std::string flag = argv[i];
    if (flag == "--help") {
      a.help = true;
      continue;
    }
    if (i + 1 >= argc) throw std::runtime_error(flag + " needs a value, or is unknown; see --help");
    const std::string value = argv[++i];
    std::istringstream words(value);
    if (flag == "--first")
      a.first = static_cast<unsigned>(std::stoul(value));
    else if (flag == "--cases")
      a.cases = static_cast<unsigned>(std::stoul(value));
    else if (flag == "--dump")
      a.dump = value;
    else if (flag == "--header")
      read_header(value, &a);
    else if (flag == "--filter")
      for (std::string word; words >> word;) a.words.push_back(word);
    else
      throw std::runtime_error("unknown argument '" + flag + "'; see --help");
  }
  return a;
}

std::string lower(std::string name) {
  name = name.substr(name.rfind("BLV_", 0) == 0 ? 4 : 0);
  std::transform(name.begin(), name.end(), name.begin(), [](char c) { return static_cast<char>(std::tolower(c)); });
  return name;
}

std::string name_in(std::span<const Named> list, int value) {
  for (const Named &n : list) {
    if (n.value == value) return lower(n.name);
  }
  return value ? std::to_string(value) : "none";
}

std::string leaf_name(int side, int leaf) {
  static constexpr Named sides[] = {BLV_NAMED(BLV_INNER), BLV_NAMED(BLV_OUTER), BLV_NAMED(BLV_BOTH)};
  static constexpr Named others[] = {BLV_NAMED(BLV_THETA0), BLV_NAMED(BLV_THETA),  BLV_NAMED(BLV_ROWS),
                                     BLV_NAMED(BLV_BATCH),  BLV_NAMED(BLV_VECTOR), BLV_NAMED(BLV_LOSS)};
  const std::string prefix = side == BLV_METHOD ? "" : name_in(sides, side) + ".";
  for (const std::span<const Named> list :
       std::initializer_list<std::span<const Named>>{kDataLeaves, kStepLeaves, others}) {
    for (const Named &n : list) {
      if (n.value == leaf) return prefix + lower(n.name);
    }
  }
  return prefix + std::to_string(leaf);
}

std::string joined(const std::vector<std::string> &list) {
  std::string all;
  for (const std::string &one : list) all += (all.empty() ? "" : ",") + one;
  return all.empty() ? "none" : all;
}

// key=value, in the order in which one reads a plan; scripts/same-bits groups by them.
std::string description(const Case &c, const Means &m) {
  std::string text;
  const auto add = [&](const char *key, const std::string &value) {
    text += (text.empty() ? "" : " ") + std::string(key) + "=" + value;
  };
  const auto number = [&](const char *key, int64_t value) { add(key, std::to_string(value)); };
  std::string widths;
  for (int64_t w : c.widths) widths += (widths.empty() ? "" : "x") + std::to_string(w);
  std::vector<std::string> gradients, links, shared, sums, padded;
  for (const Leaf &l : c.leaves) {
    const std::string name = leaf_name(l.side, l.leaf);
    if (l.gradient) gradients.push_back(name);
    if (l.link != BLV_NO_LINK) links.push_back(name + ":" + name_in(kLinks, l.link));
    if (l.shared) shared.push_back(name);
    if (l.gradient && l.sum) sums.push_back(name);
    if (l.pad) padded.push_back(name);
  }
  const bool unroll = c.kind == BLV_UNROLL;
  add("method", name_in(kMethods, c.kind));
  add("dtype", name_in(kDtypes, c.dtype));
  number("isa", m.isa);
  number("threads", m.threads);
  add("asked", c.executor == BLV_EXECUTOR_AUTO ? "auto" : name_in(kExecutors, c.executor));
  add("loss", name_in(kLosses, c.loss));
  if (c.outer_loss) add("outer_loss", name_in(kLosses, c.outer_loss));
  add("widths", widths);
  add("activation", c.widths.size() > 2 ? name_in(kActivations, c.activation) : "none");
  add("bias", c.flags & BLV_NO_BIAS ? "no" : "yes");
  number("tasks", c.tasks);
  number("rows", c.rows);
  if (c.outer_loss) number("outer_rows", c.outer_rows);
  add("ragged", c.counts.empty() && c.outer_counts.empty() ? "no" : "yes");
  if (c.kind == BLV_HVP) number("vectors", c.vectors);
  if (unroll) {
    add("optimiser", name_in(kOptimisers, c.optimiser));
    number("steps", c.steps);
    number("batch", c.batch_rows);
    add("asked_store", name_in(kStores, c.store).substr(6));
  }
  add("gradients", joined(gradients));
  add("links", joined(links));
  add("shared", joined(shared));
  add("sums", joined(sums));
  add("padded", joined(padded));
  return text;
}

class Hash {  // FNV-1a, 64 bits
 public:
  void add(const void *data, int64_t bytes) {
    const unsigned char *p = static_cast<const unsigned char *>(data);
    for (int64_t i = 0; i < bytes; ++i) value_ = (value_ ^ p[i]) * 0x100000001b3u;
  }
  std::string text() const {
    char digits[20];
    std::snprintf(digits, sizeof digits, "%016llx", static_cast<unsigned long long>(value_));
    return digits;
  }

 private:
  uint64_t value_ = 0xcbf29ce484222325u;
};

// The string member `key` of a plan's description.
std::string member(const std::string &json, const std::string &key) {
  const size_t at = json.find("\"" + key + "\": \"");
  if (at == std::string::npos) return "none";
  const size_t from = at + key.size() + 5;
  return json.substr(from, json.find('"', from) - from);
}

void dump(const std::string &folder, const Problem &p, const std::vector<blv_task_info> &info) {
  std::ofstream file(folder + "/" + std::to_string(p.c.seed), std::ios::binary);
  for (size_t i = 0; i < p.arrays.size(); ++i) {
    const Array &a = p.arrays[i];
    if (!a.written()) continue;
    file << i << " " << (a.slot.use == BLV_GRADIENT ? "gradient:" : "result:") << leaf_name(a.slot.side, a.slot.leaf)
         << " " << name_in(kDtypes, a.slot.dtype) << " " << a.memory->bytes() << "\n";
    file.write(static_cast<const char *>(a.memory->data()), a.memory->bytes());
  }
  const std::streamsize bytes = static_cast<std::streamsize>(info.size() * sizeof(blv_task_info));
  file << p.arrays.size() << " info info " << bytes << "\n";
  file.write(reinterpret_cast<const char *>(info.data()), bytes);
  if (!file.flush()) throw std::runtime_error("cannot write to '" + folder + "'");
}

void one_case(unsigned seed, const Arguments &a) {
  Dice d(seed + 1000000, a.known);
  std::vector<int> executors;
  for (const Named &n : kExecutors) {
    if (d.knows(n)) executors.push_back(n.value);
  }
  const Case c = draw(seed, executors, Sizes::kBeyond, a.known);
  const std::vector<int> isa = levels();
  const Means means = {.isa = isa[static_cast<size_t>(d.between(0, int64_t(isa.size()) - 1))],
                       .threads = int(d.between(1, 4))};
  const std::string what = description(c, means);
  for (const std::string &word : a.words) {
    if ((" " + what + " ").find(word) == std::string::npos) return;
  }
  Problem p(c);
  const Outcome out = run(p, means);
  if (out.status != BLV_OK) {
    std::printf("%u\t%s\trefused %s\t%s\n", seed, what.c_str(), blv_status_name(out.status), out.error.c_str());
  } else {
    Hash hash;
    for (const Array &array : p.arrays) {
      if (array.written()) hash.add(array.memory->data(), array.memory->bytes());
    }
    hash.add(out.info.data(), static_cast<int64_t>(out.info.size() * sizeof(blv_task_info)));
    std::printf("%u\t%s\t%s\texecutor=%s store=%s\n", seed, what.c_str(), hash.text().c_str(),
                member(out.description, "executor").c_str(), member(out.description, "store").c_str());
    if (!a.dump.empty()) dump(a.dump, p, out.info);
  }
  std::fflush(stdout);
}

}  // namespace

int main(int argc, char **argv) {
  try {
    const Arguments a = parse(argc, argv);
    if (a.help) return std::fputs(kHelp, stdout) < 0;
    for (unsigned i = 0; i < a.cases; ++i) one_case(a.first + i, a);
    // What the harness itself checks: guard zones, gaps, inputs.
    return testing::UnitTest::GetInstance()->ad_hoc_test_result().Failed() ? 3 : 0;
  } catch (const std::exception &error) {
    std::fprintf(stderr, "bilevel_same_bits: %s\n", error.what());
    return 2;
  }
}
