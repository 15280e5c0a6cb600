// fairlead: pure
#include "dnsdhcp/conntrackd_conf.h"

#include <algorithm>
#include <fmt/format.h>
#include <set>
#include <vector>

#include "config/derived_vips.h"

namespace fairlead::dnsdhcp {
namespace {

constexpr std::size_t kSocketBuffer = 1'249'280;      ///< Bytes; conntrackd's manual asks for more than the kernel's default.
constexpr std::size_t kNetlinkBuffer = 2'097'152;     ///< Bytes; doubled when events are lost,
constexpr std::size_t kNetlinkBufferMax = 8'388'608;  ///< up to this.
constexpr std::size_t kKernelFilterMax = 100;         ///< Addresses; libnetfilter_conntrack takes 127.
constexpr std::size_t kBuckets = 32'768;
constexpr std::size_t kEntriesMax = 2 * 262'144;  ///< Twice nf_conntrack_max of an ordinary machine.

const config::Node* node_named(const config::Cluster& cluster, const std::string& name) {
  const auto at = std::find_if(cluster.nodes.begin(), cluster.nodes.end(), [&](const config::Node& node) { return node.name == name; });
  return at == cluster.nodes.end() ? nullptr : &*at;
}

std::string version_of(const IpAddress& address) { return address.is_v4() ? "IPv4" : "IPv6"; }

bool is_letter(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'); }

/// conntrackd reads words: no blanks and nothing it takes for a sign of its own.
bool can_be_said(const std::string& path) {
  return path.starts_with('/') && path.size() <= kConntrackdPathMax && std::all_of(path.begin(), path.end(), [](char c) {
           return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '/' || c == '.' || c == '-' ||
                  c == '_';
         });
}

/// As conntrackd's own parser reads a name.
bool can_be_named(const std::string& device) {
  return !device.empty() && is_letter(device.front()) && std::all_of(device.begin(), device.end(), [](char c) {
    return is_letter(c) || (c >= '0' && c <= '9') || c == '.' || c == '-' || c == '_';
  });
}

class ConntrackdText {
 public:
  ConntrackdText(const config::Snapshot& snapshot, const MachineAddresses& machine, const config::Node& self)
      : snapshot_(snapshot), machine_(machine), self_(self) {}

  Result<std::string> render(const ConntrackdPaths& paths) {
    out_ = "# Written by fairleadd from router.sync of fairlead.yaml. Changes made here are lost.\n";
    if (auto synced = sync(); !synced) return synced.error();
    general(paths);
    return std::move(out_);
  }

 private:
  template <class... Args>
  void line(int depth, fmt::format_string<Args...> text, Args&&... args) {
    out_ += std::string(static_cast<std::size_t>(depth), '\t') + fmt::format(text, std::forward<Args>(args)...) + "\n";
  }

  Status sync() {
    const std::vector<config::Node>& nodes = snapshot_.cluster->nodes;
    const bool pair = nodes.size() == 2;
    line(0, "Sync {{");
    line(1, "Mode {} {{", pair ? "FTFW" : "NOTRACK");
    line(2, "DisableExternalCache yes");
    line(2, "StartupResync yes");
    line(1, "}}");
    for (std::size_t link = 0; link < std::min(self_.links.size(), kSyncChannelsMax); ++link) {
      const IpAddress& own = self_.links[link];
      const auto device = machine_.find(own);
      if (device == machine_.end())
        return Error{Errc::kNotFound, fmt::format("no device has {}, the address of this node's Corosync link {}", own.to_string(), link)};
      if (!can_be_named(device->second))
        return Error{Errc::kInvalidConfig,
                     fmt::format("conntrackd cannot take the device name '{}': a letter, then letters, digits, . - _", device->second)};
      line(1, "{}{} {{", pair ? "UDP" : "Multicast", link == 0 ? " Default" : "");
      if (pair) {
        const config::Node& other = &nodes[0] == &self_ ? nodes[1] : nodes[0];
        line(2, "{}_address {}", version_of(own), own.to_string());
        line(2, "{}_Destination_Address {}", version_of(own), other.links[link].to_string());
        line(2, "Port {}", kSyncPort + link);
      } else {
        multicast(own, link);
      }
      line(2, "Interface {}", device->second);
      line(2, "SndSocketBuffer {}", kSocketBuffer);
      line(2, "RcvSocketBuffer {}", kSocketBuffer);
      line(2, "Checksum on");
      line(1, "}}");
    }
    line(0, "}}");
    return {};
  }

  void multicast(const IpAddress& own, std::size_t link) {
    const std::uint16_t group = sync_group(snapshot_.cluster->name);
    if (own.is_v4()) {
      line(2, "IPv4_address 239.192.{}.{}", group >> 8, group & 0xff);
      line(2, "IPv4_interface {}", own.to_string());
    } else {
      line(2, "IPv6_address ff15::{:x}", group);
    }
    line(2, "Group {}", kSyncPort + link);
  }

  void general(const ConntrackdPaths& paths) {
    line(0, "General {{");
    line(1, "HashSize {}", kBuckets);
    line(1, "HashLimit {}", kEntriesMax);
    line(1, "LogFile off");
    line(1, "Syslog off");
    line(1, "LockFile {}", paths.lock);
    line(1, "UNIX {{");
    line(2, "Path {}", paths.socket);
    line(1, "}}");
    line(1, "NetlinkBufferSize {}", kNetlinkBuffer);
    line(1, "NetlinkBufferSizeMaxGrowth {}", kNetlinkBufferMax);
    // The kernel's filter knows only so many addresses, and spares the copy of every event of every proxied connection.
    const std::set<IpAddress> own = ignored();
    line(1, "Filter From {} {{", own.size() <= kKernelFilterMax ? "Kernelspace" : "Userspace");
    line(2, "Protocol Accept {{");
    for (const char* protocol : {"TCP", "UDP", "SCTP", "DCCP"}) line(3, "{}", protocol);
    line(2, "}}");
    line(2, "Address Ignore {{");
    line(3, "IPv4_address 127.0.0.0/8");
    line(3, "IPv6_address ::1");
    for (const IpAddress& address : own) line(3, "{}_address {}", version_of(address), address.to_string());
    line(2, "}}");
    // A connection that is being made is made again by its client.
    line(2, "State Accept {{");
    line(3, "ESTABLISHED CLOSED TIME_WAIT CLOSE_WAIT for TCP");
    line(2, "}}");
    line(1, "}}");
    line(0, "}}");
  }

  /// Y2
  [[nodiscard]] std::set<IpAddress> ignored() const {
    std::set<IpAddress> out;
    for (const config::Node& node : snapshot_.cluster->nodes) out.insert(node.links.begin(), node.links.end());
    for (const config::Vip& vip : snapshot_.vips) out.insert(vip.address.address);
    for (const config::Vip& vip : config::derived_vips(snapshot_)) out.insert(vip.address.address);
    for (const auto& [address, device] : machine_) {
      if (!address.is_loopback()) out.insert(address);
    }
    return out;
  }

  const config::Snapshot& snapshot_;
  const MachineAddresses& machine_;
  const config::Node& self_;
  std::string out_;
};

}  // namespace

/// FNV-1a, folded.
std::uint16_t sync_group(std::string_view cluster) {
  std::uint32_t hash = 2166136261U;
  for (const char c : cluster) hash = (hash ^ static_cast<std::uint8_t>(c)) * 16777619U;
  const auto folded = static_cast<std::uint16_t>(hash >> 16 ^ (hash & 0xffffU));
  return folded == 0 ? 1 : folded;
}

Result<std::string> render_conntrackd_conf(const config::Snapshot& snapshot, const MachineAddresses& machine,
                                           const ConntrackdPaths& paths) {
  for (const std::string* path : {&paths.lock, &paths.socket}) {
    if (!can_be_said(*path))
      return Error{Errc::kInvalidConfig,
                   fmt::format("conntrackd cannot take the path '{}': at most {} letters, digits, / . - _", *path, kConntrackdPathMax)};
  }
  const config::Node* self = snapshot.cluster ? node_named(*snapshot.cluster, snapshot.node) : nullptr;
  if (self == nullptr) return Error{Errc::kNotFound, "node '" + snapshot.node + "' is not in cluster.nodes"};
  return ConntrackdText(snapshot, machine, *self).render(paths);
}

}  // namespace fairlead::dnsdhcp
