// SPDX-License-Identifier: Apache-2.0
//
// Turns label texts into class indices 0 .. c-1: classes are sorted, by value if all labels are numbers ("1", "+1" and
// "1.0" are then one class), else as text.
#ifndef BILEVEL_EXAMPLES_COMMON_LABELS_H_
#define BILEVEL_EXAMPLES_COMMON_LABELS_H_

#include <cstdint>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "examples/common/dataset.h"

namespace examples {

// A finite decimal number that fills `text` (a leading '+' is allowed), whatever the locale.
bool parse_number(std::string_view text, double &value);

class LabelTable {
 public:
  // Provisional index of a label, by order of appearance.
  int32_t add(std::string_view label);
  int64_t size() const { return static_cast<int64_t>(names_.size()); }
  // Sorts and merges the classes, rewrites the provisional indices, and gives the classes' names.
  std::vector<std::string> finish(std::vector<int32_t> &labels) const;

 private:
  std::unordered_map<std::string, int32_t> index_;
  std::vector<std::string> names_;
};

// Rewrites data's class indices to those of `classes` (another file's); a label that is not among them is a DataError.
void use_classes(Dataset &data, const std::vector<std::string> &classes, const std::string &path);

}  // namespace examples

#endif  // BILEVEL_EXAMPLES_COMMON_LABELS_H_
