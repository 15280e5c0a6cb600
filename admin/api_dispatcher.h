// One API request in, one answer out. Knows routes, rights and codecs; knows no socket and no HTTP library.
//
//   request -> parse_api_target -> find_route (404, 405) -> authorize (403) -> read: answer at once
//                                                                           -> command: decode (400), NodePort::execute, audit event
//
// Threading: handle() on the `admin` thread. `respond` is called exactly once: at once, or from whatever thread NodePort answers on.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "admin/api_routes.h"
#include "admin/metrics.h"
#include "admin/node_port.h"
#include "admin/refusal_log.h"
#include "admin/watch_plan.h"

namespace fairlead::admin {

struct ApiRequest {
  std::string method;
  std::string target;
  std::string body;
  std::string content_type;
  std::string host;    ///< Header Host.
  std::string origin;  ///< Header Origin: only browsers send it.
  Caller caller;
  bool tls = false;
  std::string if_none_match;      ///< Header If-None-Match.
  bool websocket = false;         ///< Asks for an upgrade to a WebSocket (RFC 6455 4.1).
  std::string websocket_version;  ///< Header Sec-WebSocket-Version.
  std::string websocket_key;      ///< Header Sec-WebSocket-Key.
};

struct ApiResponse {
  unsigned status = 200;
  std::string content_type = "application/json";
  std::string body;
  std::string allow;  ///< Not empty: header Allow.
  /// Set: makes the body, on the `admin` thread. What is large is not encoded on the thread the answer comes from: that may be a worker.
  std::function<std::string()> late_body{};
  std::string cache_control = "no-store";
  std::vector<std::pair<std::string, std::string>> headers{};  ///< More of them.
  std::optional<WatchRequest> watch{};                         ///< With status 101: the connection becomes a WebSocket of this one.
};
using Respond = std::function<void(ApiResponse)>;

[[nodiscard]] ApiResponse problem_response(const Error& error, unsigned status = 0);

/// Above this many bytes of answers that clients have not taken yet no further list is made.
inline constexpr std::uint64_t kAnswerBytesMax = 16U << 20U;
[[nodiscard]] ApiResponse too_many_lists();

class ApiDispatcher {
 public:
  /// All outlive this object; `counters` and `refusals` belong to the admin thread.
  ApiDispatcher(NodePort& node, const ApiCounters& counters, RefusalLog& refusals)
      : node_(node), counters_(counters), refusals_(refusals) {}

  /// How much longer than usual the answer may take: the time the caller gave the command itself.
  Duration handle(const ApiRequest& request, Respond respond);

 private:
  [[nodiscard]] ApiResponse read(const RouteMatch& match, const ApiTarget& target) const;
  [[nodiscard]] ApiResponse blackbox(const std::string& who) const;
  [[nodiscard]] ApiResponse watch(const RouteMatch& match, const ApiRequest& request, const ApiTarget& target);
  [[nodiscard]] ApiResponse refuse(const RouteMatch& match, const ApiRequest& request, std::string_view why, const Error& error,
                                   unsigned status = 0);
  void list_connections(const ApiTarget& target, Respond respond);
  [[nodiscard]] ApiResponse list_reservations(const DhcpStatus& dhcp, const ApiTarget& target) const;
  void list_leases(const ApiTarget& target, Respond respond);
  Duration change(const RouteMatch& match, const ApiRequest& request, Respond respond);

  NodePort& node_;
  const ApiCounters& counters_;
  RefusalLog& refusals_;
};

}  // namespace fairlead::admin
