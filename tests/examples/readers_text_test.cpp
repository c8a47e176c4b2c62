// SPDX-License-Identifier: Apache-2.0
//
// The readers of libsvm and CSV files: what good files give, and that every way a file can be bad gives one line which names
// the file, the line and the column.
#include <gtest/gtest.h>

#include "examples/common/labels.h"
#include "examples/common/readers.h"
#include "tests/examples/files.h"
#include "tests/examples/messages.h"

namespace {

using examples::Dataset;
using examples::Format;
using examples::ReaderLimits;
using files::TempFolder;

// ---- libsvm ----

TEST(Libsvm, ReadsLabelsIndicesAndComments) {
  const TempFolder folder;
  const std::string path = folder.write_gz("a.gz", "+1 1:0.5 3:-2 # note\n\n-1 2:1e1\r\n1.0 3:4\n");
  const Dataset data = examples::read_libsvm(path);
  EXPECT_EQ(data.features, 3);
  EXPECT_EQ(data.classes, (std::vector<std::string>{"-1", "+1"}));
  EXPECT_EQ(data.labels, (std::vector<int32_t>{1, 0, 1}));
  EXPECT_EQ(data.values, (std::vector<float>{0.5f, 0, -2, 0, 10, 0, 0, 0, 4}));
  EXPECT_EQ(examples::read_libsvm(path, 5).features, 5);
}

TEST(Libsvm, IndexZeroMeansThatIndicesCountFromZero) {
  const TempFolder folder;
  const Dataset data = examples::read_libsvm(folder.write("a", "0 0:1 2:3\n1 1:2"));
  EXPECT_EQ(data.values, (std::vector<float>{1, 0, 3, 0, 2, 0}));
}

TEST(Libsvm, DefectsAreNamedByLine) {
  const TempFolder folder;
  const struct {
    const char *content, *part;
  } cases[] = {
      {"", "line 0: no rows"},
      {"# only a comment\n", "line 1: no rows"},
      {"1\n2\n", "no row has a feature"},
      {"1 1:2\nabc 1:2\n", "line 2: the label 'abc' is no number"},
      {"nan 1:2\n", "line 1: the label 'nan' is no number"},
      {"1 1:2\n1 3\n", "line 2: '3' is no index:value"},
      {"1 1:2\n1 3:\n", "line 2: the value of '3:' is no finite number"},
      {"1 1:inf\n", "line 1: the value of '1:inf' is no finite number"},
      {"1 1:1e39\n", "line 1: the value of '1:1e39' is no finite number"},
      {"1 1:2x\n", "line 1: the value of '1:2x' is no finite number"},
      {"1 -1:2\n", "line 1: the index of '-1:2' is no whole number >= 0"},
      {"1 1.5:2\n", "line 1: the index of '1.5:2' is no whole number >= 0"},
      {"1 1e300:2\n", "line 1: the index of '1e300:2' is no whole number >= 0"},
      {"1 1:2 2:3 1:4\n", "line 1: index 1 occurs twice"},
      {"1 qid:3 1:2\n", "line 1: qid: (ranking data) is not read"},
      {"1 1:1\n1 900000000000:1\n", "line 2: 2 rows x 900000000001 features are more than the limit"},
      {"1 1:\x01\x02\n", "line 1: the value of '1:\?\?' is no finite number"},
  };
  for (const auto &c : cases) {
    const std::string path = folder.write("bad", c.content);
    expect_one_line(message_of([&] { examples::read_libsvm(path); }), path, c.part);
  }
}

// ---- CSV ----

TEST(Csv, HeaderSeparatorsQuotesAndTextLabels) {
  const TempFolder folder;
  const std::vector<float> values{1, 2.5f, -3, 4e2f};
  const auto expect = [&](const Dataset &data) {
    EXPECT_EQ(data.features, 2);
    EXPECT_EQ(data.values, values);
    EXPECT_EQ(data.classes, (std::vector<std::string>{"cat", "dog"}));
    EXPECT_EQ(data.labels, (std::vector<int32_t>{1, 0}));
  };
  expect(examples::read_csv(folder.write("a", "x,y,kind\n1,2.5,dog\n-3,4e2,cat\n")));
  expect(examples::read_csv(folder.write("a", "1;2.5;dog\r\n\r\n-3;4e2;cat")));
  expect(examples::read_csv(
      folder.write_gz("a.gz", "\xEF\xBB\xBF\"x\"\t\"y\"\tkind\n 1\t\"2.5\"\t\"dog\"\n-3\t400\tcat\n")));
  expect(examples::read_csv(folder.write("a", "kind,x,y\ndog,1,2.5\ncat,-3,4e2\n"), "kind"));
  expect(examples::read_csv(folder.write("a", "kind,x,y\ndog,1,2.5\ncat,-3,4e2\n"), "1"));
  expect(examples::read_csv(folder.write("a", "x,kind,y\n1,dog,2.5\n-3,cat,4e2\n"), "-2"));
}

TEST(Csv, HeaderMayHaveItsOwnNumberOfFields) {
  const TempFolder folder;
  const Dataset data = examples::read_csv(folder.write("a", "2,30,malignant,benign\n1,2,0\n3,4,1\n"));
  EXPECT_EQ(data.values, (std::vector<float>{1, 2, 3, 4}));
  EXPECT_EQ(data.labels, (std::vector<int32_t>{0, 1}));
}

TEST(Csv, QuotedFieldMayHoldSeparatorsAndQuotes) {
  const TempFolder folder;
  const Dataset data = examples::read_csv(folder.write("a", "1,\"a, \"\"b\"\"\"\n2,c\n"));
  EXPECT_EQ(data.classes, (std::vector<std::string>{"a, \"b\"", "c"}));
}

TEST(Csv, DefectsAreNamedByLineAndColumn) {
  const TempFolder folder;
  const struct {
    const char *content, *label, *part;
  } cases[] = {
      {"", "-1", "line 0: no rows"},
      {"x,y\n", "-1", "line 1: no rows"},
      {"1\n2\n", "-1", "line 1: only one column"},
      {"1,2,a\n3,b\n", "-1", "line 2: 2 columns, the lines before have 3"},
      {"1,2,a\n3,x,b\n", "-1", "line 2: column 2: 'x' is no finite number"},
      {"1,2,a\n3,,b\n", "-1", "line 2: column 2: '' is no finite number"},
      {"1,2,a\n3,nan,b\n", "-1", "line 2: column 2: 'nan' is no finite number"},
      {"1,2,a\n3,1e39,b\n", "-1", "line 2: column 2: '1e39' is no finite number"},
      {"1,2,a\n3,4,\n", "-1", "line 2: the label (column 3) is empty"},
      {"1,2,\"a\n3,4,b\n", "-1", "line 1: a quoted field does not end on its line"},
      {"1,2,\"a\"b\n", "-1", "line 1: text after a quoted field"},
      {"1,2,a\n", "7", "line 1: there is no column 7, the line has 3"},
      {"1,2,a\n", "-4", "line 1: there is no column -4"},
      {"1,2,a\n", "0", "line 1: there is no column 0, the line has 3; columns count from 1"},
      {"1,2,a\n", "4", "line 1: there is no column 4"},
      {"1,2,a\n", "1e300", "line 1: there is no column 1e300"},
      {"1,2,a\n", "-1e300", "line 1: there is no column -1e300"},
      {"1,2,a\n", "9223372036854775808", "line 1: there is no column 9223372036854775808"},
      {"1,2,a\n", "1.5", "line 1: no column is called '1.5'"},
      {"x,y,z\n1,2,a\n", "kind", "line 1: no column is called 'kind'"},
      {"x,y,z,kind\n1,2,a\n", "kind", "line 2: has 3 columns, the header has more"},
  };
  for (const auto &c : cases) {
    const std::string path = folder.write("bad", c.content);
    expect_one_line(message_of([&] { examples::read_csv(path, c.label); }), path, c.part);
  }
}

TEST(Csv, LimitsHold) {
  const TempFolder folder;
  ReaderLimits limits;
  limits.max_classes = 3;
  std::string path = folder.write("a", "1,a\n1,b\n1,c\n1,d\n");
  expect_one_line(message_of([&] { examples::read_csv(path, "-1", limits); }), path,
                  "line 4: more than 3 distinct labels in column 2");
  limits = {};
  limits.max_bytes = 8;
  path = folder.write("a", "1,2,a\n3,4,a\n");
  expect_one_line(message_of([&] { examples::read_csv(path, "-1", limits); }), path,
                  "line 2: more data than the limit of 8 bytes");
  limits = {};
  limits.max_line = 1 << 17;
  path = folder.write("a", std::string("1,2,a\n").append(1 << 19, '7'));
  expect_one_line(message_of([&] { examples::read_csv(path, "-1", limits); }), path,
                  "line 2: longer than 131072 characters");
}

// Whatever a file makes the reader keep is counted: entries before they are made dense, labels, fields of one line.
TEST(Limits, HoldForEverythingThatIsKept) {
  const TempFolder folder;
  const auto rows = [](int n, const std::string &row) {
    std::string text;
    for (int i = 0; i < n; ++i) text += row;
    return text;
  };
  ReaderLimits limits;
  limits.max_bytes = 24 * 100;
  std::string path = folder.write_gz("entries.gz", rows(1000, "1 1:1\n"));
  expect_one_line(message_of([&] { examples::read_libsvm(path, 0, limits); }), path,
                  "more than the limit of 2400 bytes");
  path = folder.write_gz("one-line.gz", "1" + rows(1, [] {
                                          std::string text;
                                          for (int i = 1; i < 1000; ++i) text += " " + std::to_string(i) + ":1";
                                          return text;
                                        }()));
  expect_one_line(message_of([&] { examples::read_libsvm(path, 0, limits); }), path,
                  "line 1: more data than the limit of 2400 bytes");
  path = folder.write_gz("labels.gz", "1 1:1\n" + rows(1000, "1\n"));
  expect_one_line(message_of([&] { examples::read_libsvm(path, 0, limits); }), path, "the limit of 2400 bytes");
  path = folder.write_gz("rows.csv.gz", rows(1000, "1,2\n"));
  expect_one_line(message_of([&] { examples::read_csv(path, "-1", limits); }), path,
                  "line 301: more data than the limit of 2400 bytes");
  limits = {};
  limits.max_columns = 50;
  path = folder.write("columns.csv", rows(1000, "1,") + "a\n");
  expect_one_line(message_of([&] { examples::read_csv(path, "-1", limits); }), path, "line 1: more than 50 columns");
  const std::string label = std::string(1000, '0') + "7";
  path = folder.write("label.csv", "1,2," + label + "\n");
  expect_one_line(message_of([&] { examples::read_csv(path); }), path,
                  "line 1: the label (column 3) is longer than 1000 characters");
  path = folder.write("label", label + " 1:2\n");
  expect_one_line(message_of([&] { examples::read_libsvm(path); }), path,
                  "line 1: the label is longer than 1000 characters");
}

TEST(Lines, LongLinesCrossTheBufferUnharmed) {
  const TempFolder folder;
  std::string content, expected;
  for (int i = 0; i < 40000; ++i) content += std::to_string(i % 10) + (i < 39999 ? "," : "");
  const Dataset data = examples::read_csv(folder.write("a", content + "\n" + content));
  EXPECT_EQ(data.rows(), 2);
  EXPECT_EQ(data.features, 39999);
  EXPECT_EQ(data.values[39999 + 12345], 5.0f);
}

// ---- any file ----

TEST(AnyFile, MissingFoldersAndOtherCompressionsAreNamed) {
  const TempFolder folder;
  const std::string missing = folder.path("missing");
  expect_one_line(message_of([&] { examples::read_csv(missing); }), missing,
                  "cannot be opened: No such file or directory");
  expect_one_line(message_of([&] { examples::load(missing, "", Format::kAuto, "-1"); }), missing,
                  "there is no such file or folder");
  expect_one_line(message_of([&] { examples::read_csv(folder.folder()); }), folder.folder(), "is a folder");
  expect_one_line(message_of([&] { examples::load(folder.folder(), "", Format::kAuto, "-1"); }), folder.folder(),
                  "holds no train-images-idx3-ubyte[.gz]");
  const std::string xz = folder.write("a.xz", std::string("\xFD"
                                                          "7zXZ\0\0\0more",
                                                          12));
  expect_one_line(message_of([&] { examples::read_csv(xz); }), xz, "compressed with xz");
  const std::string bz2 = folder.write("a.bz2", "BZh91AY&SY");
  expect_one_line(message_of([&] { examples::read_csv(bz2); }), bz2, "compressed with bzip2");
}

TEST(AnyFile, FormatIsDetected) {
  const TempFolder folder;
  EXPECT_EQ(examples::detect_format(folder.write("a", files::idx_images(1))), Format::kIdx);
  EXPECT_EQ(examples::detect_format(folder.write_gz("a.gz", files::idx_images(1))), Format::kIdx);
  EXPECT_EQ(examples::detect_format(folder.write("b", "# c\n+1 3:1 5:2\n")), Format::kLibsvm);
  EXPECT_EQ(examples::detect_format(folder.write_gz("c.csv.gz", "time,12:30\n")), Format::kCsv);
  EXPECT_EQ(examples::detect_format(folder.write("d", "1,2,3\n")), Format::kCsv);
}

TEST(Load, TestFileMustAgreeWithTheTrainingFile) {
  const TempFolder folder;
  const std::string train = folder.write("train.csv", "1,2,b\n3,4,a\n");
  std::string test = folder.write("test.csv", "5,6,b\n");
  EXPECT_EQ(examples::load(train, test, Format::kAuto, "-1").test.labels, (std::vector<int32_t>{1}));
  test = folder.write("test.csv", "5,6,c\n");
  expect_one_line(message_of([&] { examples::load(train, test, Format::kAuto, "-1"); }), test,
                  "label 'c' does not occur in the training data");
  test = folder.write("test.csv", "5,a\n");
  expect_one_line(message_of([&] { examples::load(train, test, Format::kAuto, "-1"); }), test, "rows of 1 features");
}

TEST(Labels, NumbersAreParsedWholeAndFinite) {
  double value = 0;
  for (const char *good : {"1", "+1", "-1.5", "1e3", ".5", "0"})
    EXPECT_TRUE(examples::parse_number(good, value)) << good;
  for (const char *bad : {"", "+", "++1", "+-", "1x", "0x10", " 1", "1 ", "nan", "inf", "-inf", "1e999", "1,5"}) {
    EXPECT_FALSE(examples::parse_number(bad, value)) << bad;
  }
}

}  // namespace
