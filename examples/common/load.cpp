// SPDX-License-Identifier: Apache-2.0
//
// Finds out what a path is and loads its training and test parts.
#include <algorithm>
#include <filesystem>

#include "examples/common/byte_reader.h"
#include "examples/common/labels.h"
#include "examples/common/readers.h"

namespace examples {
namespace {

namespace fs = std::filesystem;

// The first file of `folder`, by name, that begins with `prefix`; empty if there is none.
std::string find_in(const std::string &folder, const std::string &prefix) {
  std::vector<std::string> found;
  std::error_code error;
  for (auto at = fs::directory_iterator(folder, error); !error && at != fs::directory_iterator(); at.increment(error)) {
    if (at->path().filename().string().starts_with(prefix)) found.push_back(at->path().string());
  }
  if (error) throw DataError(folder + ": cannot be listed: " + error.message());
  return found.empty() ? "" : *std::min_element(found.begin(), found.end());
}

std::string replace_last(std::string text, const std::string &from, const std::string &to) {
  const size_t at = text.rfind(from);
  return at == std::string::npos ? text : text.replace(at, from.size(), to);
}

std::string labels_path_of(const std::string &images_path) {
  const fs::path path(images_path);
  const std::string name = path.filename().string();
  const std::string labels = replace_last(replace_last(name, "images", "labels"), "idx3", "idx1");
  if (labels == name) throw DataError(images_path + ": an idx file of images is found by a name with 'images' in it");
  return (path.parent_path() / labels).string();
}

Dataset read_part(const std::string &path, Format format, const std::string &label_column, int64_t min_features) {
  switch (format) {
    case Format::kIdx:
      return read_idx(path, labels_path_of(path));
    case Format::kLibsvm:
      return read_libsvm(path, min_features);
    default:
      return read_csv(path, label_column);
  }
}

TrainTest load_folder(const std::string &folder, Format format) {
  if (format != Format::kAuto && format != Format::kIdx)
    throw DataError(folder + ": is a folder; libsvm and CSV data are files");
  TrainTest out;
  out.train_path = find_in(folder, "train-images");
  if (out.train_path.empty()) throw DataError(folder + ": the folder holds no train-images-idx3-ubyte[.gz]");
  out.train = read_part(out.train_path, Format::kIdx, "", 0);
  out.test_path = find_in(folder, "t10k-images");
  if (!out.test_path.empty()) out.test = read_part(out.test_path, Format::kIdx, "", 0);
  return out;
}

void check_same_shape(const TrainTest &data) {
  const Dataset &train = data.train, &test = data.test;
  if (test.features != train.features || test.image_width != train.image_width) {
    throw DataError(data.test_path + ": rows of " + std::to_string(test.features) + " features, those of " +
                    data.train_path + " have " + std::to_string(train.features));
  }
}

}  // namespace

Format detect_format(const std::string &path) {
  unsigned char head[2] = {1, 1};
  if (ByteReader(path).read(head, 2) == 2 && head[0] == 0 && head[1] == 0) return Format::kIdx;
  fs::path name(path);
  if (name.extension() == ".gz") name.replace_extension();
  if (name.extension() == ".csv" || name.extension() == ".tsv") return Format::kCsv;
  LineReader lines(path, {});
  std::string_view line;
  while (lines.next(line)) {
    line = line.substr(0, line.find('#'));
    const size_t colon = line.find(':');
    if (colon != std::string_view::npos && colon > 0 && line[colon - 1] >= '0' && line[colon - 1] <= '9')
      return Format::kLibsvm;
    if (line.find_first_not_of(" \t") != std::string_view::npos) break;
  }
  return Format::kCsv;
}

TrainTest load(const std::string &path, const std::string &test_path, Format format, const std::string &label_column) {
  std::error_code error;
  if (!fs::exists(path, error)) throw DataError(path + ": there is no such file or folder");
  TrainTest out;
  if (fs::is_directory(path, error)) {
    out = load_folder(path, format);
    if (!test_path.empty())
      throw DataError(test_path + ": a test file goes with a training file, " + path + " is a folder");
  } else {
    if (format == Format::kAuto) format = detect_format(path);
    out.train_path = path;
    out.train = read_part(path, format, label_column, 0);
    out.test_path = test_path;
    if (!test_path.empty()) out.test = read_part(test_path, format, label_column, out.train.features);
  }
  if (out.test.rows() > 0) {
    use_classes(out.test, out.train.classes, out.test_path);
    check_same_shape(out);
  }
  return out;
}

}  // namespace examples
