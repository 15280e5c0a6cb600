#include "bench/macro/window_edge.h"

#include <fmt/format.h>
#include <unistd.h>

namespace fairlead::bench {
namespace {

std::string json_text(const std::string& text) {
  std::string out;
  for (const char c : text) {
    if (c == '"' || c == '\\') out += '\\';
    out += static_cast<unsigned char>(c) < 0x20 ? ' ' : c;
  }
  return '"' + out + '"';
}

std::string json_of(const ProcUse& use) {
  return fmt::format(R"({{"cpu_ns": {}, "voluntary": {}, "involuntary": {}, "threads": {}, "threads_ended": {}, "missing": {}}})",
                     use.all.cpu_ns, use.all.voluntary, use.all.involuntary, use.threads, use.threads_ended, use.missing);
}

std::string json_of(const ErrorCounts& e) {
  return fmt::format(R"({{"connect": {}, "lost": {}, "damaged": {}, "unfinished": {}, "total": {}, "first": {}}})", e.connect, e.lost,
                     e.damaged, e.unfinished, e.total(), json_text(e.first));
}

}  // namespace

WindowEdge take_edge(const Clock& clock, const Totals& totals, const Watched& watched) {
  WindowEdge edge{.at = clock.now(),
                  .totals = totals,
                  .proxy = sample_processes(watched.proxy),
                  .load = sample_processes(watched.load),
                  .machine = sample_machine()};
  const auto self = sample_processes({::getpid()});
  edge.load.threads.insert(self.threads.begin(), self.threads.end());
  return edge;
}

Window window_between(const WindowEdge& from, const WindowEdge& to) {
  return {.length = to.at - from.at,
          .totals = {.replies = to.totals.replies - from.totals.replies,
                     .connections = to.totals.connections - from.totals.connections,
                     .events = to.totals.events - from.totals.events,
                     .received = to.totals.received - from.totals.received,
                     .sent = to.totals.sent - from.totals.sent},
          .proxy = use_between(from.proxy, to.proxy),
          .load = use_between(from.load, to.load),
          .machine = {.busy_ns = to.machine.busy_ns - from.machine.busy_ns, .steal_ns = to.machine.steal_ns - from.machine.steal_ns}};
}

Window sum_of(const Window& a, const Window& b) {
  return {.length = a.length + b.length,
          .totals = {.replies = a.totals.replies + b.totals.replies,
                     .connections = a.totals.connections + b.totals.connections,
                     .events = a.totals.events + b.totals.events,
                     .received = a.totals.received + b.totals.received,
                     .sent = a.totals.sent + b.totals.sent},
          .proxy = sum_of(a.proxy, b.proxy),
          .load = sum_of(a.load, b.load),
          .machine = {.busy_ns = a.machine.busy_ns + b.machine.busy_ns, .steal_ns = a.machine.steal_ns + b.machine.steal_ns}};
}

std::string json_members(const Window& window, const ErrorCounts& errors) {
  const Totals& t = window.totals;
  return fmt::format(R"("seconds": {:.6f}, "replies": {}, "connections": {}, "events": {}, "received": {}, "sent": {}, "proxy": {}, )"
                     R"("load": {}, "machine": {{"busy_ns": {}, "steal_ns": {}}}, "errors": {})",
                     to_seconds(window.length), t.replies, t.connections, t.events, t.received, t.sent, json_of(window.proxy),
                     json_of(window.load), window.machine.busy_ns, window.machine.steal_ns, json_of(errors));
}

}  // namespace fairlead::bench
