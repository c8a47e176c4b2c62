// SPDX-License-Identifier: Apache-2.0
//
// The caller's hook parallel_for. It is foreign code: it may throw (where it is C++), forget indices, or leave some to
// threads that come late. A run ends when the kernel's frames are safe to leave: no index is running, and none that
// starts later does anything.
#pragma once
#include <bilevel/bilevel.h>

#include <atomic>
#include <cstdint>
#include <forward_list>

namespace bilevel {

class Hook {
 public:
  using Function = void (*)(void *arg, int64_t i);

  explicit Hook(const blv_context_options &options) : parallel_for_(options.parallel_for), user_(options.user) {}

  explicit operator bool() const { return parallel_for_ != nullptr; }

  // fn(arg, i) for every i in [0, n), each in the default floating-point mode. Refuses with BLV_HOOK_FAILED if the hook
  // throws, or comes back without having run n indices.
  void run(int64_t n, Function fn, void *arg);

 private:
  // What the hook is given as `arg`, in place of the kernel's.
  struct Call {
    Function fn = nullptr;
    void *arg = nullptr;
    std::atomic<int64_t> running{0}, returned{0};
    std::atomic<bool> open{false};

    static void run_index(void *call, int64_t i);
    void begin(Function function, void *argument);
    void end();
  };

  decltype(blv_context_options::parallel_for) parallel_for_;
  void *user_;
  // The first is used by every run. After one that failed there is a new first, and the old one stays for threads that
  // come late: they must not run an index of a later run.
  std::forward_list<Call> calls_{1};
};

}  // namespace bilevel
