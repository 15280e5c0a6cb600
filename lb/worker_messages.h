// What the control thread tells a worker, and what a worker tells the control thread. Values through bounded queues (base/inbox.h).
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "base/fd.h"
#include "base/ip_address.h"
#include "lb/health_values.h"
#include "lb/listener_socket.h"
#include "lb/relay_core.h"
#include "lb/route_table.h"

namespace fairlead::lb {

/// Which connections an operator means. Empty fields match all.
struct ConnectionQuery {
  std::string listener;
  std::string pool;
  std::string server;
  std::string client;  ///< An address.
  std::uint64_t id = 0;
};

/// One connection as an operator sees it.
struct ConnectionView {
  std::uint64_t id = 0;
  std::string listener;
  Endpoint client;
  std::string pool;
  std::string server;  ///< Empty while none is chosen.
  Endpoint local;      ///< Our end of the server leg.
  std::string state;
  Duration age{};
  Duration idle{};
  std::uint64_t bytes_in = 0;
  std::uint64_t bytes_out = 0;
};

/// A list of connections on its way (RelayTable::list).
struct ConnectionListing {
  ConnectionQuery query;
  std::size_t limit = 0;
  std::uint32_t next = 0;  ///< The place to look at next.
  std::vector<ConnectionView> found;
  bool is_done = false;
};

/// Likewise of connections that are being closed (RelayTable::kill).
struct ConnectionKilling {
  ConnectionQuery query;
  EndCause cause = EndCause::kKilled;
  std::uint32_t next = 0;
  std::size_t killed = 0;
  bool is_done = false;
};

/// Likewise of a server's.
struct ServerClosing {
  ServerId server = 0;
  EndCause cause = EndCause::kServerDown;
  Instant before = Instant::max();  ///< What began later is not meant: the server is up again.
  std::uint32_t next = 0;
  bool is_done = false;
};

/// Likewise of the one connection of a server that is idle longest, which is to be closed.
struct IdleClosing {
  struct Found {
    std::uint32_t slot = 0;
    std::uint32_t serial = 0;
    Instant active{};  ///< When it moved last.
  };
  ServerId server = 0;
  std::uint32_t next = 0;
  std::optional<Found> longest = std::nullopt;  ///< So far.
  bool is_done = false;
};

// ---- to a worker ----
struct SetRoutes {
  std::shared_ptr<const RouteTable> table;
};
/// `bind` names one address of a listener; each worker has its own socket for it (SO_REUSEPORT).
struct OpenListener {
  ListenerId listener = 0;
  BindId bind = 0;
  Fd socket;
  bool has_congestion_control = false;  ///< One of its own, not the host's.
};
/// Stops accepting; its connections go on.
struct CloseListener {
  BindId bind = 0;
};
/// For connections accepted from now on.
struct SetLegOptions {
  BindId bind = 0;
  LegOptions options;
};
struct CloseServerConnections {
  ServerId server = 0;
  EndCause cause = EndCause::kServerDown;
};
/// One connection of the server, the one that has been idle longest, is closed so that its client connects anew (lb/rebalance.h).
struct CloseIdle {
  ServerId server = 0;
};
struct KillMatching {
  ConnectionQuery query;
  EndCause cause = EndCause::kKilled;
  std::function<void(std::size_t killed)> done;  ///< Called on the worker's thread; must not block.
};
struct ListMatching {
  ConnectionQuery query;
  std::size_t limit = 0;
  std::function<void(std::vector<ConnectionView>)> done;  ///< Likewise.
};
/// A planned release (R18): resets the connections on `address` and the legs sourced from it while it is still here. From now on until
/// AddressGone, new ones are kept away, or reset when they came before that took hold. Other addresses' connections go on.
struct ReleaseAddress {
  IpAddress address;
  std::function<void(std::size_t closed)> done;  ///< Once every RST is sent. As in KillMatching.
};
/// This node has the address no more: what is left on it is reset. When it comes back its connections are welcome.
struct AddressGone {
  IpAddress address;
};
/// Closes the connections there are on `address`, each at an idle moment of its own; new ones are none of them.
struct DrainAddress {
  IpAddress address;
  std::function<void(std::size_t closed)> done;  ///< When the last of them has ended, however it did.
};
/// What is left of DrainAddress's goes on as before.
struct StopDraining {
  IpAddress address;
};
/// Makes the loop turn (WorkerStats::turns shows it). When what was posted before it is done, WorkerStats::pong is `sequence`.
struct Ping {
  std::uint64_t sequence = 0;
};
struct StopWorker {};
using WorkerMessage = std::variant<SetRoutes, OpenListener, CloseListener, SetLegOptions, CloseServerConnections, CloseIdle, KillMatching,
                                   ListMatching, ReleaseAddress, AddressGone, DrainAddress, StopDraining, Ping, StopWorker>;

// ---- to the control thread ----
struct ConnectFailed {
  ServerId server = 0;
  ConnectCause cause = ConnectCause::kRefused;
};
/// The first success after a failure.
struct ConnectWorked {
  ServerId server = 0;
};
using WorkerReport = std::variant<ConnectFailed, ConnectWorked>;

}  // namespace fairlead::lb
