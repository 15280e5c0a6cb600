// fairlead: pure
#include "dnsdhcp/apply_plan.h"

#include <algorithm>

namespace fairlead::dnsdhcp {
namespace {

/// What differs between two folders; returns whether a file that was there changed or went.
bool plan_folder(std::string_view folder, const FileTexts& running, const FileTexts& wanted, ApplyPlan& out) {
  bool lost = false;
  const auto path = [&](const std::string& name) { return std::string(folder) + "/" + name; };
  for (const auto& [name, text] : running) {
    if (wanted.contains(name)) continue;
    out.removals.push_back(path(name));
    lost = true;
  }
  for (const auto& [name, text] : wanted) {
    const auto old = running.find(name);
    if (old != running.end() && old->second == text) continue;
    out.writes.push_back({path(name), text});
    lost = lost || old != running.end();
  }
  return lost;
}

}  // namespace

std::string_view to_string(DnsmasqAction action) {
  switch (action) {
    case DnsmasqAction::kNone: return "none";
    case DnsmasqAction::kReload: return "SIGHUP";
    case DnsmasqAction::kRestart: return "restart";
  }
  return "none";
}

ApplyPlan plan_apply(const std::optional<Rendered>& running, const Rendered& wanted) {
  static const Rendered nothing;
  const Rendered& old = running ? *running : nothing;
  ApplyPlan out;
  (void)plan_folder(kHostsFolder, old.hosts, wanted.hosts, out);
  if (plan_folder(kDhcpHostsFolder, old.dhcp_hosts, wanted.dhcp_hosts, out)) out.action = DnsmasqAction::kReload;
  if (!running || old.conf != wanted.conf) {
    if (old.conf != wanted.conf) out.writes.push_back({std::string(kConfFile), wanted.conf});
    out.action = DnsmasqAction::kRestart;
  }
  return out;
}

}  // namespace fairlead::dnsdhcp
