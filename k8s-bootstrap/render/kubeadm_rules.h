// fairlead: pure
// What kubeadm demands of single texts beyond their type. Each gives what is wrong, or nothing; a text with a placeholder ("${...}")
// passes, for it gets its value later.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "base/time.h"

namespace fairlead::bootstrap::kube {

[[nodiscard]] std::string absolute_path(std::string_view text);
[[nodiscard]] std::string ip_address(std::string_view text);
[[nodiscard]] std::string networks(std::string_view text);        ///< One CIDR, or two of both IP versions with a comma between them.
[[nodiscard]] std::string dns_name(std::string_view text);        ///< Lower case, as the API wants names.
[[nodiscard]] std::string host_with_port(std::string_view text);  ///< An address or a name, with or without a port.
[[nodiscard]] std::string url(std::string_view text);
[[nodiscard]] std::string unix_socket(std::string_view text);         ///< "unix:///run/...", or a path (deprecated, still taken).
[[nodiscard]] std::string kubernetes_version(std::string_view text);  ///< "v1.36.4", "stable-1", "latest".
[[nodiscard]] std::string token(std::string_view text);
[[nodiscard]] std::string certificate_key(std::string_view text);
[[nodiscard]] std::string ca_hash(std::string_view text);
[[nodiscard]] std::string timestamp(std::string_view text);  ///< RFC 3339.
[[nodiscard]] std::string bootstrap_group(std::string_view text);

/// Go's form: "15m0s", "1h30m", "1.5s", "0". nullopt: it is none, or longer than 2^63 ns.
[[nodiscard]] std::optional<Duration> parse_go_duration(std::string_view text);
/// "100Mi", "1.5", "250m", "10%" is none.
[[nodiscard]] bool is_quantity(std::string_view text);

}  // namespace fairlead::bootstrap::kube
