// fairlead: pure
// Changing commands <-> HTTP calls. The server decodes and checks, the CLI encodes: one file, so they cannot drift apart.
#pragma once

#include <map>
#include <string>
#include <string_view>

#include "admin/api_routes.h"
#include "admin/node_port.h"
#include "base/result.h"

namespace fairlead::admin {

inline constexpr std::uint32_t kWeightMax = 1000;
inline constexpr std::size_t kNameBytesMax = 253;
inline constexpr std::size_t kSessionBytesMax = 200;

inline constexpr Duration kDrainMax = std::chrono::hours(1);

/// Of a move: above 0 and not above kDrainMax. Errors: kInvalidArgument.
[[nodiscard]] Result<Duration> parse_drain(std::string_view text);
[[nodiscard]] std::string_view to_string(AdminState state);
[[nodiscard]] Result<AdminState> parse_admin_state(std::string_view value);

/// The command behind a changing route. Unknown keys, wrong types, values out of range and an empty filter without `all` are refused.
/// Errors: kInvalidArgument with the key at fault.
[[nodiscard]] Result<Command> decode_command(ApiCall call, const std::map<std::string, std::string>& parameters, std::string_view body);

struct CommandCall {
  std::string method;
  std::string target;
  std::string body;  ///< JSON, or empty.
};
[[nodiscard]] CommandCall encode_command(const Command& command);

/// For the audit event: "server masters/mast-1 state drain".
[[nodiscard]] std::string describe(const Command& command);
/// "pool=masters client=10.0.0.7", "all" when empty.
[[nodiscard]] std::string describe(const ConnectionFilter& filter);
[[nodiscard]] bool is_empty(const ConnectionFilter& filter);

}  // namespace fairlead::admin
