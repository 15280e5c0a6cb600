// fairlead: pure
#include "admin/drill_cases.h"

#include <algorithm>
#include <array>
#include <chrono>

namespace fairlead::admin {
namespace {

using namespace std::chrono_literals;

constexpr OutageBound within(Duration rest) {
  OutageBound out;
  out.rest = rest;
  return out;
}
constexpr OutageBound kNothing = within(0ms);
constexpr OutageBound kLost{.lease = false, .hang = false, .ring = true, .start = false, .rest = 350ms};
constexpr OutageBound kHung{.lease = false, .hang = true, .ring = false, .start = false, .rest = 300ms};
constexpr OutageBound kBothDead{.lease = true, .hang = false, .ring = true, .start = false, .rest = 500ms};
/// From power on: those that start together hear each other before it has passed; the second in rank waits a second more (R13).
constexpr OutageBound kStarted{.lease = false, .hang = false, .ring = false, .start = true, .rest = 0ms};
constexpr OutageBound kStartedAlone{.lease = false, .hang = false, .ring = false, .start = true, .rest = 1s};

constexpr std::array kCases{
    DrillCase{"planned", DrillPlace::kCluster, true, "the VIP is moved to another node", within(20ms)},
    DrillCase{"kill-process", DrillPlace::kCluster, false, "the holder's daemon is killed", within(50ms)},
    DrillCase{"hang-process", DrillPlace::kCluster, false, "the holder's daemon hangs", kHung},
    DrillCase{"kill-both", DrillPlace::kLab, false, "the holder's daemon and its guard are killed", kBothDead},
    DrillCase{"kill-node", DrillPlace::kLab, false, "the holder loses its power", kLost},
    DrillCase{"kill-standby", DrillPlace::kLab, false, "a node that holds nothing loses its power", kNothing},
    DrillCase{"freeze-node", DrillPlace::kLab, false, "every process of the holder stops for some seconds", kBothDead},
    DrillCase{"cut-link", DrillPlace::kLab, false, "the holder is cut off", kLost},
    DrillCase{"cut-link-oneway", DrillPlace::kLab, false, "the holder hears nothing, and is heard", within(5s)},
    DrillCase{"lose-carrier", DrillPlace::kLab, false, "the holder's service link goes down, its ring link stays", within(60ms)},
    DrillCase{"flap-carrier", DrillPlace::kLab, false, "whoever holds it loses its service link for 0.2 s, until it stays", within(1260ms)},
    DrillCase{"stop-corosync", DrillPlace::kLab, false, "the holder's Corosync ends in order", kLost},
    DrillCase{"kill-corosync", DrillPlace::kLab, false, "the holder's Corosync is killed", kLost},
    DrillCase{"boot-both", DrillPlace::kLab, false, "every node starts at once", kStarted},
    DrillCase{"boot-alone", DrillPlace::kLab, false, "the first node starts, the others stay off", kStartedAlone},
    DrillCase{"gateway-silent", DrillPlace::kLab, false, "two nodes lose each other while the tie-break router is silent", kNothing},
    DrillCase{"qdevice-loss", DrillPlace::kLab, false, "the third vote goes away", kNothing},
    DrillCase{"delete-vip", DrillPlace::kCluster, false, "the address is deleted behind the daemon's back", within(150ms)},
    DrillCase{"double-failure", DrillPlace::kLab, false, "the holder loses its power, its successor too", std::nullopt},
    DrillCase{"merge", DrillPlace::kLab, false, "a node that was cut off comes back", kNothing},
    DrillCase{"mixed-version", DrillPlace::kLater, false, "nodes of two releases", std::nullopt},
    DrillCase{"kill-server", DrillPlace::kLab, false, "a server behind the proxy is killed", kNothing},
    DrillCase{"vanish-server", DrillPlace::kLab, false, "a server behind the proxy loses its power", kNothing},
    DrillCase{"reload", DrillPlace::kCluster, true, "the holder reads its configuration again", kNothing},
    DrillCase{"upgrade", DrillPlace::kLab, false, "each node's daemon is replaced, one after the other", within(20ms)},
};

}  // namespace

std::optional<Duration> outage_max(const OutageBound& bound, const DrillTimes& times) {
  Duration out = bound.rest;
  if (bound.lease) out += times.lease;
  if (bound.hang) out += times.hang;
  if (bound.ring && !times.ring) return std::nullopt;
  if (bound.ring) out += *times.ring;
  if (bound.start) out += times.start;
  return out;
}

std::string to_string(const OutageBound& bound) {
  std::string out;
  const auto add = [&](const std::string& term) { out += (out.empty() ? "" : " + ") + term; };
  if (bound.lease) add("lease");
  if (bound.hang) add("guard.hang");
  if (bound.ring) add("T + C");
  if (bound.start) add("start_wait");
  const bool whole = bound.rest % 1s == Duration{};
  if (bound.rest > Duration{}) add(whole ? std::to_string(bound.rest / 1s) + " s" : std::to_string(to_ms(bound.rest)) + " ms");
  return out.empty() ? "0" : out;
}

std::span<const DrillCase> drill_cases() { return kCases; }

const DrillCase* find_drill(std::string_view name) {
  const auto* found = std::find_if(kCases.begin(), kCases.end(), [&](const DrillCase& c) { return c.name == name; });
  return found == kCases.end() ? nullptr : found;
}

}  // namespace fairlead::admin
