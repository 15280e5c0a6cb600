#include "dnsdhcp/port_owner.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <cstdio>
#include <dirent.h>
#include <fcntl.h>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fd.h"

namespace fairlead::dnsdhcp {
namespace {

constexpr std::size_t kListBytesMax = 4 << 20;
constexpr std::size_t kColumns = 10;
constexpr std::string_view kTcpListens = "0A";
constexpr std::size_t kOwnersShown = 4;
/// Who serves names, addresses or boot files, as the kernel names them (15 characters).
constexpr std::array<std::string_view, 14> kServers{"dnsmasq",  "systemd-resolve", "named",     "unbound",   "pdns_recursor",
                                                    "coredns",  "kresd",           "kea-dhcp4", "kea-dhcp6", "dhcpd",
                                                    "dhcrelay", "udhcpd",          "connmand",  "in.tftpd"};

template <class T>
std::optional<T> number(std::string_view text, int base) {
  T out{};
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), out, base);
  if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return out;
}

/// 32-bit words as this machine (little-endian) stores them: "0100007F".
std::optional<IpAddress> kernel_address(std::string_view hex) {
  std::array<std::uint8_t, 16> bytes{};
  if (hex.size() != 8 && hex.size() != 32) return std::nullopt;
  for (std::size_t word = 0; word < hex.size() / 8; ++word) {
    const auto value = number<std::uint32_t>(hex.substr(word * 8, 8), 16);
    if (!value) return std::nullopt;
    for (std::size_t i = 0; i < 4; ++i) bytes[word * 4 + i] = static_cast<std::uint8_t>(*value >> (8 * i));
  }
  if (hex.size() == 8) return IpAddress::v4({bytes[0], bytes[1], bytes[2], bytes[3]});
  return IpAddress::v6(bytes).unmapped();
}

std::optional<BoundSocket> parse_line(std::string_view line, std::uint16_t port) {
  std::array<std::string_view, kColumns> column;
  for (std::string_view& one : column) {
    line.remove_prefix(std::min(line.find_first_not_of(' '), line.size()));
    one = line.substr(0, line.find(' '));
    line.remove_prefix(one.size());
  }
  const std::size_t colon = column[1].find(':');
  if (colon == std::string_view::npos || number<std::uint16_t>(column[1].substr(colon + 1), 16) != port) return std::nullopt;
  const auto address = kernel_address(column[1].substr(0, colon));
  const auto uid = number<std::uint32_t>(column[7], 10);
  const auto inode = number<std::uint64_t>(column[9], 10);
  if (!address || !uid || !inode) return std::nullopt;
  return BoundSocket{*address, *uid, *inode};
}

std::string read_list(const char* path) {
  const Fd fd(::open(path, O_RDONLY | O_CLOEXEC));
  std::string out;
  std::array<char, 16384> block{};
  while (fd.valid() && out.size() < kListBytesMax) {
    const ssize_t n = ::read(fd.get(), block.data(), block.size());
    if (n <= 0) break;
    out.append(block.data(), static_cast<std::size_t>(n));
  }
  return out;
}

/// Lines of listening sockets: those of UDP are all.
std::string listening_only(const std::string& list) {
  std::string out;
  std::string_view rest = list;
  while (!rest.empty()) {
    const std::string_view line = rest.substr(0, rest.find('\n'));
    rest.remove_prefix(std::min(line.size() + 1, rest.size()));
    if (line.find(" " + std::string(kTcpListens) + " ") != std::string_view::npos) (out += line) += '\n';
  }
  return out;
}

struct DirCloser {
  void operator()(DIR* dir) const { ::closedir(dir); }
};

/// Names of a folder of /proc; none when it may not be read.
std::vector<std::string> names_in(const std::string& path) {
  std::vector<std::string> out;
  const std::unique_ptr<DIR, DirCloser> dir(::opendir(path.c_str()));
  if (!dir) return out;
  while (const dirent* entry = ::readdir(dir.get())) {
    if (entry->d_name[0] >= '0' && entry->d_name[0] <= '9') out.emplace_back(entry->d_name);
  }
  return out;
}

