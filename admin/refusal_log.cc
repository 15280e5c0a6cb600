#include "admin/refusal_log.h"

#include "base/log.h"

namespace fairlead::admin {

void RefusalLog::refused(const Caller& caller, std::string_view route, std::string_view call, std::string_view why) {
  ++counters_.refused;
  const std::string& who = caller.party.empty() ? caller.name : caller.party;
  const auto count = refused_.again(who + " " + std::string(route), clock_.now());
  if (count) FL_LOG(COMMAND_REFUSED, "command", call, "by", caller.name, "reason", why, "count", *count);
}

void RefusalLog::turned_away(const Caller& peer, std::string_view why) {
  ++counters_.turned_away;
  if (const auto count = turned_away_.again(clock_.now())) FL_LOG(ADMIN_CLIENT_REFUSED, "peer", peer.name, "error", why, "count", *count);
}

void RefusalLog::evicted(const Caller& peer, std::string_view why) {
  ++counters_.evicted;
  const auto count = evicted_.again(clock_.now());
  if (count) FL_LOG(ADMIN_CLIENT_REFUSED, "peer", peer.name, "error", "all places are taken, and " + std::string(why), "count", *count);
}

void RefusalLog::shed(const Caller& peer, std::size_t places) {
  ++counters_.shed;
  const auto count = shed_.again(clock_.now());
  if (count)
    FL_LOG(ADMIN_CLIENT_REFUSED, "peer", peer.name, "error", "all " + std::to_string(places) + " places it may have are taken", "count",
           *count);
}

}  // namespace fairlead::admin
