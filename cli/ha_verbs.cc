#include "cli/ha_verbs.h"

#include <algorithm>
#include <fmt/format.h>
#include <ostream>

#include "admin/command_codec.h"
#include "base/units.h"
#include "cli/ha_text.h"
#include "cli/progress.h"

namespace fairlead::cli {
namespace {

constexpr Duration kStandbyInterval = std::chrono::milliseconds(100);

}  // namespace

void HaVerbs::list_vips() {
  if (calls_.options().format != OutputFormat::kText) return (void)calls_.print_document(calls_.fetch("/api/v1/vips"));
  environment_.out << vips_text(calls_.report(), environment_.color);
}

void HaVerbs::explain_vip(const std::string& name) {
  if (calls_.options().format != OutputFormat::kText)
    return (void)calls_.print_document(calls_.fetch("/api/v1/vips"), "vips", "name", name);
  const auto now = calls_.report();
  environment_.out << vip_explained(now, find_named(now.vips, name, "VIP"), environment_.color);
}

void HaVerbs::move_vip(const std::string& name, const std::string& to, const std::string& drain) {
  admin::MoveVip command{name, to};
  if (!drain.empty()) {
    const auto parsed = admin::parse_drain(drain);
    if (!parsed) fail(kExitUsage, "--drain: " + parsed.error().context);
    command.drain = *parsed;
  }
  calls_.confirm("Move VIP " + name + (to.empty() ? "" : " to " + to) +
                 (drain.empty() ? "? Its open connections are reset."
                                : "? Its open connections are closed when they are idle, and reset after " + drain + "."));
  calls_.execute(command);
}

void HaVerbs::set_vip(const std::string& name, bool enabled) {
  if (!enabled) calls_.confirm("Take VIP " + name + " away from every node?");
  calls_.execute(admin::SetVipEnabled{name, enabled});
}

void HaVerbs::announce_vip(const std::string& name) { calls_.execute(admin::AnnounceVip{name}); }

void HaVerbs::force_vip(const std::string& name, const std::vector<std::string>& fenced) {
  calls_.confirm("Take VIP " + name + " here without a majority? If one of the missing nodes still runs, two nodes answer for it.");
  calls_.execute(admin::ForceVip{name, fenced});
}

void HaVerbs::list_nodes() {
  if (calls_.options().format != OutputFormat::kText) return (void)calls_.print_document(calls_.fetch("/api/v1/nodes"));
  environment_.out << nodes_text(calls_.report(), environment_.color);
}

void HaVerbs::set_standby(std::string node, bool standby, bool wait, Duration timeout) {
  if (node.empty()) node = calls_.report().node;
  if (standby) calls_.confirm("Move every VIP away from " + node + "? Their open connections are reset.");
  calls_.execute(admin::SetNodeStandby{node, standby, calls_.options().force});
  if (standby && wait) wait_until_bare(node, timeout);
}

void HaVerbs::wait_until_bare(const std::string& node, Duration timeout) {
  const Instant begun = environment_.clock.now();
  Progress progress(environment_, "until " + node + " holds no VIP", timeout);
  for (;;) {
    const auto now = calls_.report();
    const auto held = std::count_if(now.vips.begin(), now.vips.end(), [&](const auto& v) { return v.holder == node; });
    if (held == 0) {
      progress.say(node + " holds no VIP");
      return;
    }
    progress.detail(fmt::format("{} left", held));
    if (environment_.clock.now() - begun >= timeout || !environment_.pause(kStandbyInterval)) {
      fail(kExitFailed, fmt::format("{} still holds {} VIPs after {}; `fairlead vip list` shows them, `fairlead vip explain NAME` why",
                                    node, held, format_duration(timeout)));
    }
  }
}

void HaVerbs::cluster_status() {
  if (calls_.options().format != OutputFormat::kText) return (void)calls_.print_document(calls_.fetch("/api/v1/nodes"));
  environment_.out << cluster_text(calls_.report(), environment_.color);
}

void HaVerbs::set_frozen(bool frozen) { calls_.execute(admin::SetClusterFrozen{frozen}); }

}  // namespace fairlead::cli
