// SPDX-License-Identifier: Apache-2.0
//
// PNG (ISO/IEC 15948) and base64 (RFC 4648).
#include "examples/common/images.h"

#include <zlib.h>

#include <stdexcept>

namespace examples {
namespace {

void append_u32(std::string &out, uint64_t value) {
  for (int shift = 24; shift >= 0; shift -= 8) out += static_cast<char>(value >> shift & 0xff);
}

void append_chunk(std::string &png, const std::string &type, const std::string &data) {
  const std::string body = type + data;
  append_u32(png, data.size());
  png += body;
  append_u32(png, crc32(0, reinterpret_cast<const Bytef *>(body.data()), static_cast<uInt>(body.size())));
}

}  // namespace

std::string png_grey(const uint8_t *pixels, int64_t width, int64_t height) {
  std::string raw;
  for (int64_t y = 0; y < height; ++y) {
    raw += '\0';  // filter "none"
    raw.append(reinterpret_cast<const char *>(pixels) + y * width, static_cast<size_t>(width));
  }
  uLongf size = compressBound(static_cast<uLong>(raw.size()));
  std::string packed(size, '\0');
  const int code =
      compress2(reinterpret_cast<Bytef *>(packed.data()), &size, reinterpret_cast<const Bytef *>(raw.data()),
                static_cast<uLong>(raw.size()), Z_BEST_COMPRESSION);
  if (code != Z_OK) throw std::runtime_error("zlib could not compress an image");
  packed.resize(size);

  std::string header;
  append_u32(header, static_cast<uint64_t>(width));
  append_u32(header, static_cast<uint64_t>(height));
  header += {8, 0, 0, 0, 0};  // 8 bits, grey, deflate, adaptive filters, not interlaced
  std::string png = "\x89PNG\r\n\x1a\n";
  append_chunk(png, "IHDR", header);
  append_chunk(png, "IDAT", packed);
  append_chunk(png, "IEND", "");
  return png;
}

std::string base64(const std::string &bytes) {
  constexpr char kDigits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  std::string out;
  for (size_t i = 0; i < bytes.size(); i += 3) {
    uint32_t group = 0;
    const size_t n = std::min<size_t>(3, bytes.size() - i);
    for (size_t k = 0; k < 3; ++k) group = group << 8 | (k < n ? static_cast<unsigned char>(bytes[i + k]) : 0u);
    for (size_t k = 0; k < 4; ++k) out += k <= n ? kDigits[group >> (18 - 6 * k) & 63] : '=';
  }
  return out;
}

}  // namespace examples
