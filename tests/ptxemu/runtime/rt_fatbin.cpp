// SPDX-License-Identifier: Apache-2.0
//
// Fat binaries: a wrapper struct points to a container, a header and then entries: a header of 64 bytes or more each, which says how
// long it is, and the payload, padded to 8 bytes. Kind 1 is PTX, 2 machine code. A payload may be compressed, entry by entry; the flags
// say how (found with nvcc 13.0; a payload of Zstandard is one plain frame without a checksum):
//   --compress-mode=size                all entries, Zstandard
//   --compress-mode=default, balance    PTX, Zstandard
//   --compress-mode=speed               PTX, LZ4
//   --compress-mode=none, -no-compress  nothing
// The format is not documented, so whatever is not as expected is said and not guessed.
#include <zstd.h>
#include "rt.h"

namespace rt {

namespace {
struct Wrapper {
  int magic, version;
  const void *data;
  void *file;
};
struct Header {
  uint32_t magic;
  uint16_t version, header_size;
  uint64_t size;  // of all entries
};
struct Entry {
  uint16_t kind, version;
  uint32_t header_size;
  uint64_t size;             // of the payload with its padding
  uint32_t compressed_size;  // without padding; 0 if it is not compressed
  uint32_t options_offset;
  uint16_t minor, major;
  uint32_t arch, name_offset, name_size;
  uint64_t flags, zero, uncompressed_size;
};
static_assert(sizeof(Entry) == 64);
constexpr uint64_t LZ4 = 0x2000, ZSTANDARD = 0x8000, COMPRESSIONS = 0xF000;

std::string number(uint64_t n) { return std::to_string(n); }
Fault damaged(const std::string &how) { return Fault("damaged fat binary: " + how); }
}  // namespace

std::vector<PtxImage> ptx_images(const void *wrapper) {
  auto *h = (const Header *)((const Wrapper *)wrapper)->data;
  if (h->magic != 0xBA55ED50u) throw Fault("not a fat binary");
  std::vector<PtxImage> images;
  const char *p = (const char *)h + h->header_size;
  for (uint64_t left = h->size; left;) {
    auto *n = (const Entry *)p;
    if (left < sizeof(Entry) || n->header_size < sizeof(Entry) || n->header_size > left)
      throw damaged("an entry's header does not fit into the " + number(left) + " bytes that are left");
    if (n->size > left - n->header_size)
      throw damaged("an entry of " + number(n->size) + " bytes where " + number(left - n->header_size) + " are left");
    const bool compressed = n->flags & COMPRESSIONS;
    if (compressed && n->compressed_size > n->size)
      throw damaged(number(n->compressed_size) + " compressed bytes in an entry of " + number(n->size));
    if (n->kind == 1)
      images.push_back({(int)n->arch, n->flags, p + n->header_size, compressed ? n->compressed_size : n->size,
                        compressed ? n->uncompressed_size : n->size});
    p += n->header_size + n->size;
    left -= n->header_size + n->size;
  }
  return images;
}

std::string ptx_text(const PtxImage &image) {
  const uint64_t compression = image.flags & COMPRESSIONS;
  if (!compression) return std::string(image.data, image.size);
  if (compression == LZ4)
    throw Fault("PTX compressed with LZ4, which is not read: build with nvcc --compress-mode=size, balance or none");
  if (compression != ZSTANDARD)
    throw Fault("PTX compressed in a way that is not known (flags " + number(image.flags) +
                "): build with nvcc -no-compress");
  const std::string what = "PTX for compute_" + number(image.arch) + ": ";
  // Before memory is allocated for it: the frame knows its size too.
  if (ZSTD_getFrameContentSize(image.data, image.size) != image.text_size)
    throw damaged(what + "no Zstandard frame of " + number(image.text_size) + " bytes");
  std::string text(image.text_size, '\0');
  const size_t n = ZSTD_decompress(text.data(), text.size(), image.data, image.size);
  if (ZSTD_isError(n)) throw damaged(what + ZSTD_getErrorName(n));
  return text;
}

// The PTX for the highest architecture not above the emulated device.
Module &FatModule::get() {
  if (m) return *m;
  const std::vector<PtxImage> images = ptx_images(wrapper);
  const PtxImage *best = nullptr;
  for (const PtxImage &image : images) {
    const int cc = device_cc(), arch = image.arch;
    if (!best || (arch <= cc ? arch > best->arch || best->arch > cc : arch < best->arch)) best = &image;
  }
  if (!best) throw NoImage("no PTX in the fat binary: build with -gencode arch=compute_80,code=compute_80");
  if (best->arch > device_cc())
    throw NoImage("the fat binary has PTX for compute_" + number(best->arch) + " only, above PTXEMU_CC");
  m = std::make_unique<Module>(ptx_text(*best).c_str());
  return *m;
}

}  // namespace rt
