#include "admin/refusal_log.h"

#include "base/log.h"

namespace fairlead::admin {

void RefusalLog::refused(const Caller& caller, std::string_view call, std::string_view why) {
  ++counters_.refused;
  const auto count = refused_.again(caller.party.empty() ? caller.name : caller.party, clock_.now());
  if (count) FL_LOG(COMMAND_REFUSED, "command", call, "by", caller.name, "reason", why, "count", *count);
}

void RefusalLog::turned_away(const Caller& peer, std::string_view why) {
  ++counters_.turned_away;
  if (const auto count = turned_away_.again(clock_.now())) FL_LOG(ADMIN_CLIENT_REFUSED, "peer", peer.name, "error", why, "count", *count);
}

void RefusalLog::evicted(const Caller& peer) {
  ++counters_.evicted;
  const auto count = evicted_.again(clock_.now());
  if (count)
    FL_LOG(ADMIN_CLIENT_REFUSED, "peer", peer.name, "error", "all places are taken, and it had not said who it is", "count", *count);
}

}  // namespace fairlead::admin
