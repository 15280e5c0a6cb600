// Three kinds of check. Outside input (network, kernel, operator, peer, disk) never reaches any of them.
//   FL_ASSERT   always on: going on could corrupt memory or double-hold an address
//   FL_DASSERT  debug, sanitizer and fuzz builds: hot paths, full sweeps
#pragma once

namespace fairlead {
/// Writes one line to stderr with write(2) and aborts. Safe in any thread.
[[noreturn]] void assertion_failed(const char* expression, const char* file, int line) noexcept;
}  // namespace fairlead

#define FL_ASSERT(expression) ((expression) ? static_cast<void>(0) : ::fairlead::assertion_failed(#expression, __FILE__, __LINE__))

#ifdef FL_DCHECKS
#define FL_DASSERT(expression) FL_ASSERT(expression)
#else
#define FL_DASSERT(expression) static_cast<void>(sizeof(!(expression)))
#endif