std::string name_of(const std::string& pid) {
  std::string name = read_list(("/proc/" + pid + "/comm").c_str());
  while (name.ends_with('\n')) name.pop_back();
  return name.empty() ? "a process" : name;
}

/// Which process has each of these sockets: "dnsmasq (process 412)".
std::map<std::uint64_t, std::string> owners_of(const std::set<std::uint64_t>& inodes) {
  std::map<std::uint64_t, std::string> out;
  for (const std::string& pid : names_in("/proc")) {
    const std::string folder = "/proc/" + pid + "/fd";
    for (const std::string& fd : names_in(folder)) {
      std::array<char, 64> target{};
      const ssize_t n = ::readlink((folder + "/" + fd).c_str(), target.data(), target.size() - 1);
      std::string_view link(target.data(), n > 0 ? static_cast<std::size_t>(n) : 0);
      if (!link.starts_with("socket:[") || !link.ends_with(']')) continue;
      const auto inode = number<std::uint64_t>(link.substr(8, link.size() - 9), 10);
      if (inode && inodes.contains(*inode)) out.emplace(*inode, name_of(pid) + " (process " + pid + ")");
    }
  }
  return out;
}

/// Whose descriptors this process may not see (it has no right over other users' processes, nor over root's): the user, and which of its
/// processes it probably is: one of a few, or one that is known to serve names or addresses.
std::string describe_user(std::uint32_t uid) {
  std::vector<std::string> all;
  std::vector<std::string> servers;
  for (const std::string& pid : names_in("/proc")) {
    struct stat of {};
    if (::stat(("/proc/" + pid).c_str(), &of) != 0 || of.st_uid != uid || !names_in("/proc/" + pid + "/fd").empty()) continue;
    const std::string name = name_of(pid);
    all.push_back(name + " (process " + pid + ")");
    if (std::find(kServers.begin(), kServers.end(), name) != kServers.end()) servers.push_back(all.back());
  }
  const auto& likely = all.size() <= kOwnersShown ? all : servers;
  std::string out = "a process of user " + std::to_string(uid);
  for (std::size_t i = 0; i < std::min(likely.size(), kOwnersShown); ++i) out += (i == 0 ? ", probably " : " or ") + likely[i];
  return likely.empty() ? out : out + ",";
}

}  // namespace

std::vector<BoundSocket> parse_bound_sockets(std::string_view text, std::uint16_t port) {
  std::vector<BoundSocket> out;
  while (!text.empty()) {
    const std::string_view line = text.substr(0, text.find('\n'));
    text.remove_prefix(std::min(line.size() + 1, text.size()));
    if (const auto socket = parse_line(line, port)) out.push_back(*socket);
  }
  return out;
}

std::string describe_port_owners(const Endpoint& wanted) {
  std::vector<BoundSocket> sockets;
  std::set<std::uint64_t> inodes;
  const auto take = [&](const std::string& list) {
    for (const BoundSocket& socket : parse_bound_sockets(list, wanted.port)) {
      const bool conflicts = wanted.address.is_unspecified() || socket.address.is_unspecified() || socket.address == wanted.address;
      if (conflicts && inodes.insert(socket.inode).second) sockets.push_back(socket);
    }
  };
  for (const char* path : {"/proc/net/udp", "/proc/net/udp6"}) take(read_list(path));
  for (const char* path : {"/proc/net/tcp", "/proc/net/tcp6"}) take(listening_only(read_list(path)));
  const auto owners = owners_of(inodes);
  std::set<std::string> said;
  for (const BoundSocket& socket : sockets) {
    const auto owner = owners.find(socket.inode);
    const std::string who = owner != owners.end() ? owner->second : describe_user(socket.uid);
    if (said.size() < kOwnersShown) said.insert(who + " has " + Endpoint{socket.address, wanted.port}.to_string());
  }
  std::string out;
  for (const std::string& one : said) out += (out.empty() ? "" : ", ") + one;
  return out;
}

}  // namespace fairlead::dnsdhcp
