// fairlead: pure
#include "cli/ha_text.h"

#include <algorithm>
#include <chrono>
#include <fmt/format.h>

#include "base/units.h"
#include "cli/text_table.h"

namespace fairlead::cli {
namespace {

constexpr double kDigestIsNow = 2.5;  ///< Seconds. They come each second.
constexpr std::ptrdiff_t kHistoryShown = 6;

Cell yes_no(bool value) { return value ? Cell{"yes", Tone::kGood} : Cell{"no", Tone::kBad}; }

std::string vip_note(const admin::VipStatus& v) {
  std::string out;
  if (!v.waits_for.empty()) out = "waits: " + v.waits_for;
  if (!v.enabled) out = "disabled";
  if (v.flapping) out += out.empty() ? "moved too often" : ", moved too often";
  if (v.drains_for_ms > 0) {
    const auto left = std::chrono::ceil<std::chrono::seconds>(std::chrono::milliseconds(v.drains_for_ms));
    out += (out.empty() ? "" : ", ") + ("drains, moves within " + format_duration(left));
  }
  return out;
}

std::string vips_of(const admin::NodeReport& r, const std::string& node) {
  std::string out;
  for (const auto& v : r.vips) {
    if (v.holder == node) out += (out.empty() ? "" : ",") + v.name;
  }
  return out;
}

/// "up" or "down"; of several each: "0 up, 1 down".
Cell links_of(const admin::NodeStatus& node) {
  if (node.links.empty()) return {"-"};
  if (node.links.size() == 1) return node.links.front().up ? Cell{"up"} : Cell{"down", Tone::kBad};
  std::string out;
  bool all_up = true;
  for (const auto& link : node.links) {
    out += fmt::format("{}{} {}", out.empty() ? "" : ", ", link.number, link.up ? "up" : "down");
    all_up = all_up && link.up;
  }
  return {out, all_up ? Tone::kPlain : Tone::kWarn};
}

/// "3/3"; of several pools each: "masters 3/3, ingress 1/2".
Cell servers_up(const admin::NodeStatus& node) {
  if (!node.digest || node.digest->pools.empty()) return {"-"};
  std::string out;
  Tone tone = Tone::kPlain;
  for (const PoolDigest& pool : node.digest->pools) {
    if (node.digest->pools.size() > 1) out += (out.empty() ? "" : ", ") + pool.name + " ";
    out += fmt::format("{}/{}", pool.up, pool.servers);
    if (pool.up < pool.servers) tone = pool.up == 0 || tone == Tone::kBad ? Tone::kBad : Tone::kWarn;
  }
  return {out, tone};
}

/// Its file beside ours. When what is said of the cluster differs nothing moves by choice; the rest (admin.listen, a weight) does no harm
/// by itself.
Cell config_of(const admin::NodeReport& r, const admin::NodeStatus& node) {
  if (!node.online) return {"-"};
  if (!node.config_match) return {"cluster differs", Tone::kWarn};
  if (node.digest && node.digest->config_hash != r.config_hash) return {"rest differs"};
  return {"same"};
}

/// How old what it showed of itself is.
Cell seen(const admin::NodeStatus& node) {
  if (!node.digest) return {"-"};
  if (node.digest_age_s < kDigestIsNow) return {"now"};
  return {age_text(node.digest_age_s) + " ago", Tone::kWarn};
}

/// Since when the holder is what it is: a time, or "before TIME" when it was so already as the daemon first looked.
std::string since_text(const admin::VipStatus& v) {
  if (v.history.empty()) return "-";
  return (v.history.back().first_seen ? "before " : "") + v.history.back().at;
}

/// What there is to say of a node and a VIP: whether it could hold it, and why not.
std::string standing(const admin::VipStatus& v, const std::string& node, bool online, bool color) {
  const auto found = std::find_if(v.eligible.begin(), v.eligible.end(), [&](const auto& e) { return e.node == node; });
  if (found == v.eligible.end()) return paint(online ? "has not said yet" : "is not there", Tone::kBad, color);
  if (!found->ok) return paint("cannot hold it: " + found->reason, Tone::kWarn, color);
  return v.holder == node ? "holds it" : "could hold it";
}

/// The newest changes of holder first, as this node saw them.
std::string history_text(const admin::VipStatus& v, bool color) {
  std::string out;
  if (v.last_takeover_ms) out += fmt::format("last takeover by this node  {:.1f} ms\n", *v.last_takeover_ms);
  if (v.history.empty()) return out;
  out += fmt::format("seen to move {}\n", v.holder_changes == 1 ? "once" : fmt::format("{} times", v.holder_changes));
  for (auto entry = v.history.rbegin(); entry != v.history.rend() && entry - v.history.rbegin() < kHistoryShown; ++entry)
    out += fmt::format("  {}  {}{}\n", entry->at, entry->holder ? *entry->holder : paint("nobody", Tone::kBad, color),
                       entry->first_seen ? " (since before that: it was so when this daemon first looked)" : "");
  return out;
}

}  // namespace

std::string vips_text(const admin::NodeReport& r, bool color) {
  if (r.vips.empty()) return "no VIPs\n";
  TextTable table({"VIP", "ADDRESS", "INTERFACE", "STATE HERE", "HOLDER", "SINCE", ">EPOCH", ">LEASE", "NOTE"});
  for (const auto& v : r.vips) {
    table.row({{v.name},
               {v.address},
               {v.interface},
               {v.state, v.held_here ? Tone::kGood : Tone::kPlain},
               v.holder ? Cell{*v.holder} : Cell{"nowhere", Tone::kBad},
               {since_text(v)},
               {std::to_string(v.epoch)},
               {v.held_here ? std::to_string(v.lease_ms) + " ms" : "-"},
               {vip_note(v), Tone::kWarn}});
  }
  return table.text(color);
}

std::string vip_explained(const admin::NodeReport& r, const admin::VipStatus& v, bool color) {
  std::string out =
      fmt::format("{}  {} on {}: {}\n", paint("VIP " + v.name, Tone::kStrong, color), v.address, v.interface,
                  v.holder ? "held by " + *v.holder + fmt::format(" (epoch {})", v.epoch) : paint("held nowhere", Tone::kBad, color));
  out += fmt::format("on this node ({})  {}{}\n", r.node, v.state, v.held_here ? fmt::format(", its lease lasts {} ms", v.lease_ms) : "");
  if (!v.waits_for.empty()) out += paint("takes it when it can", Tone::kWarn, color) + "  " + v.waits_for + "\n";
  if (!v.enabled) out += paint("disabled", Tone::kWarn, color) + "  no node may hold it; `fairlead vip enable " + v.name + "` ends that\n";
  if (v.flapping)
    out += paint("moved too often", Tone::kWarn, color) + "  more than 3 times in a minute: it stays until its holder is lost\n";
  if (!r.cluster) {
    out += "no cluster in the configuration: this node alone holds it\n";
    for (const auto& e : v.eligible) out += fmt::format("  {}  {}\n", e.node, standing(v, e.node, true, color));
    return out + history_text(v, color);
  }
  if (!r.cluster->problem.empty()) out += paint("no part in the cluster", Tone::kBad, color) + "  " + r.cluster->problem + "\n";
  if (!r.cluster->quorate) out += paint("not quorate", Tone::kBad, color) + "  this part of the cluster may not take or keep it\n";
  if (r.cluster->frozen)
    out += paint("frozen", Tone::kWarn, color) + "  it moves only when its holder is lost; `fairlead cluster unfreeze` ends that\n";
  TextTable table({"NODE", "STANDING"});
  for (const auto& n : r.cluster->nodes) {
    const std::string standby = n.standby ? " (in standby)" : "";
    table.row({{n.name}, {standing(v, n.name, n.online, color) + standby}});
  }
  return out + table.text(color, "  ") + history_text(v, color);
}

std::string nodes_text(const admin::NodeReport& r, bool color) {
  TextTable table(
      {"NODE", ">ID", "ONLINE", "LINKS", "STANDBY", "VERSION", "CONFIG", "READY", ">CONNECTIONS", "SERVERS UP", "VIPS", "SEEN"});
  if (!r.cluster) {
    table.row({{r.node}, {"-"}, yes_no(true), {"-"}, {"no"}, {r.version}, {"-"}, {"-"}, {"-"}, {"-"}, {vips_of(r, r.node)}, {"now"}});
    return table.text(color) + "no cluster in the configuration: this node stands alone\n";
  }
  for (const auto& n : r.cluster->nodes) {
    table.row({{n.name},
               {std::to_string(n.id)},
               yes_no(n.online),
               links_of(n),
               n.standby ? Cell{"yes", Tone::kWarn} : Cell{"no"},
               {n.version},
               config_of(r, n),
               !n.digest ? Cell{"-"} : yes_no(n.digest->ready),
               {n.digest ? std::to_string(n.digest->connections) : "-"},
               servers_up(n),
               {vips_of(r, n.name)},
               seen(n)});
  }
  return table.text(color);
}

std::string cluster_text(const admin::NodeReport& r, bool color) {
  if (!r.cluster) return "no cluster in the configuration: this node stands alone\n";
  const auto& c = *r.cluster;
  const std::string third = c.qdevice.empty() ? "tie break " + c.tie_break
                                              : "qdevice " + paint(c.qdevice, c.qdevice == "votes" ? Tone::kGood : Tone::kWarn, color);
  std::string out = fmt::format("{}  {}  ring {}  votes {}  {}{}\n", paint("cluster", Tone::kStrong, color),
                                c.quorate ? paint("quorate", Tone::kGood, color) : paint("NOT QUORATE", Tone::kBad, color),
                                c.ring.empty() ? "-" : c.ring, c.votes, third, c.frozen ? paint("  FROZEN", Tone::kWarn, color) : "");
  if (!c.problem.empty()) out += paint("problem", Tone::kBad, color) + "  " + c.problem + "\n";
  if (c.token_ms > 0)
    out += fmt::format("timing   token {} ms, consensus {} ms: a lost node is noticed after {} ms\n", c.token_ms, c.consensus_ms,
                       c.token_ms + c.consensus_ms);
  return out + nodes_text(r, color);
}

}  // namespace fairlead::cli
