// The API of one node: a thread named `admin` with an Asio loop, a unix socket and, if asked for, a TCP listener.
//
// The unix socket is the way in that must work: start() fails without it. A TCP listener that cannot be opened is the event ADMIN_FAILED,
// the daemon goes on, and a busy address is tried again.
//
// Threading: start() and stop() from one thread. NodePort is called on `admin` and outlives stop(); its callbacks may come late, even
// after this object is gone.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "admin/api_session.h"
#include "admin/node_port.h"
#include "base/result.h"
#include "config/settings.h"

namespace fairlead::admin {

struct ApiOptions {
  std::string socket;  ///< Empty: none (tests).
  std::string listen;  ///< "127.0.0.1:9440"; empty: none. Port 0: the kernel's choice, see tcp_port().
  config::AdminTls tls;
  std::vector<std::string> operators;
  std::string operator_group = "fairlead";
  ApiLimits limits;
  Duration listen_retry = std::chrono::seconds(5);  ///< A busy TCP address is tried again this often.
};
[[nodiscard]] ApiOptions api_options(const config::Admin& settings);

class ApiServer {
 public:
  ApiServer(ApiOptions options, NodePort& node);
  ~ApiServer();  ///< Stops.
  ApiServer(const ApiServer&) = delete;
  ApiServer& operator=(const ApiServer&) = delete;

  /// Errors: kConflict (a live daemon on the socket), kPermission, kInvalidArgument, about the unix socket; kLimitExceeded (no descriptor
  /// or thread left).
  [[nodiscard]] Status start();
  /// Closes every connection, joins the thread, removes the socket file. Harmless when not started or called again.
  void stop();
  /// Who may change things over TLS, and the certificates, from the next request on; the files are read anew. What cannot be read is the
  /// event ADMIN_FAILED, and the old ones stay. Another certificate or authority ends the connections over TCP that there are, each after
  /// the answer that is under way. A listener off loopback never loses its TLS.
  void renew(config::AdminTls tls, std::vector<std::string> operators);
  /// The TCP listener's port; 0 while there is none. Any thread.
  [[nodiscard]] std::uint16_t tcp_port() const;

 private:
  class Loop;
  const ApiOptions options_;
  NodePort& node_;  ///< Outlives this object: the daemon owns both.
  std::unique_ptr<Loop> loop_;
};

}  // namespace fairlead::admin
