// SPDX-License-Identifier: Apache-2.0
//
// Small charts as inline SVG. Colours come from the page's style sheet (classes series-0, series-1, ...; see html.h),
// so that a chart follows the reader's light or dark theme; every mark carries its value as a tooltip.
#ifndef BILEVEL_EXAMPLES_COMMON_CHARTS_H_
#define BILEVEL_EXAMPLES_COMMON_CHARTS_H_

#include <cstdint>
#include <string>
#include <vector>

namespace examples {

// Text of a number without trailing zeros, in C notation whatever the locale; "-" if it is not finite.
std::string number(double value, int decimals);
// The same with all its decimals.
std::string fixed(double value, int decimals);

// Values y[0], y[1], ... at x = first_x, first_x + 1, ...
struct LineChart {
  std::string title, x_label, y_label;
  std::vector<double> y;
  int64_t first_x = 1;
  int series = 0;  // colour
};
std::string svg(const LineChart &chart);

struct Series {
  std::string name;
  std::vector<double> values;
};

// Counts of values in [0, 1], in equal bins, the series side by side.
struct Histogram {
  std::string title, x_label, y_label;
  std::vector<Series> series;
  int bins = 20;
};
std::string svg(const Histogram &chart);

struct Bar {
  std::string name, note;
  double value = 0;
  int series = 0;
};

// Horizontal bars from 0 to 100 %.
struct BarChart {
  std::string title;
  std::vector<Bar> bars;
};
std::string svg(const BarChart &chart);

}  // namespace examples

#endif  // BILEVEL_EXAMPLES_COMMON_CHARTS_H_
