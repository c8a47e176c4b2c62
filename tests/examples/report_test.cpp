// SPDX-License-Identifier: Apache-2.0
//
// What reports are made of: PNG and base64 (decoded again here), charts, escaping, files, predictions, Adam.
#include <gtest/gtest.h>
#include <zlib.h>

#include <cmath>
#include <limits>
#include <numeric>

#include "examples/common/adam.h"
#include "examples/common/charts.h"
#include "examples/common/classifier.h"
#include "examples/common/html.h"
#include "examples/common/images.h"
#include "examples/hyper_cleaning/output.h"
#include "tests/examples/files.h"

namespace {

using namespace examples;

uint32_t u32(const std::string &s, size_t at) {
  uint32_t value = 0;
  for (size_t k = 0; k < 4; ++k) value = value << 8 | static_cast<unsigned char>(s[at + k]);
  return value;
}

TEST(Png, DecodesToItsPixelsAndEveryChecksumHolds) {
  std::vector<uint8_t> pixels(7 * 5);
  std::iota(pixels.begin(), pixels.end(), uint8_t{200});
  const std::string png = png_grey(pixels.data(), 7, 5);
  ASSERT_EQ(png.substr(0, 8), "\x89PNG\r\n\x1a\n");
  std::string order, packed;
  size_t at = 8;
  while (at < png.size()) {
    const uint32_t length = u32(png, at);
    const std::string type = png.substr(at + 4, 4), body = png.substr(at + 4, length + 4);
    EXPECT_EQ(u32(png, at + 8 + length),
              crc32(0, reinterpret_cast<const Bytef *>(body.data()), static_cast<uInt>(body.size())));
    order += type + " ";
    if (type == "IHDR") {
      EXPECT_EQ(body.substr(4), files::big_endian(7) + files::big_endian(5) + std::string("\x08\0\0\0\0", 5));
    }
    if (type == "IDAT") packed += body.substr(4);
    at += 12 + length;
  }
  EXPECT_EQ(order, "IHDR IDAT IEND ");
  std::vector<uint8_t> raw(5 * 8);
  uLongf size = raw.size();
  ASSERT_EQ(
      uncompress(raw.data(), &size, reinterpret_cast<const Bytef *>(packed.data()), static_cast<uLong>(packed.size())),
      Z_OK);
  ASSERT_EQ(size, raw.size());
  for (size_t y = 0; y < 5; ++y) {
    EXPECT_EQ(raw[8 * y], 0);  // filter
    for (size_t x = 0; x < 7; ++x) EXPECT_EQ(raw[8 * y + 1 + x], pixels[7 * y + x]);
  }
}

TEST(Base64, VectorsOfRfc4648) {
  const std::string text = "foobar", expected[] = {"", "Zg==", "Zm8=", "Zm9v", "Zm9vYg==", "Zm9vYmE=", "Zm9vYmFy"};
  for (size_t n = 0; n <= 6; ++n) EXPECT_EQ(base64(text.substr(0, n)), expected[n]);
  EXPECT_EQ(base64("\xff\xfe\xfb"), "//77");
}

TEST(Html, Escapes) { EXPECT_EQ(escaped("<a href='x'>&\"</a>"), "&lt;a href=&#39;x&#39;&gt;&amp;&quot;&lt;/a&gt;"); }

TEST(Html, PageLoadsNothingFromElsewhere) {
  const std::string page = html_page("a < b", "<p>body</p>");
  EXPECT_NE(page.find("<title>a &lt; b</title>"), std::string::npos);
  for (const char *outside : {"http:", "https:", "<script", "<link", "@import", "url("})
    EXPECT_EQ(page.find(outside), std::string::npos) << outside;
}

TEST(WriteFile, ReplacesFilesWritesIntoDevicesAndNamesFailures) {
  const files::TempFolder folder;
  const std::string path = folder.path("a.html");
  write_file(path, "one");
  write_file(path, "two");
  EXPECT_EQ(files::read(path), "two");
  EXPECT_FALSE(std::filesystem::exists(path + ".part"));
  write_file("/dev/null", "x");
  EXPECT_TRUE(std::filesystem::is_character_file("/dev/null"));
  check_writable(folder.path("new.html"));
  check_writable(path);
  EXPECT_FALSE(std::filesystem::exists(folder.path("new.html")));
  EXPECT_EQ(files::read(path), "two");
  const std::string bad = folder.path("none/a.html");
  for (const bool check : {true, false}) {
    try {
      check ? check_writable(bad) : write_file(bad, "x");
      FAIL() << "no error";
    } catch (const std::runtime_error &error) {
      EXPECT_EQ(std::string(error.what()), bad + ": cannot be written: No such file or directory");
    }
  }
}

TEST(Numbers, ShortAndInCNotation) {
  EXPECT_EQ(number(0.5, 4), "0.5");
  EXPECT_EQ(number(100, 0), "100");
  EXPECT_EQ(number(-0.00001, 2), "0");
  EXPECT_EQ(number(1234.5678, 2), "1234.57");
  EXPECT_EQ(number(std::nan(""), 2), "-");
  EXPECT_EQ(thousands(0), "0");
  EXPECT_EQ(thousands(999), "999");
  EXPECT_EQ(thousands(1000), "1,000");
  EXPECT_EQ(thousands(-1234567), "-1,234,567");
  EXPECT_EQ(percent(79.64), "79.6 %");
  EXPECT_EQ(percent(std::nan("")), "-");
}

size_t occurrences(const std::string &text, const std::string &part) {
  size_t n = 0;
  for (size_t at = text.find(part); at != std::string::npos; at = text.find(part, at + 1)) ++n;
  return n;
}

TEST(Charts, HistogramCountsEveryWeightOnce) {
  const std::string chart =
      svg(Histogram{"h", "x", "y", {{"right", {0, 0.04, 0.06, 1}}, {"wrong", {0.5, 0.5, 0.51}}}, 20});
  EXPECT_EQ(occurrences(chart, "<title>right, 0 to 0.05: 2</title>"), 1u);
  EXPECT_EQ(occurrences(chart, "<title>right, 0.05 to 0.1: 1</title>"), 1u);
  EXPECT_EQ(occurrences(chart, "<title>right, 0.95 to 1: 1</title>"), 1u);
  EXPECT_EQ(occurrences(chart, "<title>wrong, 0.5 to 0.55: 3</title>"), 1u);
  EXPECT_EQ(occurrences(chart, ": 0</title>"), 0u);
}

TEST(Charts, LineChartSurvivesAnyNumberOfPoints) {
  EXPECT_EQ(occurrences(svg(LineChart{"t", "x", "y", {}, 1, 0}), "<circle"), 0u);
  for (const size_t n : {size_t{1}, size_t{2}, size_t{20}, size_t{1000}}) {
    const std::string chart = svg(LineChart{"t", "x", "y", std::vector<double>(n, 0.25), 1, 0});
    EXPECT_EQ(occurrences(chart, "<circle"), n);
    EXPECT_EQ(occurrences(chart, "nan") + occurrences(chart, "inf"), 0u);
  }
  const double nan = std::nan("");
  EXPECT_EQ(occurrences(svg(LineChart{"t", "x", "y", {1, nan, 3}, 1, 0}), "<circle"), 2u);
}

TEST(Charts, BarWithoutValueSaysSo) {
  const std::string chart = svg(BarChart{"t", {{"a <b>", "n", 50, 0}, {"c", "", std::nan(""), 1}}});
  EXPECT_EQ(occurrences(chart, "a &lt;b&gt;: 50.00 %"), 1u);
  EXPECT_EQ(occurrences(chart, "not trained"), 1u);
}

TEST(Classifier, ForwardPassByHand) {
  // 2 inputs, 2 hidden relu units, 3 outputs; hidden = relu(x0 - x1, x1 - x0 + 1).
  const std::vector<int64_t> widths{2, 2, 3};
  const std::vector<float> theta{1, -1, -1, 1, 0, 1, /* outputs */ 1, 0, 0, 1, 0.5f, 0.5f, 0, 0, 0.25f};
  // x = (3, 1): hidden (2, 0), outputs (2, 0, 1.25); (0, 2): hidden (0, 3), outputs (0, 3, 1.75); (0.5, 0.5): hidden
  // (0, 1): (0, 1, .75)
  EXPECT_EQ(predict(widths, "relu", theta, std::vector<float>{3, 1, 0, 2, 0.5f, 0.5f}),
            (std::vector<int32_t>{0, 1, 1}));
  // tanh(2) = .9640, tanh(-1) = -.7616: outputs (.964, -.762, .351)
  EXPECT_EQ(predict(widths, "tanh", theta, std::vector<float>{3, 1}), (std::vector<int32_t>{0}));
}

TEST(Classifier, LongRowsAreSummedWhole) {
  for (const size_t d : {size_t{1}, size_t{15}, size_t{16}, size_t{17}, size_t{100}}) {
    std::vector<float> theta(2 * d + 2, 1.0f), x(d, 1.0f);
    theta[d] += 0.5f;  // second class wins by half a unit in its first weight
    EXPECT_EQ(predict(std::vector<int64_t>{static_cast<int64_t>(d), 2}, "", theta, x)[0], 1);
    theta[d - 1] += 1.0f;  // first class wins by its last weight
    EXPECT_EQ(predict(std::vector<int64_t>{static_cast<int64_t>(d), 2}, "", theta, x)[0], 0);
  }
}

TEST(Classifier, AccuracyOfNothingIsNan) {
  EXPECT_EQ(accuracy(std::vector<int32_t>{1, 2, 3, 4}, std::vector<int32_t>{1, 2, 3, 0}), 75.0);
  EXPECT_TRUE(std::isnan(accuracy({}, {})));
}

TEST(Adam, FirstStepsByHand) {
  std::vector<float> phi{0, 1, 2};
  Adam adam(3, 0.5);
  adam.step(phi, std::vector<float>{1e-3f, -2, 0});
  // Bias-corrected, the first step is rate * g / (|g| + eps).
  EXPECT_NEAR(phi[0], -0.5 * 1e-3 / (1e-3 + 1e-8), 1e-6);
  EXPECT_NEAR(phi[1], 1.5, 1e-6);
  EXPECT_EQ(phi[2], 2.0f);
  adam.step(phi, std::vector<float>{-1e-3f, -2, 0});
  // mean = (.9 * .1 - .1) g / (1 - .81) = -.01 g / .19; square = g^2.
  EXPECT_NEAR(phi[0], -0.5 + 0.5 * 0.01 / 0.19, 1e-5);
  EXPECT_NEAR(phi[1], 2.0, 1e-6);
}

}  // namespace
