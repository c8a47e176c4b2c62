// SPDX-License-Identifier: Apache-2.0
//
// Files for the tests of the examples: a temporary folder, plain and gzip-compressed writing, idx bytes.
#ifndef BILEVEL_TESTS_EXAMPLES_FILES_H_
#define BILEVEL_TESTS_EXAMPLES_FILES_H_

#include <gtest/gtest.h>
#include <stdlib.h>
#include <zlib.h>

#include <cstdint>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <string>
#include <vector>

namespace files {

class TempFolder {
 public:
  TempFolder() {
    std::string name = (std::filesystem::temp_directory_path() / "bilevel-examples-XXXXXX").string();
    if (!mkdtemp(name.data())) throw std::runtime_error("no temporary folder");
    path_ = name;
  }
  ~TempFolder() {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
  }
  TempFolder(const TempFolder &) = delete;
  TempFolder &operator=(const TempFolder &) = delete;

  std::string path(const std::string &name) const { return (path_ / name).string(); }
  std::string folder() const { return path_.string(); }

  std::string write(const std::string &name, const std::string &content) const {
    std::ofstream(path_ / name, std::ios::binary) << content;
    return path(name);
  }
  std::string write_gz(const std::string &name, const std::string &content) const {
    gzFile file = gzopen(path(name).c_str(), "wb");
    if (!file || (!content.empty() && gzwrite(file, content.data(), static_cast<unsigned>(content.size())) <= 0)) {
      throw std::runtime_error("cannot write " + name);
    }
    gzclose(file);
    return path(name);
  }

 private:
  std::filesystem::path path_;
};

inline std::string read(const std::string &path) {
  std::ifstream in(path, std::ios::binary);
  std::stringstream out;
  out << in.rdbuf();
  return out.str();
}

inline std::string big_endian(uint64_t value) {
  std::string out;
  for (int shift = 24; shift >= 0; shift -= 8) out += static_cast<char>(value >> shift & 0xff);
  return out;
}

// Header of an idx file of unsigned bytes.
inline std::string idx_header(const std::vector<uint64_t> &dimensions) {
  std::string out = {0, 0, 8, static_cast<char>(dimensions.size())};
  for (const uint64_t d : dimensions) out += big_endian(d);
  return out;
}

// n images of 2 x 3 pixels, image i filled with the byte i.
inline std::string idx_images(int n) {
  std::string out = idx_header({static_cast<uint64_t>(n), 2, 3});
  for (int i = 0; i < n; ++i) out += std::string(6, static_cast<char>(i));
  return out;
}

// n labels 0, 1, ..., classes - 1, 0, 1, ...
inline std::string idx_labels(int n, int classes = 3) {
  std::string out = idx_header({static_cast<uint64_t>(n)});
  for (int i = 0; i < n; ++i) out += static_cast<char>(i % classes);
  return out;
}

}  // namespace files

#endif  // BILEVEL_TESTS_EXAMPLES_FILES_H_
