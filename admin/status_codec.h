// fairlead: pure
// Reports <-> JSON. The shape is the contract of the HTTP interface (docs/reference/api.md): keys may be added, never changed.
// decode_...(encode_...(x)) == x for everything that is shown.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "admin/drill_cases.h"
#include "admin/node_port.h"
#include "admin/status.h"
#include "base/result.h"

namespace fairlead::admin {

[[nodiscard]] std::string_view to_string(ServerState state);
[[nodiscard]] Result<ServerState> parse_server_state(std::string_view value);

[[nodiscard]] std::string encode_status(const NodeReport& report);
[[nodiscard]] std::string encode_readiness(const NodeReport& report);
[[nodiscard]] std::string encode_listeners(const NodeReport& report);
[[nodiscard]] std::string encode_pools(const NodeReport& report);
/// Every server with its pool's name, in one list.
[[nodiscard]] std::string encode_servers(const NodeReport& report);
[[nodiscard]] std::string encode_vips(const NodeReport& report);
/// The cluster with its nodes; without one this node alone.
[[nodiscard]] std::string encode_nodes(const NodeReport& report);
/// The list of drills; promised outages as text and, at a site with these times, as a number.
[[nodiscard]] std::string encode_drills(const DrillTimes& times, const std::vector<DrillResult>& last);
[[nodiscard]] std::string encode_connections(const ConnectionList& list, std::size_t limit);
[[nodiscard]] std::string encode_events(const EventPage& page, std::uint64_t after);
/// One of them, as in the list.
[[nodiscard]] std::string encode_event(const EventInfo& event);
[[nodiscard]] std::string encode_result(const CommandResult& result);

/// Errors: kInvalidArgument with the path of what is wrong. Absent keys keep their defaults.
[[nodiscard]] Result<NodeReport> decode_status(std::string_view document);
[[nodiscard]] Result<ConnectionList> decode_connections(std::string_view document);
[[nodiscard]] Result<EventPage> decode_events(std::string_view document);
[[nodiscard]] Result<CommandResult> decode_result(std::string_view document);

}  // namespace fairlead::admin
