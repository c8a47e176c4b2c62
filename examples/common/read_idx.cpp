// SPDX-License-Identifier: Apache-2.0
//
// The idx format: two zero bytes, the element type, the number of dimensions, the dimensions as big-endian 32-bit
// integers, the elements.
#include <algorithm>
#include <array>
#include <new>

#include "examples/common/byte_reader.h"
#include "examples/common/readers.h"

namespace examples {
namespace {

constexpr unsigned char kUnsignedByte = 0x08;

struct IdxHeader {
  std::vector<int64_t> dimensions;
  int64_t bytes = 0;  // of the header
  int64_t elements = 1;
};

std::string hex(unsigned value) {
  constexpr char kDigits[] = "0123456789abcdef";
  return std::string("0x") + kDigits[value >> 4 & 15] + kDigits[value & 15];
}

IdxHeader read_header(ByteReader &in, size_t dimensions, const char *what, const ReaderLimits &limits) {
  std::array<unsigned char, 4> word{};
  IdxHeader header;
  header.bytes = static_cast<int64_t>(4 + 4 * dimensions);
  in.read_exactly(word.data(), 4, header.bytes);
  if (word[0] != 0 || word[1] != 0) in.fail("no idx file: the magic number at byte 0 is not 0x0000....");
  if (word[2] != kUnsignedByte)
    in.fail("idx element type " + hex(word[2]) + " at byte 2 is not read, only 0x08 (unsigned byte) is");
  if (word[3] != dimensions) {
    in.fail("idx file with " + std::to_string(word[3]) + " dimensions (byte 3); " + what + " have " +
            std::to_string(dimensions));
  }
  for (size_t k = 0; k < dimensions; ++k) {
    const std::string at = std::to_string(in.offset());
    in.read_exactly(word.data(), 4, header.bytes);
    const int64_t size = int64_t{word[0]} << 24 | int64_t{word[1]} << 16 | int64_t{word[2]} << 8 | int64_t{word[3]};
    if (size == 0) in.fail("idx dimension " + std::to_string(k) + " at byte " + at + " is 0");
    if (size > limits.max_bytes / header.elements) {
      in.fail("idx dimension " + std::to_string(k) + " at byte " + at + " is " + std::to_string(size) +
              ": more data than the limit of " + std::to_string(limits.max_bytes) + " bytes");
    }
    header.dimensions.push_back(size);
    header.elements *= size;
  }
  return header;
}

// Grows with what is really there: a header that claims 4 GB for a short file costs one chunk.
std::vector<uint8_t> read_elements(ByteReader &in, const IdxHeader &header) {
  constexpr int64_t kChunk = int64_t{16} << 20;
  std::vector<uint8_t> out;
  try {
    while (static_cast<int64_t>(out.size()) < header.elements) {
      const size_t done = out.size();
      const auto n = static_cast<size_t>(std::min(kChunk, header.elements - static_cast<int64_t>(done)));
      out.resize(done + n);
      in.read_exactly(out.data() + done, n, header.bytes + header.elements);
    }
  } catch (const std::bad_alloc &) {
    in.fail_without_memory();
  }
  if (!in.at_end()) in.fail("longer than the " + std::to_string(in.offset()) + " bytes that its header announces");
  return out;
}

}  // namespace

Dataset read_idx(const std::string &images_path, const std::string &labels_path, const ReaderLimits &limits) {
  Dataset data;
  ByteReader images(images_path);
  const IdxHeader image_header = read_header(images, 3, "images", limits);
  ByteReader labels(labels_path);
  const IdxHeader label_header = read_header(labels, 1, "labels", limits);
  if (label_header.elements != image_header.dimensions[0]) {
    labels.fail(std::to_string(label_header.elements) + " labels (bytes 4 to 7) for the " +
                std::to_string(image_header.dimensions[0]) + " images of " + images_path);
  }
  const int64_t bytes_of_labels =
      label_header.elements * static_cast<int64_t>(1 + sizeof(int32_t));  // as read, as kept
  if (bytes_of_labels > limits.max_bytes - image_header.elements) {
    images.fail(std::to_string(image_header.dimensions[0]) +
                " images and their labels are more data than the limit of " + std::to_string(limits.max_bytes) +
                " bytes");
  }
  data.image_height = image_header.dimensions[1];
  data.image_width = image_header.dimensions[2];
  data.features = data.image_height * data.image_width;
  data.bytes = read_elements(images, image_header);
  const std::vector<uint8_t> classes = read_elements(labels, label_header);
  try {
    data.labels.assign(classes.begin(), classes.end());
  } catch (const std::bad_alloc &) {
    labels.fail_without_memory();
  }
  const int last = *std::max_element(classes.begin(), classes.end());
  for (int k = 0; k <= last; ++k) data.classes.push_back(std::to_string(k));
  return data;
}

}  // namespace examples
