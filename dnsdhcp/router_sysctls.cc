// fairlead: pure
#include "dnsdhcp/router_sysctls.h"

#include <algorithm>

namespace fairlead::dnsdhcp {
namespace {

constexpr std::string_view kForwardV4 = "net/ipv4/ip_forward";
constexpr std::string_view kRedirectsV4 = "net/ipv4/conf/all/accept_redirects";
constexpr std::string_view kForwardV6 = "net/ipv6/conf/all/forwarding";
constexpr std::string_view kLoose = "net/netfilter/nf_conntrack_tcp_loose";
constexpr std::string_view kLiberal = "net/netfilter/nf_conntrack_tcp_be_liberal";
constexpr std::string_view kConfV4 = "net/ipv4/conf/";
constexpr std::string_view kConfV6 = "net/ipv6/conf/";

/// A name that is safe in a path and in a line.
bool is_device(std::string_view name) {
  return !name.empty() && name.size() <= 15 && name != "." && name != ".." &&
         std::all_of(name.begin(), name.end(), [](char c) { return static_cast<unsigned char>(c) > 0x20 && c != 0x7f && c != '/'; });
}

/// The device of PREFIX DEVICE SUFFIX, or empty.
std::string_view device_in(std::string_view key, std::string_view prefix, std::string_view suffix) {
  if (!key.starts_with(prefix) || !key.ends_with(suffix) || key.size() <= prefix.size() + suffix.size()) return {};
  key.remove_prefix(prefix.size());
  key.remove_suffix(suffix.size());
  return is_device(key) ? key : std::string_view();
}

bool is_ours(std::string_view key) {
  for (const auto fixed : {kForwardV4, kRedirectsV4, kForwardV6, kLoose, kLiberal}) {
    if (key == fixed) return true;
  }
  return !device_in(key, kConfV4, "/forwarding").empty() || !device_in(key, kConfV6, "/forwarding").empty() ||
         !device_in(key, kConfV6, "/accept_ra").empty();
}

bool is_number(std::string_view value) {
  return !value.empty() && value.size() <= 10 && value.find_first_not_of("0123456789") == std::string_view::npos;
}

const std::string* at(const SysctlValues& values, std::string_view key) {
  const auto found = values.find(std::string(key));
  return found == values.end() ? nullptr : &found->second;
}

class Planner {
 public:
  Planner(const SysctlValues& now, std::vector<SysctlChange> journal) : now_(now) { plan_.journal = std::move(journal); }

  /// Becomes `ours` by a write; not where it is that already, or is not there.
  void want(std::string_view key, std::string_view ours) {
    const std::string* value = at(now_, key);
    if (value == nullptr || *value == ours) return;
    remember(key, *value, ours);
    plan_.writes.push_back({std::string(key), std::string(ours)});
  }
  /// The kernel makes it `value` with the switch, and something else when the switch goes back: kept where it was `value` all along.
  void keep(std::string_view key, std::string_view value) {
    if (is(key, value)) remember(key, std::string(value), value);
  }
  [[nodiscard]] bool is(std::string_view key, std::string_view value) const {
    const std::string* found = at(now_, key);
    return found != nullptr && *found == value;
  }
  SysctlPlan done() { return std::move(plan_); }

 private:
  void remember(std::string_view key, const std::string& before, std::string_view ours) {
    const auto known = std::find_if(plan_.journal.begin(), plan_.journal.end(), [&](const SysctlChange& c) { return c.key == key; });
    if (known == plan_.journal.end()) {
      plan_.journal.push_back({std::string(key), before, std::string(ours)});
    } else {
      // It was ours once and somebody changed it since: that is what to go back to.
      *known = {std::string(key), before, std::string(ours)};
    }
  }

