// SPDX-License-Identifier: Apache-2.0
//
// device_table FILE [--write]: asks the library, with the plugin that BILEVEL_CUDA_PLUGIN names, which plans run on the device, and
// checks that the text between the marks of FILE (docs/cuda.md) says so; with --write it makes it so.
#include <cstdio>
#include <fstream>
#include <iterator>
#include <map>

#include "rows.h"

namespace device_table {
namespace {

namespace bl = bilevel;

constexpr const char *begin_mark = "<!-- device_table: begin -->\n", *end_mark = "<!-- device_table: end -->\n";

struct Executor {
  std::int32_t value;
  const char *name;
};
constexpr Executor executors[] = {
    {BLV_WARP_PER_TASK, "warp"}, {BLV_BLOCK_PER_TASK, "block"}, {BLV_CLUSTER_PER_TASK, "cluster"}, {BLV_GRID, "grid"}};

// Numbers the reasons for refusals in the order in which they first occur.
class Notes {
 public:
  std::string mark(const std::string &reason) {
    const auto [place, fresh] = numbers_.emplace(reason, numbers_.size() + 1);
    if (fresh) reasons_.push_back(reason);
    return "[" + std::to_string(place->second) + "]";
  }
  std::string text() const {
    std::string text;
    for (std::size_t i = 0; i < reasons_.size(); ++i) text += "- [" + std::to_string(i + 1) + "] " + reasons_[i] + "\n";
    return text;
  }

 private:
  std::map<std::string, std::size_t> numbers_;
  std::vector<std::string> reasons_;
};

// Without the status, which is BLV_UNSUPPORTED.
std::string reason_of(const bl::Error &error) {
  if (error.status() != BLV_UNSUPPORTED) throw error;  // the row is wrong
  const std::string text = error.what();
  return text.substr(text.find(": ") + 2);
}

// Of a plan with an executor by name: the reason of that executor's kernels, whose names do not matter.
std::string reason_of_executor(const bl::Error &error) {
  const std::string text = reason_of(error), prefix = "no CUDA kernel runs this plan; ";
  return text.rfind(prefix, 0) == 0 ? text.substr(text.find(": ", prefix.size()) + 2) : text;
}

std::string cell(const bl::Context &context, bl::Spec spec, std::int32_t executor, Notes *notes) {
  spec.executor = executor;
  try {
    const bl::Plan plan(context, spec);
    return "yes";
  } catch (const bl::Error &error) {
    return notes->mark(reason_of_executor(error));
  }
}

// The value of a member of plan.describe().
std::string member(const std::string &json, const std::string &name) {
  const std::string key = "\"" + name + "\": ";
  const std::size_t at = json.find(key);
  if (at == std::string::npos) return "?";
  const std::size_t begin = at + key.size();
  if (json[begin] == '"') return json.substr(begin + 1, json.find('"', begin + 1) - begin - 1);
  return json.substr(begin, json.find_first_of(",}", begin) - begin);
}

std::string table_of_plans(const bl::Context &context) {
  Notes notes;
  std::string text;
  for (const Section &section : what_runs()) {
    text.append("| ").append(section.title).append(" |");
    for (const Executor &executor : executors) text += std::string(" ") + executor.name + " |";
    text += "\n|---|---|---|---|---|\n";
    for (const Row &row : section.rows) {
      text.append("| ").append(row.name).append(" |");
      for (const Executor &executor : executors)
        text.append(" ").append(cell(context, row.spec, executor.value, &notes)).append(" |");
      text += "\n";
    }
    text += "\n";
  }
  return text + notes.text();
}

std::string table_of_choices(const bl::Context &context) {
  std::string text =
      "| problem | kernel | threads of a block | blocks of a group | store | why |\n|---|---|---|---|---|---|\n";
  for (const Row &row : what_is_chosen()) {
    std::string columns;
    try {
      const std::string json = bl::Plan(context, row.spec).describe();
      columns.append("`").append(member(json, "kernel")).append("` | ").append(member(json, "block_threads"));
      columns.append(" | ").append(member(json, "cluster_blocks")).append(" | ");
      if (json.find("\"store\"") != std::string::npos) columns.append(member(json, "store"));
      columns.append(" | ").append(member(json, "reason"));
    } catch (const bl::Error &error) {
      columns = "none | | | | " + reason_of(error);
    }
    text.append("| ").append(row.name).append(" | ").append(columns).append(" |\n");
  }
  return text;
}

std::string tables() {
  const bl::Context context({.device = 0});
  return std::string("\n").append(table_of_plans(context)) + "\n### What `BLV_EXECUTOR_AUTO` takes\n\n" +
         table_of_choices(context) + "\n";
}

int run(const std::string &path, bool write) {
  std::ifstream in(path);
  const std::string text{std::istreambuf_iterator<char>(in), {}};
  const std::size_t begin = text.find(begin_mark), end = text.find(end_mark);
  if (begin == std::string::npos || end == std::string::npos || end < begin) {
    std::fprintf(stderr, "%s has no marks %s and %s", path.c_str(), begin_mark, end_mark);
    return 1;
  }
  const std::size_t from = begin + std::string(begin_mark).size();
  const std::string now = tables();
  if (text.substr(from, end - from) == now) return 0;
  if (write) {
    std::ofstream(path) << text.substr(0, from) << now << text.substr(end);
    return 0;
  }
  std::printf("%s\n%s does not say this; make it so with: scripts/device-table --write BUILD_DIR\n", now.c_str(),
              path.c_str());
  return 1;
}

}  // namespace
}  // namespace device_table

int main(int argc, char **argv) {
  if (argc < 2) {
    std::fprintf(stderr, "usage: device_table FILE [--write]\n");
    return 2;
  }
  try {
    return device_table::run(argv[1], argc > 2 && std::string(argv[2]) == "--write");
  } catch (const bilevel::Error &error) {
    std::fprintf(stderr, "device_table: %s\n", error.what());
    return 1;
  }
}
