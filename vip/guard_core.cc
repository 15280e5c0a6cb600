// fairlead: pure
#include "vip/guard_core.h"

#include <algorithm>

#include "base/overloaded.h"

namespace fairlead::vip {
namespace {

constexpr Duration kKillAgain = std::chrono::milliseconds(100);
constexpr Duration kBeyondLifetime = std::chrono::seconds(1);

}  // namespace

GuardCore::Entry* GuardCore::find(const std::string& vip, Epoch epoch) {
  const auto at = held_.find(vip);
  return at != held_.end() && at->second.hold.epoch == epoch ? &at->second : nullptr;
}

GuardActions GuardCore::step(const GuardInput& input, Instant now) {
  GuardActions out;
  if (over_) return out;
  std::visit(Overloaded{[&](const OrderCame& came) { on_order(came.order, out); },
                        [&](const DaemonDied&) {
                          if (!dead_) died_at_ = now;
                          dead_ = true;
                        },
                        [&](const Turned& turned) { on_turn(turned.counter, now); },
                        [&](const AddressDeleted& deleted) {
                          Entry* entry = find(deleted.vip, deleted.epoch);
                          if (entry == nullptr) return;
                          entry->asked = false;
                          entry->tried = true;
                          if (!entry->asked_dead) return;
                          entry->gone = deleted.gone;
                          entry->next = deleted.gone ? now : now + kGuardRetry;
                        },
                        [&](const ReleaseSaid& said) {
                          Entry* entry = find(said.vip, said.epoch);
                          if (entry == nullptr) return;
                          entry->asked = false;
                          entry->next = now + kGuardRetry;
                          if (said.said) held_.erase(said.vip);
                        }},
             input);
  settle(now, out);
  return out;
}

void GuardCore::on_order(const GuardOrder& order, GuardActions& out) {
  std::visit(Overloaded{[&](const GuardSetup& setup) { setup_ = setup; },
                        [&](const GuardHold& hold) {
                          const bool full = held_.size() >= kGuardedMax && held_.find(hold.vip) == held_.end();
                          // Once judged, the daemon gets nothing acknowledged: it must not add what would not be deleted.
                          if (full || dead_ || hung_) return;
                          held_[hold.vip] = Entry{.hold = hold};
                          out.push_back(Acknowledge{hold.serial});
                        },
                        [&](const GuardDrop& drop) {
                          const auto at = held_.find(drop.vip);
                          if (at != held_.end() && at->second.hold.epoch <= drop.epoch) held_.erase(at);
                          out.push_back(Acknowledge{drop.serial});
                        },
                        [&](const GuardGoodbye&) { goodbye_ = true; }},
             order);
}

void GuardCore::on_turn(std::uint64_t counter, Instant now) {
  const Duration passed = last_turn_ ? std::min(now - *last_turn_, kTurnCountedMax) : Duration::zero();
  last_turn_ = now;
  if (counter != counter_ || counter == 0) {
    counter_ = counter;
    silent_ = Duration::zero();
    return;
  }
  silent_ += passed;
  if (setup_.hang > Duration::zero() && silent_ >= setup_.hang) hung_ = true;
}

// The only place that acts on the facts.
void GuardCore::settle(Instant now, GuardActions& out) {
  if (dead_) {
    clear(now, out);
  } else if (hung_) {
    for (auto& [vip, entry] : held_) {
      if (entry.tried || entry.asked) continue;
      entry.asked = true;
      out.push_back(DeleteAddress{vip, entry.hold.epoch, entry.hold.address});
    }
    const bool all_tried = std::all_of(held_.begin(), held_.end(), [](const auto& e) { return e.second.tried; });
    if (all_tried && (!killed_at_ || now - *killed_at_ >= kKillAgain)) {
      killed_at_ = now;
      out.push_back(KillDaemon{});
    }
    return;
  }
  if (held_.empty() && (dead_ || goodbye_)) {
    over_ = true;
    out.push_back(ExitGuard{});
  }
}

void GuardCore::clear(Instant now, GuardActions& out) {
  for (auto at = held_.begin(); at != held_.end();) {
    auto& [vip, entry] = *at;
    const Duration patience = entry.gone ? kVoicePatience : entry.hold.address.lease + kBeyondLifetime;
    if (!entry.asked && now - died_at_ > patience) {
      at = held_.erase(at);  // G4. The others wait for their promises to end, and probe.
      continue;
    }
    if (!entry.asked && now >= entry.next) {
      entry.asked = true;
      entry.asked_dead = true;
      if (entry.gone)
        out.push_back(SayReleased{{.vip = vip, .epoch = entry.hold.epoch, .holder = setup_.node, .incarnation = entry.hold.incarnation}});
      else
        out.push_back(DeleteAddress{vip, entry.hold.epoch, entry.hold.address});
    }
    ++at;
  }
}

}  // namespace fairlead::vip