  const SysctlValues& now_;
  SysctlPlan plan_;
};

}  // namespace

RoutedVersions routed_versions(const config::Snapshot& snapshot) {
  RoutedVersions out;
  if (!snapshot.router || !snapshot.dnsdhcp) return out;
  for (const config::DhcpNetwork& network : snapshot.dnsdhcp->networks) (network.cidr.address.is_v4() ? out.v4 : out.v6) = true;
  return out;
}

std::vector<std::string> sysctl_keys(const std::vector<std::string>& devices) {
  std::vector<std::string> out;
  for (const auto fixed : {kForwardV4, kRedirectsV4, kForwardV6, kLoose, kLiberal}) out.emplace_back(fixed);
  for (const std::string& device : devices) {
    if (!is_device(device)) continue;
    if (device != "all") out.push_back(std::string(kConfV4) + device + "/forwarding");
    if (device != "all") out.push_back(std::string(kConfV6) + device + "/forwarding");
    out.push_back(std::string(kConfV6) + device + "/accept_ra");
  }
  return out;
}

SysctlPlan plan_sysctls(RoutedVersions versions, const SysctlValues& now, const std::vector<SysctlChange>& journal) {
  Planner plan(now, journal);
  if (versions.v4 || versions.v6) {
    plan.want(kLoose, "1");
    plan.want(kLiberal, "1");
  }
  if (versions.v4 && plan.is(kForwardV4, "0")) {
    plan.want(kForwardV4, "1");
    plan.keep(kRedirectsV4, "0");
    for (const auto& [key, value] : now) {
      if (!device_in(key, kConfV4, "/forwarding").empty()) plan.keep(key, "1");
    }
  }
  if (versions.v6 && plan.is(kForwardV6, "0")) {
    for (const auto& [key, value] : now) {
      const auto device = device_in(key, kConfV6, "/accept_ra");
      if (device.empty() || device == "all" || value != "1") continue;
      if (plan.is(std::string(kConfV6) + std::string(device) + "/forwarding", "0")) plan.want(key, "2");
    }
    plan.want(kForwardV6, "1");
    for (const auto& [key, value] : now) {
      if (!device_in(key, kConfV6, "/forwarding").empty() && key != kForwardV6) plan.keep(key, "1");
    }
  }
  return plan.done();
}

std::vector<SysctlWrite> plan_restore(const std::vector<SysctlChange>& journal, const SysctlValues& now) {
  std::vector<SysctlWrite> out;
  const auto put_back = [&](const SysctlChange& change) {
    const std::string* value = at(now, change.key);
    if (value == nullptr || *value != change.ours || !is_ours(change.key)) return false;
    out.push_back({change.key, change.before});
    return true;
  };
  // The two switches go first: they take others with them, which then get back what they had.
  bool v4 = false;
  bool v6 = false;
  for (const SysctlChange& change : journal) {
    if (change.key == kForwardV4) v4 = put_back(change);
    if (change.key == kForwardV6) v6 = put_back(change);
  }
  for (const SysctlChange& change : journal) {
    if (change.key == kForwardV4 || change.key == kForwardV6) continue;
    // Without the switch itself its followers were not moved by us.
    const bool follows_v4 = change.key == kRedirectsV4 || !device_in(change.key, kConfV4, "/forwarding").empty();
    const bool follows_v6 = !device_in(change.key, kConfV6, "/forwarding").empty();
    if ((follows_v4 && !v4) || (follows_v6 && !v6)) continue;
    (void)put_back(change);
  }
  return out;
}

std::string write_sysctl_journal(const std::vector<SysctlChange>& journal) {
  std::string out;
  for (const SysctlChange& change : journal) out += change.key + " " + change.before + " " + change.ours + "\n";
  return out;
}

SysctlJournal parse_sysctl_journal(std::string_view text) {
  SysctlJournal out;
  while (!text.empty()) {
    const auto end = text.find('\n');
    const std::string_view line = text.substr(0, end);
    text = end == std::string_view::npos ? std::string_view() : text.substr(end + 1);
    if (line.empty()) continue;
    const auto first = line.find(' ');
    const auto second = first == std::string_view::npos ? first : line.find(' ', first + 1);
    const SysctlChange change = second == std::string_view::npos ? SysctlChange{}
                                                                 : SysctlChange{std::string(line.substr(0, first)),
                                                                                std::string(line.substr(first + 1, second - first - 1)),
                                                                                std::string(line.substr(second + 1))};
    if (is_ours(change.key) && is_number(change.before) && is_number(change.ours)) {
      out.changes.push_back(change);
    } else {
      ++out.damaged;
    }
  }
  return out;
}

}  // namespace fairlead::dnsdhcp
