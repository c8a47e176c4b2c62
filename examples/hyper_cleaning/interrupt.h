// SPDX-License-Identifier: Apache-2.0
//
// Ctrl-C (SIGINT) and SIGTERM: the first asks the library to stop between two steps, so that what was reached can be
// reported; a second ends the program at once.
#ifndef BILEVEL_EXAMPLES_HYPER_CLEANING_INTERRUPT_H_
#define BILEVEL_EXAMPLES_HYPER_CLEANING_INTERRUPT_H_

#include <bilevel/bilevel.hpp>

namespace examples {

// Watches the signals while it lives; one at a time. The context must outlive it.
class Interrupt {
 public:
  explicit Interrupt(const bilevel::Context &context);
  ~Interrupt();
  Interrupt(const Interrupt &) = delete;
  Interrupt &operator=(const Interrupt &) = delete;

  static bool requested();
};

}  // namespace examples

#endif  // BILEVEL_EXAMPLES_HYPER_CLEANING_INTERRUPT_H_
