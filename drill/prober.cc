#include "drill/prober.h"

#include <algorithm>
#include <array>
#include <cerrno>
#include <poll.h>
#include <sys/socket.h>
#include <vector>

#include "base/sockaddr.h"
#include "vip/arp_socket.h"
#include "vip/interface_choice.h"
#include "vip/ndp_socket.h"
#include "vip/netlink_address_driver.h"

namespace fairlead::drill {
namespace {

constexpr std::string_view kRequest = "GET /livez HTTP/1.0\r\n\r\n";

TryEnd end_of(int sys_errno) {
  switch (sys_errno) {
    case ECONNREFUSED: return TryEnd::kRefused;
    case ECONNRESET:
    case EPIPE: return TryEnd::kReset;
    case ETIMEDOUT: return TryEnd::kTimeout;
    default: return TryEnd::kUnreachable;
  }
}

int error_of(int fd) {
  int error = 0;
  socklen_t size = sizeof error;
  return ::getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &size) == 0 ? error : errno;
}

}  // namespace

Result<std::unique_ptr<Prober>> Prober::make(const ProberOptions& options) {
  if (options.target.port == 0) return Error{Errc::kInvalidArgument, "the port must not be 0"};
  if (options.interval <= Duration::zero()) return Error{Errc::kInvalidArgument, "the interval must be above 0"};
  std::unique_ptr<Prober> out(new Prober(options));
  if (options.ask_neighbours) {
    if (auto status = out->watch_neighbours(); !status) return status.error();
  }
  return out;
}

Status Prober::watch_neighbours() {
  auto driver = vip::NetlinkAddressDriver::open();
  if (!driver) return driver.error();
  const auto links = (*driver)->links();
  if (!links) return links.error();
  const auto addresses = (*driver)->addresses();
  if (!addresses) return addresses.error();
  const IpAddress target = options_.target.address;
  const auto link = vip::choose_interface("auto", IpPrefix{target, static_cast<std::uint8_t>(target.bits())}, *links, *addresses);
  if (!link) return link.error();
  for (const vip::PresentAddress& a : *addresses) {
    if (a.index == link->index && a.address.contains(target)) own_ = a.address.address;
  }
  if (target.is_v4()) {
    auto port = vip::ArpSocket::open(*link, *this, clock_);
    if (!port) return port.error();
    neighbours_ = std::move(*port);
  } else {
    auto port = vip::NdpSocket::open(*link, *this, clock_);
    if (!port) return port.error();
    neighbours_ = std::move(*port);
  }
  log_.arp_watched = true;
  return neighbours_->watch(target);
}

void Prober::on_neighbour(const vip::NeighbourEvent& event) {
  if (event.address != options_.target.address) return;
  if (event.kind == vip::NeighbourEventKind::kClaim) log_.announcements.push_back({since_begin(), event.mac});
  if (event.kind != vip::NeighbourEventKind::kAnswer || log_.rounds.empty()) return;
  auto& answers = log_.rounds.back().answers;
  if (std::find(answers.begin(), answers.end(), event.mac) == answers.end()) answers.push_back(event.mac);
}

void Prober::ask() {
  if (!neighbours_) return;
  (void)neighbours_->receive();  // After a pause of ours: what came meanwhile belongs to the round that ends.
  const Duration asked = since_begin();
  if (!neighbours_->probe(options_.target.address, own_)) return;  // Nobody was asked: that nobody answers would say nothing.
  log_.rounds.push_back({.asked = asked, .answers = {}});
}

void Prober::begin_try() {
  log_.tries.push_back({.begun = since_begin(), .ended = {}, .end = TryEnd::kOpen});
  Open open;
  open.index = log_.tries.size() - 1;
  const SocketAddress address = to_sockaddr(options_.target);
  open.fd = Fd(::socket(address.get()->sa_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
  if (!open.fd.valid()) return end_try(open, TryEnd::kUnreachable);
  if (::connect(open.fd.get(), address.get(), address.size) != 0 && errno != EINPROGRESS) return end_try(open, end_of(errno));
  open_.push_back(std::move(open));
}

void Prober::end_try(Open& open, TryEnd end) {
  Try& done = log_.tries[open.index];
  done.end = end;
  done.ended = since_begin();
  open.fd.reset();
}

void Prober::go_on(Open& open, short events) {
  if (!open.sent) {
    if (const int error = error_of(open.fd.get()); error != 0) return end_try(open, end_of(error));
    if ((events & POLLOUT) == 0) return;
    const auto sent = ::send(open.fd.get(), kRequest.data(), kRequest.size(), MSG_NOSIGNAL);
    if (sent < 0) return end_try(open, end_of(errno));
    open.sent = true;  // So few bytes go as one.
    return;
  }
  std::array<char, 512> answer{};
  const auto got = ::recv(open.fd.get(), answer.data(), answer.size(), 0);
  if (got > 0) return end_try(open, TryEnd::kAnswered);
  if (got == 0) return end_try(open, TryEnd::kClosed);
  if (errno != EAGAIN && errno != EINTR) end_try(open, end_of(errno));
}

void Prober::wait_until(Instant at) {
  for (;;) {
    const Duration left = at - clock_.now();
    if (left <= Duration::zero()) return;
    std::vector<pollfd> watched;
    for (const Open& open : open_) watched.push_back({open.fd.get(), static_cast<short>(open.sent ? POLLIN : POLLOUT), 0});
    if (neighbours_) watched.push_back({neighbours_->fd(), POLLIN, 0});
    const timespec time{.tv_sec = left / std::chrono::seconds(1), .tv_nsec = (left % std::chrono::seconds(1)).count()};
    const int ready = ::ppoll(watched.data(), watched.size(), &time, nullptr);
    if (ready < 0) return;  // A signal: the caller looks whether it is to stop.
    std::size_t i = 0;
    for (auto open = open_.begin(); open != open_.end(); ++i) {
      if (watched[i].revents != 0) go_on(*open, watched[i].revents);
      open = open->fd.valid() ? std::next(open) : open_.erase(open);
    }
    if (neighbours_ && watched.back().revents != 0) (void)neighbours_->receive();  // Gone interface: silence, as for every client.
  }
}

void Prober::run(const Stop& stop) {
  begun_ = clock_.now();
  Instant next = begun_;
  bool ending = false;
  while (!ending || !open_.empty()) {
    if (!ending) {
      log_.worst_lateness = std::max(log_.worst_lateness, clock_.now() - next);
      ask();
      begin_try();
    }
    next = std::max(next + options_.interval, clock_.now());
    wait_until(next);
    const Duration now = since_begin();
    for (auto open = open_.begin(); open != open_.end();) {
      if (now - log_.tries[open->index].begun >= options_.deadline) end_try(*open, TryEnd::kTimeout);
      open = open->fd.valid() ? std::next(open) : open_.erase(open);
    }
    ending = ending || stop(log_);
  }
}

}  // namespace fairlead::drill
