#include "config/host_environment.h"

#include <array>
#include <cstring>
#include <fstream>
#include <ifaddrs.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <memory>
#include <net/if.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sched.h>
#include <sstream>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/fd.h"

namespace fairlead::config {
namespace {

constexpr std::size_t kResolversMax = 16;
constexpr std::uint32_t kEndless = 0xffffffff;  ///< INFINITY_LIFE_TIME of the kernel.

std::optional<std::vector<IpAddress>> local_addresses() {
  ifaddrs* list = nullptr;
  if (::getifaddrs(&list) != 0) return std::nullopt;
  const std::unique_ptr<ifaddrs, decltype(&::freeifaddrs)> owner(list, ::freeifaddrs);
  std::vector<IpAddress> out;
  for (const ifaddrs* entry = list; entry != nullptr; entry = entry->ifa_next) {
    if (entry->ifa_addr == nullptr) continue;
    if (entry->ifa_addr->sa_family == AF_INET) {
      sockaddr_in address{};
      std::memcpy(&address, entry->ifa_addr, sizeof address);
      std::array<std::uint8_t, 4> bytes{};
      std::memcpy(bytes.data(), &address.sin_addr, bytes.size());
      out.push_back(IpAddress::v4(bytes));
    } else if (entry->ifa_addr->sa_family == AF_INET6) {
      sockaddr_in6 address{};
      std::memcpy(&address, entry->ifa_addr, sizeof address);
      std::array<std::uint8_t, 16> bytes{};
      std::memcpy(bytes.data(), &address.sin6_addr, bytes.size());
      out.push_back(IpAddress::v6(bytes));
    }
  }
  return out;
}

void add_if_lent(nlmsghdr& message, std::vector<LentAddress>& out) {
  auto* body = static_cast<ifaddrmsg*>(NLMSG_DATA(&message));
  auto size = static_cast<unsigned>(IFA_PAYLOAD(&message));
  std::optional<IpAddress> address;
  ifa_cacheinfo life{.ifa_prefered = 0, .ifa_valid = kEndless, .cstamp = 0, .tstamp = 0};
  for (auto* a = IFA_RTA(body); RTA_OK(a, size); a = RTA_NEXT(a, size)) {
    std::array<std::uint8_t, 4> bytes{};
    if (a->rta_type == IFA_LOCAL && RTA_PAYLOAD(a) == bytes.size()) {
      std::memcpy(bytes.data(), RTA_DATA(a), bytes.size());
      address = IpAddress::v4(bytes);
    }
    if (a->rta_type == IFA_CACHEINFO && RTA_PAYLOAD(a) >= sizeof life) std::memcpy(&life, RTA_DATA(a), sizeof life);
  }
  std::array<char, IF_NAMESIZE> name{};
  if (address && life.ifa_valid != kEndless && ::if_indextoname(body->ifa_index, name.data()) != nullptr)
    out.push_back({name.data(), *address});
}

std::optional<std::uint32_t> ephemeral_ports() {
  std::ifstream file("/proc/sys/net/ipv4/ip_local_port_range");
  std::uint32_t first = 0;
  std::uint32_t last = 0;
  if (!(file >> first >> last) || last < first) return std::nullopt;
  return last - first + 1;
}

/// Those that the kernel has loaded and gives to this process: tcp_allowed_congestion_control names fewer to who lacks CAP_NET_ADMIN.
std::vector<std::string> congestion_controls() {
  std::ifstream file("/proc/sys/net/ipv4/tcp_available_congestion_control");
  const Fd fd(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  std::vector<std::string> out;
  for (std::string name; file >> name;) {
    if (::setsockopt(fd.get(), IPPROTO_TCP, TCP_CONGESTION, name.data(), static_cast<socklen_t>(name.size())) == 0) out.push_back(name);
  }
  return out;
}

/// rtnetlink(7): addresses of IPv4 whose valid lifetime (IFA_CACHEINFO) is not endless. An answer that is cut short names fewer.
std::vector<LentAddress> lent_addresses() {
  std::vector<LentAddress> out;
  const Fd fd(::socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE));
  struct {
    nlmsghdr header;
    ifaddrmsg body;
  } request{};
  request.header.nlmsg_len = sizeof request;
  request.header.nlmsg_type = RTM_GETADDR;
  request.header.nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP;
  request.body.ifa_family = AF_INET;
  if (::send(fd.get(), &request, sizeof request, 0) != static_cast<ssize_t>(sizeof request)) return out;
  alignas(nlmsghdr) std::array<char, std::size_t{32} * 1024> answer{};
  for (;;) {
    const ssize_t size = ::recv(fd.get(), answer.data(), answer.size(), 0);
    if (size <= 0) return out;
    auto left = static_cast<unsigned>(size);
    for (auto* m = reinterpret_cast<nlmsghdr*>(answer.data()); NLMSG_OK(m, left); m = NLMSG_NEXT(m, left)) {
      if (m->nlmsg_type == NLMSG_DONE || m->nlmsg_type == NLMSG_ERROR) return out;
      if (m->nlmsg_type == RTM_NEWADDR) add_if_lent(*m, out);
    }
  }
}

/// Those that can be read: a zone ("fe80::1%eth0") is left out.
std::vector<IpAddress> resolvers() {
  std::ifstream file("/etc/resolv.conf");
  std::vector<IpAddress> out;
  for (std::string line; out.size() < kResolversMax && std::getline(file, line);) {
    std::istringstream words(line);
    std::string key;
    std::string value;
    if (!(words >> key >> value) || key != "nameserver") continue;
    if (const auto address = parse_ip_address(value)) out.push_back(*address);
  }
  return out;
}

}  // namespace

Environment host_environment() {
  Environment out;
  std::array<char, 256> name{};
  if (::gethostname(name.data(), name.size() - 1) == 0) out.host_name = name.data();
  out.local_addresses = local_addresses();
  out.lent_addresses = lent_addresses();
  out.resolvers = resolvers();
  rlimit limit{};
  if (::getrlimit(RLIMIT_NOFILE, &limit) == 0 && limit.rlim_max != RLIM_INFINITY) out.descriptors_max = limit.rlim_max;
  cpu_set_t cpus;
  if (::sched_getaffinity(0, sizeof cpus, &cpus) == 0) out.cpus = static_cast<std::size_t>(CPU_COUNT(&cpus));
  out.ephemeral_ports = ephemeral_ports();
  out.congestion_controls = congestion_controls();
  return out;
}

}  // namespace fairlead::config
