// fairlead: pure
// The one table of HAProxy's words: what becomes of each. A word that is not in it is reported as unknown.
#pragma once

#include <cstdint>
#include <span>
#include <string_view>

namespace fairlead::migrate {

/// Where a word may stand.
enum class Place : std::uint8_t { kGlobal, kProxy, kOption, kTimeout, kBind, kServer, kResolvers };

/// What the reader does with it.
enum class Act : std::uint8_t {
  kSoAnyway,  ///< Fairlead does so without being told.
  kLeaveOut,  ///< `reason` and `remedy` say why and what instead.
  // global
  kWorkers,
  kProcessMaxconn,
  kSharedLog,
  kHardStop,
  kNoSplice,
  kStatsSocket,
  kCaBase,
  kCrtBase,
  kServerVerify,
  kSetEnv,
  // defaults, frontend, backend, listen
  kMode,
  kOptionWord,
  kTimeoutWord,
  kOldTimeout,
  kNegate,
  kMaxconn,
  kRetries,
  kBalance,
  kLog,
  kBind,
  kServerLine,
  kServerTemplate,
  kDefaultServer,
  kDefaultBackend,
  kUseBackend,
  kAcl,
  kTcpRequest,
  kHttpCheck,
  kTcpCheck,
  kStickTable,
  kStickOn,
  kSource,
  kRateLimit,
  kKeepaliveTime,
  kStats,
  kMonitor,
  kDisabled,
  kEnabled,
  // option
  kLogLines,
  kHttpchk,
  kTlsHello,
  kTcpCheckOption,
  kOtherCheck,
  kKeepalive,
  // timeout
  kConnect,
  kClient,
  kServer,
  kTunnel,
  kCheck,
  kFin,
  // bind
  kAcceptProxy,
  kBothFamilies,
  kOnlyIpv6,
  kTls,
  kBindMaxconn,
  // server
  kServerOption,
  // resolvers
  kHold,
};

struct HaproxyKeyword {
  Place place = Place::kProxy;
  std::string_view name;  ///< A '*' at its end stands for anything.
  Act act = Act::kLeaveOut;
  int arguments = 0;  ///< kBind, kServer: words that belong to it.
  std::string_view reason = {};
  std::string_view remedy = {};
};

[[nodiscard]] std::span<const HaproxyKeyword> haproxy_keywords();
[[nodiscard]] const HaproxyKeyword* find_haproxy_keyword(Place place, std::string_view name);

}  // namespace fairlead::migrate
