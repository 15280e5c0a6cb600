// What TakeoverRunner remembers for people: who held each VIP when, how long takeovers took, how low the lease ran. Nothing decides by it.
#include <algorithm>
#include <limits>
#include <numeric>

#include "base/utc_text.h"
#include "daemon/takeover_runner.h"

namespace fairlead::daemon {

std::vector<std::string> TakeoverRunner::addresses_here() const {
  std::vector<std::string> out;
  for (const auto& [name, v] : vips_) {
    if (v.here_told) out.push_back(name);
  }
  return out;
}
namespace {

constexpr double kUnbounded = std::numeric_limits<double>::infinity();
constexpr unsigned kBeatsOfLow = 200;  ///< 10 s, then the least lease is looked for anew.

}  // namespace

void TakeoverRunner::tell_history() {
  for (auto& [name, v] : vips_) v.history.see(core_.holder_seen(name), host_.time_of_day());
}

/// Before the core hears of the view.
void TakeoverRunner::note_lost_holders(const ClusterView& view) {
  for (auto& [name, v] : vips_) {
    const NodeId holder = v.history.holder();
    const auto* member = holder == options_.settings.self ? nullptr : core_.exchange().member(holder);
    if (member != nullptr && !view.has_process(member->process)) v.history.holder_lost(clock_.now());
  }
}

/// It is announced before the turn ends: see tell_change().
void TakeoverRunner::note_taken(const vip::TakeoverNote& note) {
  const auto found = vips_.find(note.fields.front().value);
  if (found == vips_.end()) return;
  found->second.taking = clock_.now() - core_.holder(found->first)->took();
}

void TakeoverRunner::watch_lease() {
  const bool holds = std::any_of(vips_.begin(), vips_.end(), [](const auto& entry) { return entry.second.here; });
  if (++beats_ % kBeatsOfLow == 0) lease_low_before_ = std::exchange(lease_low_, std::nullopt);
  if (holds) lease_low_ = std::min(lease_low_.value_or(Duration::max()), core_.lease_left());
}

void TakeoverRunner::describe_history(const vip::HolderHistory& history, admin::VipStatus& out) const {
  for (const vip::HolderChange& change : history.entries()) {
    // What this node holds it took itself, at that moment: no address outlives the daemon that held it.
    const bool first_seen = change.first_seen && change.holder != options_.settings.self;
    out.history.push_back({.at = utc_text(change.at), .holder = std::nullopt, .first_seen = first_seen});
    if (change.holder != kNoNode) out.history.back().holder = name_of(change.holder);
  }
  out.holder_changes = history.changes();
  const vip::TakeoverTimes& took = history.takeovers();
  for (std::size_t i = 0; i < took.counts.size(); ++i) {
    const bool bounded = i < vip::kTakeoverBoundsMs.size();
    out.takeovers.buckets.push_back({bounded ? static_cast<double>(vip::kTakeoverBoundsMs[i]) / 1000 : kUnbounded, took.counts[i]});
  }
  out.takeovers.count = std::accumulate(took.counts.begin(), took.counts.end(), std::uint64_t{0});
  out.takeovers.sum_s = to_seconds(took.sum);
  if (took.last) out.last_takeover_ms = to_seconds(*took.last) * 1000;
}

}  // namespace fairlead::daemon
