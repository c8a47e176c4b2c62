// SPDX-License-Identifier: Apache-2.0
//
// The reader of idx files: what good files give, and that every way a file can be bad gives one line which names the file
// and the byte. Bad files are made here: truncated at every byte, corrupted at every byte, with headers that claim far more
// than is there.
#include <gtest/gtest.h>

#include "examples/common/readers.h"
#include "tests/examples/files.h"
#include "tests/examples/messages.h"

namespace {

using examples::Dataset;
using examples::Format;
using files::TempFolder;

struct IdxPair {
  TempFolder folder;
  std::string images = folder.write("train-images-idx3-ubyte", files::idx_images(5));
  std::string labels = folder.write("train-labels-idx1-ubyte", files::idx_labels(5));
};

void expect_five_images(const Dataset &data) {
  ASSERT_EQ(data.rows(), 5);
  EXPECT_EQ(data.features, 6);
  EXPECT_EQ(data.image_height, 2);
  EXPECT_EQ(data.image_width, 3);
  EXPECT_EQ(data.classes, (std::vector<std::string>{"0", "1", "2"}));
  EXPECT_EQ(data.labels, (std::vector<int32_t>{0, 1, 2, 0, 1}));
  std::vector<float> row(6);
  data.copy_row(4, row.data());
  EXPECT_EQ(row, std::vector<float>(6, 4.0f));
}

TEST(Idx, PlainAndCompressedFilesGiveTheSame) {
  const IdxPair p;
  expect_five_images(examples::read_idx(p.images, p.labels));
  expect_five_images(examples::read_idx(p.folder.write_gz("i.gz", files::idx_images(5)),
                                        p.folder.write_gz("l.gz", files::idx_labels(5))));
}

TEST(Idx, TruncatedAtAnyByteIsNamed) {
  const IdxPair p;
  const std::string whole = files::idx_images(5);
  for (size_t n = 0; n < whole.size(); ++n) {
    p.folder.write("short", whole.substr(0, n));
    const std::string path = p.folder.path("short");
    const std::string total = n < 16 ? "16" : std::to_string(whole.size());
    expect_one_line(message_of([&] { examples::read_idx(path, p.labels); }), path,
                    "truncated at byte " + std::to_string(n) + " of " + total);
  }
}

TEST(Idx, TruncatedGzipAtAnyByteIsAnErrorOfOneLine) {
  const IdxPair p;
  const std::string whole = files::read(p.folder.write_gz("whole.gz", files::idx_images(5)));
  for (size_t n = 0; n < whole.size(); ++n) {
    const std::string path = p.folder.write("cut.gz", whole.substr(0, n));
    expect_one_line(message_of([&] { examples::read_idx(path, p.labels); }), path, "byte");
  }
}

TEST(Idx, FlippedByteNeverCrashesAndNeverPassesTheGzipChecksum) {
  const IdxPair p;
  const std::string whole = files::read(p.folder.write_gz("whole.gz", files::idx_images(5)));
  for (size_t at = 0; at < whole.size(); ++at) {
    std::string bad = whole;
    bad[at] = static_cast<char>(bad[at] ^ 0x55);
    const std::string path = p.folder.write("bad.gz", bad);
    const std::string message = message_of([&] { examples::read_idx(path, p.labels); });
    // Bytes 4 to 9 of a gzip header (time, flags, system) do not belong to the data.
    if (message != "no error") {
      expect_one_line(message, path, "");
    } else {
      EXPECT_TRUE(at >= 4 && at <= 9) << "a flipped byte " << at << " went unnoticed";
    }
  }
}

TEST(Idx, FlippedHeaderBytesOfAPlainFileAreErrors) {
  const IdxPair p;
  const std::string whole = files::idx_images(5);
  for (size_t at = 0; at < 16; ++at) {
    for (const int flip : {0x01, 0x80}) {
      std::string bad = whole;
      bad[at] = static_cast<char>(bad[at] ^ flip);
      const std::string path = p.folder.write("bad", bad);
      const std::string message = message_of([&] { examples::read_idx(path, p.labels); });
      // A flipped number of images shows where it no longer agrees with that of the labels.
      const bool number_of_images =
          at >= 4 && at < 8 && message.find(" labels (bytes 4 to 7) for the ") != std::string::npos;
      expect_one_line(message, number_of_images ? p.labels : path, "");
    }
  }
}

TEST(Idx, HugeClaimsAreRefusedOrFoundOutWithoutMemory) {
  const IdxPair p;
  std::string path = p.folder.write("huge", files::idx_header({0xffffffff, 0xffffffff, 0xffffffff}) + "abc");
  expect_one_line(message_of([&] { examples::read_idx(path, p.labels); }), path,
                  "idx dimension 1 at byte 8 is 4294967295");
  // Within the limit, but not there: the reader stops after one chunk, it does not allocate the 3 GB that the header
  // claims.
  examples::ReaderLimits limits;
  limits.max_bytes = int64_t{4} << 30;  // on a small machine the default is less
  path = p.folder.write("claims", files::idx_header({5, 25000, 25000}) + "abc");
  expect_one_line(message_of([&] { examples::read_idx(path, p.labels, limits); }), path,
                  "truncated at byte 19 of 3125000016");
}

TEST(Idx, LimitsHoldForImagesAndLabelsTogether) {
  const IdxPair p;
  examples::ReaderLimits limits;
  limits.max_bytes = 5 * 6 + 5 * 5;  // images; labels as read and as kept
  expect_five_images(examples::read_idx(p.images, p.labels, limits));
  limits.max_bytes -= 1;
  expect_one_line(message_of([&] { examples::read_idx(p.images, p.labels, limits); }), p.images,
                  "5 images and their labels are more data than the limit of 54 bytes");
  limits.max_bytes = 29;
  expect_one_line(message_of([&] { examples::read_idx(p.images, p.labels, limits); }), p.images,
                  "idx dimension 2 at byte 12 is 3: more data than the limit of 29 bytes");
}

TEST(Idx, OtherDefectsAreNamed) {
  const IdxPair p;
  const auto images = [&](const std::string &content) { return p.folder.write("bad", content); };
  const auto error = [&](const std::string &path) { return message_of([&] { examples::read_idx(path, p.labels); }); };

  std::string path = images("\x1f\x1e no idx file at all");
  expect_one_line(error(path), path, "no idx file");
  path = images(std::string("\0\0\x0d\x03", 4) + std::string(12, '\0'));
  expect_one_line(error(path), path, "element type 0x0d at byte 2");
  path = images(files::idx_labels(5));
  expect_one_line(error(path), path, "1 dimensions (byte 3)");
  path = images(files::idx_header({5, 0, 3}));
  expect_one_line(error(path), path, "dimension 1 at byte 8 is 0");
  path = images(files::idx_images(5) + "x");
  expect_one_line(error(path), path, "longer than the 46 bytes");
  path = p.folder.write("other-labels", files::idx_labels(4));
  expect_one_line(message_of([&] { examples::read_idx(p.images, path); }), path,
                  "4 labels (bytes 4 to 7) for the 5 images");
}

TEST(Load, FolderWithTrainAndTestParts) {
  const IdxPair p;
  p.folder.write_gz("t10k-images-idx3-ubyte.gz", files::idx_images(3));
  p.folder.write_gz("t10k-labels-idx1-ubyte.gz", files::idx_labels(3, 2));
  const auto data = examples::load(p.folder.folder(), "", Format::kAuto, "-1");
  expect_five_images(data.train);
  EXPECT_EQ(data.test.labels, (std::vector<int32_t>{0, 1, 0}));
  EXPECT_EQ(data.test.classes, data.train.classes);
}

TEST(Load, MissingLabelsFileIsNamed) {
  const TempFolder folder;
  const std::string images = folder.write("train-images-idx3-ubyte", files::idx_images(5));
  const std::string labels = folder.path("train-labels-idx1-ubyte");
  expect_one_line(message_of([&] { examples::load(images, "", Format::kAuto, "-1"); }), labels, "cannot be opened");
}

}  // namespace
