// SPDX-License-Identifier: Apache-2.0
//
// A labelled data set in memory: n rows of d features, one class index a row. Images keep their bytes (a quarter of the
// memory), everything else is float; copy_row hides the difference. Class indices refer to `classes`, the labels as the
// file spells them.
#ifndef BILEVEL_EXAMPLES_COMMON_DATASET_H_
#define BILEVEL_EXAMPLES_COMMON_DATASET_H_

#include <algorithm>
#include <cstdint>
#include <stdexcept>
#include <string>
#include <vector>

namespace examples {

// What went wrong with a file: one line that begins with the file's name.
class DataError : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

struct Dataset {
  int64_t features = 0;                       // d
  std::vector<uint8_t> bytes;                 // n x d if the rows are images, else empty
  std::vector<float> values;                  // n x d otherwise
  std::vector<int32_t> labels;                // n class indices
  std::vector<std::string> classes;           // name of each class
  int64_t image_width = 0, image_height = 0;  // 0 if the rows are no images

  int64_t rows() const { return static_cast<int64_t>(labels.size()); }
  bool images() const { return image_width > 0; }
  void copy_row(int64_t row, float *out) const {
    const auto first = static_cast<std::ptrdiff_t>(row * features),
               last = first + static_cast<std::ptrdiff_t>(features);
    if (images()) {
      std::copy(bytes.begin() + first, bytes.begin() + last, out);
    } else {
      std::copy(values.begin() + first, values.begin() + last, out);
    }
  }
};

// 4 GiB, or half of the machine's memory if that is less.
int64_t most_bytes_of_data();

// Limits that a file is held against, its own claims before anything is allocated for them: a few MB of gzip may be
// gigabytes.
struct ReaderLimits {
  int64_t max_bytes = most_bytes_of_data();      // in memory, of features and labels together
  int64_t max_line = int64_t{64} << 20;          // characters of a line of text
  int64_t max_columns = int64_t{1} << 20;        // of a CSV file
  int64_t max_classes = 1000, max_label = 1000;  // distinct labels; characters of one
};

}  // namespace examples

#endif  // BILEVEL_EXAMPLES_COMMON_DATASET_H_
