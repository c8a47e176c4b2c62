// SPDX-License-Identifier: Apache-2.0
//
// JSON text, member by member.
#ifndef BENCH_GPU_JSON_H
#define BENCH_GPU_JSON_H
#include <cmath>
#include <cstdio>
#include <string>

namespace bench {

class JsonObject {
 public:
  void raw(const std::string &name, const std::string &json) {
    text_ += (text_.size() > 1 ? ", " : "") + quoted(name) + ": " + json;
  }
  void text(const std::string &name, const std::string &value) { raw(name, quoted(value)); }
  void boolean(const std::string &name, bool value) { raw(name, value ? "true" : "false"); }
  // null if the number is none.
  void number(const std::string &name, double value) {
    char digits[40];
    std::snprintf(digits, sizeof digits, "%.9g", value);
    raw(name, std::isfinite(value) ? digits : "null");
  }
  std::string finish() const { return text_ + "}"; }

 private:
  static std::string quoted(const std::string &value) {
    std::string out = "\"";
    for (const char c : value) {
      char escaped[8];
      std::snprintf(escaped, sizeof escaped, "\\u%04x", static_cast<unsigned char>(c));
      if (static_cast<unsigned char>(c) < 0x20 || c == '"' || c == '\\')
        out += escaped;
      else
        out += c;
    }
    return out + "\"";
  }
  std::string text_ = "{";
};

}  // namespace bench
#endif
