// fairlead: pure
// The settings and small values the takeover machines of this room share.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "base/cluster_message.h"
#include "base/cluster_view.h"
#include "base/ip_address.h"
#include "base/time.h"
#include "config/settings.h"

namespace fairlead::vip {

using namespace std::chrono_literals;

inline constexpr Duration kBeatInterval = 50ms;        ///< R4
inline constexpr Duration kLeaseMargin = 150ms;        ///< L = T + C + this: one beat, re-forming, a round trip.
inline constexpr Duration kPromiseMargin = 100ms;      ///< P = L + this.
inline constexpr Duration kSilenceMax = 1s;            ///< R2: then a process is left out.
inline constexpr Duration kOwnPauseMax = 200ms;        ///< R7: then the lease is to be proved anew.
inline constexpr Duration kProbeSpread = 60ms;         ///< R5: three probes.
inline constexpr Duration kProbeInterval = 50ms;       ///< While somebody answers.
inline constexpr Duration kForeignProbeInterval = 1s;  ///< Once it was reported.
inline constexpr Duration kTieAnswerFresh = 300ms;     ///< R11
inline constexpr Duration kThirdVoteFresh = 300ms;     ///< R12: three readings.
inline constexpr Duration kThirdVoteSleepMax = 500ms;  ///< R12: qnetd misses a machine after 0.8 s at the earliest.
inline constexpr Duration kStaleFrames = 2ms;          ///< R7: after an own pause; what its sockets held is read by then.
inline constexpr Duration kTieProbesApart = 10ms;      ///< R11: at least, whatever is claimed.
inline constexpr Duration kTieSilence = 10s;           ///< R11: then tie_break is disarmed.
static_assert(kPromiseMargin >= 2 * kBeatInterval, "a promise outlasts the lease by more than the beat it answers is late");

/// Corosync's timeouts: the maximum over all members.
struct Timing {
  Duration token = 800ms;
  Duration consensus = 960ms;
  [[nodiscard]] Duration lease() const { return token + consensus + kLeaseMargin; }
  [[nodiscard]] Duration promise() const { return lease() + kPromiseMargin; }
  bool operator==(const Timing&) const = default;
};

struct NodeName {
  NodeId id = kNoNode;
  std::string name;
  bool operator==(const NodeName&) const = default;
};

struct VipSettings {
  std::string name;
  IpPrefix address;
  std::string group;           ///< Its own name when the configuration gives none: alone in its group.
  std::vector<NodeId> prefer;  ///< The best first.
  bool preempt = false;
  Duration preempt_delay = 30s;
  Duration kernel_lease = 2s;
  bool takeover_probe = true;
  config::Announce announce;
  std::string placement;  ///< Of this node: interface and route, whatever they are; with other ones it has to be added anew.
  std::uint64_t config_hash = 0;
  bool operator==(const VipSettings&) const = default;
};

struct Settings {
  NodeId self = kNoNode;
  std::vector<NodeName> nodes;  ///< By id, this one included. One alone: standalone.
  std::vector<VipSettings> vips;
  std::uint32_t qdevice_votes = 0;
  bool has_tie_break = false;
  bool tie_needs_all = false;
  std::vector<std::string> tie_targets;
  Duration start_wait = 5s;
  Duration serve_stable = 3s;  ///< R17: 3 s and the slowest check's fall time.
  std::uint64_t cluster_hash = 0;
  std::string version;

  [[nodiscard]] bool is_standalone() const { return nodes.size() < 2; }
  /// Both halves stay quorate (R11).
  [[nodiscard]] bool is_two_node() const { return nodes.size() == 2 && qdevice_votes == 0; }
  [[nodiscard]] std::uint32_t tie_count() const { return static_cast<std::uint32_t>(tie_targets.size()); }
  [[nodiscard]] std::uint32_t expected_votes() const { return static_cast<std::uint32_t>(nodes.size()) + qdevice_votes; }
  [[nodiscard]] std::uint32_t majority() const { return expected_votes() / 2 + 1; }
  [[nodiscard]] const VipSettings* find(const std::string& vip) const {
    for (const VipSettings& v : vips) {
      if (v.name == vip) return &v;
    }
    return nullptr;
  }
  bool operator==(const Settings&) const = default;
};

}  // namespace fairlead::vip
