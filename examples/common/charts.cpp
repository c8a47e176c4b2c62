// SPDX-License-Identifier: Apache-2.0
//
// Charts as SVG strings. A Frame maps data to the pixels of a view box 470 wide, about what it is shown at and draws axes with round tick values.
#include "examples/common/charts.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>

#include "examples/common/html.h"

namespace examples {
namespace {

constexpr double kWidth = 470, kHeight = 280, kLeft = 66, kRight = 14, kTop = 14, kBottom = 48;

std::string px(double value) { return number(value, 1); }

std::string text(double x, double y, const std::string &anchor, const std::string &content,
                 const std::string &more = "") {
  return "<text x=\"" + px(x) + "\" y=\"" + px(y) + "\" text-anchor=\"" + anchor + "\"" + more + ">" +
         escaped(content) + "</text>";
}

std::string line(double x1, double y1, double x2, double y2) {
  return "<line class=\"axis\" x1=\"" + px(x1) + "\" y1=\"" + px(y1) + "\" x2=\"" + px(x2) + "\" y2=\"" + px(y2) +
         "\"/>";
}

std::string rectangle(double x, double y, double width, double height, int series, const std::string &tooltip) {
  return "<rect class=\"series-" + std::to_string(series) + "\" x=\"" + px(x) + "\" y=\"" + px(y) + "\" width=\"" +
         px(width) + "\" height=\"" + px(height) + "\" rx=\"1.5\"><title>" + escaped(tooltip) + "</title></rect>";
}

std::string open_svg(double height, const std::string &title) {
  return "<svg viewBox=\"0 0 470 " + number(height, 0) + "\" role=\"img\" aria-label=\"" + escaped(title) + "\">";
}

// 1, 2 or 5 times a power of ten, such that `span` holds about `count` of them.
double round_step(double span, int count) {
  const double raw = span / count, power = std::pow(10.0, std::floor(std::log10(raw)));
  const double ratio = raw / power;
  return power * (ratio <= 1 ? 1 : ratio <= 2 ? 2 : ratio <= 5 ? 5 : 10);
}

struct Frame {
  double x0, x1, y0, y1;  // data ranges, not empty

  double x(double value) const { return kLeft + (value - x0) / (x1 - x0) * (kWidth - kLeft - kRight); }
  double y(double value) const { return kHeight - kBottom - (value - y0) / (y1 - y0) * (kHeight - kTop - kBottom); }

