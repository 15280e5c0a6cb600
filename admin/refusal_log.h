// Who was refused: COMMAND_REFUSED for a call, ADMIN_CLIENT_REFUSED for a connection, each at a rate that nobody can fill a log with.
//
// Threading: `admin` only. Ownership: clock and counters outlive it.
#pragma once

#include <string>
#include <string_view>

#include "admin/api_routes.h"
#include "admin/metrics.h"
#include "base/seldom_said.h"

namespace fairlead::admin {

/// Who is on the other end of a connection, as the kernel or the TLS library says.
struct Caller {
  std::string name;  ///< "uid 0 (root)", "certificate CN=ops", "tcp 127.0.0.1:5000"
  ApiRole role = ApiRole::kRead;
  std::string party{};  ///< The name over all of its connections: "tcp 127.0.0.1". Empty: `name` is that.
};

class RefusalLog {
 public:
  RefusalLog(const Clock& clock, ApiCounters& counters) : clock_(clock), counters_(counters) {}

  /// `call`: method and path. `route`: what of it is counted together. `why`: "no operator".
  void refused(const Caller& caller, std::string_view route, std::string_view call, std::string_view why);
  /// The TLS handshake failed.
  void turned_away(const Caller& peer, std::string_view why);
  /// It had to make room for another connection: `why` it was the one.
  void evicted(const Caller& peer, std::string_view why);
  /// There was no place for it, as the `places` it may have are taken.
  void shed(const Caller& peer, std::size_t places);

 private:
  const Clock& clock_;
  ApiCounters& counters_;
  SeldomSaidBy refused_{1024};
  /// By address they would say no more: each try may come from another one.
  SeldomSaid turned_away_, evicted_, shed_;
};

}  // namespace fairlead::admin
