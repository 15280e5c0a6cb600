// fairlead: pure
// The API's one table of routes: who may call what, how. The dispatcher, /openapi.json and docs/reference/api.md are made from it.
#pragma once

#include <map>
#include <span>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "base/result.h"

namespace fairlead::admin {

enum class ApiCall : std::uint8_t {
  kLivez,
  kReadyz,
  kMetrics,
  kOpenApi,
  kStatus,
  kListeners,
  kPools,
  kServers,
  kVips,
  kNodes,
  kDrills,
  kConnections,
  kEvents,
  kWatch,
  kConfig,
  kRouter,
  kBlackbox,
  kReload,
  kSetServerState,
  kSetServerWeight,
  kAddServer,
  kRemoveServer,
  kEnableListener,
  kDisableListener,
  kKillConnections,
  kMoveVip,
  kEnableVip,
  kDisableVip,
  kAnnounceVip,
  kForceVip,
  kNodeStandby,
  kNodeOnline,
  kFreezeCluster,
  kUnfreezeCluster,
  kRunDrill,
  kRecordDrill,
  kDhcpLeases,
  kDhcpReservations,
  kReleaseLease,
  kDns,
  kApplyRouter,
  kConfirmRouter,
  kAsset,
};

/// What a caller must be allowed to do. kRead is granted to everybody who reached us.
enum class ApiRole : std::uint8_t { kRead, kOperate };

struct ApiRoute {
  ApiCall call;
  std::string_view method;   ///< GET also answers HEAD.
  std::string_view pattern;  ///< "/api/v1/servers/{pool}/{server}/state"
  ApiRole role;
  std::string_view summary;
  std::string_view query;  ///< Query parameters, blank separated.
  std::string_view body;   ///< Keys of the JSON body, blank separated; "*" marks a required one.
};

[[nodiscard]] std::span<const ApiRoute> api_routes();

/// A request's target, taken apart and percent-decoded.
struct ApiTarget {
  std::vector<std::string> segments;
  std::map<std::string, std::string> query;  ///< A key without "=" has the value "".
};
/// Errors: kInvalidArgument (bad percent encoding, NUL, not starting with "/").
[[nodiscard]] Result<ApiTarget> parse_api_target(std::string_view target);
[[nodiscard]] std::string percent_encode(std::string_view text);

struct RouteMatch {
  const ApiRoute* route;
  std::map<std::string, std::string> parameters;  ///< "pool" -> "masters"
};
struct RouteUnknown {};
struct RouteMethodNotAllowed {
  std::string allow;  ///< Value of the Allow header.
};
using RouteAnswer = std::variant<RouteMatch, RouteUnknown, RouteMethodNotAllowed>;
[[nodiscard]] RouteAnswer find_route(std::string_view method, const ApiTarget& target);

}  // namespace fairlead::admin
