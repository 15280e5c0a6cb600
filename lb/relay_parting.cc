// Connections on an address that leaves this node (ha-rules R18).
//
//   drain    each that there is closes at an idle moment of its own; clients that come meanwhile are served as ever
//   part     all are reset, while the address is here; or when it is gone already (lb/listener_socket.h, outlive_address)
//   hold     clients that were accepted too late to be served are reset; the listeners' filters keep most of them away (lb/worker.cc)
//
// The address waits for the RSTs, so they come first and at once, and all the rest of an end (cancelling what the engine has under way, two
// close(2)) after whoever waits was told: that is most of the work. An engine may hold clients that it accepted before; so nobody is told
// in the turn it began in. A drain is over when its last connection is freed.
#include <algorithm>
#include <sys/socket.h>

#include "base/sockaddr.h"
#include "lb/relay_table.h"

namespace fairlead::lb {

/// Either leg ends on `address` here. A system call for each: only asked when an address leaves this node.
bool RelayTable::has_local(const Connection& c, const IpAddress& address) const {
  for (const net::SocketId socket : c.socket) {
    if (socket != net::kNoSocket && local_of(env_.engine.fd_of(socket)).address.unmapped() == address) return true;
  }
  return false;
}

/// Connecting a TCP socket to "no address" ends its connection with an RST in this very call, whatever an engine has under way on it; its
/// own close(2) would have to wait for that.
void RelayTable::reset_ends(Connection& c, const IpAddress& local) {
  const sockaddr nowhere{.sa_family = AF_UNSPEC, .sa_data = {}};
  for (const net::SocketId socket : c.socket) {
    if (socket == net::kNoSocket) continue;
    const int fd = env_.engine.fd_of(socket);
    if (local_of(fd).address.unmapped() == local) (void)::connect(fd, &nowhere, sizeof nowhere);  // Fails when it is reset already.
  }
}

void RelayTable::part(const IpAddress& local, EndCause cause, Told told) {
  const std::uint8_t parting = begin_parting(std::move(told), cause);
  for (std::uint32_t slot = 0; slot < connections_.high_mark(); ++slot) {
    if (!connections_.is_live(slot)) continue;
    Connection& c = connections_[slot];
    if (c.core.is_closing() || c.was_reset || !has_local(c, local)) continue;
    join_parting(c, parting);
    log_end(c, cause);  // While its addresses are known.
    c.was_reset = true;
    reset_ends(c, local);
    if (parting == Connection::kNoParting) abort(slot, cause);
  }
}

/// The second half of part().
void RelayTable::close_parted(std::uint8_t parting, EndCause cause) {
  for (std::uint32_t slot = 0; slot < connections_.high_mark(); ++slot) {
    if (!connections_.is_live(slot) || connections_[slot].parting != parting) continue;
    leave_parting(connections_[slot]);
    abort(slot, cause);
  }
}

void RelayTable::drain(const IpAddress& local, Told told) {
  const std::uint8_t parting = begin_parting(std::move(told), EndCause::kNone);
  for (std::uint32_t slot = 0; slot < connections_.high_mark(); ++slot) {
    if (!connections_.is_live(slot)) continue;
    Connection& c = connections_[slot];
    if (c.core.is_closing() || !has_local(c, local)) continue;
    join_parting(c, parting);
    c.draining = true;
    if (c.core.is_open()) arm_timer(slot);  // Who is not yet is armed when it is.
  }
}

void RelayTable::stop_draining(const IpAddress& local) {
  for (std::uint32_t slot = 0; slot < connections_.high_mark(); ++slot) {
    if (!connections_.is_live(slot)) continue;
    Connection& c = connections_[slot];
    if (!c.draining || c.core.is_closing() || !has_local(c, local)) continue;
    c.draining = false;
    leave_parting(c);
    if (c.core.is_open()) arm_timer(slot);
  }
}

// ---- who waits for it ----

/// kNoParting: too many wait already, which 64 VIPs with one drain, one release and one end each cannot bring about. It is not waited for.
std::uint8_t RelayTable::begin_parting(Told&& told, EndCause cause) {
  auto place = std::find_if(partings_.begin(), partings_.end(), [](const Parting& p) { return !p.told; });
  if (place == partings_.end()) {
    if (partings_.size() == Connection::kNoParting) {
      told(0);
      return Connection::kNoParting;
    }
    place = partings_.insert(partings_.end(), Parting{});
  }
  *place = {.told = std::move(told), .connections = 0, .left = 0, .turn = turn_, .cause = cause};
  return static_cast<std::uint8_t>(place - partings_.begin());
}

/// The newest one has it: a release takes over what still drained.
void RelayTable::join_parting(Connection& c, std::uint8_t parting) {
  leave_parting(c);
  c.parting = parting;
  if (parting == Connection::kNoParting) return;
  ++partings_[parting].connections;
  ++partings_[parting].left;
}

void RelayTable::leave_parting(Connection& c) {
  if (c.parting == Connection::kNoParting) return;
  --partings_[c.parting].left;
  c.parting = Connection::kNoParting;
}

void RelayTable::tell_partings() {
  for (std::size_t i = 0; i < partings_.size(); ++i) {
    Parting& p = partings_[i];
    if (!p.is_over() || p.turn == turn_) continue;
    std::exchange(p.told, nullptr)(p.connections);
    if (p.left > 0) close_parted(static_cast<std::uint8_t>(i), p.cause);
  }
  if (std::none_of(partings_.begin(), partings_.end(), [](const Parting& p) { return static_cast<bool>(p.told); })) partings_.clear();
}

// ---- who comes too late ----

std::uint64_t RelayTable::hold_back(const IpAddress& local) {
  std::erase_if(holds_, [&](const Hold& hold) { return hold.address == local; });
  holds_.push_back({local, ++holds_begun_});
  return holds_begun_;
}

/// An older number is of a stay of the address before this one: it says nothing about this one's end.
void RelayTable::end_hold(const IpAddress& local, std::uint64_t hold) {
  std::erase_if(holds_, [&](const Hold& h) { return h.address == local && h.number <= hold; });
}

std::vector<IpAddress> RelayTable::held_back() const {
  std::vector<IpAddress> out;
  for (const Hold& hold : holds_) out.push_back(hold.address);
  return out;
}

bool RelayTable::is_held_back(const IpAddress& local) const {
  return std::any_of(holds_.begin(), holds_.end(), [&](const Hold& hold) { return hold.address == local; });
}

}  // namespace fairlead::lb
