// SPDX-License-Identifier: Apache-2.0
//
// The floating-point mode of a thread. Any library that was built with -ffast-math makes the thread that loads it flush
// denormals to zero, which would make results depend on the thread that computes them; kernels run in the mode a
// process starts with.
#pragma once
#if defined(__x86_64__)
#include <xmmintrin.h>
#endif

namespace bilevel {

#if defined(__x86_64__)
inline unsigned float_mode() { return _mm_getcsr(); }
inline void set_float_mode(unsigned mode) { _mm_setcsr(mode); }
#else
inline unsigned float_mode() { return 0; }
inline void set_float_mode(unsigned) {}
#endif

// Round to nearest, denormals kept, no traps.
inline void set_default_float_mode() { set_float_mode(0x1f80); }

// The default mode for as long as it lives, then again the caller's.
class DefaultFloatMode {
 public:
  DefaultFloatMode() : before_(float_mode()) { set_default_float_mode(); }
  ~DefaultFloatMode() { set_float_mode(before_); }
  DefaultFloatMode(const DefaultFloatMode &) = delete;
  DefaultFloatMode &operator=(const DefaultFloatMode &) = delete;

 private:
  unsigned before_;
};

}  // namespace bilevel
