// SPDX-License-Identifier: Apache-2.0
//
// Draws "label [#####-----]  5/10  note  (3 s left)".
#include "examples/common/progress.h"

#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstdio>

namespace examples {

double seconds_now() {
  return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count();
}

bool Progress::on_terminal() {
  static const bool terminal = isatty(STDERR_FILENO) == 1;
  return terminal;
}

Progress::Progress(std::string label, int64_t total)
    : label_(std::move(label)), total_(std::max<int64_t>(total, 1)), started_(seconds_now()) {
  if (on_terminal()) draw(0, "");
}

Progress::~Progress() {
  if (open_line_) std::fputc('\n', stderr);
}

void Progress::update(int64_t done, const std::string &note) {
  if (on_terminal()) {
    draw(static_cast<double>(done), note);
  } else {
    std::fprintf(stderr, "%s %lld/%lld  %s\n", label_.c_str(), static_cast<long long>(done),
                 static_cast<long long>(total_), note.c_str());
  }
}

void Progress::tick(double done, const std::string &note) {
  if (on_terminal()) draw(done, note);
}

void Progress::draw(double done, const std::string &note) {
  constexpr int kCells = 24;
  const double share = std::clamp(done / static_cast<double>(total_), 0.0, 1.0);
  const int full = static_cast<int>(std::lround(share * kCells));
  std::string line = label_ + " [" + std::string(static_cast<size_t>(full), '#') +
                     std::string(static_cast<size_t>(kCells - full), '-') + "] " +
                     std::to_string(static_cast<int64_t>(done)) + "/" + std::to_string(total_);
  if (!note.empty()) line += "  " + note;
  const double spent = seconds_now() - started_;
  if (share > 0.05 && share < 1) line += "  (" + std::to_string(std::lround(spent * (1 - share) / share)) + " s left)";
  winsize window{};
  const bool known = ioctl(STDERR_FILENO, TIOCGWINSZ, &window) == 0 && window.ws_col > 1;
  if (known && line.size() >= window.ws_col) line.resize(window.ws_col - 1u);  // a wrapped line could not be redrawn
  std::fprintf(stderr, "\r%s\033[K", line.c_str());
  std::fflush(stderr);
  open_line_ = true;
}

}  // namespace examples
