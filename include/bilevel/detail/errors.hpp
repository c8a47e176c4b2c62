// SPDX-License-Identifier: Apache-2.0
//
// What goes wrong, as bilevel::Error: a status of the C ABI, an argument that this layer refuses, memory that could not
// be had. Sizes here saturate instead of wrapping, so that an absurd one is refused and not computed with.
#ifndef BILEVEL_DETAIL_ERRORS_HPP
#define BILEVEL_DETAIL_ERRORS_HPP
#include <bilevel/bilevel.h>

#include <cstdint>
#include <limits>
#include <new>
#include <sstream>
#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

namespace bilevel {

/// What every function of this header throws. what() is "BLV_INVALID: <the argument, its value and what is accepted>".
class Error : public std::runtime_error {
 public:
  Error(blv_status status, std::string_view message)
      : std::runtime_error(std::string(blv_status_name(status)).append(": ").append(message)), status_(status) {}
  /// BLV_INVALID, BLV_CANCELLED, ...; never BLV_OK.
  blv_status status() const noexcept { return status_; }

 private:
  blv_status status_;
};

namespace detail {

template <class... Parts>
[[noreturn]] void fail(blv_status status, const Parts &...parts) {
  std::ostringstream text;
  (text << ... << parts);
  throw Error(status, text.str());
}

inline void check(blv_status status, blv_context context) {
  if (status != BLV_OK) {
    const char *message = blv_context_error(context);
    fail(status, message != nullptr && *message != '\0' ? message : blv_status_text(status));
  }
}

template <class Handle>
Handle alive(Handle handle, const char *what) {
  if (handle == nullptr) fail(BLV_INVALID, "this ", what, " has been moved from and holds nothing");
  return handle;
}

// ---- Sizes ----

/// Products and sums of sizes. What is beyond int64 is its largest value; a negative size counts as 0.
constexpr std::int64_t times(std::int64_t a, std::int64_t b) {
  constexpr std::int64_t most = std::numeric_limits<std::int64_t>::max();
  if (a <= 0 || b <= 0) return 0;
  return a > most / b ? most : a * b;
}
constexpr std::int64_t plus(std::int64_t a, std::int64_t b) {
  constexpr std::int64_t most = std::numeric_limits<std::int64_t>::max();
  if (a < 0 || b < 0) return a < 0 ? (b < 0 ? 0 : b) : a;
  return a > most - b ? most : a + b;
}

// ---- Memory ----

/// Runs body(). Standard exceptions about memory become an Error: small things, since what grows with the data comes from
/// `allocate` or is a Workspace, and says what for.
template <class Body>
decltype(auto) guarded(Body &&body) {
  try {
    return body();
  } catch (const std::bad_alloc &) {
    fail(BLV_NO_MEMORY, "the host has no memory left for what this call needs beside its arrays");
  } catch (const std::length_error &) {
    fail(BLV_NO_MEMORY, "an array of this call would be longer than any can be");
  }
}

/// `count` zeros in `array`, `what` of the call: "theta_T".
template <class T>
void allocate(std::vector<T> &array, std::int64_t count, std::string_view what) {
  try {
    const std::size_t size = count > 0 ? static_cast<std::size_t>(count) : 0;
    if (size > array.max_size()) throw std::bad_alloc();
    array.assign(size, T{});
  } catch (const std::bad_alloc &) {
    fail(BLV_NO_MEMORY, what, ": ", times(count, static_cast<std::int64_t>(sizeof(T))),
         " bytes, which the host could not give; accepted: fewer tasks, parameters or elements, or more memory");
  }
}

}  // namespace detail

}  // namespace bilevel
#endif  // BILEVEL_DETAIL_ERRORS_HPP