  std::string axes(double x_step, const std::string &x_label, const std::string &y_label) const {
    const double y_step = round_step(y1 - y0, 4);
    std::string out;
    for (double v = std::ceil(y0 / y_step - 1e-9) * y_step; v <= y1 + 1e-9 * y_step; v += y_step) {
      out +=
          line(kLeft, y(v), kWidth - kRight, y(v)) + text(kLeft - 8, y(v) + 4, "end", number(v, 4), " class=\"soft\"");
    }
    for (double v = std::ceil(x0 / x_step - 1e-9) * x_step; v <= x1 + 1e-9 * x_step; v += x_step) {
      out += text(x(v), kHeight - kBottom + 19, "middle", number(v, 3), " class=\"soft\"");
    }
    out += text((kLeft + kWidth - kRight) / 2, kHeight - 6, "middle", x_label);
    const double middle = (kTop + kHeight - kBottom) / 2;
    return out + text(12, middle, "middle", y_label, " transform=\"rotate(-90 12 " + px(middle) + ")\"");
  }
};

std::vector<int64_t> counts(const std::vector<double> &values, int bins) {
  std::vector<int64_t> out(static_cast<size_t>(bins), 0);
  for (const double v : values) {
    if (v >= 0 && v <= 1) ++out[static_cast<size_t>(std::min(bins - 1, static_cast<int>(v * bins)))];
  }
  return out;
}

}  // namespace

std::string fixed(double value, int decimals) {
  if (!std::isfinite(value)) return "-";
  std::array<char, 400> buffer{};
  const auto end =
      std::to_chars(buffer.data(), buffer.data() + buffer.size(), value, std::chars_format::fixed, decimals).ptr;
  return {buffer.data(), end};
}

std::string number(double value, int decimals) {
  std::string out = fixed(value, decimals);
  if (out.find('.') != std::string::npos) {
    out.erase(out.find_last_not_of('0') + 1);
    if (out.back() == '.') out.pop_back();
  }
  return out == "-0" ? "0" : out;
}

std::string svg(const LineChart &chart) {
  std::vector<double> y = chart.y;
  std::erase_if(y, [](double v) { return !std::isfinite(v); });
  if (y.empty()) return "<p class=\"soft\">Nothing to draw.</p>";
  const auto [low, high] = std::minmax_element(y.begin(), y.end());
  const double margin = std::max((*high - *low) * 0.08, 1e-6 + 1e-3 * std::abs(*high));
  const auto first = static_cast<double>(chart.first_x),
             last = first + std::max(1.0, static_cast<double>(chart.y.size()) - 1);
  const Frame frame{first, last, *low - margin, *high + margin};

  std::string out = open_svg(kHeight, chart.title);
  out += frame.axes(std::max(1.0, round_step(last - first, 8)), chart.x_label, chart.y_label);
  std::string points, marks;
  for (size_t k = 0; k < chart.y.size(); ++k) {
    if (!std::isfinite(chart.y[k])) continue;
    const double x = frame.x(first + static_cast<double>(k)), v = frame.y(chart.y[k]);
    points += px(x) + "," + px(v) + " ";
    marks += "<circle class=\"series-" + std::to_string(chart.series) + "\" cx=\"" + px(x) + "\" cy=\"" + px(v) +
             "\" r=\"3.5\"><title>" + std::to_string(chart.first_x + static_cast<int64_t>(k)) + ": " +
             number(chart.y[k], 4) + "</title></circle>";
  }
  out += "<polyline class=\"curve stroke-" + std::to_string(chart.series) + "\" points=\"" + points + "\"/>" + marks;
  return out + "</svg>";
}

std::string svg(const Histogram &chart) {
  std::vector<std::vector<int64_t>> bars;
  int64_t highest = 1;
  for (const Series &series : chart.series) {
    bars.push_back(counts(series.values, chart.bins));
    highest = std::max(highest, *std::max_element(bars.back().begin(), bars.back().end()));
  }
  const Frame frame{0, 1, 0, 1.06 * static_cast<double>(highest)};
  std::string out = open_svg(kHeight + 26, chart.title) + frame.axes(0.1, chart.x_label, chart.y_label);
  const double bin = (kWidth - kLeft - kRight) / chart.bins, width = (bin - 3) / static_cast<double>(bars.size());
  for (size_t s = 0; s < bars.size(); ++s) {
    for (int b = 0; b < chart.bins; ++b) {
      const int64_t count = bars[s][static_cast<size_t>(b)];
      if (count == 0) continue;
      const double top = frame.y(static_cast<double>(count)),
                   x = kLeft + b * bin + 1.5 + static_cast<double>(s) * width;
      const std::string range = number(1.0 * b / chart.bins, 3) + " to " + number((b + 1.0) / chart.bins, 3);
      out += rectangle(x, top, width, frame.y(0) - top, static_cast<int>(s),
                       chart.series[s].name + ", " + range + ": " + std::to_string(count));
    }
    const double at = kLeft + 200 * static_cast<double>(s);
    out += rectangle(at, kHeight + 10, 12, 12, static_cast<int>(s), chart.series[s].name);
    out += text(at + 18, kHeight + 21, "start", chart.series[s].name);
  }
  return out + "</svg>";
}

std::string svg(const BarChart &chart) {
  constexpr double kRow = 56, kNames = 172, kScale = (kWidth - kNames - 60) / 100;
  std::string out = open_svg(kRow * static_cast<double>(chart.bars.size()) + 6, chart.title);
  for (size_t k = 0; k < chart.bars.size(); ++k) {
    const Bar &bar = chart.bars[k];
    const double y = kRow * static_cast<double>(k);
    out += text(0, y + 25, "start", bar.name) + text(0, y + 41, "start", bar.note, " class=\"soft\"");
    out += line(kNames, y + 4, kNames, y + kRow - 4);
    if (!std::isfinite(bar.value)) {
      out += text(kNames + 8, y + 33, "start", "not trained", " class=\"soft\"");
      continue;
    }
    out += rectangle(kNames, y + 8, std::max(0.0, bar.value * kScale), kRow - 16, bar.series,
                     bar.name + ": " + fixed(bar.value, 2) + " %");
    out += text(kNames + bar.value * kScale + 8, y + 33, "start", fixed(bar.value, 1) + " %");
  }
  return out + "</svg>";
}

}  // namespace examples
