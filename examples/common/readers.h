// SPDX-License-Identifier: Apache-2.0
//
// Readers of idx (MNIST and its family), libsvm and CSV files, each plain or gzip-compressed. Every defect of a file is
// a DataError: one line with the file's name and the byte or the line; so are data beyond the limits or the machine's
// memory. Nothing is allocated on a header's word alone.
#ifndef BILEVEL_EXAMPLES_COMMON_READERS_H_
#define BILEVEL_EXAMPLES_COMMON_READERS_H_

#include <string>

#include "examples/common/dataset.h"

namespace examples {

enum class Format { kAuto, kIdx, kLibsvm, kCsv };

// What a file seems to be: idx by its magic number, CSV by the name's ending, libsvm by "index:value" in its first
// line, else CSV.
Format detect_format(const std::string &path);

// An idx file of images (n x height x width unsigned bytes) and one of labels (n unsigned bytes).
Dataset read_idx(const std::string &images_path, const std::string &labels_path, const ReaderLimits &limits = {});

// Lines "label index:value index:value ...  # comment"; indices from 1, or from 0 if one is 0. `min_features` widens a
// test file to the training file's number of features.
Dataset read_libsvm(const std::string &path, int64_t min_features = 0, const ReaderLimits &limits = {});

// Comma-, semicolon- or tab-separated numbers with one column of labels, which may be text. `label_column` is a name
// from the header or a number, from 1, or from -1 at the right end. The first line is a header if a field of it other
// than the label's is no number.
Dataset read_csv(const std::string &path, const std::string &label_column = "-1", const ReaderLimits &limits = {});

struct TrainTest {
  Dataset train;
  Dataset test;  // without rows if the source has no test part
  std::string train_path, test_path;
};

// `path` is a folder in the layout of MNIST (train-images*, train-labels*, t10k-images*, t10k-labels*) or a file;
// `test_path` may be empty. An idx file of images finds its labels by its name: "images" becomes "labels", "idx3"
// becomes "idx1".
TrainTest load(const std::string &path, const std::string &test_path, Format format, const std::string &label_column);

}  // namespace examples

#endif  // BILEVEL_EXAMPLES_COMMON_READERS_H_
