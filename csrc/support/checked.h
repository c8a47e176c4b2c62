// SPDX-License-Identifier: Apache-2.0
//
// Arithmetic of sizes that cannot wrap. Whatever counts elements, bytes or flops from a caller's numbers does it with
// these.
#pragma once
#include <cstdint>
#include <limits>

namespace bilevel {

// A count >= 0. A sum or product beyond int64 is its largest value from then on, and is known to be wrong.
class Size {
 public:
  static constexpr int64_t most = std::numeric_limits<int64_t>::max();

  constexpr Size(int64_t value) : value_(value) {}  // NOLINT(google-explicit-constructor): a Size is a number

  constexpr int64_t value() const { return value_; }
  constexpr bool overflowed() const { return overflowed_; }

  friend constexpr Size operator+(Size a, Size b) {
    Size sum = 0;
    sum.settle(__builtin_add_overflow(a.value_, b.value_, &sum.value_) || a.overflowed_ || b.overflowed_);
    return sum;
  }
  friend constexpr Size operator*(Size a, Size b) {
    Size product = 0;
    product.settle(__builtin_mul_overflow(a.value_, b.value_, &product.value_) || a.overflowed_ || b.overflowed_);
    return product;
  }
  constexpr Size &operator+=(Size other) { return *this = *this + other; }

 private:
  constexpr void settle(bool overflowed) {
    overflowed_ = overflowed;
    if (overflowed) value_ = most;
  }
  int64_t value_;
  bool overflowed_ = false;
};

// The value alone.
constexpr int64_t saturating_multiply(int64_t a, int64_t b) { return (Size(a) * b).value(); }
constexpr int64_t saturating_add(int64_t a, int64_t b) { return (Size(a) + b).value(); }

}  // namespace bilevel
