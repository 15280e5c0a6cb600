// fairlead: pure
// The configuration of conntrackd(8), which keeps the connection tables of the gateways alike while the file has `router.sync`.
//
//   two gateways: FTFW, a protocol that repeats what was lost, over UDP to the other; one channel a Corosync link, four at most
//   more:         NOTRACK, which repeats nothing, over multicast: conntrackd's FTFW knows one other side, and its UDP one address
//
// Invariants:
//   Y1  Entries of the others go into the kernel's table as they come (DisableExternalCache), not at a takeover: the first packet behind a
//       takeover may be one from the world, and a gateway that does not know its connection would reset it.
//   Y2  What this machine says itself is not told: its addresses, the other gateways' and all VIPs are ignored, as an end of a connection.
//       (A connection behind `snat` has none of them as an end: it begins at a machine inside and ends at one in the world.)
//   Y3  Its files and its socket are below the daemon's folders, and nothing of /etc/conntrackd or /run is used.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <string>
#include <string_view>

#include "base/ip_address.h"
#include "base/result.h"
#include "config/settings.h"

namespace fairlead::dnsdhcp {

inline constexpr std::uint16_t kSyncPort = 3780;        ///< conntrackd's own default.
inline constexpr std::size_t kSyncChannelsMax = 4;      ///< conntrackd's: MULTICHANNEL_MAX.
inline constexpr std::size_t kConntrackdPathMax = 107;  ///< sun_path, unix(7).
inline constexpr std::string_view kConntrackdConf = "conntrackd.conf";

/// What the file does not say: the addresses of this machine now, each with its device.
using MachineAddresses = std::map<IpAddress, std::string>;

struct ConntrackdPaths {
  std::string lock;
  std::string socket;
};

/// The 16 bits that tell the groups of two clusters on one network apart.
[[nodiscard]] std::uint16_t sync_group(std::string_view cluster);

/// `snapshot`: of a valid file with router.sync, its node's name set. Errors: kNotFound (no device has the address of a link of this node),
/// kInvalidConfig (a path that conntrackd cannot take).
[[nodiscard]] Result<std::string> render_conntrackd_conf(const config::Snapshot& snapshot, const MachineAddresses& machine,
                                                         const ConntrackdPaths& paths);

}  // namespace fairlead::dnsdhcp
