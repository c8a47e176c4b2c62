// SPDX-License-Identifier: Apache-2.0
//
// Signal handlers; blv_context_cancel is async-signal-safe.
#include "examples/hyper_cleaning/interrupt.h"

#include <signal.h>

#include <atomic>

namespace examples {
namespace {

std::atomic<blv_context> watched{nullptr};
volatile sig_atomic_t requests = 0;
static_assert(std::atomic<blv_context>::is_always_lock_free, "a signal handler may not lock");

extern "C" void on_signal(int) {
  requests = 1;
  if (const blv_context context = watched.load()) blv_context_cancel(context);
}

void watch(int signal_number, void (*handler)(int), unsigned flags) {
  struct sigaction action = {};
  action.sa_handler = handler;
  action.sa_flags = static_cast<int>(flags);
  sigemptyset(&action.sa_mask);
  sigaction(signal_number, &action, nullptr);
}

}  // namespace

Interrupt::Interrupt(const bilevel::Context &context) {
  watched = context.get();
  watch(SIGINT, on_signal, SA_RESETHAND | SA_RESTART);
  watch(SIGTERM, on_signal, SA_RESETHAND | SA_RESTART);
}

Interrupt::~Interrupt() {
  watch(SIGINT, SIG_DFL, 0);
  watch(SIGTERM, SIG_DFL, 0);
  watched = nullptr;
}

bool Interrupt::requested() { return requests != 0; }

}  // namespace examples
