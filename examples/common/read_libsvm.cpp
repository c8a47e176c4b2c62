// SPDX-License-Identifier: Apache-2.0
//
// The libsvm format, made dense.
#include <algorithm>
#include <new>

#include "examples/common/byte_reader.h"
#include "examples/common/labels.h"
#include "examples/common/readers.h"

namespace examples {
namespace {

struct Entry {
  int64_t row, index;
  float value;
};

// The next word of `line`, which is shortened by it; empty at the end.
std::string_view next_word(std::string_view &line) {
  const size_t begin = std::min(line.find_first_not_of(" \t"), line.size());
  const size_t end = std::min(line.find_first_of(" \t", begin), line.size());
  const std::string_view word = line.substr(begin, end - begin);
  line.remove_prefix(end);
  return word;
}

Entry parse_entry(const LineReader &in, std::string_view word, int64_t row) {
  const size_t colon = word.find(':');
  double index = 0, value = 0;
  if (colon == std::string_view::npos) in.fail(quoted(word) + " is no index:value");
  if (word.substr(0, colon) == "qid") in.fail("qid: (ranking data) is not read");
  if (!parse_number(word.substr(0, colon), index) || index < 0 || index > 1e15 ||
      index != static_cast<double>(static_cast<int64_t>(index))) {
    in.fail("the index of " + quoted(word) + " is no whole number >= 0");
  }
  if (!parse_number(word.substr(colon + 1), value) || value > 3e38 || value < -3e38) {
    in.fail("the value of " + quoted(word) + " is no finite number");
  }
  return {row, static_cast<int64_t>(index), static_cast<float>(value)};
}

struct Sparse {
  std::vector<Entry> entries;
  int64_t smallest = INT64_MAX, largest = -1;

  int64_t bytes() const { return static_cast<int64_t>(entries.size() * sizeof(Entry)); }
};

void parse_line(const LineReader &in, std::string_view line, int64_t row, const ReaderLimits &limits, Sparse &out) {
  const size_t first = out.entries.size();
  for (auto word = next_word(line); !word.empty(); word = next_word(line)) {
    if (out.bytes() + static_cast<int64_t>(sizeof(Entry)) > limits.max_bytes) in.fail_over_limit();
    out.entries.push_back(parse_entry(in, word, row));
    out.smallest = std::min(out.smallest, out.entries.back().index);
    out.largest = std::max(out.largest, out.entries.back().index);
  }
  const auto begin = out.entries.begin() + static_cast<std::ptrdiff_t>(first);
  std::sort(begin, out.entries.end(), [](const Entry &a, const Entry &b) { return a.index < b.index; });
  const auto same =
      std::adjacent_find(begin, out.entries.end(), [](const Entry &a, const Entry &b) { return a.index == b.index; });
  if (same != out.entries.end()) in.fail("index " + std::to_string(same->index) + " occurs twice");
}

// The dense rows and their labels, beside the entries that they are made of.
void check_size(const LineReader &in, int64_t rows, int64_t features, const Sparse &sparse,
                const ReaderLimits &limits) {
  const int64_t beside = sparse.bytes() + rows * static_cast<int64_t>(sizeof(int32_t));
  if (beside > limits.max_bytes) in.fail_over_limit();
  const int64_t most = (limits.max_bytes - beside) / static_cast<int64_t>(sizeof(float));
  if (features > 0 && rows > most / features) {
    in.fail(std::to_string(rows) + " rows x " + std::to_string(features) + " features are more than the limit of " +
            std::to_string(limits.max_bytes) + " bytes (the rows are made dense)");
  }
}

Dataset read_rows(LineReader &in, int64_t min_features, const ReaderLimits &limits) {
  Dataset data;
  Sparse sparse;
  LabelTable labels;
  std::string_view line;
  while (in.next(line)) {
    line = line.substr(0, line.find('#'));
    const std::string_view label = next_word(line);
    if (label.empty()) continue;
    double value = 0;
    if (!parse_number(label, value)) in.fail("the label " + quoted(label) + " is no number");
    if (static_cast<int64_t>(label.size()) > limits.max_label)
      in.fail("the label is longer than " + std::to_string(limits.max_label) + " characters");
    data.labels.push_back(labels.add(label));
    if (labels.size() > limits.max_classes)
      in.fail("more than " + std::to_string(limits.max_classes) + " distinct labels: no classes?");
    parse_line(in, line, data.rows() - 1, limits, sparse);
    check_size(in, data.rows(), sparse.largest + 1, sparse, limits);
  }
  if (data.labels.empty()) in.fail("no rows");
  if (sparse.entries.empty()) in.fail("no row has a feature");
  const int64_t base = sparse.smallest == 0 ? 0 : 1;
  data.features = std::max(sparse.largest + 1 - base, min_features);
  check_size(in, data.rows(), data.features, sparse, limits);
  data.values.assign(static_cast<size_t>(data.rows() * data.features), 0.0f);
  for (const Entry &e : sparse.entries)
    data.values[static_cast<size_t>(e.row * data.features + e.index - base)] = e.value;
  data.classes = labels.finish(data.labels);
  return data;
}

}  // namespace

Dataset read_libsvm(const std::string &path, int64_t min_features, const ReaderLimits &limits) {
  LineReader in(path, limits);
  try {
    return read_rows(in, min_features, limits);
  } catch (const std::bad_alloc &) {
    in.fail_without_memory();
  }
}

}  // namespace examples
