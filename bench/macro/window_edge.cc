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

std::string json_of(const ProcSample& from, const ProcSample& to) {
  const ProcUse use = use_between(from, to);
  return fmt::format(R"({{"cpu_ns": {}, "voluntary": {}, "involuntary": {}, "threads": {}, "threads_ended": {}, "missing": {}}})",
                     use.all.cpu_ns, use.all.voluntary, use.all.involuntary, to.threads.size(), use.threads_ended, to.missing);
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

std::string json_members(const WindowEdge& from, const WindowEdge& to, const ErrorCounts& errors) {
  return fmt::format(R"("seconds": {:.6f}, "replies": {}, "connections": {}, "events": {}, "received": {}, "sent": {}, "proxy": {}, )"
                     R"("load": {}, "machine": {{"busy_ns": {}, "steal_ns": {}}}, "errors": {})",
                     to_seconds(to.at - from.at), to.totals.replies - from.totals.replies, to.totals.connections - from.totals.connections,
                     to.totals.events - from.totals.events, to.totals.received - from.totals.received, to.totals.sent - from.totals.sent,
                     json_of(from.proxy, to.proxy), json_of(from.load, to.load), to.machine.busy_ns - from.machine.busy_ns,
                     to.machine.steal_ns - from.machine.steal_ns, json_of(errors));
}

}  // namespace fairlead::bench
