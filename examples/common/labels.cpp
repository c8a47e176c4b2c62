// SPDX-License-Identifier: Apache-2.0
//
// Label texts to class indices.
#include "examples/common/labels.h"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <numeric>

#include "examples/common/byte_reader.h"

namespace examples {

bool parse_number(std::string_view text, double &value) {
  if (!text.empty() && text.front() == '+') text.remove_prefix(1);
  if (text.empty() || text.front() == '+') return false;
  const char *end = text.data() + text.size();
  const auto [stop, error] = std::from_chars(text.data(), end, value);
  return error == std::errc() && stop == end && std::isfinite(value);
}

int32_t LabelTable::add(std::string_view label) {
  const auto [at, is_new] = index_.try_emplace(std::string(label), static_cast<int32_t>(names_.size()));
  if (is_new) names_.emplace_back(label);
  return at->second;
}

std::vector<std::string> LabelTable::finish(std::vector<int32_t> &labels) const {
  std::vector<double> number(names_.size());
  bool numeric = true;
  for (size_t i = 0; i < names_.size(); ++i) numeric = numeric && parse_number(names_[i], number[i]);

  std::vector<size_t> order(names_.size());
  std::iota(order.begin(), order.end(), size_t{0});
  std::sort(order.begin(), order.end(), [&](size_t a, size_t b) {
    if (numeric && number[a] != number[b]) return number[a] < number[b];
    return names_[a] < names_[b];
  });

  std::vector<std::string> classes;
  std::vector<int32_t> final_index(names_.size());
  for (size_t k = 0; k < order.size(); ++k) {
    const bool same_number = numeric && k > 0 && number[order[k]] == number[order[k - 1]];
    if (!same_number) classes.push_back(names_[order[k]]);
    final_index[order[k]] = static_cast<int32_t>(classes.size()) - 1;
  }
  for (int32_t &label : labels) label = final_index[static_cast<size_t>(label)];
  return classes;
}

void use_classes(Dataset &data, const std::vector<std::string> &classes, const std::string &path) {
  std::vector<int32_t> to(data.classes.size());
  for (size_t k = 0; k < to.size(); ++k) {
    double value = 0, other = 0;
    const bool numeric = parse_number(data.classes[k], value);
    const auto same = [&](const std::string &name) {
      return name == data.classes[k] || (numeric && parse_number(name, other) && other == value);
    };
    const auto found = std::find_if(classes.begin(), classes.end(), same);
    if (found == classes.end()) {
      throw DataError(path + ": label " + quoted(data.classes[k]) + " does not occur in the training data");
    }
    to[k] = static_cast<int32_t>(found - classes.begin());
  }
  for (int32_t &label : data.labels) label = to[static_cast<size_t>(label)];
  data.classes = classes;
}

}  // namespace examples
