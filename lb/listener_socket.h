// Makes the sockets of the data plane: listeners and server legs, with their options.
#pragma once

#include <optional>
#include <span>
#include <string>

#include "base/fd.h"
#include "base/ip_address.h"
#include "base/result.h"
#include "base/time.h"
#include "config/settings.h"
#include "lb/route_table.h"

namespace fairlead::lb {

/// Options of both legs of a connection. What is set on a listener is inherited by what it accepts (so it costs a connection nothing).
struct LegOptions {
  config::Keepalive keepalive;
  Duration tcp_user_timeout{};       ///< 0 = the kernel's.
  std::string congestion_control{};  ///< Of a listener (a server leg has its pool's from before it connects). Empty: the host's.
};

/// IPv4 sends nothing from an address that has gone: a connection that ends after its VIP has left would leave the client waiting. That is
/// the rule when the daemon is killed: its guard deletes the address at once, io_uring's sockets are closed some milliseconds later.
/// IP_TRANSPARENT lifts the check of the source (ip(7); IPv6 has none), on a listener for all that it accepts. It brings back no route:
/// where the VIP was the interface's only address, or has a route of its own (vips[].route), these ends are not sent, or by another way.
/// Without CAP_NET_ADMIN nothing changes; who lacks it has no VIPs either.
void outlive_address(int fd);
/// A listening TCP socket: SO_REUSEPORT (one per worker), IP_FREEBIND (a VIP may live elsewhere now), outlive_address(), non-blocking,
/// TCP_NODELAY; IPv6 only for an IPv6 address. Errors: kConflict (port busy), kPermission (port below 1024 without CAP_NET_BIND_SERVICE),
/// others of bind(2).
[[nodiscard]] Result<Fd> open_listener(const Endpoint& address, const LegOptions& options);
/// Keepalive and timeout. Of an open listener: connections accepted from now on have them.
void apply_leg_options(int fd, const LegOptions& options);
/// TCP_CONGESTION (tcp(7)). Of a listener: connections accepted from now on have it. For names that the kernel has loaded: for another one
/// it would run modprobe, and this thread wait (daemon/machine.h).
void set_congestion_control(int fd, const std::string& name);
/// Of a new socket.
[[nodiscard]] std::string default_congestion_control();
/// While an address leaves this node: the kernel drops SYNs for `held_back` before this listener answers them, so that no handshake begins
/// that ends nowhere. The client's kernel tries again a second later, at the next holder; a refusal would be the application's to mend.
/// Empty: everything is answered again. Without effect where the kernel has no room for the filter: then the worker resets who comes.
void hold_back_syns(int fd, std::span<const IpAddress> held_back);
/// An unconnected socket for a server leg with TCP_NODELAY, bound to `source` when given (the port is chosen at connect time). Its
/// LegOptions come later (RelayTable::fire), but for `congestion_control`, by which its handshake goes. `ports`: choose among these, where
/// the kernel knows how (IP_LOCAL_PORT_RANGE, Linux 6.3).
/// Errors: kLimitExceeded (descriptors), kUnavailable (source address not on this host).
[[nodiscard]] Result<Fd> open_server_leg(IpAddress::Family family, const std::optional<IpAddress>& source,
                                         const std::optional<PortRange>& ports = std::nullopt, const std::string& congestion_control = {});
/// bind(2) or connect(2) says so when the source address is not (any more) this host's, or its ports are used up.
[[nodiscard]] bool is_source_trouble(int sys_errno);

}  // namespace fairlead::lb
