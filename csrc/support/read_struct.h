// SPDX-License-Identifier: Apache-2.0
//
// Reading a caller's struct that begins with its size. A size that this library has never published is refused; an
// older one is read as far as it goes and the members beyond are zero, the default. Nothing past `size` bytes is
// touched.
//
// When a struct grows, its old size joins the list in known_sizes.
#pragma once
#include <cstddef>
#include <cstring>
#include <initializer_list>

#include "csrc/support/refusal.h"

namespace bilevel {

template <class Struct>
constexpr std::initializer_list<size_t> known_sizes = {sizeof(Struct)};

template <class Struct>
void check_struct_size(const char *argument, const char *type, int64_t size) {
  for (const size_t known : known_sizes<Struct>)
    if (size == static_cast<int64_t>(known)) return;
  Text older{};
  for (const size_t known : known_sizes<Struct>)
    if (known != sizeof(Struct)) older = format("%s, or %zu, an older one", older.c_str(), known);
  refuse(
      BLV_VERSION_MISMATCH,
      format("%s.size is %lld; accepted: %zu, the size of %s in version %d.%d of the library%s", argument,
             static_cast<long long>(size), sizeof(Struct), type, BLV_VERSION_MAJOR, BLV_VERSION_MINOR, older.c_str()));
}

inline int64_t read_size(const void *given) {
  int64_t size = 0;
  std::memcpy(&size, given, sizeof size);
  return size;
}

template <class Struct>
Struct read_struct(const char *argument, const char *type, const void *given) {
  check_pointer(argument, given);
  const int64_t size = read_size(given);
  check_struct_size<Struct>(argument, type, size);
  Struct copy{};
  std::memcpy(&copy, given, static_cast<size_t>(size));
  return copy;
}

}  // namespace bilevel
