#include "dnsdhcp/nft_watch.h"

#include <array>
#include <cerrno>
#include <linux/netfilter/nfnetlink.h>
#include <linux/netlink.h>
#include <sys/socket.h>
#include <utility>

namespace fairlead::dnsdhcp {
namespace {

constexpr int kReadsMax = 256;  ///< In one turn of the loop; the rest comes in the next one.

}  // namespace

Result<std::unique_ptr<NftWatch>> NftWatch::open(QbLoop& loop, std::function<void()> on_change) {
  Fd fd(::socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, NETLINK_NETFILTER));
  if (!fd.valid()) return errno_error("watch the nftables");
  sockaddr_nl any{};
  any.nl_family = AF_NETLINK;
  if (::bind(fd.get(), reinterpret_cast<const sockaddr*>(&any), sizeof any) != 0) return errno_error("watch the nftables");
  const int group = NFNLGRP_NFTABLES;
  if (::setsockopt(fd.get(), SOL_NETLINK, NETLINK_ADD_MEMBERSHIP, &group, sizeof group) != 0) return errno_error("watch the nftables");
  std::unique_ptr<NftWatch> out(new NftWatch(loop, std::move(fd), std::move(on_change)));
  if (auto watched = loop.add_readable(out->fd_.get(), [self = out.get()] { self->drain(); }); !watched) return watched.error();
  return out;
}

/// ENOBUFS says that messages were lost, which is news as well.
void NftWatch::drain() {
  std::array<char, 4096> message{};  // What does not fit is cut off.
  bool news = false;
  for (int i = 0; i < kReadsMax; ++i) {
    if (::recv(fd_.get(), message.data(), message.size(), 0) < 0) {
      if (errno == EINTR) continue;
      if (errno != ENOBUFS) break;
    }
    news = true;
  }
  if (news) on_change_();
}

}  // namespace fairlead::dnsdhcp
