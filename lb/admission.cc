// fairlead: pure
#include "lb/admission.h"

#include "lb/bounded_count.h"
#include "lb/rate_window.h"

namespace fairlead::lb {
namespace {

bool allowed(const RouteListener& listener, const IpAddress& client) {
  return !listener.deny.contains(client) && (listener.allow.empty() || listener.allow.contains(client));
}

bool within_rate(const RouteListener& listener, Instant now) {
  if (listener.max_connection_rate == 0) return true;
  std::atomic<std::uint64_t>& word = listener.counters->rate_window;
  std::uint64_t seen = word.load(std::memory_order_relaxed);
  for (;;) {
    RateWindow window = RateWindow::unpack(seen, kListenerRateLayout);
    if (!window.count(now, listener.max_connection_rate, kListenerRateLayout)) return false;
    if (word.compare_exchange_weak(seen, window.pack(kListenerRateLayout), std::memory_order_relaxed)) return true;
  }
}

Refusal refuse(const RouteListener& listener, Refusal refusal) {
  listener.counters->shed.fetch_add(1, std::memory_order_relaxed);
  return refusal;
}

// The source's questions, uncounted.
Admission ask_source(const RouteListener& listener, const IpAddress& client, Instant now, SourceCounts& sources) {
  if (listener.per_source_connections == 0 && listener.per_source_rate == 0) return {};
  const SourceCounts::Key key = sources.key_of(listener.id, client);
  Admission admission;
  if (listener.per_source_connections != 0) {
    const SourceCounts::Take take = sources.take(key, listener.per_source_connections);
    if (take == SourceCounts::Take::kRefused) return {Refusal::kSourceConnections, false};
    admission.source_counted = take == SourceCounts::Take::kTaken;
  }
  if (listener.per_source_rate != 0 && !sources.count_event(key, now, listener.per_source_rate)) {
    if (admission.source_counted) sources.give_back(key);
    return {Refusal::kSourceRate, false};
  }
  return admission;
}

void leave_source(const RouteListener& listener, const IpAddress& client, bool source_counted, SourceCounts& sources) {
  if (source_counted) sources.give_back(sources.key_of(listener.id, client));
}

}  // namespace

std::string_view to_string(Refusal refusal) {
  switch (refusal) {
    case Refusal::kNone: return "none";
    case Refusal::kDenied: return "denied";
    case Refusal::kListenerFull: return "listener_full";
    case Refusal::kListenerRate: return "listener_rate";
    case Refusal::kSourceConnections: return "source_connections";
    case Refusal::kSourceRate: return "source_rate";
    case Refusal::kProcessFull: return "process_full";
    case Refusal::kListenerClosed: return "listener_closed";
    case Refusal::kVipReleased: return "vip_released";
  }
  return "unknown";
}

Admission admit(const RouteListener& listener, const IpAddress& client, Instant now, SourceCounts& sources) {
  if (!allowed(listener, client)) return {refuse(listener, Refusal::kDenied), false};
  if (!try_take(listener.counters->current, listener.max_connections)) return {refuse(listener, Refusal::kListenerFull), false};
  Admission admission = ask_source(listener, client, now, sources);
  if (admission && !within_rate(listener, now)) {
    leave_source(listener, client, admission.source_counted, sources);
    admission = {Refusal::kListenerRate, false};
  }
  if (!admission) {
    give_back(listener.counters->current);
    return {refuse(listener, admission.refusal), false};
  }
  return admission;
}

Refusal admit_to_listener(const RouteListener& listener, Instant now) {
  if (!try_take(listener.counters->current, listener.max_connections)) return refuse(listener, Refusal::kListenerFull);
  if (!within_rate(listener, now)) {
    give_back(listener.counters->current);
    return refuse(listener, Refusal::kListenerRate);
  }
  return Refusal::kNone;
}

Admission admit_source(const RouteListener& listener, const IpAddress& client, Instant now, SourceCounts& sources) {
  if (!allowed(listener, client)) return {refuse(listener, Refusal::kDenied), false};
  const Admission admission = ask_source(listener, client, now, sources);
  if (!admission) (void)refuse(listener, admission.refusal);
  return admission;
}

void leave(const RouteListener& listener, const IpAddress& client, bool source_counted, SourceCounts& sources) {
  leave_source(listener, client, source_counted, sources);
  give_back(listener.counters->current);
}

}  // namespace fairlead::lb
