// SPDX-License-Identifier: Apache-2.0
//
// The page's frame and style sheet. Hues are those of Okabe and Ito's palette, told apart by colour-blind readers too,
// with lightness adapted to either background.
#include "examples/common/html.h"

#include <cerrno>
#include <cstdio>
#include <cstring>
#include <filesystem>
#include <stdexcept>

namespace examples {
namespace {

constexpr char kStyle[] = R"(
:root { color-scheme: light dark; --page: #f6f7f9; --card: #ffffff; --text: #1a1d23; --soft: #5b6472; --line: #dde1e7;
  --s0: #0b6bb8; --s1: #d55e00; --s2: #9aa3b0; --s3: #00805c; --good: #00704f; --bad: #b34400; }
@media (prefers-color-scheme: dark) {
  :root { --page: #14171c; --card: #1d2127; --text: #e8eaee; --soft: #a0a9b6; --line: #343a44;
    --s0: #5fb3f0; --s1: #ff9950; --s2: #7f8a99; --s3: #35c79a; --good: #4fd3a9; --bad: #ffa366; } }
* { box-sizing: border-box; }
body { margin: 0; background: var(--page); color: var(--text);
  font: 16px/1.5 system-ui, "Segoe UI", "DejaVu Sans", sans-serif; }
main { max-width: 1080px; margin: 0 auto; padding: 32px 20px 56px; }
h1 { font-size: 30px; line-height: 1.2; margin: 0 0 6px; letter-spacing: -.01em; }
h2 { font-size: 19px; margin: 0 0 4px; }
p { margin: 0 0 10px; } .soft { color: var(--soft); } .lead { max-width: 74ch; }
.card { background: var(--card); border: 1px solid var(--line); border-radius: 12px;
  padding: 20px 22px; margin: 18px 0 0; min-width: 0; }
.pair { display: grid; grid-template-columns: repeat(auto-fit, minmax(min(430px, 100%), 1fr)); gap: 0 18px; }
.tiles { display: grid; grid-template-columns: repeat(auto-fit, minmax(190px, 1fr)); gap: 14px; margin: 20px 0 0; }
.tile { background: var(--card); border: 1px solid var(--line); border-radius: 12px; padding: 14px 18px; }
.tile b { display: block; font-size: 30px; line-height: 1.25; font-variant-numeric: tabular-nums; }
.tile span { color: var(--soft); font-size: 14px; }
.notice { border-left: 5px solid var(--s1); }
.scroll { overflow-x: auto; }
table { border-collapse: collapse; width: 100%; font-variant-numeric: tabular-nums; }
th, td { text-align: right; padding: 6px 10px; border-bottom: 1px solid var(--line); white-space: nowrap; }
th:first-child, td:first-child { text-align: left; } th { color: var(--soft); font-weight: 600; font-size: 14px; }
tr:last-child td { border-bottom: 0; }
td.text { text-align: left; white-space: normal; }
svg { display: block; width: 100%; height: auto; margin-top: 8px; overflow: visible; }
svg text { fill: var(--text); font: 13px system-ui, "Segoe UI", "DejaVu Sans", sans-serif; }
svg text.soft { fill: var(--soft); }
svg .axis { stroke: var(--line); stroke-width: 1; fill: none; }
.series-0 { fill: var(--s0); } .series-1 { fill: var(--s1); }
.series-2 { fill: var(--s2); } .series-3 { fill: var(--s3); }
.stroke-0 { stroke: var(--s0); } .stroke-1 { stroke: var(--s1); } .stroke-3 { stroke: var(--s3); }
.curve { fill: none; stroke-width: 2.5; stroke-linejoin: round; }
.gallery { display: grid; grid-template-columns: repeat(auto-fill, minmax(112px, 1fr)); gap: 14px 12px;
  margin-top: 12px; }
figure { margin: 0; }
figure img { width: 100%; display: block; image-rendering: pixelated; border-radius: 6px; background: #000; }
figcaption { font-size: 12.5px; line-height: 1.4; margin-top: 5px; overflow-wrap: anywhere; }
.good { color: var(--good); font-weight: 600; } .bad { color: var(--bad); font-weight: 600; }
code { font: 14px ui-monospace, "DejaVu Sans Mono", monospace; overflow-wrap: anywhere; }
footer { margin-top: 26px; font-size: 14px; color: var(--soft); }
@media print { body { background: #fff; } .card, .tile { break-inside: avoid; } }
)";

}  // namespace

std::string escaped(const std::string &text) {
  std::string out;
  for (const char c : text) {
    switch (c) {
      case '&':
        out += "&amp;";
        break;
      case '<':
        out += "&lt;";
        break;
      case '>':
        out += "&gt;";
        break;
      case '"':
        out += "&quot;";
        break;
      case '\'':
        out += "&#39;";
        break;
      default:
        out += c;
    }
  }
  return out;
}

std::string html_page(const std::string &title, const std::string &body) {
  return "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n"
         "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n<title>" +
         escaped(title) + "</title>\n<style>" + kStyle + "</style>\n</head>\n<body>\n<main>\n" + body +
         "\n</main>\n</body>\n</html>\n";
}

namespace {

[[noreturn]] void fail_to_write(const std::string &path) {
  throw std::runtime_error(path + ": cannot be written: " + std::strerror(errno));
}

// A device or a pipe (/dev/null, /dev/stdout) is written to, not replaced.
bool written_in_place(const std::string &path) {
  std::error_code ignored;
  return std::filesystem::exists(path, ignored) && !std::filesystem::is_regular_file(path, ignored);
}

}  // namespace

void write_file(const std::string &path, const std::string &content) {
  const std::string target = written_in_place(path) ? path : path + ".part";
  std::FILE *file = std::fopen(target.c_str(), "wb");
  if (!file) fail_to_write(path);
  const bool written = std::fwrite(content.data(), 1, content.size(), file) == content.size();
  const bool closed = std::fclose(file) == 0;
  if (!written || !closed) fail_to_write(path);
  if (target != path && std::rename(target.c_str(), path.c_str()) != 0) fail_to_write(path);
}

void check_writable(const std::string &path) {
  const std::string target = written_in_place(path) ? path : path + ".part";
  std::FILE *file = std::fopen(target.c_str(), "ab");
  if (!file) fail_to_write(path);
  std::fclose(file);
  if (target != path) std::remove(target.c_str());
}

}  // namespace examples
