// SPDX-License-Identifier: Apache-2.0
//
// CSV: numbers in columns, one column of labels, an optional header, quoted fields.
#include <algorithm>
#include <cmath>
#include <new>
#include <optional>

#include "examples/common/byte_reader.h"
#include "examples/common/labels.h"
#include "examples/common/readers.h"

namespace examples {
namespace {

char find_separator(std::string_view line) {
  char best = ',';
  for (const char c : {',', ';', '\t'}) {
    if (std::count(line.begin(), line.end(), c) > std::count(line.begin(), line.end(), best)) best = c;
  }
  return best;
}

std::string trimmed(std::string_view text) {
  const size_t begin = text.find_first_not_of(" \t");
  return begin == std::string_view::npos ? ""
                                         : std::string(text.substr(begin, text.find_last_not_of(" \t") - begin + 1));
}

// Fields of a line; a field may be quoted ("" stands for a quote) but may not go on in the next line.
std::vector<std::string> split(const LineReader &in, std::string_view line, char separator,
                               const ReaderLimits &limits) {
  std::vector<std::string> fields;
  size_t at = 0;
  while (true) {
    if (static_cast<int64_t>(fields.size()) >= limits.max_columns)
      in.fail("more than " + std::to_string(limits.max_columns) + " columns");
    size_t end = line.find(separator, at);
    const size_t first = std::min(line.find_first_not_of(' ', at), line.size());
    if (first < line.size() && line[first] == '"') {
      std::string field;
      size_t i = first + 1;
      for (; i < line.size() && (line[i] != '"' || (i + 1 < line.size() && line[i + 1] == '"')); ++i) {
        if (line[i] == '"') ++i;
        field += line[i];
      }
      if (i >= line.size()) in.fail("a quoted field does not end on its line");
      end = line.find(separator, i);
      if (!trimmed(line.substr(i + 1, std::min(end, line.size()) - i - 1)).empty())
        in.fail("text after a quoted field");
      fields.push_back(field);
    } else {
      fields.push_back(trimmed(line.substr(at, end == std::string_view::npos ? end : end - at)));
    }
    if (end == std::string_view::npos) return fields;
    at = end + 1;
  }
}

bool is_header(const std::vector<std::string> &fields, std::optional<size_t> label) {
  double ignored = 0;
  for (size_t k = 0; k < fields.size(); ++k) {
    if (k != label && !parse_number(fields[k], ignored)) return true;
  }
  return false;
}

// How messages call a column: the first is 1.
std::string column_name(size_t column) { return "column " + std::to_string(column + 1); }

// Position of a column given by number, 1 for the first or -1 for the last; nothing if `column` is no whole number.
std::optional<size_t> numbered_column(const LineReader &in, const std::string &column, size_t columns) {
  double number = 0;
  if (!parse_number(column, number) || number != std::trunc(number)) return std::nullopt;
  const auto n = static_cast<double>(columns);
  const double at = number < 0 ? number + n : number - 1;
  if (number == 0 || at < 0 || at >= n) {
    in.fail("there is no column " + column + ", the line has " + std::to_string(columns) +
            "; columns count from 1, or from -1 at the right end");
  }
  return static_cast<size_t>(at);
}

class CsvReader {
 public:
  CsvReader(const std::string &path, const std::string &label_column, const ReaderLimits &limits)
      : in_(path, limits), wanted_(label_column), limits_(limits) {}

  Dataset read() {
    try {
      return read_rows();
    } catch (const std::bad_alloc &) {
      in_.fail_without_memory();
    }
  }

 private:
  Dataset read_rows() {
    std::string_view line;
    bool first = true;
    while (in_.next(line)) {
      if (first && line.starts_with("\xEF\xBB\xBF")) line.remove_prefix(3);  // byte order mark
      if (trimmed(line).empty()) continue;
      if (first) separator_ = find_separator(line);
      const std::vector<std::string> fields = split(in_, line, separator_, limits_);
      const bool header = first && take_header(fields);
      first = false;
      if (!header) add_row(fields);
    }
    if (data_.labels.empty()) in_.fail("no rows");
    data_.classes = labels_.finish(data_.labels);
    return std::move(data_);
  }

  bool take_header(const std::vector<std::string> &fields) {
    const auto named = std::find(fields.begin(), fields.end(), wanted_);
    if (named != fields.end() && !numbered_column(in_, wanted_, fields.size())) {
      label_ = static_cast<size_t>(named - fields.begin());
      return true;
    }
    const std::optional<size_t> label = numbered_column(in_, wanted_, fields.size());
    if (!label) in_.fail("no column is called " + quoted(wanted_));
    return is_header(fields, label);
  }

  void add_row(const std::vector<std::string> &fields) {
    if (columns_ == 0) {
      columns_ = fields.size();
      if (columns_ < 2) in_.fail("only one column; a label and at least one feature are needed");
      if (!label_) label_ = numbered_column(in_, wanted_, columns_);
      if (*label_ >= columns_) in_.fail("has " + std::to_string(columns_) + " columns, the header has more");
    }
    if (fields.size() != columns_) {
      in_.fail(std::to_string(fields.size()) + " columns, the lines before have " + std::to_string(columns_));
    }
    for (size_t k = 0; k < columns_; ++k) {
      if (k != *label_) add_value(fields[k], k);
    }
    const std::string &label = fields[*label_];
    if (label.empty()) in_.fail("the label (" + column_name(*label_) + ") is empty");
    if (static_cast<int64_t>(label.size()) > limits_.max_label) {
      in_.fail("the label (" + column_name(*label_) + ") is longer than " + std::to_string(limits_.max_label) +
               " characters");
    }
    data_.labels.push_back(labels_.add(label));
    data_.features = static_cast<int64_t>(columns_) - 1;
    if (labels_.size() > limits_.max_classes) {
      in_.fail("more than " + std::to_string(limits_.max_classes) + " distinct labels in " + column_name(*label_) +
               ": no classes? Another column can be chosen");
    }
  }

  void add_value(const std::string &field, size_t column) {
    double value = 0;
    if (!parse_number(field, value) || value > 3e38 || value < -3e38) {
      in_.fail(column_name(column) + ": " + quoted(field) + " is no finite number");
    }
    const size_t bytes = (data_.values.size() + 1) * sizeof(float) + data_.labels.size() * sizeof(int32_t);
    if (static_cast<int64_t>(bytes) > limits_.max_bytes) in_.fail_over_limit();
    data_.values.push_back(static_cast<float>(value));
  }

  LineReader in_;
  std::string wanted_;
  ReaderLimits limits_;
  char separator_ = ',';
  size_t columns_ = 0;
  std::optional<size_t> label_;
  LabelTable labels_;
  Dataset data_;
};

}  // namespace

Dataset read_csv(const std::string &path, const std::string &label_column, const ReaderLimits &limits) {
  return CsvReader(path, label_column, limits).read();
}

}  // namespace examples
