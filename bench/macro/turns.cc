#include "bench/macro/turns.h"

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <fmt/format.h>
#include <optional>
#include <unistd.h>

namespace fairlead::bench {
namespace {

/// What a proxy still does once the last answer is out (it closes, it writes gathered lines) belongs to the turn that caused it.
constexpr Duration kAftermath = std::chrono::milliseconds(20);

/// Says that nothing is under way, and waits for leave to go on.
Status await_leave() {
  fmt::print("{{\"edge\": \"quiet\"}}\n");
  std::fflush(stdout);
  char c = 0;
  while (c != '\n') {
    const auto n = ::read(STDIN_FILENO, &c, 1);
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) return Error{Errc::kUnavailable, "nobody answered on standard input"};
  }
  return {};
}

}  // namespace

Result<TurnsTaken> take(const Turns& turns) {
  TurnsTaken out;
  std::optional<WindowEdge> first;
  WindowEdge last;
  for (std::uint32_t turn = 0; turn < turns.count && turns.errors.total() == 0; ++turn) {
    if (auto told = await_leave(); !told) return told.error();
    const WindowEdge from = take_edge(turns.clock, turns.totals, turns.watched);
    if (!first) first = from;
    const Instant begin = turns.clock.now();  // Looking at the processes took a while.
    if (auto done = turns.load(); !done) return done.error();
    const Duration loaded = turns.clock.now() - begin;
    if (auto done = turns.idle(kAftermath); !done) return done.error();
    last = take_edge(turns.clock, turns.totals, turns.watched);
    Window window = window_between(from, last);
    window.length = loaded;
    out.sum = sum_of(out.sum, window);
  }
  if (turns.errors.total() == 0) {
    if (auto told = await_leave(); !told) return told.error();
  }
  const std::uint64_t whole = first ? use_between(first->proxy, last.proxy).all.cpu_ns : 0;
  out.between_ns = whole - std::min(whole, out.sum.proxy.all.cpu_ns);
  return out;
}

std::string json_members(const TurnsTaken& taken, const ErrorCounts& errors) {
  return fmt::format(R"("proxy_between_ns": {}, {})", taken.between_ns, json_members(taken.sum, errors));
}

}  // namespace fairlead::bench
