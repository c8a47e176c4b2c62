// SPDX-License-Identifier: Apache-2.0
//
// bilevel.h stays plain C, so what the library knows of its enums stands elsewhere once more: tables of names, enum classes and
// functions of the C++ layer, tables in the documentation, the layout that the ABI pins, the lists that the sweeps draw from. This test
// reads the header and holds each of them to it.
#include <bilevel/bilevel.h>

#include <gtest/gtest.h>

#include <algorithm>
#include <cctype>
#include <fstream>
#include <map>
#include <regex>
#include <set>
#include <span>
#include <sstream>

#include "csrc/methods/method.h"
#include "csrc/methods/optimiser.h"
#include "csrc/methods/solver.h"
#include "csrc/spec/leaf_rules.h"
#include "csrc/spec/model.h"
#include "csrc/support/names.h"

namespace {

using bilevel::EnumName;
using bilevel::EnumNames;
using Values = std::map<std::string, long>;

std::string read_file(const std::string &path) {
  std::ifstream file(std::string(BLV_SOURCE_DIR) + "/" + path);
  EXPECT_TRUE(file.good()) << path;
  std::ostringstream text;
  text << file.rdbuf();
  return text.str();
}

using Match = std::vector<std::string>;  // the whole, and its groups

std::vector<Match> matches(const std::string &text, const char *pattern) {
  const std::regex regex(pattern);
  std::vector<Match> all;
  for (std::sregex_iterator m(text.begin(), text.end(), regex), end; m != end; ++m)
    all.emplace_back(m->begin(), m->end());
  return all;
}

std::string without_comments(const std::string &text) {
  return std::regex_replace(text, std::regex(R"(/\*[^*]*\*+([^/*][^*]*\*+)*/|//[^\n]*)"), "");
}

const std::string &header() {
  static const std::string text = without_comments(read_file("include/bilevel/bilevel.h"));
  return text;
}

// The enums of the header by their first enumerator.
const std::map<std::string, Values> &enums() {
  static const std::map<std::string, Values> all = [] {
    std::map<std::string, Values> result;
    for (const Match &block : matches(header(), R"(\benum\s*\{([^}]*)\})")) {
      const std::string body = block[1];
      std::string first;
      for (const Match &entry : matches(body, R"((BLV_\w+)\s*=\s*(-?\d+))")) {
        if (first.empty()) first = entry[1];
        result[first][entry[1]] = std::stol(entry[2]);
      }
    }
    return result;
  }();
  return all;
}

std::map<std::string, EnumNames> tables() {
  using namespace bilevel;
  return {{"BLV_ISA_BEST", isa_names},
          {"BLV_NETWORK", names_of(models())},
          {"BLV_SQUARED", loss_names},
          {"BLV_TANH", activation_names},
          {"BLV_EVALUATE", names_of(methods())},
          {"BLV_SGD", names_of(optimisers())},
          {"BLV_STORE_AUTO", store_names},
          {"BLV_CG", names_of(solvers())},
          {"BLV_INNER", side_names},
          {"BLV_THETA0", leaf_names},
          {"BLV_VALUE", use_names},
          {"BLV_F32", dtype_names},
          {"BLV_NO_LINK", link_names},
          {"BLV_NATURAL", extent_names},
          {"BLV_EXECUTOR_AUTO", executor_names}};
}
// Flags and results, which no message and no description names; status codes have blv_status_name.
const std::set<std::string> without_table = {"BLV_OK",          "BLV_DEVICE_CPU", "BLV_NO_BIAS",
                                             "BLV_SKIP_FAILED", "BLV_TASK_OK",    "BLV_STOP_CONVERGED"};

std::span<const EnumName> entries(const EnumNames &names) { return {names.entries, static_cast<size_t>(names.count)}; }

// "Cross-entropy" and "cross_entropy" are "cross entropy".
std::string words(std::string text) {
  for (char &c : text) {
    c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
    if (c == '_' || c == '-') c = ' ';
  }
  return text;
}

std::string section(const std::string &path, const std::string &title) {
  const std::string text = read_file(path);
  const size_t begin = text.find("\n## " + title), end = text.find("\n## ", begin + 1);
  EXPECT_NE(begin, std::string::npos) << path << " has no section " << title;
  return begin == std::string::npos ? "" : text.substr(begin, end - begin);
}

std::vector<std::vector<std::string>> table_rows(const std::string &text) {
  std::vector<std::vector<std::string>> rows;
  std::istringstream lines(text);
  for (std::string line; std::getline(lines, line);) {
    if (line.empty() || line[0] != '|') continue;
    std::vector<std::string> cells;
    std::istringstream rest(line.substr(1));
    for (std::string cell; std::getline(rest, cell, '|');) {
      const size_t begin = cell.find_first_not_of(' '), end = cell.find_last_not_of(' ');
      cells.push_back(begin == std::string::npos ? "" : cell.substr(begin, end - begin + 1));
    }
    rows.push_back(cells);
  }
  return rows;
}

void expect_names(const std::string &text, const std::string &where, const EnumNames &names) {
  for (const EnumName &entry : entries(names))
    EXPECT_TRUE(std::regex_search(words(text), std::regex("\\b" + words(entry.plain) + "\\b")))
        << where << " does not name " << entry.plain;
}

// ---- The library ----------------------------------------------------------------------------------------------------

TEST(Header, EveryEnumHasATableWithItsEnumerators) {
  std::set<std::string> seen;
  for (const auto &[first, enumerators] : enums()) {
    seen.insert(first);
    if (without_table.count(first) != 0) continue;
    const auto names = tables();
    const auto found = names.find(first);
    ASSERT_NE(found, names.end()) << "the enum of " << first << " has no table of names";
    Values table;
    for (const EnumName &entry : entries(found->second)) table[entry.name] = entry.value;
    EXPECT_EQ(table, enumerators);
  }
  for (const auto &[first, names] : tables()) EXPECT_EQ(seen.count(first), 1u) << first;
  EXPECT_GE(enums().size(), 19u);
}

TEST(Header, PlainNamesAreTheEnumeratorsOwn) {
  const std::regex prefix("^BLV_(ISA_|STORE_|EXECUTOR_)?|_LINK$");
  for (const auto &[first, names] : tables())
    for (const EnumName &entry : entries(names)) {
      const std::string own = words(std::regex_replace(std::string(entry.name), prefix, ""));
      if (entry.value == BLV_NO_LINK && first == "BLV_NO_LINK") continue;  // "none"
      EXPECT_EQ(words(entry.plain), own) << entry.name;
    }
}

TEST(Header, StatusCodesHaveNames) {
  for (const auto &[name, value] : enums().at("BLV_OK"))
    EXPECT_EQ(blv_status_name(static_cast<blv_status>(value)), name);
}

// ---- The C++ layer --------------------------------------------------------------------------------------------------

std::string cpp_layer() {
  std::string text;
  for (const Match &file : matches(read_file("include/bilevel/bilevel.hpp"), R"((\w+)\.hpp)")) text += file[1] + " ";
  std::string all;
  std::istringstream names(text);
  std::set<std::string> seen;
  for (std::string name; names >> name;) {
    const std::string path = "include/bilevel/detail/" + name + ".hpp";
    if (name != "bilevel" && seen.insert(name).second) all += without_comments(read_file(path));
  }
  return all;
}

TEST(Header, EnumClassesOfTheCppLayerAgree) {
  const std::string text = cpp_layer();
  std::set<std::string> found;
  for (const Match &block : matches(text, R"(enum class (\w+)[^{;]*\{([^}]*)\})")) {
    found.insert(block[1]);
    const std::string body = block[2];
    std::map<std::string, std::string> given;  // enumerator of the ABI: own name
    for (const Match &entry : matches(body, R"((\w+)\s*=\s*(BLV_\w+))")) given[entry[2]] = entry[1];
    ASSERT_FALSE(given.empty()) << block[1];
    for (const auto &[first, names] : tables()) {
      if (given.count(first) == 0) continue;
      EXPECT_EQ(given.size(), static_cast<size_t>(names.count)) << block[1];
      for (const EnumName &entry : entries(names)) {
        const std::string own = std::string(entry.plain) == "auto" ? "automatic" : entry.plain;  // a keyword
        EXPECT_EQ(given[entry.name], own) << block[1];
      }
    }
  }
  for (const char *name : {"Loss", "Activation", "Store"}) EXPECT_EQ(found.count(name), 1u) << name;
}

TEST(Header, FunctionsOfTheCppLayerAgree) {
  const std::string text = cpp_layer();
  const auto expect_function = [&](const std::string &name) {
    EXPECT_TRUE(std::regex_search(text, std::regex("\n(inline )?\\w+ " + name + "\\("))) << "bl::" << name;
  };
  for (const auto *method : bilevel::methods()) expect_function(std::string(method->plain) + "_method");
  for (const auto *optimiser : bilevel::optimisers()) expect_function(optimiser->plain);
  for (const EnumName &solver : entries(bilevel::names_of(bilevel::solvers()))) expect_function(solver.plain);
  for (const EnumName &link : entries(bilevel::link_names))
    if (link.value != BLV_NO_LINK) expect_function(link.plain);
}

// ---- The documentation ----------------------------------------------------------------------------------------------

TEST(Header, ReadmeListsWhatThereIs) {
  std::map<std::string, std::string> rows;
  for (const auto &row : table_rows(section("README.md", "What there is"))) rows[row[0]] = row.size() > 1 ? row[1] : "";
  expect_names(rows["methods"], "the README's row of methods", bilevel::names_of(bilevel::methods()));
  expect_names(rows["inner optimisers"], "the README's row of optimisers", bilevel::names_of(bilevel::optimisers()));
  expect_names(rows["models"], "the README's row of models", bilevel::names_of(bilevel::models()));
  expect_names(rows["models"], "the README's row of models", bilevel::activation_names);
  expect_names(rows["losses"], "the README's row of losses", bilevel::loss_names);
  expect_names(rows["solvers of implicit"], "the README's row of solvers", bilevel::names_of(bilevel::solvers()));
}

// The methods in which a leaf has this use, and the links that it may have.
std::string methods_with(int32_t leaf, int32_t use) {
  std::string names;
  for (const auto *method : bilevel::methods()) {
    const bilevel::LeafRule *rule = bilevel::find_leaf_rule(leaf, method->id);
    if (rule != nullptr && (rule->uses >> use & 1u)) names += (names.empty() ? "" : ", ") + words(method->plain);
  }
  return names;
}
std::string links_of(int32_t leaf) {
  std::string names;
  bool linked = false;
  for (const bilevel::LeafRule &rule : bilevel::leaf_rules())
    linked = linked || (rule.leaf == leaf && (rule.flags & bilevel::leaf_linked));
  for (const EnumName &link : entries(bilevel::link_names))
    if (linked && link.value != BLV_NO_LINK) names += (names.empty() ? "" : ", ") + std::string(link.plain);
  return names;
}

TEST(Header, ReadmeSaysWhatHasAGradient) {
  std::map<std::string, std::vector<std::string>> rows;  // by leaf
  for (const auto &row : table_rows(section("README.md", "What has a gradient")))
    if (row.size() == 6) rows[row[1]] = row;
  for (const EnumName &leaf : entries(bilevel::leaf_names)) {
    const std::string gradient = methods_with(leaf.value, BLV_GRADIENT),
                      tangent = methods_with(leaf.value, BLV_TANGENT);
    const auto found = rows.find("`" + std::string(leaf.name) + "`");
    ASSERT_EQ(found != rows.end(), !gradient.empty() || !tangent.empty()) << leaf.name;
    if (found == rows.end()) continue;
    EXPECT_EQ(found->second[3], links_of(leaf.value)) << leaf.name;
    EXPECT_EQ(words(found->second[4]), gradient) << leaf.name;
    EXPECT_EQ(words(found->second[5]), tangent) << leaf.name;
  }
}

TEST(Header, CudaTablesListEverything) {
  const std::string text = section("docs/cuda.md", "What runs where");
  for (const EnumNames &names : {bilevel::names_of(bilevel::methods()), bilevel::names_of(bilevel::optimisers()),
                                 bilevel::activation_names, bilevel::loss_names})
    for (const EnumName &entry : entries(names))
      EXPECT_TRUE(std::regex_search(words(text), std::regex("\n\\| [^|]*\\b" + words(entry.plain) + "\\b")))
          << "docs/cuda.md has no row for " << entry.plain;
}

// ---- The ABI --------------------------------------------------------------------------------------------------------

TEST(Header, LayoutPinsEveryEnumerator) {
  const std::string layout = read_file("tests/abi/layout.c");
  Values pinned;
  for (const Match &entry : matches(layout, R"(\bE\((BLV_\w+), (-?\d+)\))")) pinned[entry[1]] = std::stol(entry[2]);
  Values all;
  for (const auto &[first, enumerators] : enums()) all.insert(enumerators.begin(), enumerators.end());
  EXPECT_EQ(pinned, all);
}

TEST(Header, LayoutPinsEveryMember) {
  const std::string layout = read_file("tests/abi/layout.c");
  size_t structs = 0;
  for (const Match &block : matches(header(), R"(typedef struct (\w+) \{([^}]*)\})")) {
    ++structs;
    const std::string name = block[1], body = block[2];
    EXPECT_NE(layout.find("S(" + name + ", "), std::string::npos) << name;
    // `int32_t side, leaf;`, `const blv_slot *slots;`, `void (*parallel_for)(...);`
    for (const Match &line : matches(body, R"([^;]+;)")) {
      const std::string declaration = line[0];
      std::smatch function;
      std::vector<std::string> members;
      if (std::regex_search(declaration, function, std::regex(R"(\(\*(\w+)\))")))
        members.push_back(function[1]);
      else
        for (const Match &member : matches(declaration, R"((\w+)\s*[,;])")) members.push_back(member[1]);
      for (const std::string &member : members)
        EXPECT_NE(layout.find("M(" + name + ", " + member + ", "), std::string::npos) << name << "." << member;
    }
  }
  EXPECT_GE(structs, 10u);
}

// ---- The sweeps -----------------------------------------------------------------------------------------------------

TEST(Header, SweepsDrawFromEverything) {
  const std::string text = read_file("tests/kernels/draw.h");
  for (const EnumNames &names : {bilevel::loss_names, bilevel::activation_names, bilevel::link_names,
                                 bilevel::store_names, bilevel::names_of(bilevel::optimisers())})
    for (const EnumName &entry : entries(names)) {
      if (std::string(entry.name) == "BLV_NO_LINK") continue;
      EXPECT_NE(text.find("BLV_NAMED(" + std::string(entry.name) + ")"), std::string::npos) << entry.name;
    }
}

}  // namespace
