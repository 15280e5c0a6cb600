// fairlead: pure
// The report as Prometheus text (exposition format 0.0.4). Every name, type and help stands in one catalogue; docs/reference/metrics.md is
// made from it (a test compares) and a name outside it cannot be rendered.
#pragma once

#include <cstdint>
#include <map>
#include <span>
#include <string>
#include <string_view>

#include "admin/process_stats.h"
#include "admin/status.h"

namespace fairlead::admin {

struct MetricInfo {
  std::string_view name;
  std::string_view type;    ///< "gauge", "counter" or "histogram"
  std::string_view labels;  ///< Blank separated.
  std::string_view help;
};
[[nodiscard]] std::span<const MetricInfo> metric_catalogue();

/// What the API counts about itself. Written and read by the admin thread.
struct ApiCounters {
  std::map<unsigned, std::uint64_t> responses;  ///< By HTTP status.
  std::uint64_t refused = 0;                    ///< Calls of somebody who may not, or for whom there was no place.
  std::uint64_t turned_away = 0;                ///< TLS handshakes that failed.
  std::uint64_t shed = 0;                       ///< Connections closed at the limit.
  std::uint64_t evicted = 0;                    ///< Strangers whose place another connection got.
  std::uint64_t timeouts = 0;                   ///< Connections closed because the client was too slow.
  std::int64_t certificate_expiry_s = 0;        ///< Of what admin.listen shows, since 1970; 0: no TLS.
  std::uint64_t unix_connections = 0;
  std::uint64_t tcp_connections = 0;
  std::uint64_t tcp_strangers = 0;  ///< Of these: nothing shows yet who they are.
  std::uint64_t unix_watchers = 0;  ///< Of the connections: WebSockets.
  std::uint64_t tcp_watchers = 0;
  std::uint64_t answer_bytes = 0;  ///< Of answers that clients have not taken yet.
};

inline constexpr std::string_view kMetricsType = "text/plain; version=0.0.4; charset=utf-8";

[[nodiscard]] std::string render_metrics(const NodeReport& report, const ApiCounters& api, const ProcessStats& process = {});
[[nodiscard]] std::string metrics_reference();

}  // namespace fairlead::admin
