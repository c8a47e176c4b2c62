// SPDX-License-Identifier: Apache-2.0
//
// Reads a file, plain or gzip-compressed, as a stream of bytes or of lines, and knows where it is: every error is a
// DataError of one line that names the file and the offset or the line. Offsets count uncompressed bytes.
#ifndef BILEVEL_EXAMPLES_COMMON_BYTE_READER_H_
#define BILEVEL_EXAMPLES_COMMON_BYTE_READER_H_

#include <zlib.h>

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "examples/common/dataset.h"

namespace examples {

class ByteReader {
 public:
  // Opens `path`; refuses folders and the compressions that are not read (xz, bzip2, zstd).
  explicit ByteReader(const std::string &path);

  // Reads up to n bytes; fewer only at the end of the file.
  size_t read(void *out, size_t n);
  // Reads n bytes of a file that should hold `total`: "truncated at byte 1234 of 47040016".
  void read_exactly(void *out, size_t n, int64_t total);
  // True if nothing is left. Reading to the end also verifies the gzip checksum.
  bool at_end();
  int64_t offset() const { return offset_; }
  const std::string &path() const { return path_; }
  [[noreturn]] void fail(const std::string &what) const { throw DataError(path_ + ": " + what); }
  // The machine gave less memory than the limits allow.
  [[noreturn]] void fail_without_memory() const {
    fail("not enough memory for what has been read up to uncompressed byte " + std::to_string(offset_));
  }

 private:
  struct Close {
    void operator()(gzFile file) const { gzclose(file); }
  };
  std::string path_;
  std::unique_ptr<gzFile_s, Close> file_;
  int64_t offset_ = 0;
  int peeked_ = -1;  // a byte that at_end() had to take
};

class LineReader {
 public:
  LineReader(const std::string &path, const ReaderLimits &limits) : bytes_(path), limits_(limits) {}

  // The next line without its end ("\n" or "\r\n"), valid until the next call; false at the end of the file.
  bool next(std::string_view &line);
  int64_t line() const { return line_; }
  // Throws "file: line 12: what".
  [[noreturn]] void fail(const std::string &what) const;
  [[noreturn]] void fail_over_limit() const;
  [[noreturn]] void fail_without_memory() const { fail("not enough memory for what has been read so far"); }
  const std::string &path() const { return bytes_.path(); }

 private:
  bool fill();
  ByteReader bytes_;
  ReaderLimits limits_;
  std::string buffer_;
  size_t begin_ = 0;
  int64_t line_ = 0;
};

// Text from a file as it may appear in a message: quoted, short, unprintable bytes as '?'.
std::string quoted(std::string_view text);

}  // namespace examples

#endif  // BILEVEL_EXAMPLES_COMMON_BYTE_READER_H_
