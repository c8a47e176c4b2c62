// SPDX-License-Identifier: Apache-2.0
//
// Byte and line streams over zlib's gzFile, which reads plain files as they are.
#include "examples/common/byte_reader.h"

#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <filesystem>
#include <new>

namespace examples {
namespace {

// zlib would take these for plain data and the parsers would then complain of nonsense.
void refuse_other_compressions(const std::string &path, const unsigned char *head, size_t n) {
  const auto begins_with = [&](std::string_view magic) {
    return n >= magic.size() && !std::memcmp(head, magic.data(), magic.size());
  };
  const char *tool = nullptr;
  if (begins_with("\xFD"
                  "7zXZ"))
    tool = "xz";
  if (begins_with("BZh")) tool = "bzip2";
  if (begins_with("\x28\xB5\x2F\xFD")) tool = "zstd";
  if (tool) {
    throw DataError(path + ": compressed with " + tool +
                    ", which is not read; only plain and gzip files are: decompress it first (" + tool + " -d -k)");
  }
}

}  // namespace

int64_t most_bytes_of_data() {
  constexpr int64_t kMost = int64_t{4} << 30;
  const int64_t pages = sysconf(_SC_PHYS_PAGES), page = sysconf(_SC_PAGESIZE);
  return pages > 0 && page > 0 ? std::min(kMost, pages / 2 * page) : kMost;
}

ByteReader::ByteReader(const std::string &path) : path_(path) {
  std::error_code ignored;
  if (std::filesystem::is_directory(path, ignored)) fail("is a folder, a file is needed");
  errno = 0;
  file_.reset(gzopen(path.c_str(), "rb"));
  if (!file_) fail(std::string("cannot be opened: ") + (errno ? std::strerror(errno) : "out of memory"));
  gzbuffer(file_.get(), 1u << 17);
  unsigned char head[8];
  const size_t n = read(head, sizeof head);
  if (gzdirect(file_.get())) refuse_other_compressions(path_, head, n);
  if (gzrewind(file_.get()) != 0) fail("cannot be read from its beginning (a pipe?)");
  offset_ = 0;
}

size_t ByteReader::read(void *out, size_t n) {
  auto *to = static_cast<unsigned char *>(out);
  size_t done = 0;
  if (peeked_ >= 0 && n > 0) {
    to[done++] = static_cast<unsigned char>(peeked_);
    peeked_ = -1;
  }
  while (done < n) {
    const auto chunk = static_cast<unsigned>(std::min<size_t>(n - done, 1u << 24));
    const int got = gzread(file_.get(), to + done, chunk);
    int code = Z_OK;
    const char *text = gzerror(file_.get(), &code);
    // A gzip stream that stops early is Z_BUF_ERROR with fewer bytes than asked for, not a failure of gzread.
    if (got < 0 || (code != Z_OK && code != Z_STREAM_END)) {
      const auto at = std::to_string(offset_ + static_cast<int64_t>(done) + std::max(got, 0));
      if (code == Z_ERRNO) fail("cannot be read at byte " + at + ": " + std::strerror(errno));
      if (code == Z_BUF_ERROR) fail("gzip data truncated: the file ends at uncompressed byte " + at);
      const std::string_view prefix = path_;
      std::string reason = text ? text : "";
      if (reason.starts_with(prefix)) reason.erase(0, std::min(reason.size(), prefix.size() + 2));  // "path: reason"
      fail("corrupt gzip data near uncompressed byte " + at + ": " + reason);
    }
    if (got == 0) break;
    done += static_cast<size_t>(got);
  }
  offset_ += static_cast<int64_t>(done);
  return done;
}

void ByteReader::read_exactly(void *out, size_t n, int64_t total) {
  const size_t got = read(out, n);
  if (got < n) fail("truncated at byte " + std::to_string(offset_) + " of " + std::to_string(total));
}

bool ByteReader::at_end() {
  if (peeked_ >= 0) return false;
  unsigned char byte = 0;
  if (read(&byte, 1) == 0) return true;
  peeked_ = byte;
  --offset_;
  return false;
}

bool LineReader::fill() {
  if (begin_ > 0) {
    buffer_.erase(0, begin_);
    begin_ = 0;
  }
  if (static_cast<int64_t>(buffer_.size()) > limits_.max_line) {
    ++line_;
    fail("longer than " + std::to_string(limits_.max_line) + " characters: no text file?");
  }
  const size_t old = buffer_.size(), more = 1u << 16;
  try {
    buffer_.resize(old + more);
  } catch (const std::bad_alloc &) {
    fail_without_memory();
  }
  const size_t got = bytes_.read(buffer_.data() + old, more);
  buffer_.resize(old + got);
  return got > 0;
}

bool LineReader::next(std::string_view &line) {
  size_t searched = begin_;
  size_t end = buffer_.find('\n', searched);
  while (end == std::string::npos) {
    searched = buffer_.size() - begin_;  // fill() moves the unread part to the front
    if (!fill()) break;
    end = buffer_.find('\n', searched);
  }
  if (begin_ == buffer_.size()) return false;
  const size_t stop = end == std::string::npos ? buffer_.size() : end;
  line = std::string_view(buffer_).substr(begin_, stop - begin_);
  if (!line.empty() && line.back() == '\r') line.remove_suffix(1);
  begin_ = end == std::string::npos ? buffer_.size() : end + 1;
  ++line_;
  return true;
}

void LineReader::fail(const std::string &what) const { bytes_.fail("line " + std::to_string(line_) + ": " + what); }

void LineReader::fail_over_limit() const {
  fail("more data than the limit of " + std::to_string(limits_.max_bytes) + " bytes");
}

std::string quoted(std::string_view text) {
  constexpr size_t kLongest = 40;
  std::string out = "'";
  for (const char c : text.substr(0, kLongest)) out += (c >= ' ' && c <= '~') ? c : '?';
  out += text.size() > kLongest ? "...'" : "'";
  return out;
}

}  // namespace examples
