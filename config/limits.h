// fairlead: pure
// Every bound of the configuration, in one place. The schema (schema_*.cc) and the parser refer to these; nothing else states a number.
#pragma once

#include <cstddef>
#include <cstdint>

#include "base/time.h"

namespace fairlead::config {

using namespace std::chrono_literals;

// ---- the text ----
inline constexpr std::size_t kFileBytesMax = std::size_t{1} << 20;  ///< A full-size configuration is below 300 KB.
inline constexpr int kDepthMax = 32;                                ///< The schema itself needs 7.
inline constexpr std::size_t kDocumentNodesMax = 200'000;           ///< Aliases counted as often as they are used (about 40 MB).
inline constexpr std::size_t kProblemsMax = 100;                    ///< More than anybody reads; the rest is counted.
inline constexpr std::size_t kQuotedTextMax = 60;                   ///< Characters of the file repeated in a message.

// ---- how many ----
inline constexpr std::size_t kListenersMax = 256;
inline constexpr std::size_t kBindsPerListenerMax = 16;
inline constexpr std::size_t kAccessListMax = 1024;
inline constexpr std::size_t kPoolsMax = 256;
inline constexpr std::size_t kServersPerPoolMax = 1024;
inline constexpr std::size_t kVipsMax = 64;
inline constexpr std::size_t kNodesMax = 16;
inline constexpr std::size_t kLinksPerNodeMax = 8;  ///< knet's own limit.
inline constexpr std::size_t kInterfacesPerNodeMax = 64;
inline constexpr std::size_t kTieBreakTargetsMax = 8;
inline constexpr std::size_t kHooksMax = 16;
inline constexpr std::size_t kHookArgumentsMax = 64;
inline constexpr std::size_t kAnnounceRepeatsMax = 16;
inline constexpr std::size_t kExpectedStatusMax = 32;
inline constexpr std::size_t kOperatorsMax = 256;
inline constexpr std::size_t kNetworksMax = 64;
inline constexpr std::size_t kHostsMax = 4096;
inline constexpr std::size_t kHostAliasesMax = 16;
inline constexpr std::size_t kRecordsMax = 4096;
inline constexpr std::size_t kUpstreamsMax = 8;
inline constexpr std::size_t kDhcpOptionsMax = 64;
inline constexpr std::size_t kForwardRulesMax = 256;
inline constexpr std::size_t kOpenPortsMax = 64;

static_assert(kServersPerPoolMax <= 65535, "lb/ numbers the servers of a pool with 16 bits");

// ---- how long, how much ----
inline constexpr std::size_t kNameLengthMax = 63;         ///< One DNS label; [a-z0-9._-].
inline constexpr std::size_t kNetworkNameLengthMax = 56;  ///< With "-router" behind it still a name.
inline constexpr std::size_t kDhcpOptionLengthMax = 250;  ///< What a DHCP option holds, and less than a line of dnsmasq.conf.
inline constexpr std::size_t kBootFileLengthMax = 127;    ///< The field of a DHCP answer.
inline constexpr std::size_t kTftpRootLengthMax = 255;
inline constexpr std::size_t kTextLengthMax = 1024;
inline constexpr std::size_t kPathLengthMax = 1024;
inline constexpr std::size_t kHostLengthMax = 253;
inline constexpr std::size_t kDeviceLengthMax = 15;       ///< IFNAMSIZ - 1.
inline constexpr std::size_t kSocketPathLengthMax = 107;  ///< sockaddr_un.sun_path - 1.
inline constexpr Duration kDurationMax = 30 * 24h;
inline constexpr std::uint32_t kConnectionsMax = 16'000'000;
inline constexpr std::uint32_t kRetriesMax = 7;               ///< lb/balancer.h remembers eight servers tried.
inline constexpr std::uint32_t kListenerRateMax = 1'000'000;  ///< What lb/rate_window.h can count; likewise below.
inline constexpr std::uint32_t kSourceRateMax = 16'000;
inline constexpr std::uint32_t kWorkersMax = 256;
inline constexpr std::uint32_t kWeightMax = 1000;
inline constexpr std::uint64_t kBufferPoolMin = 1ULL << 20;
inline constexpr std::uint64_t kBufferPoolMax = 64ULL << 30;
inline constexpr Duration kIdleTimeoutAdvised = 10min;   ///< Below it a silent watch is cut.
inline constexpr std::uint32_t kDescriptorReserve = 64;  ///< Kept from connections: control, checks, admin, accept.

}  // namespace fairlead::config
