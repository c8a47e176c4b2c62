// SPDX-License-Identifier: Apache-2.0
//
// A progress bar on stderr. On a terminal one line is redrawn; elsewhere (a log, a pipe) every finished step is a line.
#ifndef BILEVEL_EXAMPLES_COMMON_PROGRESS_H_
#define BILEVEL_EXAMPLES_COMMON_PROGRESS_H_

#include <cstdint>
#include <string>

namespace examples {

class Progress {
 public:
  Progress(std::string label, int64_t total);
  // Leaves the bar where it stands and ends its line.
  ~Progress();
  Progress(const Progress &) = delete;
  Progress &operator=(const Progress &) = delete;

  // Step `done` of `total` is finished.
  void update(int64_t done, const std::string &note);
  // Part of a step: redraws the bar on a terminal, writes nothing elsewhere.
  void tick(double done, const std::string &note = "");

  static bool on_terminal();

 private:
  void draw(double done, const std::string &note);
  std::string label_;
  int64_t total_;
  double started_;
  bool open_line_ = false;
};

// Seconds on a clock that never goes back.
double seconds_now();

}  // namespace examples

#endif  // BILEVEL_EXAMPLES_COMMON_PROGRESS_H_
