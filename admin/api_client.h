// A client's way to the daemon: one HTTP call at a time, over the unix socket or --server URL.
// Here and not in cli/, because Asio and OpenSSL live in admin/.
#pragma once

#include <functional>
#include <memory>
#include <string>

#include "base/result.h"
#include "base/time.h"

namespace fairlead::admin {

struct ConnectOptions {
  std::string socket = "/run/fairlead/fairlead.sock";
  std::string server;  ///< "http://127.0.0.1:9440" or "https://gate-1:9440"; not empty: instead of the socket.
  std::string ca;
  std::string cert;
  std::string key;
  Duration timeout = std::chrono::seconds(70);  ///< Above the server's own deadline for a command.
};

struct ApiReply {
  unsigned status = 0;
  std::string body;
};

class ApiPort {
 public:
  virtual ~ApiPort() = default;
  /// `body` empty: none. An error means that the daemon was not reached, or went away; its context says what to do.
  [[nodiscard]] virtual Result<ApiReply> call(const std::string& method, const std::string& target, const std::string& body) = 0;
};
using ApiFactory = std::function<std::unique_ptr<ApiPort>(const ConnectOptions&)>;

[[nodiscard]] std::unique_ptr<ApiPort> make_api_client(const ConnectOptions& options);

struct ServerUrl {
  bool tls = false;
  std::string host;
  std::string port;
};
/// Errors: kInvalidArgument.
[[nodiscard]] Result<ServerUrl> parse_server_url(std::string_view text);

}  // namespace fairlead::admin
