// A stack for the handlers of fatal signals on this thread: one that overran its own has none left, and without this its crash would leave
// nothing in the flight recorder. Every long-lived thread of the daemon has one as the first variable of its function.
#pragma once

#include <csignal>
#include <cstddef>
#include <sys/mman.h>

namespace fairlead {

class CrashStack {
 public:
  /// A thread that has such a stack already (a sanitizer's) keeps it. No memory: it goes without.
  CrashStack() {
    stack_t had{};
    if (::sigaltstack(nullptr, &had) != 0 || (had.ss_flags & SS_DISABLE) == 0) return;
    void* memory = ::mmap(nullptr, kBytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_STACK, -1, 0);
    if (memory == MAP_FAILED) return;
    const stack_t own{.ss_sp = memory, .ss_flags = 0, .ss_size = kBytes};
    if (::sigaltstack(&own, nullptr) == 0)
      memory_ = memory;
    else
      ::munmap(memory, kBytes);
  }
  /// On the same thread.
  ~CrashStack() {
    if (memory_ == nullptr) return;
    const stack_t none{.ss_sp = nullptr, .ss_flags = SS_DISABLE, .ss_size = 0};
    ::sigaltstack(&none, nullptr);
    ::munmap(memory_, kBytes);
  }
  CrashStack(const CrashStack&) = delete;
  CrashStack& operator=(const CrashStack&) = delete;

 private:
  static constexpr std::size_t kBytes = 65536;  ///< Of addresses; memory is what a handler touches.
  void* memory_ = nullptr;
};

}  // namespace fairlead
