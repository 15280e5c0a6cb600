// fairlead: pure
// Reports as text for people. `fairlead status` fits one screen; docs/reference/cli.md shows it.
#pragma once

#include <string>
#include <vector>

#include "admin/status.h"

namespace fairlead::cli {

[[nodiscard]] std::string status_text(const admin::NodeReport& report, bool color);
[[nodiscard]] std::string listeners_text(const std::vector<admin::ListenerStatus>& listeners, bool color);
[[nodiscard]] std::string listener_text(const admin::ListenerStatus& listener, bool color);
[[nodiscard]] std::string pools_text(const std::vector<admin::PoolStatus>& pools, bool color);
/// One pool with the table of its servers.
[[nodiscard]] std::string pool_text(const admin::PoolStatus& pool, bool color);
/// Servers of all pools, named POOL/NAME.
[[nodiscard]] std::string servers_text(const std::vector<admin::PoolStatus>& pools, bool color);
[[nodiscard]] std::string server_text(const std::string& pool, const admin::ServerStatus& server, bool color);
[[nodiscard]] std::string connections_text(const std::vector<admin::ConnectionInfo>& connections, bool color);
/// One line: "2024-01-02T03:04:05.678Z warning SERVER_DOWN pool=masters server=mast-1".
[[nodiscard]] std::string event_text(const admin::EventInfo& event, bool color);

}  // namespace fairlead::cli
